// Where in a file a probe of user space goes: `path:function`, `path:function@VERSION`, `path:function+offset` or
// `path:0xoffset`, the path of an executable or library, or its bare name.

import { type Executable, functionOffsets, ObjectError } from "elf-loader";
import { closeHint } from "../host/close-names.ts";
import { findExecutable, readExecutable } from "../host/executable-file.ts";
import type { LoadedProgram } from "../program/hook.ts";
import { globPattern, isPattern } from "./glob.ts";
import { splitOffset } from "./kprobe.ts";
import { unusable } from "./refuse.ts";

/** A file, and what follows the `:` that its path ends with. */
export interface UserTarget {
  readonly path: string;
  readonly what: string;
}

/** Splits a target and finds its file; throws where it has no `:` or there is no such file. `hook`: for the message. */
export function userTarget(program: LoadedProgram, hook: string, target: string): UserTarget {
  const place = `${hook} ${target}`;
  const [, name, what] = /^([^:]+):(.+)$/.exec(target) ?? [];
  if (!name || !what) throw unusable(program, place, "expected PATH:FUNCTION");
  const path = findExecutable(name);
  if (path === undefined) throw unusable(program, place, `there is no file ${name}`, "give its whole path");
  return { path, what };
}

/** The file as an executable; throws an AttachError where it is none. */
export function executableOf(program: LoadedProgram, place: string, path: string): Executable {
  try {
    return readExecutable(path);
  } catch (error) {
    const why = error instanceof ObjectError ? error.message.replace(/^Cannot use \S+: /, "it is ") : String(error);
    throw unusable(program, place, why);
  }
}

const hex = (offset: number): string => `0x${offset.toString(16)}`;

/** The one place in the file; throws where there is none, or where there are several, with a list of them. */
export function fileOffset(program: LoadedProgram, hook: string, { path, what }: UserTarget): number {
  if (/^0x[0-9a-f]+$/i.test(what)) return Number(what);
  const place = `${hook} ${path}:${what}`;
  const executable = executableOf(program, place, path);
  const { symbol, offset } = splitOffset(what);
  const [only, ...others] = functionOffsets(executable, symbol);
  if (only === undefined) {
    const names = [...executable.functions()].map(({ name }) => name);
    const hint = names.length === 0 ? ", whose symbols were stripped" : closeHint(symbol, new Set(names));
    throw unusable(program, place, `${path} has no function ${symbol}${hint}`, "give the offset in the file: PATH:0x…");
  }
  if (others.length > 0) {
    const list = [only, ...others].map(hex).join(", ");
    const why = `${others.length + 1} functions are called ${symbol}, at ${list}`;
    throw unusable(program, place, why, "attach to one of these offsets instead of the name: PATH:0x…");
  }
  return only + offset;
}

/** The places of all functions that match; throws where none does. */
export function matchingOffsets(program: LoadedProgram, hook: string, target: UserTarget): number[] {
  const { path, what } = target;
  if (!isPattern(what)) return [fileOffset(program, hook, target)];
  const place = `${hook} ${path}:${what}`;
  const pattern = globPattern(what);
  const found = new Set<number>();
  for (const { name, offset } of executableOf(program, place, path).functions())
    if (pattern.test(name)) found.add(offset);
  if (found.size === 0) throw unusable(program, place, `${path} has no function that matches`);
  return [...found];
}
