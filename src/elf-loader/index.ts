/**
 * Package "elf-loader": the bytes of an eBPF object to linked bytecode, without a look at the running system.
 * Start with parseObject; everything it gives may be edited before linkProgram.
 */
export { assemble, type Insn } from "./asm/assemble.ts";
export { CALL, Instructions } from "./asm/instructions.ts";
export { Btf } from "./btf/btf.ts";
export { cHeader } from "./btf/c/header.ts";
export { compileDecoder, type Decoder, type DecoderOptions } from "./btf/decoder.ts";
export { DOWNGRADES, type Downgrade, downgradeBtf, sampleOf } from "./btf/downgrades.ts";
export { compileEncoder } from "./btf/encoder.ts";
export { fromJson, isText } from "./btf/json.ts";
export { compileRecordDecoder, type RecordDecoder } from "./btf/record.ts";
export type * from "./btf/types.ts";
export { fieldsOf } from "./btf/value.ts";
export { Memory } from "./bytes/memory.ts";
export { bytesToString, cString, escapedByte, isEscapedByte, stringToBytes } from "./bytes/text.ts";
export { type CoreResolutions, relocate } from "./core/relocate.ts";
export type { CoreTargets } from "./core/targets.ts";
export { Executable, type FunctionSymbol, functionOffsets } from "./elf/executable.ts";
export type { ReadAt } from "./elf/find-section.ts";
export { UnknownArgument, USDT_SPEC_SIZE, type UsdtMarker, usdtMarkers, usdtSpec } from "./elf/usdt.ts";
export * from "./errors.ts";
export { withContextTypes } from "./linker/context-types.ts";
export { kernelBtf } from "./linker/kernel-btf.ts";
export { type KernelAnswers, linkProgram, type SymbolAnswer } from "./linker/link-program.ts";
export { resolveSymbols, type TypedSymbol } from "./linker/symbols.ts";
export { ARENA_DATA, kernelMapName } from "./spec/data-maps.ts";
export { type ExternSpec, KCONFIG, KSYMS } from "./spec/externs.ts";
export type { Globals } from "./spec/globals.ts";
export { KconfigWriter } from "./spec/kconfig.ts";
export { FUNCTION_SINCE } from "./spec/kernel-functions.ts";
export { ObjectSpec } from "./spec/object-spec.ts";
export { isElf, parseBtf } from "./spec/parse-btf.ts";
export { parseObject } from "./spec/parse-object.ts";
export { ProgramSpec } from "./spec/program-spec.ts";
export { findSectionRow, SECTION_ROWS, type SectionRow } from "./spec/sections.ts";
export { chooseMembers } from "./spec/struct-ops.ts";
export type { ExtInfo, LinkedProgram, MapSlot, MapSpec, SourceLine, Unresolved } from "./spec/types.ts";
