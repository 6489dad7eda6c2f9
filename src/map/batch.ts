// Many elements with one call: BPF_MAP_{LOOKUP,LOOKUP_AND_DELETE,UPDATE,DELETE}_BATCH (5.6; kernel/bpf/syscall.c,
// __htab_map_lookup_and_delete_batch in kernel/bpf/hashtab.c).

import {
  BPF_MAP_DELETE_BATCH,
  BPF_MAP_LOOKUP_AND_DELETE_BATCH,
  BPF_MAP_LOOKUP_BATCH,
  BPF_MAP_UPDATE_BATCH,
  EINVAL,
  ENOENT,
  ENOSPC,
  ENOTSUPP,
} from "elf-loader/uapi";
import { mapBatch } from "../sys/bpf.ts";

/** What a walk needs to know of its map; `valueSize` as the kernel copies it, of all CPUs. */
export interface Geometry {
  readonly fd: number;
  readonly keySize: number;
  readonly valueSize: number;
}

/** Elements side by side, `count` of them. Overwritten by the next step of the walk. */
export interface Batch {
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly count: number;
}

/** Bytes that a batch may take, unless one bucket of the kernel's table needs more. */
const BATCH_BYTES = 64 * 1024;
const MOST_ELEMENTS = 1024;

/** Whether the kernel has no such operation for maps of this type. */
export const lacksBatch = (result: number): boolean => result === -ENOTSUPP || result === -EINVAL;

/**
 * Every element, in batches of whole buckets: the cursor is the number of a bucket, so nothing that others insert or
 * delete meanwhile makes the walk start again or miss an element that stays. With `take` they are deleted as they are
 * read. The generator's result, and only that, is a negative errno: of a refusal.
 */
export function* batches(map: Geometry, take: boolean): Generator<Batch, number> {
  const command = take ? BPF_MAP_LOOKUP_AND_DELETE_BATCH : BPF_MAP_LOOKUP_BATCH;
  let capacity = Math.max(16, Math.min(MOST_ELEMENTS, Math.floor(BATCH_BYTES / (map.keySize + map.valueSize))));
  let [keys, values] = allocate(map, capacity);
  // A hash map's cursor takes 4 bytes, an array's as much as a key: what is larger harms neither.
  let cursor = new Uint8Array(Math.max(8, map.keySize));
  let next = new Uint8Array(cursor.length);
  for (let first = true; ; ) {
    const { result, count } = mapBatch(command, {
      map_fd: map.fd,
      in_batch: first ? 0 : cursor,
      out_batch: next,
      keys,
      values,
      count: capacity,
    });
    if (result === -ENOSPC) {
      capacity *= 2; // one bucket has more than there was room for
      [keys, values] = allocate(map, capacity);
      continue;
    }
    if (result < 0 && result !== -ENOENT) return result;
    if (count > 0) yield { keys, values, count };
    if (result === -ENOENT) return 0;
    first = false;
    [cursor, next] = [next, cursor];
  }
}

const allocate = (map: Geometry, count: number) =>
  [new Uint8Array(Math.max(8, map.keySize * count)), new Uint8Array(Math.max(8, map.valueSize * count))] as const;

/** Writes elements side by side, in order; how many were written before one was refused. */
export const updateBatch = (map: Geometry, { keys, values, count }: Batch, flags: number) =>
  mapBatch(BPF_MAP_UPDATE_BATCH, { map_fd: map.fd, keys, values, count, elem_flags: flags });

/** Deletes keys side by side, in order; how many were deleted before one was missing (-ENOENT). */
export const deleteBatch = (map: Geometry, keys: Uint8Array, count: number) =>
  mapBatch(BPF_MAP_DELETE_BATCH, { map_fd: map.fd, keys, count });
