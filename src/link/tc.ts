// tc: a classifier on the packets of a network interface, as a direct-action filter of a clsact qdisc (net/sched/
// cls_bpf.c, 4.4), on kernels without tcx or beside other filters of tc(8). The target is an interface, by name or number.
// Looks at the options target, direction ("ingress" where nothing is said) and priority (the kernel's choice then).
//
// Unlike a link it is no descriptor: when the process is killed, the filter and its program stay until they are taken away
// (tc filter del dev NAME ingress). close() takes the filter away, and the last one the qdisc, if this process made it and nobody else uses it.

import {
  EEXIST,
  ENOENT,
  ETH_P_ALL,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_ECHO,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTM_DELQDISC,
  RTM_DELTFILTER,
  RTM_GETTFILTER,
  RTM_NEWQDISC,
  RTM_NEWTFILTER,
  TC_H_CLSACT,
  TC_H_MAJ_MASK,
  TC_H_MIN_EGRESS,
  TC_H_MIN_INGRESS,
  TCA_BPF_FD,
  TCA_BPF_FLAG_ACT_DIRECT,
  TCA_BPF_FLAGS,
  TCA_BPF_NAME,
  TCA_KIND,
  TCA_OPTIONS,
  tcmsg,
} from "elf-loader/uapi";
import type { Hook, LoadedProgram } from "../program/hook.ts";
import { cString } from "../sys/libc.ts";
import { attribute, joined, type NetlinkMessage, netlink } from "../sys/netlink.ts";
import { encodeStruct, type Fields, readField } from "../sys/struct.ts";
import { interfaceOf } from "./interface-link.ts";
import { BpfLink } from "./link.ts";
import { refuse } from "./refuse.ts";

/** A qdisc of this kind has one place for each direction: TC_H_MAKE(TC_H_CLSACT, …). */
const place = (minor: number): number => ((TC_H_CLSACT & TC_H_MAJ_MASK) | minor) >>> 0;
const PARENTS = { ingress: place(TC_H_MIN_INGRESS), egress: place(TC_H_MIN_EGRESS) };
const ANY_PROTOCOL = ((ETH_P_ALL & 0xff) << 8) | (ETH_P_ALL >> 8); // big-endian

const word = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
const request = (fields: Fields, ...attributes: readonly Uint8Array[]): Uint8Array =>
  joined([encodeStruct(tcmsg, fields).bytes, ...attributes]);

/** Interfaces whose qdisc this process made. */
const made = new Set<number>();

/** Sees to it that an interface has a clsact qdisc; 0 or -errno. */
function makeQdisc(index: number): number {
  const body = request(qdisc(index), attribute(TCA_KIND, cString("clsact")));
  const result = netlink(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, body);
  if (typeof result === "number") return result === -EEXIST ? 0 : result;
  made.add(index);
  return 0;
}

const qdisc = (index: number): Fields => ({
  tcm_ifindex: index,
  tcm_handle: place(0),
  tcm_parent: TC_H_CLSACT,
});

/** Takes the qdisc away that we made, unless somebody has a filter in it. */
function removeQdisc(index: number): void {
  if (!made.has(index)) return;
  const filters = Object.values(PARENTS).map((parent) =>
    netlink(RTM_GETTFILTER, NLM_F_DUMP, request({ tcm_ifindex: index, tcm_parent: parent })),
  );
  if (!filters.every((found) => typeof found !== "number" && found.length === 0)) return;
  netlink(RTM_DELQDISC, 0, request(qdisc(index)));
  made.delete(index);
}

/** Adds a filter, or replaces the program of one that has its handle: the kernel's answer. */
function putFilter(program: LoadedProgram, fields: Fields, flags: number): NetlinkMessage[] | number {
  const options = attribute(
    TCA_OPTIONS,
    attribute(TCA_BPF_FD, word(program.fd.number)),
    attribute(TCA_BPF_NAME, cString(program.name)),
    attribute(TCA_BPF_FLAGS, word(TCA_BPF_FLAG_ACT_DIRECT)),
  );
  return netlink(RTM_NEWTFILTER, flags, request(fields, attribute(TCA_KIND, cString("bpf")), options));
}

/** A filter that is there, by what the kernel said of it. */
class Filter extends BpfLink {
  readonly #fields: Fields;

  constructor(target: string, fields: Fields) {
    const index = Number(fields.tcm_ifindex);
    const takeAway = () => {
      netlink(RTM_DELTFILTER, 0, request(fields));
      removeQdisc(index);
    };
    super("tc", target, "filter", [{ close: takeAway }]);
    this.#fields = fields;
  }

  override update(program: LoadedProgram): void {
    const result = putFilter(program, this.#fields, NLM_F_REPLACE);
    if (typeof result === "number") throw refuse(result, program, `tc ${this.target}`, "netlink(RTM_NEWTFILTER)");
  }

  override detach(): void {
    this.close();
  }
}

export const tc: Hook = {
  name: "tc",
  attach(program, options) {
    const [target, index] = interfaceOf(program, "tc", options);
    const parent = PARENTS[options.direction ?? "ingress"];
    const more = {
      needs: ["CAP_NET_ADMIN"],
      likely: "the kernel was built without CONFIG_NET_CLS_BPF or CONFIG_NET_SCH_INGRESS",
    };
    const fail = (result: number, call: string) =>
      refuse(result, program, `tc ${target}`, `netlink(${call})`, { ...more, unsupported: result === -ENOENT });
    const qdisc = makeQdisc(index);
    if (qdisc < 0) throw fail(qdisc, "RTM_NEWQDISC");
    const wanted = {
      tcm_ifindex: index,
      tcm_parent: parent,
      tcm_info: (((options.priority ?? 0) << 16) | ANY_PROTOCOL) >>> 0,
    };
    const answer = putFilter(program, wanted, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO);
    const filter = typeof answer === "number" ? undefined : answer.find(({ type }) => type === RTM_NEWTFILTER);
    if (!filter) {
      removeQdisc(index);
      throw fail(typeof answer === "number" ? answer : -ENOENT, "RTM_NEWTFILTER");
    }
    const said = (name: string) => readField(tcmsg, filter.body, name);
    return new Filter(target, { ...wanted, tcm_handle: said("tcm_handle"), tcm_info: said("tcm_info") });
  },
};
