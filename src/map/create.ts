// Maps made by a definition, or found in the kernel by path or number.

import { type BpfError, BpfRuntimeError, type Btf, type MapSpec } from "elf-loader";
import { BPF_F_MMAPABLE, E2BIG, EINVAL, ENOENT, ENOMEM } from "elf-loader/uapi";
import { hasCapability } from "../host/capabilities.ts";
import { fdKind } from "../host/fd-info.ts";
import { kernelRelease } from "../host/kernel.ts";
import { kernelError } from "../host/kernel-error.ts";
import { openModuleBtf } from "../host/module-btf.ts";
import { btfById } from "../host/program-btf.ts";
import { mapCreate, mapFreeze, mapGetFdById, mapGetNextId, objGet } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { cString } from "../sys/libc.ts";
import { withMemlockRaised } from "../sys/memlock.ts";
import type { Fields } from "../sys/struct.ts";
import { BpfArray } from "./array.ts";
import { checkedWord, checkNumbers } from "./flags.ts";
import { mapType } from "./index.ts";
import { type BpfMap, type InnerMaps, type MapInfo, readMapInfo } from "./map.ts";
import { pinnedError } from "./pin-error.ts";
import { probeMapType } from "./probe.ts";
import type { MapType } from "./type.ts";

/** The object's BTF, in TypeScript and, where the kernel took it, in the kernel. */
export interface LoadedBtf {
  readonly types?: Btf | undefined;
  readonly fd?: Fd | undefined;
}

/** What a map must be told at the least; the rest is 0, as in a definition that does not say it. */
export type NewMap = Pick<MapSpec, "type"> & Partial<MapSpec>;

/**
 * Creates a map, with what the kernel takes its type only with where that is not said. Throws UnsupportedError where the
 * kernel has no such type, PermissionError or BpfRuntimeError.
 */
export const createMap = (wanted: NewMap, btf: LoadedBtf = {}): BpfMap => createAsDefined(completed(wanted), btf);

function completed(wanted: NewMap): MapSpec {
  const [spec, { only }] = [{ ...NOTHING, ...wanted }, mapType(wanted.type)];
  checkNumbers(spec);
  const { flags, innerMap } = spec;
  const maxEntries = only?.maxEntries?.(spec.maxEntries) ?? spec.maxEntries;
  const inner = innerMap && { innerMap: completed(innerMap) };
  return { ...spec, flags: (flags | (only?.flag ?? 0)) >>> 0, maxEntries, ...inner };
}

/**
 * Creates a map as an object defines it, with its content where it is a data section, frozen where it is read-only;
 * `besides`: capabilities that its programs will need. Throws as createMap() does.
 */
export function createAsDefined(defined: MapSpec, btf: LoadedBtf, besides: readonly string[] = []): BpfMap {
  checkNumbers(defined);
  const type = mapType(defined.type);
  const spec = type.adjust?.(defined, btf.types) ?? defined;
  using template = spec.innerMap && createAsDefined(spec.innerMap, btf);
  const number = create(spec, btf.fd?.number, template?.fd.number);
  if (number < 0) throw createError(number, spec, type, besides);
  const map = newMap(spec, number, btf);
  try {
    map.prepare();
    if (spec.contents && map instanceof BpfArray) fill(map, spec, spec.contents);
  } catch (error) {
    map.close();
    throw error;
  }
  return map;
}

const NOTHING: Omit<MapSpec, "type"> = {
  name: "",
  keySize: 0,
  valueSize: 0,
  maxEntries: 0,
  flags: 0,
  mapExtra: 0n,
  pinning: "none",
  keyTypeId: 0,
  valueTypeId: 0,
  frozen: false,
};

/** A descriptor as a map of the class of its type; closed where that fails. */
export function newMap(spec: MapSpec, number: number, btf: LoadedBtf): BpfMap {
  const fd = new Fd(number);
  const inner = spec.innerMap && innerMaps(spec.innerMap, btf);
  try {
    return new (mapType(spec.type).Map)(spec, fd, { btf: btf.types, inner, openMap: openMapById });
  } catch (error) {
    fd.close();
    inner?.close();
    throw error;
  }
}

/** The kernel's BTF is kept for maps to come, by a descriptor of their own: the object's is closed once it is loaded. */
function innerMaps(spec: MapSpec, { types, fd }: LoadedBtf): InnerMaps {
  const own = fd?.duplicate();
  const kept = typeof own === "number" ? undefined : own;
  return {
    create: (name = spec.name) => createAsDefined({ ...spec, name }, { types, fd: kept }),
    open: (id) => openById(id, (number) => newMap(spec, number, { types })),
    close: () => kept?.close(),
  };
}

function openById(id: number, open: (fd: number) => BpfMap): BpfMap | undefined {
  const fd = mapGetFdById(id);
  if (fd === -ENOENT) return undefined;
  if (fd < 0) throw openError(fd, id);
  return open(fd);
}

function create(spec: MapSpec, btfFd: number | undefined, innerFd: number | undefined): number {
  using valueBtf = spec.kernelValueModule === undefined ? undefined : openModuleBtf(spec.kernelValueModule);
  const fields = {
    map_type: spec.type,
    key_size: spec.keySize,
    value_size: spec.valueSize,
    max_entries: spec.maxEntries,
    map_flags: spec.flags,
    inner_map_fd: innerFd,
    numa_node: spec.numaNode,
    map_extra: spec.mapExtra,
    // A value of one of the kernel's own types; BTF of the object's must come with it.
    ...(spec.kernelValueTypeId ? { btf_vmlinux_value_type_id: spec.kernelValueTypeId, btf_fd: btfFd } : {}),
    value_type_btf_obj_fd: valueBtf?.number,
    map_name: cString(spec.name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, 15)),
  };
  const typed = { ...fields, btf_fd: btfFd, btf_key_type_id: spec.keyTypeId, btf_value_type_id: spec.valueTypeId };
  const describe = btfFd === undefined || spec.valueTypeId === 0 ? [] : [typed];
  let result = -EINVAL;
  for (const attempt of [...describe, fields, ...forOlderKernels(fields, spec)]) {
    result = withMemlockRaised(() => mapCreate(attempt));
    // Several map types take no BTF, and old kernels take less: the map matters more than its description.
    if (result >= 0 || (attempt !== typed && !LACKING.has(-result))) return result;
  }
  return result;
}

/** What a kernel answers that does not know a field or a flag. */
const LACKING: ReadonlySet<number> = new Set([EINVAL, E2BIG]);

/** Without what came later: names (4.15), data sections that user space may map (5.5). As libbpf does. */
function forOlderKernels(fields: Fields, spec: MapSpec): Fields[] {
  const unnamed = { ...fields, map_name: undefined };
  const mapable = spec.section !== undefined && (spec.flags & BPF_F_MMAPABLE) !== 0;
  return mapable ? [unnamed, { ...unnamed, map_flags: spec.flags & ~BPF_F_MMAPABLE }] : [unnamed];
}

/** Before any program is loaded: the verifier reads frozen maps as constants. */
function fill(map: BpfArray, spec: MapSpec, contents: Uint8Array): void {
  map.setBytes(0, contents);
  if (spec.frozen) mapFreeze(map.fd.number); // refused before 5.2: then it stays writable
}

const MISFIT = {
  likely: "the kernel takes no such sizes, flags or number of entries for this type",
  action: "look at the map's definition",
};
const UNSIZED = {
  likely: "its definition leaves the number of entries to the program that the object was made for",
  action: "say it in the definition, or set maxEntries before loading",
};

/** What a definition must say of such a map, where it does not. */
function lacking(spec: MapSpec, { name, only }: MapType) {
  const { flag = 0, maxEntries } = only ?? {};
  if (!only || ((spec.flags & flag) === flag && (maxEntries?.(spec.maxEntries) ?? spec.maxEntries) === spec.maxEntries))
    return undefined;
  return { likely: `the kernel takes ${name} only ${only.says}`, action: "say it in the map's definition" };
}

const takes = (type: MapType, flag: number): boolean =>
  probeMapType({ ...type, least: { ...type.least, map_flags: flag } }) >= 0;

function createError(result: number, spec: MapSpec, type: MapType, besides: readonly string[]): BpfError {
  const geometry = `${type.name}, key ${spec.keySize}, value ${spec.valueSize}, ${spec.maxEntries} entries`;
  // Who lacks this one is told at once of all that the programs will want.
  const later = hasCapability("CAP_BPF") ? [] : besides;
  const context = {
    doing: `create map ${spec.name} (${geometry})`,
    call: "bpf(BPF_MAP_CREATE)",
    subject: `map ${spec.name}`,
    needs: [...new Set(["CAP_BPF", ...(type.capability ? [type.capability] : []), ...later])],
  };
  const errno = -result;
  if (errno === EINVAL && probeMapType(type) < 0) {
    return kernelError(result, {
      ...context,
      unsupported: true,
      likely: type.since
        ? `${type.name} came with kernel ${type.since}, this is ${kernelRelease()}`
        : `this kernel (${kernelRelease()}) knows no map of ${type.name}`,
      action: "use another type of map, or a newer kernel",
    });
  }
  const laterFlag = errno === EINVAL && type.laterFlags?.find(({ flag }) => spec.flags & flag && !takes(type, flag));
  if (laterFlag) {
    const likely = `${laterFlag.means} came with kernel ${laterFlag.since}, this is ${kernelRelease()}`;
    return kernelError(result, { ...context, unsupported: true, likely, action: laterFlag.action });
  }
  if (errno === EINVAL) {
    const isUnsized = spec.maxEntries === 0 && type.least?.max_entries !== 0;
    return kernelError(result, { ...context, ...(lacking(spec, type) ?? (isUnsized ? UNSIZED : MISFIT)) });
  }
  if (errno === ENOMEM || errno === E2BIG) {
    return kernelError(result, {
      ...context,
      likely: "the map is larger than the memory it may have",
      action: "ask for a smaller one",
    });
  }
  return kernelError(result, context);
}

/**
 * Opens what is pinned at a path, as a map of the class of its type, its keys and values typed by its own BTF where the
 * kernel has it and tells it (CAP_SYS_ADMIN). `flags`: BPF_F_RDONLY or BPF_F_WRONLY. Throws where it is no map.
 */
export function openMap(path: string, flags = 0): BpfMap {
  const fd = objGet(path, checkedWord(flags));
  if (fd < 0) throw pinnedError(fd, "open a map", path, flags);
  const kind = fdKind(fd) ?? MAP;
  if (kind === MAP) return adoptMap(fd, path);
  new Fd(fd).close();
  const likely = `it is ${PINNED[kind] ?? kind}`;
  throw new BpfRuntimeError(`Cannot open a map at ${path}`, { subject: path, likely, action: "name a map" });
}

/** What else may be pinned, by the kernel's names; to BPF_OBJ_GET_INFO_BY_FD it would look like a map. */
const MAP = "bpf-map";
const PINNED: { readonly [kind: string]: string } = {
  "bpf-prog": "a program",
  "bpf-link": "a link",
  bpf_link: "a link",
};

/** Opens a map by the kernel's number (CAP_SYS_ADMIN); undefined where there is none. The caller closes it. */
export function openMapById(id: number): BpfMap | undefined {
  return openById(id, adoptMap);
}

/** The numbers of all maps of the kernel, in order (CAP_SYS_ADMIN). */
export function* mapIds(): Generator<number> {
  for (let id = 0; ; ) {
    const next = mapGetNextId(id);
    if (next === -ENOENT) return;
    if (next < 0) {
      const call = "bpf(BPF_MAP_GET_NEXT_ID)";
      throw kernelError(next, { doing: "list maps", call, subject: "maps", needs: ["CAP_SYS_ADMIN"] });
    }
    id = next;
    yield id;
  }
}

/** What the kernel knows of all its maps (CAP_SYS_ADMIN); one that goes meanwhile is left out. */
export function* mapInfos(): Generator<MapInfo> {
  for (const id of mapIds()) {
    const number = mapGetFdById(id);
    if (number < 0 && number !== -ENOENT) throw openError(number, id);
    using fd = new Fd(number);
    const info = readMapInfo(fd.number);
    if (typeof info !== "number") yield info;
  }
}

/** A descriptor of a map made elsewhere, owned from now on. */
function adoptMap(fd: number, subject = `descriptor ${fd}`): BpfMap {
  const info = readMapInfo(fd);
  if (typeof info === "number" || info.type === 0) {
    new Fd(fd).close();
    const result = typeof info === "number" ? info : -EINVAL;
    const call = "bpf(BPF_OBJ_GET_INFO_BY_FD)";
    throw kernelError(result, {
      doing: `open ${subject}`,
      call,
      subject,
      likely: "it is no map",
      action: "name a map",
    });
  }
  const [spec, types] = [specOf(info), btfOf(info)];
  return newMap(spec, fd, { types });
}

/** The definition that would make the same map. */
export function specOf(info: MapInfo): MapSpec {
  const { name, type, keySize, valueSize, maxEntries, flags, keyTypeId, valueTypeId, mapExtra } = info;
  const geometry = { name, type, keySize, valueSize, maxEntries, flags, keyTypeId, valueTypeId };
  return { ...NOTHING, ...geometry, mapExtra: BigInt(mapExtra) };
}

/** The map's own BTF; undefined where it has none or it is not told. */
function btfOf({ btfId }: MapInfo): Btf | undefined {
  const btf = btfId === 0 ? -ENOENT : btfById(btfId);
  return typeof btf === "number" ? undefined : btf;
}

function openError(result: number, id: number): BpfError {
  const context = { doing: `open map ${id}`, call: "bpf(BPF_MAP_GET_FD_BY_ID)", subject: `map ${id}` };
  return kernelError(result, { ...context, needs: ["CAP_SYS_ADMIN"] });
}
