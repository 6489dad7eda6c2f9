// What an errno of a map's operations mostly means: kernel/bpf/syscall.c and the map types beside it.

import { E2BIG, EBUSY, EEXIST, EINVAL, ENOENT, ENOSPC, ENOTSUPP, EOPNOTSUPP } from "elf-loader/uapi";

interface Cause {
  readonly likely: string;
  readonly action: string;
  readonly unsupported?: boolean;
}

const NOT_OF_THIS_TYPE: Cause = {
  likely: "maps of this type cannot do that from user space on this kernel",
  action: "use what its type has",
  unsupported: true,
};

const CAUSES: { readonly [errno: number]: Cause } = {
  [E2BIG]: {
    likely: "the map is full, or the index lies beyond its end",
    action: "delete entries or ask for a larger map (max_entries)",
  },
  [ENOSPC]: {
    likely: "the map is full, or its values are too small for what is asked",
    action: "delete entries or ask for a larger map (max_entries)",
  },
  [EEXIST]: { likely: "the key is there already (BPF_NOEXIST)", action: "write it with BPF_ANY" },
  [ENOENT]: { likely: "the key is not there (BPF_EXIST)", action: "write it with BPF_ANY" },
  [EINVAL]: {
    likely: "maps of this type do not take such flags, keys or values, or cannot do that",
    action: "use what its type has",
  },
  [EBUSY]: { likely: "the kernel is using that entry at this moment", action: "try again" },
  [ENOTSUPP]: NOT_OF_THIS_TYPE,
  [EOPNOTSUPP]: NOT_OF_THIS_TYPE,
};

/** Where an errno means something else to one operation. */
const OF_OPERATION: { readonly [doing: string]: { readonly [errno: number]: Cause } } = {
  read: {
    [ENOSPC]: {
      likely: "its values have 4 bytes, and what is asked, such as a socket's cookie, has 8",
      action: "make the map with values of 8 bytes",
      unsupported: true,
    },
  },
  freeze: {
    [EBUSY]: {
      likely: "somebody has it mapped into memory for writing, or is writing it at this moment",
      action: "close the mapping, or freeze it before",
    },
  },
};

/** `doing`: "read", "write". */
export const causeOf = (result: number, doing: string): Cause | undefined =>
  OF_OPERATION[doing]?.[-result] ?? CAUSES[-result];
