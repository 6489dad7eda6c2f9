// Which struct of an object's BTF a buffer's records are: what the user says, else what the map's definition says, else
// the one struct of the record's size that is named like an event.

import type { Btf, MapSpec } from "../../index.ts";

/** A struct, and why it was taken. */
export interface EventType {
  readonly id: number;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly reason: string;
}

/** Structs of the kernel that an object refers to are in its BTF too: these are none of its events. */
const KERNELS = /^trace_event_|___/;
const NAMED_LIKE_AN_EVENT = /event|record|sample|data|info|msg|message|entry|stat/i;
/** What may be taken though its size is another. */
const SURELY_AN_EVENT = /(^|_)(event|record|sample)(_t)?$/i;

/** Structs by the names they have: their own, or a typedef's where they have none. */
export function* structNames(btf: Btf): Generator<{ name: string; id: number }> {
  for (const id of btf.idsOf("struct")) if (btf.nameOf(id) !== "") yield { name: btf.nameOf(id), id };
  for (const typedef of btf.idsOf("typedef")) {
    const id = btf.resolve(typedef);
    const type = btf.type(id);
    if (type.kind === "struct" && type.name === "") yield { name: btf.nameOf(typedef), id };
  }
}

/** A struct by its name, or by that of any typedef of it; 0 where there is none. */
export function namedStruct(btf: Btf, name: string): number {
  const struct = btf.findByName(name, "struct");
  if (struct !== 0) return struct;
  const typedef = btf.findByName(name, "typedef");
  return typedef !== 0 && btf.resolved(typedef).kind === "struct" ? btf.resolve(typedef) : 0;
}

/** What does not depend on a record: the user's choice, or a struct as the map's value. */
export function declaredType(btf: Btf, map: MapSpec, chosen: string | undefined): EventType | undefined {
  if (chosen !== undefined) {
    const id = namedStruct(btf, chosen);
    return id === 0 ? undefined : { id, name: chosen, size: btf.sizeOf(id), reason: "as --event says" };
  }
  if (map.valueTypeId === 0) return undefined;
  const id = btf.resolve(map.valueTypeId);
  const type = btf.type(id);
  if (type.kind !== "struct") return undefined;
  const name = [...structNames(btf)].find((named) => named.id === id)?.name ?? "without a name";
  return { id, name, size: type.size, reason: "the value type of the map" };
}

interface Candidate {
  readonly id: number;
  readonly name: string;
  readonly size: number;
}

/** The structs of the object that are named like an event. */
function candidates(btf: Btf): Candidate[] {
  return [...structNames(btf)]
    .filter(({ name }) => NAMED_LIKE_AN_EVENT.test(name) && !KERNELS.test(name))
    .map(({ name, id }) => ({ id, name, size: btf.sizeOf(id) }));
}

/** A perf buffer pads what it is given: with the 4 bytes of its length to a multiple of 8. */
const padded = (size: number) => ((size + 4 + 7) & ~7) - 4;

/** Whether a struct ends in an array, and a record of this length in that array. */
function endsInArray(btf: Btf, { id, size }: Candidate, length: number): boolean {
  const struct = btf.type(id);
  const last = struct.kind === "struct" ? struct.members.at(-1) : undefined;
  const array = last && btf.resolved(last.type);
  if (!last || array?.kind !== "array") return false;
  return length >= last.bitOffset / 8 && (length <= padded(size) || array.length === 0);
}

/**
 * Guesses by the length of a record: the only struct of that size; among several the one called event; else the only one
 * at all that is surely one, where it ends in an array of which the record has less, as of a command's arguments.
 */
export function guessedType(btf: Btf, length: number): EventType | undefined {
  const all = candidates(btf);
  const fitting = all.filter(({ size }) => size === length || padded(size) === length);
  const fits = theOne(fitting);
  if (fits) return { ...fits, reason: `the struct of ${fits.size} bytes that is named like an event` };
  const sure = theOne(all.filter(({ name }) => SURELY_AN_EVENT.test(name)));
  if (!sure || !endsInArray(btf, sure, length)) return undefined;
  return { ...sure, reason: "the struct that is named like an event and ends in an array" };
}

function theOne(some: readonly Candidate[]): Candidate | undefined {
  return some.length === 1 ? some[0] : some.find(({ name }) => name === "event");
}
