// What every input goes through: all that the pure half does with an object.
import { compileDecoder, kernelBtf, linkProgram, ObjectError, type ObjectSpec, parseObject } from "elf-loader";

/** Runs a stage; an ObjectError that names where is an answer, anything else is thrown. Returns whether it was an answer. */
function stage(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (!(error instanceof ObjectError)) throw error;
    if (error.section === "" || !Number.isSafeInteger(error.offset) || error.offset < 0) throw error;
    if (error.message.includes("\n") || error.message.endsWith(".")) throw error;
    return false;
  }
}

/** @param decoders whether to compile a decoder of every struct too, the slowest stage */
export function runAll(bytes: Uint8Array, decoders: boolean): "parsed" | "refused" {
  let spec: ObjectSpec | undefined;
  stage(() => {
    spec = parseObject(bytes, "mutant");
  });
  if (!spec) return "refused";
  useSpec(spec, decoders);
  return "parsed";
}

function useSpec(spec: ObjectSpec, decoders: boolean): void {
  for (const program of spec.programs.keys()) stage(() => linkProgram(spec, program, () => 3));
  stage(() => kernelBtf(spec));
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
