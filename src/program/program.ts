// BpfProgram: a program the verifier has accepted.

import { AttachError, type Btf, type LinkedProgram, type ProgramSpec } from "elf-loader";
import { bpf_prog_info } from "elf-loader/uapi";
import type { BpfMap } from "../map/map.ts";
import { objGetInfoByFd, progLoad } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { cString } from "../sys/libc.ts";
import { withMemlockRaised } from "../sys/memlock.ts";
import { type Fields, readField } from "../sys/struct.ts";
import { FALLBACKS, type RefusedProgram } from "./fallbacks.ts";
import type { Attachment, AttachOptions, Hook, LoadedProgram } from "./hook.ts";
import { loadError } from "./load-error.ts";
import { type TestRun, type TestRunResult, testRun } from "./test-run.ts";
import { verifierLog } from "./verifier-log.ts";

const NAME_LENGTH = 15; // BPF_OBJ_NAME_LEN without the NUL

export interface LoadOptions {
  /** Descriptor of the object's BTF in the kernel, for line numbers in the verifier's log. */
  readonly btfFd?: number | undefined;
  /** That BTF itself, to change it for kernels that do not know all of it. */
  readonly types?: Btf | undefined;
  /** Descriptors of modules' BTF that its calls of kernel functions count from. */
  readonly fdArray?: Int32Array | undefined;
  readonly hook?: Hook | undefined;
  /** The object's maps, for hooks that write to them. */
  readonly maps?: ReadonlyMap<string, BpfMap>;
  /** Called with the verifier's whole log where it took the program. */
  readonly onLog?: ((program: string, log: string) => void) | undefined;
}

/** A loaded program. Closing it gives back its descriptor; attached, it lives on until its attachment is closed. */
export class BpfProgram implements LoadedProgram, Disposable {
  readonly name: string;
  readonly spec: ProgramSpec;
  readonly fd: Fd;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly #hook: Hook | undefined;

  private constructor(spec: ProgramSpec, fd: Fd, { hook, maps = new Map() }: LoadOptions) {
    this.name = spec.name;
    this.spec = spec;
    this.fd = fd;
    this.maps = maps;
    this.#hook = hook;
  }

  /** Gives the instructions to the verifier. Throws VerifierError with its log, PermissionError or UnsupportedError. */
  static load(spec: ProgramSpec, linked: LinkedProgram, options: LoadOptions = {}): BpfProgram {
    const target = options.hook?.loadTarget?.(spec);
    try {
      return BpfProgram.#load(spec, linked, options, target?.fields);
    } finally {
      for (const fd of target?.owned ?? []) fd.close();
    }
  }

  static #load(spec: ProgramSpec, linked: LinkedProgram, options: LoadOptions, target: Fields = {}): BpfProgram {
    const fields = { ...loadFields(spec, linked, options), ...target };
    const result = withMemlockRaised(() => progLoad(fields));
    const fd = result < 0 ? fallBack(result, linked, { spec, fields, types: options.types }) : result;
    const program = new BpfProgram(spec, new Fd(fd), options);
    options.onLog?.(spec.name, verifierLog(fields, true));
    return program;
  }

  /**
   * Attaches to what its section names, or to another target, or as the options say; what a target is, each hook says.
   * Throws AttachError, PermissionError, UnsupportedError.
   */
  attach(how: string | AttachOptions = {}): Attachment {
    const options = typeof how === "string" ? { target: how } : how;
    if (!this.#hook)
      throw new AttachError(`Cannot attach program ${this.name}: section ${this.spec.section} has no hook`, {
        subject: `program ${this.name}`,
        likely: "it is put into a map, set to a route or a device, or run by hand (testRun)",
      });
    return this.#hook.attach(this, { ...options, target: options.target ?? this.spec.target });
  }

  /** Runs it in this task, on the packet or with the context given; `repeat` times, for measuring. */
  testRun(how: Uint8Array | TestRun = {}, repeat = 1): TestRunResult {
    return testRun(this, how instanceof Uint8Array ? { data: how, repeat } : how);
  }

  /**
   * How often the kernel passed the program over (5.12; 0 before): where it was already running on that CPU, and a
   * kprobe's also where another one's or a map operation of bpf() is under way there (6.7), which kernels that preempt let
   * happen (bpf_prog_active, kernel/trace/bpf_trace.c).
   */
  recursionMisses(): number {
    const info = new Uint8Array(bpf_prog_info.size);
    return objGetInfoByFd(this.fd.number, info) < 0 ? 0 : readField(bpf_prog_info, info, "recursion_misses");
  }

  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The descriptor of what an older kernel takes instead. Throws the error of the last that the verifier looked at. */
function fallBack(first: number, linked: LinkedProgram, program: Omit<RefusedProgram, "log" | "own">): number {
  using owned = new DisposableStack();
  const own = (fd: Fd) => owned.use(fd);
  let refused: RefusedProgram = { ...program, own, log: verifierLog(program.fields) };
  let result = first;
  for (const next of FALLBACKS) {
    const fields = next(refused);
    if (!fields) continue;
    const again = progLoad(fields);
    if (again >= 0) return again;
    const log = verifierLog(fields);
    if (log === "") continue;
    refused = { ...refused, fields, log };
    result = again;
  }
  throw loadError(result, program.spec, linked, refused.log);
}

function loadFields(spec: ProgramSpec, linked: LinkedProgram, options: LoadOptions): Fields {
  return {
    prog_type: spec.type,
    insn_cnt: linked.insnCount,
    insns: linked.insns,
    license: cString(linked.license),
    prog_flags: spec.flags,
    prog_name: cString(spec.name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, NAME_LENGTH)),
    expected_attach_type: spec.expectedAttachType,
    fd_array: options.fdArray,
    ...(options.btfFd === undefined ? {} : debugInfo(linked, options.btfFd)),
  };
}

function debugInfo(linked: LinkedProgram, btfFd: number): Fields {
  const { funcInfo, lineInfo } = linked;
  return {
    prog_btf_fd: btfFd,
    func_info_rec_size: funcInfo?.recordSize,
    func_info: funcInfo?.bytes,
    func_info_cnt: funcInfo?.count,
    line_info_rec_size: lineInfo?.recordSize,
    line_info: lineInfo?.bytes,
    line_info_cnt: lineInfo?.count,
  };
}
