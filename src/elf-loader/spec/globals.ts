/** Global variables by name before load: they are bytes of the data maps, typed by the object's BTF. */
import { type Btf, describe } from "../btf/btf.ts";
import { compileDecoder } from "../btf/decoder.ts";
import { compileWriter, writeBits } from "../btf/encoder.ts";
import { fieldsOf } from "../btf/value.ts";
import { Memory } from "../bytes/memory.ts";
import { ObjectError } from "../errors.ts";
import { BPF_MAP_TYPE_ARENA } from "../uapi/bpf.ts";
import { ARENA_DATA } from "./data-maps.ts";
import type { MapSpec } from "./types.ts";

/** A variable's place; `type` is the BTF id of its type. */
interface Variable {
  /** The map that has its bytes. */
  readonly map: string;
  readonly section: string;
  readonly offset: number;
  readonly type: number;
}

/** A variable, or a member of one: `bits` where it is a bit-field. */
interface Place extends Variable {
  readonly bits?: { readonly bitOffset: number; readonly bitSize: number } | undefined;
}

export class Globals {
  readonly #maps: ReadonlyMap<string, MapSpec>;
  readonly #btf: Btf | undefined;
  readonly #variables: ReadonlyMap<string, Variable>;
  /** Variables that were set. */
  readonly #chosen: Set<string>;

  /**
   * @param maps the maps of the object, by name; variables are read from and written to their `contents`
   * @param copied those of the object that this one is a copy of
   */
  constructor(maps: ReadonlyMap<string, MapSpec>, btf: Btf | undefined, copied?: Globals) {
    this.#maps = maps;
    this.#btf = btf;
    this.#chosen = new Set(copied ? copied.#chosen : []);
    this.#variables = btf ? collect(maps, btf) : new Map();
  }

  /** Names of all variables that BTF describes; of two static ones of the same name only the first counts. */
  names(): string[] {
    return [...this.#variables.keys()];
  }

  has(name: string): boolean {
    return this.#variables.has(name);
  }

  /** Whether set() has given the variable a value: such a variable of `.kconfig` keeps it, whatever the kernel's is. */
  isSet(name: string): boolean {
    return this.#chosen.has(name);
  }

  /**
   * The value of a variable, or of a part of one by a path: `config.uid`, `table[2].name`.
   *
   * @throws ObjectError when there is no such variable or member
   */
  get(path: string): unknown {
    const { btf, place, contents } = this.#locate(path);
    if (!place.bits) {
      const bytes = contents.subarray(place.offset, place.offset + btf.sizeOf(place.type));
      return compileDecoder(btf, place.type)(Memory.from(bytes), 0);
    }
    // A bit-field is decoded with the whole struct around it.
    const cut = Math.max(path.lastIndexOf("."), path.lastIndexOf("["));
    return (this.get(path.slice(0, cut)) as { [member: string]: unknown })[path.slice(cut + 1)];
  }

  /**
   * Sets a variable, or a part of one: number, bigint, boolean, an enum's name, text for a char array, arrays and objects
   * by the type. Members that an object leaves out keep their value.
   *
   * @throws ObjectError when there is no such variable or the value does not fit its type; then nothing is changed
   */
  set(path: string, value: unknown): void {
    const { btf, place, contents } = this.#locate(path);
    const bytes = contents.slice();
    const target = { bytes, section: place.section };
    if (place.bits) writeBits(btf, { name: path, type: place.type, ...place.bits }, target, place.offset, value, path);
    else compileWriter(btf, place.type)(target, place.offset, value, path);
    contents.set(bytes);
    this.#chosen.add(variableOf(path));
  }

  #locate(path: string): { btf: Btf; place: Place; contents: Uint8Array } {
    const [name, steps] = [variableOf(path), path.split(/[.[]/).slice(1)];
    const variable = this.#variables.get(name);
    const btf = this.#btf;
    if (!variable || !btf) throw new ObjectError(`Cannot find global variable ${name}`, ".BTF", 0);
    const place = steps.reduce((at, step) => member(btf, at, step, path), variable as Place);
    const contents = this.#maps.get(place.map)?.contents ?? new Uint8Array();
    const size = place.bits ? 0 : btf.sizeOf(place.type);
    if (place.offset + size > contents.length) {
      throw new ObjectError(`Cannot use ${path}: it lies beyond ${place.section}`, place.section, place.offset);
    }
    return { btf, place, contents };
  }
}

/** The first of a path: `config.uid`, `table[2].name`. */
const variableOf = (path: string): string => path.replace(/[.[].*$/s, "");

function collect(maps: ReadonlyMap<string, MapSpec>, btf: Btf): Map<string, Variable> {
  const found = new Map<string, Variable>();
  for (const [map, spec] of maps) {
    const [section, datasec] = sectionOf(spec, btf);
    const type = section === undefined ? undefined : btf.type(datasec);
    if (section === undefined || type?.kind !== "datasec") continue;
    for (const { type: id, offset } of type.vars) {
      const variable = btf.type(id);
      if (variable.kind !== "var" || found.has(variable.name)) continue;
      found.set(variable.name, { map, section, offset, type: variable.type });
    }
  }
  return found;
}

/** The section of variables that a map has, and its type; an arena has one besides what its programs put there. */
function sectionOf({ type, section, valueTypeId, contents }: MapSpec, btf: Btf): [string | undefined, number] {
  const inArena = type === BPF_MAP_TYPE_ARENA && contents !== undefined;
  return inArena ? [ARENA_DATA, btf.section(ARENA_DATA)] : [section, valueTypeId];
}

/** One step of a path: a member's name, or an index with its closing bracket. */
function member(btf: Btf, at: Place, step: string, path: string): Place {
  const id = btf.resolve(at.type);
  const type = btf.type(id);
  const fail = (why: string) => new ObjectError(`Cannot find ${path}: ${why}`, at.section, at.offset);
  if (step.endsWith("]")) {
    const index = Number(step.slice(0, -1));
    if (type.kind !== "array") throw fail(`${describe(type)} is no array`);
    if (!Number.isInteger(index) || index < 0 || index >= type.length) throw fail(`it has ${type.length} elements`);
    return { ...at, offset: at.offset + index * btf.sizeOf(type.type), type: type.type };
  }
  if (type.kind !== "struct" && type.kind !== "union") throw fail(`${describe(type)} has no members`);
  const field = fieldsOf(btf, id, type).find(({ name }) => name === step);
  if (!field) throw fail(`${describe(type)} has no member ${step}`);
  if (field.bitSize > 0) return { ...at, type: field.type, bits: field };
  return { ...at, offset: at.offset + field.bitOffset / 8, type: field.type };
}
