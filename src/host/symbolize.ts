// Addresses of the kernel's code as function and offset, by /proc/kallsyms.

import { kernelFunctions } from "./kernel-symbols.ts";

/** An address, and the function that it is in where that is known. */
export interface CodeAddress {
  readonly address: bigint;
  readonly name?: string;
  /** Bytes from the start of the function. */
  readonly offset?: number;
  /** The module it is in, "" for the kernel itself. */
  readonly module?: string;
}

const hex = (address: bigint) => address.toString(16).padStart(16, "0");

/** Reads the list of symbols, 10 MB, once a call: give all addresses at once. Names are missing where it is not told. */
export function symbolize(addresses: readonly bigint[]): CodeAddress[] {
  const known = kernelFunctions().filter(({ address }) => !/^0+$/.test(address));
  known.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  return addresses.map((address) => {
    const found = known[lastAtOrBefore(known, hex(address))];
    if (!found) return { address };
    const { name, module } = found;
    return { address, name, module, offset: Number(address - BigInt(`0x${found.address}`)) };
  });
}

function lastAtOrBefore(list: readonly { readonly address: string }[], address: string): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.address ?? "") <= address) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
