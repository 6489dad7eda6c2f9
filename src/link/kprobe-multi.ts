// kprobe.multi, kretprobe.multi (5.18, CONFIG_FPROBE) and kprobe.session (6.10): many kernel functions by one link
// (kernel/trace/bpf_trace.c, bpf_kprobe_multi_link_attach). The target is a name, or a pattern with * and ?, of the
// functions that ftrace lists (available_filter_functions_addrs, 6.5; before it their names).
// They look at the options target or targets (names or patterns), and cookie or cookies.

import { BPF_F_KPROBE_MULTI_RETURN, EINVAL, EOPNOTSUPP, ESRCH } from "elf-loader/uapi";
import { closeHint } from "../host/close-names.ts";
import { kernelFunctionNames } from "../host/kernel-symbols.ts";
import { Tracefs } from "../host/tracefs.ts";
import type { Hook, LoadedProgram } from "../program/hook.ts";
import { linkCreate } from "../sys/bpf.ts";
import { addressOf, cString } from "../sys/libc.ts";
import type { Fields } from "../sys/struct.ts";
import { globPattern, isPattern } from "./glob.ts";
import { asLink } from "./link.ts";
import { cookiesOf, refuse, targetOf, unusable } from "./refuse.ts";

/** Functions that can be probed: addresses where the kernel lists them, else names. */
interface Places {
  readonly addresses?: bigint[];
  readonly names?: string[];
}

/** Lines of a list of tracefs that has the functions' names in a column; undefined where there is no such list. */
function list(tracefs: Tracefs, file: string): string[][] | undefined {
  const text = tracefs.readAll(file);
  return typeof text === "number"
    ? undefined
    : text
        .trim()
        .split("\n")
        .map((line) => line.split(" "));
}

function matching(program: LoadedProgram, place: string, patterns: readonly string[]): Places {
  const tracefs = Tracefs.find();
  if (!(tracefs instanceof Tracefs))
    throw unusable(program, place, "patterns need tracefs, which is not to be had", "give whole names");
  using files = tracefs;
  const wanted = patterns.map(globPattern);
  const matches = (name = "") => wanted.some((pattern) => pattern.test(name));
  const addresses = list(files, "available_filter_functions_addrs")
    ?.filter(([, name]) => matches(name))
    .map(([address]) => BigInt(`0x${address}`));
  const names = list(files, "available_filter_functions")?.flatMap(([name = ""]) => (matches(name) ? [name] : []));
  if (!addresses && !names)
    throw unusable(program, place, "the kernel was built without ftrace's list of functions", "attach by kprobe");
  const found = addresses ? { addresses } : { names: [...new Set(names)] };
  if ((found.addresses ?? found.names)?.length === 0) throw unusable(program, place, "no function matches");
  return found;
}

const places = (program: LoadedProgram, place: string, wanted: readonly string[]): Places =>
  wanted.some(isPattern) ? matching(program, place, wanted) : { names: [...wanted] };

/** What the kernel is given of the places; the strings must outlive the call. */
function placeFields({ addresses, names = [] }: Places, strings: readonly Uint8Array[]): Fields {
  if (addresses) return { "kprobe_multi.addrs": new BigUint64Array(addresses), "kprobe_multi.cnt": addresses.length };
  const pointers = new BigUint64Array(strings.map((string) => BigInt(addressOf(string))));
  return { "kprobe_multi.syms": pointers, "kprobe_multi.cnt": names.length };
}

function explain(result: number, wanted: readonly string[], since: string) {
  if (result === -EINVAL || result === -EOPNOTSUPP)
    return {
      unsupported: true,
      likely: `the kernel is older than ${since}, or was built without CONFIG_FPROBE`,
      action: "attach to one function by kprobe",
    };
  const [only = ""] = wanted;
  const hint = result === -ESRCH && wanted.length === 1 ? closeHint(only, kernelFunctionNames()) : "";
  return { likely: `one of the functions is not there or cannot be probed${hint}`, action: "give other names" };
}

function multiHook(name: string, flags: number, since: string): Hook {
  return {
    name,
    attach(program, options) {
      const wanted = options.targets ?? [targetOf(program, options, "a kernel function or a pattern")];
      const target = wanted.join(",");
      const found = places(program, `${name} ${target}`, wanted);
      const strings = (found.names ?? []).map(cString);
      const count = (found.addresses ?? found.names ?? []).length;
      const fd = linkCreate({
        prog_fd: program.fd.number,
        attach_type: program.spec.expectedAttachType,
        ...placeFields(found, strings),
        "kprobe_multi.cookies": cookiesOf(program, `${name} ${target}`, options, count),
        "kprobe_multi.flags": flags,
      });
      strings.length = 0; // looked at last here, so they were there until now
      if (fd >= 0) return asLink(fd, name, target);
      throw refuse(fd, program, `${name} ${target}`, "bpf(BPF_LINK_CREATE)", explain(fd, wanted, since));
    },
  };
}

export const kprobeMulti = multiHook("kprobe.multi", 0, "5.18");
export const kretprobeMulti = multiHook("kretprobe.multi", BPF_F_KPROBE_MULTI_RETURN, "5.18");
export const kprobeSession = multiHook("kprobe.session", 0, "6.10");
