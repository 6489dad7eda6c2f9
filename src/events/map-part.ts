// The shared mappings of ring buffer maps, both directions.

import { kernelError } from "../host/kernel-error.ts";
import { CLOSED } from "../map/causes.ts";
import type { BpfMap } from "../map/map.ts";
import { Mapping } from "../sys/mapping.ts";

/** A shared mapping of a part of the map. Throws BpfRuntimeError or PermissionError. */
export function mapPart(map: BpfMap, length: number, prot: number, offset: number): Mapping {
  const mapping = Mapping.create(map.fd.number, length, prot, offset);
  if (typeof mapping !== "number") return mapping;
  throw kernelError(mapping, {
    doing: `map ring buffer ${map.name} into memory`,
    call: "mmap()",
    subject: `map ${map.name}`,
    ...(map.fd.number < 0 ? CLOSED : {}),
  });
}
