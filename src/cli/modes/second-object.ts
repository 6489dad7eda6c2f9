// The modes of two objects: what the first one's program notes in maps, the second one's programs read, and act.

import { readFileSync } from "node:fs";
import { type Attachment, BpfObject, type ObjectSpec, parseObject } from "../../index.ts";
import { configure } from "../configuration.ts";
import type { Settings } from "../settings.ts";

/** What of it is the mode's own. */
export interface Second {
  readonly name: string;
  /** Where the embedded object is. */
  readonly object: string;
  /** The map that it has in common with the first besides the accounts. */
  readonly shared: string;
  /** Before load, as a mode's own. */
  readonly prepare: (spec: ObjectSpec) => void;
}

/** The second object, loaded; its filters are the first one's, which have been passed when it looks. */
export function loadSecond(first: BpfObject, settings: Settings, second: Second): BpfObject {
  const { pid: _pid, uid: _uid, comm: _comm, ...rest } = settings;
  const spec = parseObject(readFileSync(second.object), second.name);
  configure(spec, rest, { limited: true, placed: false });
  second.prepare(spec);
  const { shared } = second;
  return BpfObject.load(spec, { reuse: { [shared]: first.map(shared), accounts: first.map("accounts") } });
}

/** All its programs attached; where one cannot be, none is. */
export function attachAll(object: BpfObject): Attachment[] {
  const links: Attachment[] = [];
  try {
    for (const program of object.programs.values()) links.push(program.attach());
    return links;
  } catch (error) {
    for (const link of links) link.close();
    throw error;
  }
}
