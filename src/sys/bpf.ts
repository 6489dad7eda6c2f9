// bpf(2): one function a command, under the kernel's names (include/uapi/linux/bpf.h, union bpf_attr).
//
// Each answers >= 0 (often a new descriptor, O_CLOEXEC as the kernel makes them) or -errno. Fields are given by
// their names in the header; what is left out is zero. attr_size ends after the last field that is not zero, so
// that a kernel older than a field still takes the call.

import {
  BPF_BTF_GET_FD_BY_ID,
  BPF_BTF_GET_NEXT_ID,
  BPF_BTF_LOAD,
  BPF_LINK_CREATE,
  BPF_MAP_CREATE,
  BPF_MAP_DELETE_ELEM,
  BPF_MAP_FREEZE,
  BPF_MAP_GET_FD_BY_ID,
  BPF_MAP_GET_NEXT_ID,
  BPF_MAP_GET_NEXT_KEY,
  BPF_MAP_LOOKUP_AND_DELETE_ELEM,
  BPF_MAP_LOOKUP_ELEM,
  BPF_MAP_UPDATE_ELEM,
  BPF_OBJ_GET,
  BPF_OBJ_GET_INFO_BY_FD,
  BPF_OBJ_PIN,
  BPF_PROG_BIND_MAP,
  BPF_PROG_GET_FD_BY_ID,
  BPF_PROG_GET_NEXT_ID,
  BPF_PROG_LOAD,
  BPF_PROG_TEST_RUN,
  BPF_RAW_TRACEPOINT_OPEN,
  bpf_attr_batch,
  bpf_attr_btf_load,
  bpf_attr_get_id,
  bpf_attr_info,
  bpf_attr_link_create,
  bpf_attr_map_create,
  bpf_attr_map_elem,
  bpf_attr_obj,
  bpf_attr_prog_bind_map,
  bpf_attr_prog_load,
  bpf_attr_raw_tracepoint,
  bpf_attr_test,
  EAGAIN,
  type Layout,
} from "elf-loader/uapi";
import { type Address, addressOf, cString, PAGE_SIZE, syscall } from "./libc.ts";
import { encodeStruct, type Fields, readField } from "./struct.ts";
import { SYSCALL_NUMBERS } from "./syscall-numbers.ts";

const NR_BPF = SYSCALL_NUMBERS.get("bpf") ?? -1;

/** Any command with any attribute: what the functions below and those of links.ts are made of. */
export function bpf(command: number, layout: Layout, fields: Fields): number {
  const { bytes, size } = encodeStruct(layout, fields);
  const result = syscall(NR_BPF, command, bytes, size);
  keepAlive(fields);
  return result;
}

const alive: { fields: Fields | undefined } = { fields: undefined };
/** The attribute holds addresses of the fields' arrays: they must outlive the call. */
function keepAlive(fields: Fields): void {
  alive.fields = fields;
  alive.fields = undefined;
}

/**
 * The answer to a command with an attribute larger than a page: -E2BIG before anybody else is asked, a security module
 * included, unless something before the kernel refuses bpf() itself, or that command. From 5.19 to 6.4 those that make maps
 * and programs are refused first to who lacks CAP_BPF.
 */
export const probeOversize = (command: number = BPF_MAP_LOOKUP_ELEM): number =>
  syscall(NR_BPF, command, 0, PAGE_SIZE + 1);

/** A new map's descriptor. Before 5.11 it counts against RLIMIT_MEMLOCK. */
export const mapCreate = (fields: Fields): number => bpf(BPF_MAP_CREATE, bpf_attr_map_create, fields);

/** Copies the value of a key into `value`; 0, or -ENOENT. */
export const mapLookupElem = (fd: number, key: Address, value: Address, flags = 0): number =>
  element(BPF_MAP_LOOKUP_ELEM, fd, key, value, flags);
/** 0, or -EEXIST, -ENOENT (by flags), -E2BIG (full). */
export const mapUpdateElem = (fd: number, key: Address, value: Address, flags = 0): number =>
  element(BPF_MAP_UPDATE_ELEM, fd, key, value, flags);
export const mapDeleteElem = (fd: number, key: Address): number => element(BPF_MAP_DELETE_ELEM, fd, key, 0, 0);
/** The key after `key` (0: the first) into `next`; 0, or -ENOENT at the end. */
export const mapGetNextKey = (fd: number, key: Address, next: Address): number =>
  element(BPF_MAP_GET_NEXT_KEY, fd, key, next, 0);
/** Copies the value and deletes the key; 0, -ENOENT, or -ENOTSUPP where the type cannot (queues 4.20, hash maps 5.14). */
export const mapLookupAndDeleteElem = (fd: number, key: Address, value: Address, flags = 0): number =>
  element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, flags);
/** From now on user space cannot write the map (5.2). */
export const mapFreeze = (fd: number): number => bpf(BPF_MAP_FREEZE, bpf_attr_map_elem, { map_fd: fd });

/** The attribute of the calls that are made for every key: one, laid out anew each time, as nothing keeps it. */
const ELEMENT = new Uint32Array(bpf_attr_map_elem.size / 4);
const word = (field: string) => (bpf_attr_map_elem.fields[field]?.[0] ?? 0) / 4;
const [MAP_FD, KEY, VALUE, FLAGS] = [word("map_fd"), word("key"), word("value"), word("flags")];

/** What the attribute has addresses of, until the next call. */
const pointed: { key: Address; value: Address } = { key: 0, value: 0 };

function element(command: number, fd: number, key: Address, value: Address, flags: number): number {
  pointed.key = key;
  pointed.value = value;
  ELEMENT[MAP_FD] = fd;
  setLong(KEY, addressOf(key));
  setLong(VALUE, addressOf(value));
  setLong(FLAGS, flags);
  return syscall(NR_BPF, command, ELEMENT, ELEMENT.byteLength);
}

/** 64 bits, of a number that a double holds. */
function setLong(at: number, number: number): void {
  ELEMENT[at] = number;
  ELEMENT[at + 1] = number / 2 ** 32;
}

/** A BPF_MAP_*_BATCH command (5.6): its result and how many elements it came to, also where it failed. */
export function mapBatch(command: number, fields: Fields): { result: number; count: number } {
  const { bytes } = encodeStruct(bpf_attr_batch, fields);
  const result = syscall(NR_BPF, command, bytes, bpf_attr_batch.size);
  keepAlive(fields);
  return { result, count: readField(bpf_attr_batch, bytes, "count") };
}

/** Gives an object of the kernel a name in a bpffs, which keeps it alive; 0, -EEXIST, or -EPERM where it is no bpffs. */
export const objPin = (fd: number, path: string): number =>
  bpf(BPF_OBJ_PIN, bpf_attr_obj, { pathname: cString(path), bpf_fd: fd });
/** A new descriptor of what is pinned there. */
export const objGet = (path: string, flags = 0): number =>
  bpf(BPF_OBJ_GET, bpf_attr_obj, { pathname: cString(path), file_flags: flags });

/** A new descriptor by the kernel's number (CAP_SYS_ADMIN); -ENOENT where it is gone. */
export const mapGetFdById = (id: number): number => bpf(BPF_MAP_GET_FD_BY_ID, bpf_attr_get_id, { map_id: id });
export const progGetFdById = (id: number): number => bpf(BPF_PROG_GET_FD_BY_ID, bpf_attr_get_id, { prog_id: id });
export const btfGetFdById = (id: number): number => bpf(BPF_BTF_GET_FD_BY_ID, bpf_attr_get_id, { btf_id: id });

/** The number of the next BTF behind this one, or -ENOENT (CAP_SYS_ADMIN). */
export const btfGetNextId = (id: number): number => nextId(BPF_BTF_GET_NEXT_ID, id);

function nextId(command: number, id: number): number {
  const { bytes } = encodeStruct(bpf_attr_get_id, { start_id: id });
  const result = syscall(NR_BPF, command, bytes, NEXT_ID_SIZE);
  return result < 0 ? result : readField(bpf_attr_get_id, bytes, "next_id");
}
/** Up to open_flags: what kernels do not know they do not take. */
const NEXT_ID_SIZE = 12;

/** The number of the map or program that follows (after 0: of the first), or -ENOENT (CAP_SYS_ADMIN). */
export const mapGetNextId = (id: number): number => nextId(BPF_MAP_GET_NEXT_ID, id);
export const progGetNextId = (id: number): number => nextId(BPF_PROG_GET_NEXT_ID, id);

const LOAD_ATTEMPTS = 5; // the verifier gives up with EAGAIN when a signal comes

/** A new program's descriptor; EAGAIN is tried again as the kernel asks. */
export function progLoad(fields: Fields): number {
  let result = -EAGAIN;
  for (let attempt = 0; attempt < LOAD_ATTEMPTS && result === -EAGAIN; attempt++) {
    result = bpf(BPF_PROG_LOAD, bpf_attr_prog_load, fields);
  }
  return result;
}

/** From now on the program holds the map, whether it uses it or not (5.10). */
export const progBindMap = (program: number, map: number): number =>
  bpf(BPF_PROG_BIND_MAP, bpf_attr_prog_bind_map, { prog_fd: program, map_fd: map });

/** What running a program came to: -errno or 0; what it returned, the mean nanoseconds of a run, bytes it left. */
export interface TestRunAnswer {
  readonly result: number;
  readonly retval: number;
  readonly duration: number;
  readonly dataSize: number;
  readonly ctxSize: number;
}

/** Fields of a program of ours, put together by hand (assemble() of elf-loader), for progLoad(). */
export function handmadeProgram(type: number, insns: Uint8Array, more: Fields = {}): Fields {
  return { prog_type: type, insns, insn_cnt: insns.byteLength / 8, license: cString("GPL"), ...more };
}

/** Runs a program once or `repeat` times in this task. */
export function progTestRun(fields: Fields): TestRunAnswer {
  const { bytes } = encodeStruct(bpf_attr_test, fields);
  const result = syscall(NR_BPF, BPF_PROG_TEST_RUN, bytes, bpf_attr_test.size);
  keepAlive(fields);
  const field = (name: string) => readField(bpf_attr_test, bytes, name);
  return {
    result,
    retval: field("retval"),
    duration: field("duration"),
    dataSize: field("data_size_out"),
    ctxSize: field("ctx_size_out"),
  };
}

/** Fills a bpf_{prog,map,link,btf}_info with what the kernel knows of the object behind a descriptor. */
export const objGetInfoByFd = (fd: number, info: Uint8Array): number =>
  bpf(BPF_OBJ_GET_INFO_BY_FD, bpf_attr_info, { bpf_fd: fd, info_len: info.byteLength, info });

/** Attaches by name; the descriptor returned is the attachment. */
export const rawTracepointOpen = (fields: Fields): number =>
  bpf(BPF_RAW_TRACEPOINT_OPEN, bpf_attr_raw_tracepoint, fields);
export const btfLoad = (fields: Fields): number => bpf(BPF_BTF_LOAD, bpf_attr_btf_load, fields);
export const linkCreate = (fields: Fields): number => bpf(BPF_LINK_CREATE, bpf_attr_link_create, fields);
