// struct_ops: functions that the kernel calls by a struct of them (kernel/bpf/bpf_struct_ops.c, 5.6). A program is told at
// load which member of which struct it is; attached is the whole struct, its map, by a link (6.4) or, of .struct_ops, as it
// is filled, which is taken back by deleting it from the map: that one stays when the process is killed.

import type { ProgramSpec } from "elf-loader";
import { AttachError } from "elf-loader";
import { BPF_F_LINK, BPF_STRUCT_OPS, EBUSY } from "elf-loader/uapi";
import { kernelError } from "../host/kernel-error.ts";
import { openModuleBtf } from "../host/module-btf.ts";
import { kernelStruct } from "../map/kernel-struct.ts";
import type { BpfMap } from "../map/map.ts";
import { BpfStructOps } from "../map/struct-ops.ts";
import type { Attachment, Hook, LoadTarget } from "../program/hook.ts";
import { linkCreate, mapDeleteElem } from "../sys/bpf.ts";
import { asLink, BpfLink } from "./link.ts";
import { LinkGroup } from "./link-group.ts";
import { unusable } from "./refuse.ts";

function memberOf(spec: ProgramSpec): LoadTarget {
  const subject = `program ${spec.name}`;
  const fail = (why: string) => new AttachError(`Cannot load program ${spec.name}: ${why}`, { subject });
  const { type, member } = spec.structOps ?? {};
  if (!type) throw fail("no struct of functions of the object has it");
  const { id, struct, module } = kernelStruct(type);
  const index = struct.members.findIndex(({ name }) => name === member);
  if (index < 0) throw fail(`the kernel's struct ${type} has no member ${member}`);
  const fields = { attach_btf_id: id, expected_attach_type: index };
  if (module === undefined) return { fields };
  const fd = openModuleBtf(module);
  return { fields: { ...fields, attach_btf_obj_fd: fd.number }, owned: [fd] };
}

/** Structs that are attached by their programs, and by how many. */
const attached = new WeakMap<BpfStructOps, { readonly link: Attachment; users: number }>();

/** One program's part of a struct: the struct is given back with the last of them. */
function share(map: BpfStructOps): BpfLink {
  const shared = attached.get(map) ?? { link: attachStructOps(map), users: 0 };
  attached.set(map, shared);
  shared.users++;
  const close = () => {
    if (--shared.users > 0) return;
    attached.delete(map);
    shared.link.close();
  };
  return new BpfLink("struct_ops", map.name, "struct_ops", [{ close }]);
}

export const structOps: Hook = {
  name: "struct_ops",
  loadTarget: memberOf,
  /** The whole structs that the program is in, each once for all of its programs. */
  attach(program) {
    const has = (map: BpfMap): map is BpfStructOps =>
      map instanceof BpfStructOps && map.spec.slots?.some(({ name }) => name === program.name) === true;
    const structs = [...program.maps.values()].filter(has);
    if (structs.length === 0) throw unusable(program, "struct_ops", "no struct of functions of its object has it");
    return LinkGroup.attach("struct_ops", structs.map(({ name }) => name).join(), structs, share);
  },
};

const UNFIT = {
  likely: "the struct lacks a member that the kernel needs, or another of its name, or of its kind, is there",
  action: "see the kernel's log",
};
const ATTACHED_BEFORE = {
  likely: "it is attached, or was: the kernel takes one of .struct_ops once; or another of its kind is there",
  action: "load the object again, or put the struct into .struct_ops.link (6.4)",
};

/** Gives the struct to the kernel. Throws AttachError, PermissionError, UnsupportedError. */
export function attachStructOps(map: BpfStructOps): Attachment {
  const linked = (map.spec.flags & BPF_F_LINK) !== 0;
  const fail = (result: number, call: string) =>
    kernelError(result, {
      ...{ doing: `attach map ${map.name}`, call: `bpf(${call})`, subject: `map ${map.name}`, attaching: true },
      needs: ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"],
      ...(result === -EBUSY && !linked ? ATTACHED_BEFORE : UNFIT),
    });
  const filled = map.fill();
  // One with a link stays filled when that is closed, and takes another.
  if (filled < 0 && !(linked && filled === -EBUSY)) throw fail(filled, "BPF_MAP_UPDATE_ELEM");
  if (!linked) {
    const close = () => mapDeleteElem(map.fd.number, new Uint32Array(1));
    return new BpfLink("struct_ops", map.name, "BPF_MAP_UPDATE_ELEM", [{ close }]);
  }
  const fd = linkCreate({ map_fd: map.fd.number, attach_type: BPF_STRUCT_OPS });
  if (fd < 0) throw fail(fd, "BPF_LINK_CREATE");
  return asLink(fd, "struct_ops", map.name);
}
