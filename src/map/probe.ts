// Whether the running kernel has a map type: by making the least map of it.

import { BPF_MAP_TYPE_ARRAY, BTF_KIND_INT, BTF_MAGIC, BTF_VERSION, btf_header } from "elf-loader/uapi";
import { btfLoad, mapCreate } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { withMemlockRaised } from "../sys/memlock.ts";
import { encodeStruct } from "../sys/struct.ts";
import type { MapType } from "./type.ts";

const LEAST = { key_size: 4, value_size: 4, max_entries: 1 };

/** 0 where a map of the type can be made, else the negative errno. */
export function probeMapType(row: MapType): number {
  using helper =
    row.needs && new Fd(row.needs === "btf" ? loadIntBtf() : mapCreate({ map_type: BPF_MAP_TYPE_ARRAY, ...LEAST }));
  const extra = helper && (row.needs === "btf" ? typed(helper) : { inner_map_fd: helper.number });
  const fields = { map_type: row.type, ...LEAST, ...row.least, ...extra, ...row.leastHere?.() };
  const result = withMemlockRaised(() => mapCreate(fields));
  new Fd(result).close();
  return Math.min(0, result);
}

const INT_ID = 1;
const typed = (btf: Fd) => ({ btf_fd: btf.number, btf_key_type_id: INT_ID, btf_value_type_id: INT_ID });

/** BTF with one type, int (Documentation/bpf/btf.rst). */
function loadIntBtf(): number {
  const strings = new TextEncoder().encode("\0int\0");
  const SIGNED_32_BITS = (1 << 24) | 32;
  const types = new Uint8Array(new Uint32Array([1, BTF_KIND_INT << 24, 4, SIGNED_32_BITS]).buffer);
  const { bytes: header } = encodeStruct(btf_header, {
    magic: BTF_MAGIC,
    version: BTF_VERSION,
    hdr_len: btf_header.size,
    type_len: types.length,
    str_off: types.length,
    str_len: strings.length,
  });
  const btf = new Uint8Array([...header, ...types, ...strings]);
  return withMemlockRaised(() => btfLoad({ btf, btf_size: btf.length }));
}
