// The buffers of an object as typed events: each record by the struct that was chosen for it, or as bytes.

import {
  type BpfObject,
  BpfPerfEventArray,
  BpfRingBufferMap,
  type Btf,
  closeHint,
  compileRecordDecoder,
  type MapSpec,
  type Memory,
  mapType,
  type ObjectSpec,
  PerfBuffer,
  type RecordDecoder,
  type RecordReader,
  RingBuffer,
} from "../../index.ts";
import { UsageError } from "../exit-status.ts";
import type { Report } from "../report.ts";
import { declaredType, type EventType, guessedType, namedStruct, structNames } from "./event-types.ts";
import type { Stream } from "./stream.ts";
import { recordText } from "./value-text.ts";

/** How a record of one length is read. */
interface Reading {
  readonly struct?: string;
  readonly decode: RecordDecoder;
}

export interface BufferOptions {
  /** Struct of each map that the user named one for. */
  readonly events: ReadonlyMap<string, string>;
  /** Bytes for each CPU of a perf buffer. */
  readonly size?: number | undefined;
  readonly onLost: (cpu: number, count: number) => void;
}

/** Every ring and perf buffer of the object, open. Throws BpfError. */
export function bufferStreams(object: BpfObject, options: BufferOptions, report: Report): Stream[] {
  const streams: Stream[] = [];
  const maps = [...object.maps].filter(
    ([, map]) => map instanceof BpfRingBufferMap || map instanceof BpfPerfEventArray,
  );
  try {
    for (const [name, map] of maps) {
      const reader =
        map instanceof BpfPerfEventArray
          ? new PerfBuffer(map, undecoded, 0, { size: options.size, onLost: options.onLost })
          : new RingBuffer(map, undecoded);
      const prefix = maps.length > 1 ? `${name}: ` : "";
      streams.push(bufferStream(name, reader, readingChooser(object, name, map.spec, options, report), prefix, report));
    }
    return streams;
  } catch (error) {
    for (const stream of streams) stream.close();
    throw error;
  }
}

/** Whether it is read as events. */
function isBuffer({ type }: MapSpec): boolean {
  const row = mapType(type);
  return row.Map === BpfRingBufferMap || row.Map === BpfPerfEventArray;
}

/**
 * What the kernel takes of a buffer's definition, before load: where that says the type of its records it is for who
 * reads it, and the kernel takes no such sizes. `size`: bytes of a ring.
 */
export function prepareBuffer(map: MapSpec, size: number | undefined): void {
  if (!isBuffer(map)) return;
  const isRing = mapType(map.type).Map === BpfRingBufferMap;
  map.keySize = map.valueSize = isRing ? 0 : 4;
  if (isRing && size) map.maxEntries = size;
}

const undecoded: RecordDecoder = () => undefined;

function bufferStream(
  name: string,
  reader: RecordReader<unknown>,
  choose: (length: number) => Reading,
  prefix: string,
  report: Report,
): Stream {
  const show = (memory: Memory, offset: number, length: number) => {
    const { struct, decode } = choose(length);
    const data = decode(memory, offset, length);
    report.event({ map: name, struct, data }, () => prefix + recordText(data));
  };
  return {
    read: (limit) => reader.consume(show, limit),
    wait: () => reader.wait(),
    wake: () => reader.wake(),
    close: () => reader.close(),
  };
}

/** Records of any length are possible: how to read them is remembered for so many. */
const REMEMBERED = 256;

/** A struct, or bytes where none fits: by the record's length, and said once. */
function readingChooser(object: BpfObject, name: string, map: MapSpec, options: BufferOptions, report: Report) {
  const { btf } = object.spec;
  const declared = btf && declaredType(btf, map, options.events.get(name));
  const said = new Set<string>();
  const known = new Map<number, Reading>();
  const decoders = new Map<number, RecordDecoder>();
  const decoderOf = (id: number) => decoders.getOrInsertComputed(id, () => compileRecordDecoder(btf as Btf, id));
  return (length: number): Reading => {
    const before = known.get(length);
    if (before) return before;
    const type = btf && (declared ?? guessedType(btf, length));
    const words = type ? typeWords(type, length) : "bytes: no struct fits (--event MAP=STRUCT names one)";
    if (!said.has(words)) report.note(`events of ${name} are ${words}`);
    said.add(words);
    const reading = type ? { struct: type.name, decode: decoderOf(type.id) } : { decode: bytes };
    if (known.size < REMEMBERED) known.set(length, reading);
    return reading;
  };
}

const typeWords = ({ name, reason, size }: EventType, length: number) =>
  `struct ${name}, ${reason}${length < size ? "; where they are shorter the rest is zero" : ""}`;

const bytes = (memory: Memory, offset: number, length: number) => memory.u8.slice(offset, offset + length);

/** `--event` of a map that is no buffer, or of a struct that is not there: said before anything is loaded. */
export function checkEvents(spec: ObjectSpec, events: ReadonlyMap<string, string>): void {
  for (const [name, struct] of events) {
    const fail = (why: string, hint: string) => new UsageError(`Cannot use --event ${name}=${struct}: ${why}${hint}`);
    const map = spec.maps.get(name);
    const buffers = [...spec.maps].flatMap(([other, one]) => (isBuffer(one) ? [other] : []));
    if (!map) throw fail(`the object has no map ${name}`, closeHint(name, buffers));
    if (!isBuffer(map)) throw fail(`${name} is no ring or perf buffer`, closeHint(name, buffers));
    if (spec.btf && namedStruct(spec.btf, struct) !== 0) continue;
    const names = spec.btf ? [...structNames(spec.btf)].map(({ name }) => name) : [];
    throw fail(`the object's BTF has no struct ${struct}`, closeHint(struct, names));
  }
}
