// From key to key (BPF_MAP_GET_NEXT_KEY), as maps without batches are walked.

/**
 * The keys of a map, each a view that the next step but one overwrites. The next key is known before one is handed out,
 * which may then be deleted. The kernel starts again from the first where the one it stands on is gone: what was seen is
 * not handed out twice, and the walk ends at the latest after eight times as many steps as the map has room.
 *
 * `nextKey`: moves from a key (0: none) to the next; false at the end.
 */
export function* walkKeys(
  { keySize, maxEntries }: { readonly keySize: number; readonly maxEntries: number },
  nextKey: (key: Uint8Array | 0, next: Uint8Array) => boolean,
): Generator<Uint8Array<ArrayBuffer>> {
  const seen = new Set<string>();
  let key = new Uint8Array(keySize);
  let next = new Uint8Array(keySize);
  let more = nextKey(0, key);
  for (let step = 0; more && step < 8 * (maxEntries + 1); step++) {
    more = nextKey(key, next);
    const name = Buffer.from(key).toString("latin1");
    if (!seen.has(name)) yield key;
    seen.add(name);
    [key, next] = [next, key];
  }
}
