// Which struct of an object's BTF a buffer's records are: what the user says, else what the map's definition says, else
// the one struct of the record's size that is named like an event.

import type { Btf, MapSpec } from "../../index.ts";

/** A struct, and why it was taken. */
export interface EventType {
  readonly id: number;
  readonly name: string;
  readonly reason: string;
}

/** Structs of the kernel that an object refers to are in its BTF too: these are none of its events. */
const KERNELS = /^trace_event_|___/;
const NAMED_LIKE_AN_EVENT = /event|record|sample|data|info|msg|message|entry|stat/i;
/** What may be taken though its size is another. */
const SURELY_AN_EVENT = /(^|_)(event|record|sample)(_t)?$/i;

/** What does not depend on a record: the user's choice, or a struct as the map's value. */
export function declaredType(btf: Btf, map: MapSpec, chosen: string | undefined): EventType | undefined {
  if (chosen !== undefined) {
    const id = btf.findByName(chosen, "struct");
    return id === 0 ? undefined : { id, name: chosen, reason: "as --event says" };
  }
  if (map.valueTypeId === 0) return undefined;
  const id = btf.resolve(map.valueTypeId);
  const type = btf.type(id);
  if (type.kind !== "struct") return undefined;
  return { id, name: type.name, reason: "the value type of the map" };
}

interface Candidate {
  readonly id: number;
  readonly name: string;
  readonly size: number;
}

/** The structs of the object that are named like an event, by their own name or a typedef's. */
function candidates(btf: Btf): Candidate[] {
  const named = [...btf.idsOf("struct"), ...btf.idsOf("typedef")].map((id) => ({ id, name: btf.nameOf(id) }));
  return named.flatMap(({ id, name }) => {
    if (!NAMED_LIKE_AN_EVENT.test(name) || KERNELS.test(name)) return [];
    const struct = btf.resolve(id);
    const type = btf.type(struct);
    // A typedef of a struct with a name of its own is that struct once more.
    return type.kind === "struct" && (struct === id || type.name === "") ? [{ id: struct, name, size: type.size }] : [];
  });
}

/** A perf buffer pads what it is given: with the 4 bytes of its length to a multiple of 8. */
const padded = (size: number) => ((size + 4 + 7) & ~7) - 4;

/**
 * Guesses by the length of a record: the only struct of that size; among several the one called event; else the only one
 * at all that is surely one, whose end, an array of any length, may be missing.
 */
export function guessedType(btf: Btf, length: number): EventType | undefined {
  const all = candidates(btf);
  const fitting = all.filter(({ size }) => size === length || padded(size) === length);
  const fits = theOne(fitting);
  if (fits) return { ...fits, reason: `the struct of ${fits.size} bytes that is named like an event` };
  const sure = theOne(all.filter(({ name }) => SURELY_AN_EVENT.test(name)));
  return sure && { ...sure, reason: "the struct that is named like an event" };
}

function theOne(some: readonly Candidate[]): Candidate | undefined {
  return some.length === 1 ? some[0] : some.find(({ name }) => name === "event");
}
