// BpfObject: an object in the kernel. The conductor: it runs the stages in order and owns what they make.

import { rmSync } from "node:fs";
import {
  BpfRuntimeError,
  type Btf,
  chooseMembers,
  compileEncoder,
  compileRecordDecoder,
  KCONFIG,
  type KernelAnswers,
  kernelMapName,
  type LinkedProgram,
  linkProgram,
  ObjectError,
  type ObjectSpec,
  type RecordDecoder,
  relocate,
} from "elf-loader";
import { PerfBuffer, type PerfBufferOptions } from "./events/perf-buffer.ts";
import { RingBuffer } from "./events/ring-buffer.ts";
import { UserRingBuffer } from "./events/user-ring-buffer.ts";
import { knowsTags } from "./features/btf.ts";
import { kernelTypes } from "./host/kernel-types.ts";
import { hookOf } from "./link/index.ts";
import { attachStructOps } from "./link/struct-ops.ts";
import { arenaDataOffset } from "./map/arena.ts";
import type { LoadedBtf } from "./map/create.ts";
import { mapType } from "./map/index.ts";
import { checkReuse, fillSlots, loadMap, type MapOptions } from "./map/load-maps.ts";
import { BpfMap } from "./map/map.ts";
import { BpfPerfEventArray } from "./map/perf-event-array.ts";
import { BpfStructOps } from "./map/struct-ops.ts";
import { BpfUserRingBufferMap } from "./map/user-ring-buffer.ts";
import { loadBtf } from "./program/btf.ts";
import { capabilitiesOf } from "./program/capabilities.ts";
import { KernelExterns } from "./program/externs.ts";
import type { Attachment } from "./program/hook.ts";
import { BpfProgram, type LoadOptions as ProgramOptions } from "./program/program.ts";
import { progBindMap } from "./sys/bpf.ts";

/** Its sections, with what may follow the name. */
const RODATA = ".rodata";

/** What of loading is not the object's own to say. */
export interface LoadOptions extends MapOptions {
  /** Types to relocate against instead of the running kernel's. */
  readonly btf?: Btf | undefined;
  /** Called with the verifier's whole log of each program that was loaded; asking for it costs a second run of the verifier. */
  readonly onLog?: ((program: string, log: string) => void) | undefined;
  /** Called with each program as the verifier is about to get it: its instructions relocated, its subprograms behind it. */
  readonly onLinked?: ((program: string, linked: LinkedProgram) => void) | undefined;
}

/** A program or a map of an object, and how it is attached. */
export interface Attachable {
  readonly kind: "program" | "map";
  readonly name: string;
  attach(): Attachment;
}

/** An object's maps and programs, loaded. Closing it closes them; what is attached stays until its link is closed. */
export class BpfObject implements Disposable {
  readonly spec: ObjectSpec;
  readonly maps = new Map<string, BpfMap>();
  readonly programs = new Map<string, BpfProgram>();

  /** Where maps were pinned by this load. */
  readonly #pinned: string[] = [];

  private constructor(spec: ObjectSpec) {
    this.spec = spec;
  }

  /**
   * Creates every map, or finds it where it is pinned or given, fills and freezes the data sections, and gives each
   * program that autoloads to the verifier. CO-RE relocations are answered from the kernel's types first;
   * an object without any does not need them. Throws ObjectError, VerifierError, PermissionError or UnsupportedError; then nothing is left behind.
   */
  static load(spec: ObjectSpec, options: LoadOptions = {}): BpfObject {
    if (spec.byteOrder !== "little") {
      throw new ObjectError(
        `Cannot load object ${spec.name}: it is big-endian, this machine is little-endian`,
        "ELF header",
        5,
      );
    }
    checkReuse(spec.name, spec.maps, options);
    chooseMembers(spec.maps.values(), spec.programs);
    const core = relocate(spec, kernelTypes(options.btf));
    using externs = new KernelExterns(spec, kernelTypes());
    const object = new BpfObject(spec);
    using btf = loadBtf(spec.btf);
    try {
      object.#loadMaps({ types: spec.btf, fd: btf }, externs, options);
      object.#loadPrograms(
        { core, symbols: externs.symbols, knowsTags, arenaData: object.#arenaData() },
        {
          btfFd: btf?.number,
          types: spec.btf,
          fdArray: externs.fdArray,
          onLog: options.onLog,
        },
        options.onLinked,
      );
      object.#fillSlots(object.programs);
    } catch (error) {
      for (const path of object.#pinned) rmSync(path, { force: true });
      object.close();
      throw error;
    }
    return object;
  }

  #loadMaps(btf: LoadedBtf, externs: KernelExterns, options: LoadOptions): void {
    const loaded = [...this.spec.programs.values()].filter(({ autoload }) => autoload);
    const besides = loaded.flatMap(({ type }) => capabilitiesOf(type));
    for (const [name, spec] of this.spec.maps) {
      if (spec.autocreate === false) continue;
      const contents = name === KCONFIG ? externs.kconfig : spec.contents;
      const named = { ...spec, contents, name: kernelMapName(this.spec, spec) };
      const { map, pinned } = loadMap(name, named, btf, options, besides);
      this.maps.set(name, map);
      if (pinned) this.#pinned.push(pinned);
    }
    this.#fillSlots(this.maps);
  }

  #arenaData(): number {
    const arena = this.spec.maps.get(this.spec.image.arena?.map ?? "");
    return arena ? arenaDataOffset(arena) : 0;
  }

  #fillSlots(from: ReadonlyMap<string, BpfMap | BpfProgram>): void {
    for (const map of this.maps.values()) fillSlots(map, (slot) => from.get(slot)?.fd.number);
  }

  #loadPrograms(answers: KernelAnswers, options: ProgramOptions, onLinked: LoadOptions["onLinked"]): void {
    for (const [name, program] of this.spec.programs) {
      if (!program.autoload) continue;
      const linked = linkProgram(this.spec, name, (map) => this.maps.get(map)?.fd.number, answers);
      onLinked?.(name, linked);
      const loaded = BpfProgram.load(program, linked, { ...options, hook: hookOf(program.hook), maps: this.maps });
      this.programs.set(name, loaded);
      this.#bindConstants(loaded);
    }
  }

  /** Read-only data is what `bpftool prog` shows of a program's origin (metadata); where the kernel refuses, it runs without. */
  #bindConstants(program: BpfProgram): void {
    for (const map of this.maps.values())
      if (map.spec.section?.startsWith(RODATA)) progBindMap(program.fd.number, map.fd.number);
  }

  /** The map, of the class of its type, `expected` where one is named. Throws where the object has no such map. */
  map(name: string): BpfMap;
  map<T extends BpfMap>(name: string, expected: abstract new (...args: never[]) => T): T;
  map(name: string, expected: abstract new (...args: never[]) => BpfMap = BpfMap): BpfMap {
    const map = this.#find(this.maps, "map", name);
    if ((map as object) instanceof expected) return map;
    const type = mapType(map.spec.type).name;
    throw new BpfRuntimeError(`Cannot use map ${name} of object ${this.spec.name} so: it is of type ${type}`, {
      subject: name,
    });
  }

  /**
   * All that is attached to attach the object: each program by its section, and as a whole each struct of functions, whose
   * programs are no use by themselves.
   */
  attachables(): Attachable[] {
    const programs = [...this.programs.values()].filter(({ spec }) => spec.structOps === undefined);
    const structs = [...this.maps].filter(([, map]) => map instanceof BpfStructOps);
    return [
      ...programs.map((program) => ({ kind: "program" as const, name: program.name, attach: () => program.attach() })),
      ...structs.map(([name]) => ({ kind: "map" as const, name, attach: () => this.attachMap(name) })),
    ];
  }

  /** Lets the kernel call a struct of functions, a variable of .struct_ops or .struct_ops.link, from now on. */
  attachMap(name: string): Attachment {
    return attachStructOps(this.map(name, BpfStructOps));
  }

  /** Throws where the object has no such program, or it was not loaded. */
  program(name: string): BpfProgram {
    return this.#find(this.programs, "program", name);
  }

  #find<T>(things: ReadonlyMap<string, T>, kind: string, name: string): T {
    const found = things.get(name);
    if (found) return found;
    const names = [...things.keys()].join(", ") || "none";
    throw new BpfRuntimeError(`Cannot find ${kind} ${name} in object ${this.spec.name}: it has ${names}`, {
      subject: name,
    });
  }

  /** Reads a RINGBUF map; each record is a `struct` of the object's BTF, or bytes where none is named. */
  ringBuffer<T = unknown>(name: string, struct?: string): RingBuffer<T> {
    const { decode, size } = this.#record<T>(struct);
    return new RingBuffer<T>(this.map(name), decode, size);
  }

  /** Reads a PERF_EVENT_ARRAY map; each record is a `struct` of the object's BTF. */
  perfBuffer<T = unknown>(name: string, struct: string, options?: PerfBufferOptions): PerfBuffer<T> {
    const { decode, size } = this.#record<T>(struct);
    return new PerfBuffer<T>(this.map(name, BpfPerfEventArray), decode, size, options);
  }

  /** Writes a USER_RINGBUF map (6.1); each record is a `struct` of the object's BTF, or bytes where none is named. */
  userRingBuffer<T = Uint8Array>(name: string, struct?: string): UserRingBuffer<T> {
    const encode = struct === undefined ? (value: unknown) => value as Uint8Array : this.#encoder(struct);
    return new UserRingBuffer<T>(this.map(name, BpfUserRingBufferMap), encode);
  }

  #encoder(struct: string): (value: unknown) => Uint8Array {
    const { btf, id } = this.#struct(struct);
    return compileEncoder(btf, id);
  }

  #struct(name: string): { btf: Btf; id: number } {
    const btf = this.spec.btf;
    const id = btf?.findByName(name, "struct") ?? 0;
    if (btf && id !== 0) return { btf, id };
    throw new ObjectError(`Cannot use records: the object's BTF has no struct ${name}`, ".BTF", 0);
  }

  #record<T>(struct: string | undefined): { decode: RecordDecoder<T>; size: number } {
    if (struct === undefined) return { decode: () => undefined as T, size: 0 };
    const { btf, id } = this.#struct(struct);
    return { decode: compileRecordDecoder<T>(btf, id), size: btf.sizeOf(id) };
  }

  close(): void {
    for (const program of this.programs.values()) program.close();
    for (const map of this.maps.values()) map.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
