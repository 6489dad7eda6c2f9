// BTF into the kernel (BPF_BTF_LOAD, 4.18), without what an older one does not know.

import { type Btf, downgradeBtf } from "elf-loader";
import { knowsBtf } from "../features/btf.ts";
import { btfLoad } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { withMemlockRaised } from "../sys/memlock.ts";

/** undefined where there is none, or the kernel refuses it all the same. */
export function loadBtf(btf: Btf | undefined): Fd | undefined {
  return btf && (tryBtf(btf) ?? tryBtf(downgradeBtf(btf, knowsBtf)));
}

function tryBtf(btf: Btf): Fd | undefined {
  const bytes = btf.encode();
  const fd = withMemlockRaised(() => btfLoad({ btf: bytes, btf_size: bytes.byteLength }));
  return fd < 0 ? undefined : new Fd(fd);
}
