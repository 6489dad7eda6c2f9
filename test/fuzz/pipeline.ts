// What every input goes through: all that the pure half does with an object.
import {
  Btf,
  cHeader,
  compileDecoder,
  type KernelAnswers,
  kernelBtf,
  linkProgram,
  ObjectError,
  type ObjectSpec,
  parseObject,
  relocate,
  resolveSymbols,
} from "elf-loader";

/** Runs a stage; an ObjectError that names where is an answer, anything else is thrown. Returns whether it was an answer. */
function stage(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (!(error instanceof ObjectError)) throw error;
    if (error.section === "" || !Number.isSafeInteger(error.offset) || error.offset < 0) throw error;
    if (error.message.includes("\n")) throw error;
    return false;
  }
}

/** Types that stand for a kernel's. */
export const kernelOf = (btf: Btf) => ({ vmlinux: () => btf, modules: () => [] });

/**
 * @param decoders whether to compile a decoder of every struct too, the slowest stage
 * @param kernel types to relocate against
 */
export function runAll(bytes: Uint8Array, decoders: boolean, kernel = Btf.empty()): "parsed" | "refused" {
  let spec: ObjectSpec | undefined;
  stage(() => {
    spec = parseObject(bytes, "mutant");
  });
  if (!spec) return "refused";
  useSpec(spec, decoders, kernel);
  return "parsed";
}

/** A kernel's types, whole: read, printed, and an object relocated and linked against them. */
export function runKernel(bytes: Uint8Array, spec: ObjectSpec): "parsed" | "refused" {
  const btf = readKernel(bytes);
  if (btf) relocateAll(spec, btf);
  if (btf) print(btf);
  return btf ? "parsed" : "refused";
}

/** The same, but for the printing, which takes seconds of a real kernel's. */
export function runRelocation(bytes: Uint8Array, spec: ObjectSpec): "parsed" | "refused" {
  const btf = readKernel(bytes);
  if (btf) relocateAll(spec, btf);
  return btf ? "parsed" : "refused";
}

function readKernel(bytes: Uint8Array): Btf | undefined {
  let btf: Btf | undefined;
  stage(() => {
    btf = Btf.parse(bytes, "vmlinux");
  });
  return btf;
}

function print(btf: Btf): void {
  stage(() => {
    for (const text of cHeader(btf)) if (text.length > btf.byteSize * 64 + 4096) throw new Error("endless text");
  });
}

function relocateAll(spec: ObjectSpec, kernel: Btf): void {
  let answers: KernelAnswers = {};
  stage(() => {
    answers = { core: relocate(spec, kernelOf(kernel)), symbols: new Map() };
  });
  for (const program of spec.programs.keys()) stage(() => linkProgram(spec, program, () => 3, answers));
  stage(() => resolveSymbols(spec, kernelOf(kernel)));
}

function useSpec(spec: ObjectSpec, decoders: boolean, kernel: Btf): void {
  relocateAll(spec, kernel);
  stage(() => kernelBtf(spec));
  if (decoders) stage(() => kernelBtf(spec, () => false));
  if (decoders && spec.btf) print(spec.btf);
  for (const name of spec.globals.names()) {
    stage(() => {
      spec.globals.get(name);
    });
    stage(() => spec.globals.set(name, 1));
  }
  const btf = spec.btf;
  if (!btf || !decoders) return;
  for (let id = 1; id < btf.typeCount; id++) {
    stage(() => {
      if (btf.kind(id) === "struct") compileDecoder(btf, id);
      else btf.type(id);
    });
  }
}
