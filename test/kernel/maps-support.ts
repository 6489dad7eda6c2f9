// What the tests of map types share: each type once, made without an object; and whether this kernel must have it.

import { expect } from "bun:test";
import { kernelRelease } from "../../src/host/kernel.ts";
import { type Codec, createMap, MAP_TYPES, type MapType, type NewMap, probeMapType } from "../../src/index.ts";
import { bpfDescriptors } from "./lib-support.ts";

const number = (version: string): number => {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major * 1000 + minor;
};

/** Whether this kernel came after the one that brought something. */
export const isSince = (version: string): boolean => number(kernelRelease()) >= number(version);

export function rowOf(name: string): MapType {
  const row = MAP_TYPES.find((type) => type.name === name);
  if (!row) throw new Error(`No map type ${name}`);
  return row;
}

/** Whether the kernel has the type, by our own probe. */
export const has = (name: string): boolean => probeMapType(rowOf(name)) === 0;

/** Why a test of the type is left out; undefined where it runs. That a probe says no wrongly is another test's matter. */
export const lacks = (name: string): boolean => {
  if (has(name)) return false;
  console.log(`SKIP ${name}: this kernel (${kernelRelease()}) has none, it came with ${rowOf(name).since}`);
  return true;
};

/** A map of the type, of the class that it says itself. */
export function make<T>(name: string, spec: Partial<NewMap>): T {
  return createMap({ name: name.toLowerCase(), ...spec, type: rowOf(name).type }) as T;
}

/** Numbers of 4 bytes. */
export const u32: Codec<number> = {
  size: 4,
  decode: (memory, offset) => memory.view.getUint32(offset, true),
  encode: (value) => new Uint8Array(new Uint32Array([value]).buffer),
};

/** Numbers of 8 bytes. */
export const u64: Codec<bigint> = {
  size: 8,
  decode: (memory, offset) => memory.view.getBigUint64(offset, true),
  encode: (value) => new Uint8Array(new BigUint64Array([value]).buffer),
};

/** Numbers from 0 to below `limit`, the same ones from the same seed (Park and Miller's generator). */
export function randomNumbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 48271) % 2147483647;
    return state % limit;
  };
}

/** No descriptor of the kernel's more after than before. */
export async function withoutLeaks(action: () => unknown): Promise<void> {
  const before = bpfDescriptors().length;
  await action();
  expect(bpfDescriptors()).toHaveLength(before);
}
