// Why a program was not loaded, in one line: the verifier's last word, or what the errno says.

import {
  type BpfError,
  type LinkedProgram,
  type ProgramSpec,
  SECTION_ROWS,
  type SourceLine,
  UnsupportedError,
  VerifierError,
} from "elf-loader";
import { BPF_PROG_TYPE_UNSPEC, EACCES, EINVAL, EPERM } from "elf-loader/uapi";
import { hasKernelCapability } from "../host/capabilities.ts";
import { closeHint } from "../host/close-names.ts";
import { kernelRelease } from "../host/kernel.ts";
import { errnoName, kernelError } from "../host/kernel-error.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { nameUnresolved, sentence } from "./unresolved.ts";
import { explainVerdict } from "./verdicts.ts";

const SECTION_NAMES = SECTION_ROWS.map(({ name }) => name);

/** The part of a section that a row's name could be: of `kprob/vfs_read` the first word, of `cgroup/conect4` both. */
function sectionName(section: string): string {
  const [first = "", second] = section.split("/", 2);
  return second !== undefined && SECTION_NAMES.some((name) => name.startsWith(`${first}/`))
    ? `${first}/${second}`
    : first;
}

const CALL = "bpf(BPF_PROG_LOAD)";

export function loadError(result: number, spec: ProgramSpec, linked: LinkedProgram, rawLog: string): BpfError {
  const { log, reached } = nameUnresolved(rawLog, linked);
  const subject = `program ${spec.name}`;
  const errno = errnoName(result);
  if (spec.type === BPF_PROG_TYPE_UNSPEC) {
    const known = `${JSON.stringify(spec.section)} is of no known type${closeHint(sectionName(spec.section), SECTION_NAMES)}`;
    return new UnsupportedError(`Cannot load program ${spec.name}: section ${known}`, { subject });
  }
  if (reached) {
    return new VerifierError(`Cannot load program ${spec.name}: it needs the ${sentence(reached)}`, {
      call: CALL,
      errno,
      subject,
      likely: "the program was written for a kernel that has it",
      action: "guard it with bpf_core_field_exists(), bpf_ksym_exists() or the like, or run it on such a kernel",
      log,
    });
  }
  const verdict = words(log).at(-1)?.trim();
  if (verdict && WANTS_PERFMON.test(verdict) && !hasKernelCapability("CAP_PERFMON"))
    return kernelError(result, { doing: `load program ${spec.name}`, call: CALL, subject, needs: ["CAP_PERFMON"] });
  // EACCES with a log is the verifier's verdict, not a missing permission.
  if (verdict && result !== -EPERM) {
    const meaning = explainVerdict(words(log).join("\n"), log) ?? {
      likely: "the verifier of this kernel refuses the program",
      action: "read the verifier's log (-v)",
    };
    const line = refusedLine(log, linked);
    const likely = line ? `${line.where} (${line.text}): ${meaning.likely}` : meaning.likely;
    return new VerifierError(`Cannot load program ${spec.name}: ${CALL} gave ${errno}: ${verdict}`, {
      call: CALL,
      errno,
      subject,
      ...meaning,
      likely,
      log,
    });
  }
  const refused = { doing: `load program ${spec.name}`, call: CALL, subject, needs: capabilitiesOf(spec.type) };
  if (result === -EINVAL) {
    const likely = `kernel ${kernelRelease()} has no such program type or attach type, or was built without it`;
    return kernelError(result, { ...refused, unsupported: true, likely, action: "use another hook or kernel" });
  }
  return kernelError(result === -EACCES ? -EPERM : result, refused);
}

/** What the verifier forbids only to who could not read the kernel's memory anyway (allow_ptr_leaks in kernel/bpf/verifier.c). */
const WANTS_PERFMON =
  /pointer -= pointer prohibited|pointer comparison prohibited|32-bit pointer arithmetic prohibited|leaks addr|corrupt spilled|prohibited for !root/;

/** The source line of the last instruction that the verifier looked at. */
function refusedLine(log: string, linked: LinkedProgram): SourceLine | undefined {
  const [, index] = [...log.matchAll(/^(\d+): \(/gm)].at(-1) ?? [];
  return index === undefined ? undefined : linked.sourceAt(Number(index));
}

/** What the verifier says besides the program itself, its states and its statistics: the last lines. */
function words(log: string): string[] {
  return log
    .split("\n")
    .map((line) => line.replace(RUN_ON, ""))
    .filter((line) => line.trim() !== "" && !ASIDE.test(line))
    .slice(-LAST_WORDS);
}

const ASIDE = /^(?:;|processed|verification time|stack depth|(?:cur|old) state:)/;
/** Some verdicts have no end of line (`expected prog array map for tail call`), and the statistics follow at once. */
const RUN_ON = /processed \d+ insns \(limit .*$/;
/** A verdict may be followed by a few lines of hints. */
const LAST_WORDS = 4;
