// The filters of --mode config: struct hello_filters of bpf/hello_config.bpf.c, the one entry of a pinned map, written by
// the run that starts and by any later `hello-ebpf config`.

import { readFileSync } from "node:fs";
import configObject from "../../build/bpf/hello_config.bpf.o" with { type: "file" };
import { BpfHashMap, compileDecoder, compileEncoder, FolderLock, openMap, parseObject } from "../index.ts";
import { EXIT, StatusError } from "./exit-status.ts";

export { configObject };

/** The map's name, in the object and below the folder where it is pinned. */
export const FILTERS = "hello_filters";
export const DEFAULT_PIN_FOLDER = "/sys/fs/bpf";

/** What may be asked for; what is missing is no filter. */
export interface Filters {
  readonly uid?: number | undefined;
  readonly comm?: string | undefined;
}

interface Entry {
  readonly filter_uid: boolean;
  readonly filter_comm: boolean;
  readonly uid: number;
  readonly comm: string;
}

export type FilterMap = BpfHashMap<number, Entry>;

export const hasFilters = ({ uid, comm }: Filters): boolean => uid !== undefined || comm !== undefined;

export function writeFilters(map: FilterMap, { uid, comm }: Filters): void {
  map.set(0, {
    filter_uid: uid !== undefined,
    filter_comm: comm !== undefined,
    uid: uid ?? 0,
    comm: comm ?? "",
  });
}

export function readFilters(map: FilterMap): Filters {
  const entry = map.get(0);
  return { ...(entry?.filter_uid ? { uid: entry.uid } : {}), ...(entry?.filter_comm ? { comm: entry.comm } : {}) };
}

/** In words: `uid 1000, comm sh`. */
export function describeFilters({ uid, comm }: Filters): string {
  const parts = [uid === undefined ? "" : `uid ${uid}`, comm === undefined ? "" : `comm ${comm}`];
  return parts.filter(Boolean).join(", ") || "every call";
}

/** The pinned map. Throws where nothing is pinned there, or something else. */
export function openFilters(path: string): FilterMap {
  const map = openMap(path);
  const codecs = filterCodecs();
  const { keySize, valueSize } = map.spec;
  const fits = map.name === FILTERS && keySize === codecs.key.size && valueSize === codecs.value.size;
  if (fits && map instanceof BpfHashMap) return map.withCodecs(codecs) as FilterMap;
  map.close();
  const what = `Cannot use ${path}: it is no map of --mode config; remove it, or say where by --pin`;
  throw new StatusError(what, EXIT.failed);
}

/** Whether a --mode config runs on the folder; as far as that can be told without reading the folder it is so. */
export function isUsed(folder: string): boolean {
  using lock = FolderLock.open(folder);
  return lock?.isShared ?? true;
}

/** What the entry is in JavaScript: by the object's BTF, as the kernel tells a map's own only to CAP_SYS_ADMIN. */
function filterCodecs() {
  const spec = parseObject(readFileSync(configObject), "hello_config");
  const definition = spec.maps.get(FILTERS);
  if (!spec.btf || !definition) throw new Error(`hello_config has no typed map ${FILTERS}`);
  const { btf } = spec;
  const codec = (typeId: number, size: number) => ({
    size,
    decode: compileDecoder(btf, typeId),
    encode: compileEncoder(btf, typeId),
  });
  return {
    key: codec(definition.keyTypeId, definition.keySize),
    value: codec(definition.valueTypeId, definition.valueSize),
  };
}
