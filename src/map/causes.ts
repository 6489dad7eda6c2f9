// What an errno of a map's operations mostly means: kernel/bpf/syscall.c and the map types beside it.

import { E2BIG, EBUSY, EEXIST, EINVAL, ENOENT, ENOSPC, ENOTSUPP, EOPNOTSUPP } from "elf-loader/uapi";

/** What to say of an errno. */
export interface Cause {
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
    likely: "the map is full, or has no such index: they are whole numbers below max_entries",
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

/** Of a map's own descriptor. */
export const CLOSED: Cause = { likely: "it is closed", action: "close it after its last use" };

/** Of a descriptor that the map was given (EBADF), where its type says nothing else. */
export const NO_SUCH_DESCRIPTOR: Cause = {
  likely: "the descriptor that it was given is closed, or of another kind than the map takes",
  action: "use one that is open, of what the map is for",
};
export const NO_CGROUP: Cause = {
  likely: "what it was given is no folder of a cgroup v2 file system",
  action: "use one of those (mostly below /sys/fs/cgroup)",
};
export const NO_INODE_STORAGE: Cause = {
  likely: "bpf is none of the security modules that run (/sys/kernel/security/lsm), or the descriptor is closed",
  action: "start the kernel with bpf in lsm=",
};

/** `doing`: "read", "write". */
export const causeOf = (result: number, doing: string): Cause | undefined =>
  OF_OPERATION[doing]?.[-result] ?? CAUSES[-result];
