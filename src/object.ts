// BpfObject: an object in the kernel. The conductor: it runs the stages in order and owns what they make.

import {
  BpfRuntimeError,
  type Btf,
  type CoreResolutions,
  compileDecoder,
  type Decoder,
  kernelBtf,
  kernelMapName,
  linkProgram,
  ObjectError,
  type ObjectSpec,
  relocate,
} from "elf-loader";
import { PerfBuffer, type PerfBufferOptions } from "./events/perf-buffer.ts";
import { RingBuffer } from "./events/ring-buffer.ts";
import { kernelTypes } from "./host/kernel-types.ts";
import { hookOf } from "./link/index.ts";
import { createMap, type LoadedBtf } from "./map/index.ts";
import type { BpfMap } from "./map/map.ts";
import { BpfPerfEventArray } from "./map/perf-event-array.ts";
import { BpfProgram } from "./program/program.ts";
import { btfLoad } from "./sys/bpf.ts";
import { Fd } from "./sys/fd.ts";
import { withMemlockRaised } from "./sys/memlock.ts";

export interface LoadOptions {
  /** Types to relocate against instead of the running kernel's. */
  readonly btf?: Btf | undefined;
}

/** An object's maps and programs, loaded. Closing it closes them; what is attached stays until its link is closed. */
export class BpfObject implements Disposable {
  readonly spec: ObjectSpec;
  readonly maps = new Map<string, BpfMap>();
  readonly programs = new Map<string, BpfProgram>();

  private constructor(spec: ObjectSpec) {
    this.spec = spec;
  }

  /**
   * Creates every map, fills and freezes the data sections, and gives each program that autoloads to the verifier.
   * CO-RE relocations are answered from the kernel's types first; an object without any does not need them.
   * Throws ObjectError, VerifierError, PermissionError or UnsupportedError; then nothing is left behind.
   */
  static load(spec: ObjectSpec, options: LoadOptions = {}): BpfObject {
    if (spec.byteOrder !== "little") {
      throw new ObjectError(
        `Cannot load object ${spec.name}: it is big-endian, this machine is little-endian`,
        "ELF header",
        5,
      );
    }
    const core = relocate(spec, kernelTypes(options.btf));
    const object = new BpfObject(spec);
    using btf = loadBtf(spec);
    try {
      object.#createMaps({ types: spec.btf, fd: btf?.number });
      object.#loadPrograms(btf?.number, core);
    } catch (error) {
      object.close();
      throw error;
    }
    return object;
  }

  #createMaps(btf: LoadedBtf): void {
    for (const [name, map] of this.spec.maps) {
      const created = createMap({ ...map, name: kernelMapName(this.spec, map) }, btf);
      this.maps.set(name, created);
    }
  }

  #loadPrograms(btfFd: number | undefined, core: CoreResolutions): void {
    for (const [name, program] of this.spec.programs) {
      if (!program.autoload) continue;
      const linked = linkProgram(this.spec, name, (map) => this.map(map).fd.number, { core });
      this.programs.set(name, BpfProgram.load(program, linked, { btfFd, hook: hookOf(program.hook) }));
    }
  }

  /** Throws where the object has no such map. */
  map(name: string): BpfMap {
    return this.#find(this.maps, "map", name);
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
    const map = this.map(name);
    if (!(map instanceof BpfPerfEventArray))
      throw new BpfRuntimeError(`Cannot read map ${name} as a perf buffer: it is none`);
    const { decode, size } = this.#record<T>(struct);
    return new PerfBuffer<T>(map, decode, size, options);
  }

  #record<T>(struct: string | undefined): { decode: Decoder<T>; size: number } {
    if (struct === undefined) return { decode: () => undefined as T, size: 0 };
    const btf = this.spec.btf;
    const id = btf?.findByName(struct, "struct") ?? 0;
    if (!btf || id === 0)
      throw new ObjectError(`Cannot decode records: the object's BTF has no struct ${struct}`, ".BTF", 0);
    return { decode: compileDecoder<T>(btf, id), size: btf.sizeOf(id) };
  }

  close(): void {
    for (const program of this.programs.values()) program.close();
    for (const map of this.maps.values()) map.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The object's BTF in the kernel; undefined where it has none or the kernel refuses it, which loses only names and lines. */
function loadBtf(spec: ObjectSpec): Fd | undefined {
  const bytes = kernelBtf(spec);
  if (!bytes) return undefined;
  const fd = withMemlockRaised(() => btfLoad({ btf: bytes, btf_size: bytes.byteLength }));
  return fd < 0 ? undefined : new Fd(fd);
}
