// usdt: a static marker of an executable or library, PATH:PROVIDER:NAME, by a uprobe at each place it is in. The program
// reads its arguments by libbpf's usdt.bpf.h, whose maps we fill: records of arguments, found by the uprobe's cookie, and
// on kernels without cookies (before 5.15) by the address of the instruction.
// Looks at the options target, pid and cookie (what bpf_usdt_cookie() gives).

import { readFileSync, realpathSync } from "node:fs";
import { type Executable, UnknownArgument, USDT_SPEC_SIZE, type UsdtMarker, usdtMarkers, usdtSpec } from "elf-loader";
import { ET_EXEC } from "elf-loader/uapi";
import { attachCookie } from "../features/probes.ts";
import { closeHint } from "../host/close-names.ts";
import type { Attachment, AttachOptions, Hook, LoadedProgram } from "../program/hook.ts";
import { mapDeleteElem, mapUpdateElem } from "../sys/bpf.ts";
import { BpfLink } from "./link.ts";
import { LinkGroup } from "./link-group.ts";
import { cookieOf, refuse, targetOf, unusable } from "./refuse.ts";
import { attachUprobe } from "./uprobe.ts";
import { executableOf, userTarget } from "./user-target.ts";

const SPECS = "__bpf_usdt_specs";
const IPS = "__bpf_usdt_ip_to_spec_id";

/** A map of the program's object; throws where it was not made with usdt.bpf.h. */
function mapOf(program: LoadedProgram, place: string, name: string) {
  const map = program.maps.get(name);
  if (!map) throw unusable(program, place, `its object has no map ${name}`, "include bpf/usdt.bpf.h");
  return map;
}

/** Which places of a map of records are taken, by the map: two markers of one object share it. */
const taken = new WeakMap<object, Set<number>>();

/** Puts a record into the first free place of the map; its number, and how to give it back. */
function putSpec(program: LoadedProgram, place: string, record: Uint8Array): { id: number; close(): void } {
  const map = mapOf(program, place, SPECS);
  if (map.spec.valueSize < USDT_SPEC_SIZE) throw unusable(program, place, `map ${SPECS} has other records`);
  const used = taken.get(map) ?? new Set();
  taken.set(map, used);
  let id = 0;
  while (used.has(id)) id++;
  const value = new Uint8Array(map.spec.valueSize);
  value.set(record);
  const result = mapUpdateElem(map.fd.number, new Uint32Array([id]), value);
  const likely = `map ${SPECS} is full: it has room for ${map.spec.maxEntries}`;
  const more = { likely, action: "define BPF_USDT_MAX_SPEC_CNT before usdt.bpf.h" };
  if (result < 0) throw refuse(result, program, place, "bpf(BPF_MAP_UPDATE_ELEM)", more);
  used.add(id);
  return { id, close: () => used.delete(id) };
}

/** Where the instruction is in a process's memory; throws where that cannot be known. */
function addressIn(
  program: LoadedProgram,
  place: string,
  path: string,
  marker: UsdtMarker,
  executable: Executable,
  pid?: number,
): bigint {
  if (pid === undefined && executable.type === ET_EXEC) return BigInt(marker.address);
  if (pid === undefined)
    throw unusable(
      program,
      place,
      "without cookies (5.15) a library's markers are found in one process only",
      "give its pid",
    );
  const file = realpathSync(path);
  for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
    const [, start = "", end = "", offset = "", mapped] = /^(\w+)-(\w+) ..x. (\w+) \S+ \S+\s+(.*)$/.exec(line) ?? [];
    const behind = marker.offset - Number.parseInt(offset, 16);
    const size = Number.parseInt(end, 16) - Number.parseInt(start, 16);
    if (mapped === file && behind >= 0 && behind < size) return BigInt(`0x${start}`) + BigInt(behind);
  }
  throw unusable(program, place, `process ${pid} has not loaded ${path}`);
}

/** Tells the program by the instruction's address which record is its. */
function putAddress(program: LoadedProgram, place: string, address: bigint, id: number): { close(): void } {
  const map = mapOf(program, place, IPS);
  const key = new BigUint64Array([address]);
  const result = mapUpdateElem(map.fd.number, key, new Uint32Array([id]));
  if (result < 0) throw refuse(result, program, place, "bpf(BPF_MAP_UPDATE_ELEM)", { likely: `map ${IPS} is full` });
  return { close: () => mapDeleteElem(map.fd.number, key) };
}

/** The places of the marker; throws where it has none. */
function findMarkers(program: LoadedProgram, place: string, executable: Executable, wanted: string): UsdtMarker[] {
  const all = [...usdtMarkers(executable)];
  const found = all.filter(({ provider, name }) => `${provider}:${name}` === wanted);
  if (found.length > 0) return found;
  const names = new Set(all.map(({ provider, name }) => `${provider}:${name}`));
  const why = all.length === 0 ? "it has no markers" : `it has no marker ${wanted}${closeHint(wanted, names)}`;
  throw unusable(program, place, why);
}

function record(
  program: LoadedProgram,
  place: string,
  marker: UsdtMarker,
  machine: number,
  cookie: bigint,
): Uint8Array {
  try {
    return usdtSpec(marker, machine, cookie);
  } catch (error) {
    if (!(error instanceof UnknownArgument)) throw error;
    throw unusable(program, place, `argument ${error.message} is of a kind that is not known`);
  }
}

export const usdt: Hook = {
  name: "usdt",
  attach(program, options) {
    const target = targetOf(program, options, "PATH:PROVIDER:NAME");
    const place = `usdt ${target}`;
    const { path, what } = userTarget(program, "usdt", target);
    const executable = executableOf(program, place, path);
    const byCookie = attachCookie.probe();
    const attach = (marker: UsdtMarker): Attachment => {
      const bytes = record(program, place, marker, executable.machine, cookieOf(options));
      const parts: { close(): void }[] = [];
      try {
        const spec = putSpec(program, place, bytes);
        parts.push(spec);
        if (!byCookie) {
          const address = addressIn(program, place, path, marker, executable, options.pid);
          parts.unshift(putAddress(program, place, address, spec.id));
        }
        const probe = { path, offset: marker.offset, isReturn: false, semaphore: marker.semaphore };
        const how: AttachOptions = { pid: options.pid, cookie: byCookie ? spec.id : undefined };
        parts.unshift(attachUprobe(program, "usdt", target, probe, how));
        return new BpfLink("usdt", target, "usdt", parts);
      } catch (error) {
        for (const part of parts) part.close();
        throw error;
      }
    };
    return LinkGroup.attach("usdt", target, findMarkers(program, place, executable, what), attach);
  },
};
