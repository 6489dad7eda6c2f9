/** An object before it is loaded: plain data to look at and to edit. */
import type { Btf } from "../btf/btf.ts";
import type { ExternSpec } from "./externs.ts";
import { Globals } from "./globals.ts";
import type { ObjectImage } from "./image.ts";
import type { ProgramSpec } from "./program-spec.ts";
import type { MapSpec } from "./types.ts";

interface Parts {
  readonly name: string;
  readonly license: string;
  readonly kernelVersion: number | undefined;
  readonly maps: Map<string, MapSpec>;
  readonly programs: Map<string, ProgramSpec>;
  readonly externs: ReadonlyMap<string, ExternSpec>;
  readonly btf: Btf | undefined;
  readonly warnings: readonly string[];
  readonly image: ObjectImage;
  /** Of an object that this one is a copy of. */
  readonly globals?: Globals;
}

export class ObjectSpec {
  /** What the object was called when parsed: the front of the names of its data maps in the kernel. */
  name: string;
  /** Byte order of the object; loading needs the machine's own, "little". */
  readonly byteOrder: "little" | "big";
  /** The text of section `license`, empty when there is none. */
  license: string;
  /** The number in section `version`, which kernels before 5.0 wanted of kprobes. */
  kernelVersion: number | undefined;
  /** By name; data sections by the name of the section. */
  readonly maps: Map<string, MapSpec>;
  /** Programs by the name of their function, in the order of the object. */
  readonly programs: Map<string, ProgramSpec>;
  /** What it leaves to the kernel, by name. */
  readonly externs: ReadonlyMap<string, ExternSpec>;
  /** Global variables, read from and written to `contents` of the data maps. */
  readonly globals: Globals;
  /** BTF of the object, its section sizes and variable offsets filled in. */
  readonly btf: Btf | undefined;
  /** What its author should change, one line each. */
  readonly warnings: readonly string[];
  /** For the linker. */
  readonly image: ObjectImage;

  constructor(parts: Parts) {
    this.name = parts.name;
    this.byteOrder = parts.image.elf.littleEndian ? "little" : "big";
    this.license = parts.license;
    this.kernelVersion = parts.kernelVersion;
    this.maps = parts.maps;
    this.programs = parts.programs;
    this.externs = parts.externs;
    this.btf = parts.btf;
    this.warnings = parts.warnings;
    this.image = parts.image;
    this.globals = new Globals(parts.maps, parts.btf, parts.globals);
  }

  /** A copy whose maps, programs and globals may be edited independently; the bytes of the object are shared. */
  copy(): ObjectSpec {
    const maps = new Map([...this.maps].map(([name, map]) => [name, copyMap(map)]));
    const programs = new Map([...this.programs].map(([name, program]) => [name, program.copy()]));
    return new ObjectSpec({ ...this, maps, programs });
  }
}

function copyMap(map: MapSpec): MapSpec {
  return { ...map, contents: map.contents?.slice(), innerMap: map.innerMap && copyMap(map.innerMap) };
}
