// The maps of an object: made new, or found where somebody else keeps them, under the name or in the hand of the caller.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { BpfRuntimeError, type MapSpec } from "elf-loader";
import { EEXIST } from "elf-loader/uapi";
import { closeHint } from "../host/close-names.ts";
import { objPin } from "../sys/bpf.ts";
import { createAsDefined, type LoadedBtf, newMap, openMap } from "./create.ts";
import { mapType } from "./index.ts";
import type { BpfMap, MapInfo } from "./map.ts";
import { pinError } from "./pin-error.ts";

export interface MapOptions {
  /** The folder, of a bpffs, of maps that the object pins by name (LIBBPF_PIN_BY_NAME); default: /sys/fs/bpf. */
  readonly pinPath?: string | undefined;
  /**
   * Maps to use instead of new ones, by their name in the object, which must have one of each name. They stay the caller's
   * to close.
   */
  readonly reuse?: { readonly [name: string]: BpfMap } | undefined;
}

/** A map of an object, and the path where it was pinned just now. */
export interface LoadedMap {
  readonly map: BpfMap;
  readonly pinned?: string | undefined;
}

const PIN_PATH = "/sys/fs/bpf";

/** Throws where a map is given that the object has no place for: it would quietly get a new one. */
export function checkReuse(object: string, maps: ReadonlyMap<string, MapSpec>, { reuse = {} }: MapOptions): void {
  for (const name of Object.keys(reuse)) {
    if (maps.has(name)) continue;
    const message = `Cannot use the map given as ${name}: object ${object} has no map ${name}${closeHint(name, maps.keys())}`;
    throw new BpfRuntimeError(message, { subject: name, action: "name one of its maps" });
  }
}

/**
 * `name`: in the object; `spec.name` is the kernel's; `besides`: capabilities that its programs need. Throws BpfError, with
 * nothing left behind.
 */
export function loadMap(
  name: string,
  spec: MapSpec,
  btf: LoadedBtf,
  options: MapOptions,
  besides: readonly string[],
): LoadedMap {
  const given = options.reuse?.[name];
  if (given) return { map: reuse(given, spec, btf, "the map given") };
  if (spec.pinning === "none") return { map: createAsDefined(spec, btf, besides) };
  const path = join(options.pinPath ?? PIN_PATH, name);
  if (existsSync(path)) return { map: openPinned(path, spec, btf) };
  const map = createAsDefined(spec, btf, besides);
  const result = objPin(map.fd.number, path);
  if (result >= 0) return { map, pinned: path };
  map.close();
  // Somebody else was first between the look and the call.
  if (result === -EEXIST) return { map: openPinned(path, spec, btf) };
  throw pinError(result, `pin map ${name}`, path);
}

function openPinned(path: string, spec: MapSpec, btf: LoadedBtf): BpfMap {
  using pinned = openMap(path);
  return reuse(pinned, spec, btf, path);
}

/** The same map under a descriptor of its own, its keys and values typed by the object that uses it. */
function reuse(map: BpfMap, wanted: MapSpec, btf: LoadedBtf, where: string): BpfMap {
  const type = mapType(wanted.type);
  const spec = type.adjust?.(wanted, btf.types) ?? wanted;
  const differences = compare(map.info(), spec, type.addedFlags ?? 0);
  if (differences.length > 0) {
    const details = { subject: `map ${spec.name}`, likely: `it differs: ${differences.join(", ")}` };
    const action = "remove it, or load an object that defines the map as it is";
    throw new BpfRuntimeError(`Cannot use ${where} as map ${spec.name}`, { ...details, action });
  }
  const fd = map.fd.duplicate();
  if (typeof fd === "number") throw new BpfRuntimeError(`Cannot use ${where} as map ${spec.name}: it is closed`);
  return newMap(spec, fd.number, btf);
}

/** What makes it another map, as bpf_map__reuse_fd and its check in libbpf have it. */
function compare(info: MapInfo, spec: MapSpec, addedFlags: number): string[] {
  const pairs = [
    ["type", info.type, spec.type],
    ["key size", info.keySize, spec.keySize],
    ["value size", info.valueSize, spec.valueSize],
    ["entries", info.maxEntries, spec.maxEntries],
    ["flags", info.flags & ~addedFlags, spec.flags & ~addedFlags],
    ["extra", info.mapExtra, Number(spec.mapExtra)],
  ] as const;
  return pairs.filter(([, is, wanted]) => is !== wanted).map(([what, is, wanted]) => `${what} ${is}, not ${wanted}`);
}

/**
 * Puts what the definition initialises slots with into them: maps once all are there, programs once they are loaded.
 * `fdOf`: the descriptor of a map or program by its name, undefined where it is not there (yet).
 */
export function fillSlots(map: BpfMap, fdOf: (name: string) => number | undefined): void {
  for (const { index, name } of map.spec.slots ?? []) {
    const fd = fdOf(name);
    if (fd === undefined) continue;
    const result = map.setSlot(index, fd);
    if (result < 0) throw map.slotError(result, index, name);
  }
}
