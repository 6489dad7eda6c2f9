// hello-ebpf: eBPF from TypeScript. Start reading here.
//
// parseObject turns the bytes of an eBPF object into an ObjectSpec, plain data that may be edited; BpfObject.load
// takes it into the kernel; program.attach() lets it run; maps and readers give back what it found.

export {
  AttachError,
  BpfError,
  BpfRuntimeError,
  Btf,
  bytesToString,
  cHeader,
  compileDecoder,
  compileEncoder,
  compileRecordDecoder,
  type Decoder,
  isElf,
  isEscapedByte,
  type LinkedProgram,
  type MapSpec,
  Memory,
  ObjectError,
  type ObjectSpec,
  PermissionError,
  type ProgramSpec,
  parseBtf,
  parseObject,
  type ReadAt,
  type RecordDecoder,
  stringToBytes,
  UnsupportedError,
  VerifierError,
} from "elf-loader";
export { CAP_KILL, ECONNABORTED } from "elf-loader/uapi";
export { PerfBuffer, type PerfBufferOptions } from "./events/perf-buffer.ts";
export { PollerShare } from "./events/poller.ts";
export { EventReader } from "./events/reader.ts";
export { type RecordCallback, RecordReader } from "./events/record-reader.ts";
export { RingBuffer } from "./events/ring-buffer.ts";
export { TracePipe } from "./events/trace-pipe.ts";
export { UserRingBuffer } from "./events/user-ring-buffer.ts";
export { FEATURES, type Feature, probeReadKernel } from "./features/probes.ts";
export { capabilityNames, effectiveCapabilities } from "./host/capabilities.ts";
export { closeHint } from "./host/close-names.ts";
export { forbiddenByMode, SEARCH, WRITE } from "./host/file-mode.ts";
export { findInterface } from "./host/interfaces.ts";
export { kernelRelease } from "./host/kernel.ts";
export { errnoName, kernelError } from "./host/kernel-error.ts";
export { moduleBtf, moduleNames } from "./host/kernel-types.ts";
export { ownTgid } from "./host/own-tgid.ts";
export { dropPrivileges, type PrivilegesLeft } from "./host/privileges.ts";
export { type CodeAddress, symbolize } from "./host/symbolize.ts";
export {
  compatTaskMark,
  syscallArgumentOffsets,
  syscallNames,
  syscallNumber,
} from "./host/syscalls.ts";
export { type TaskLayout, taskLayout } from "./host/task-layout.ts";
export { vmlinuxBtf } from "./host/vmlinux-btf.ts";
export { BpfLink } from "./link/link.ts";
export * from "./map/public.ts";
export { BpfObject, type LoadOptions } from "./object.ts";
export type { Attachment, AttachOptions, LinkInfo } from "./program/hook.ts";
export { BpfProgram } from "./program/program.ts";
export type { TestRun, TestRunResult } from "./program/test-run.ts";
export { takeOrphans } from "./sys/children.ts";
export { exhaustedBy } from "./sys/exhausted.ts";
export { FolderLock } from "./sys/folder-lock.ts";
export { realtimeNanoseconds } from "./sys/libc.ts";
export { isHungUp, isWritable } from "./sys/poll.ts";
export { SocketPipe } from "./sys/socket-pipe.ts";
export { type SocketAddress, TcpSocket, wouldBlock } from "./sys/tcp.ts";
export * from "./syscall-hook.ts";
