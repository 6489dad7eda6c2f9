// Where the running kernel keeps what leads from a task to its pid in its own namespace (include/linux/sched.h,
// include/linux/pid.h). The offsets differ from build to build: the kernel's BTF says them.

import type { Btf } from "elf-loader";
import { vmlinuxBtf } from "./vmlinux-btf.ts";

/** Bytes, by the names of struct hello_config in bpf/include/hello.bpf.h. */
export interface TaskLayout {
  readonly task_group_leader: number;
  readonly task_thread_pid: number;
  readonly pid_level: number;
  readonly pid_numbers: number;
  readonly upid_size: number;
}

/** undefined where the kernel has no BTF, or other names. */
export function taskLayout(btf: Btf | undefined = vmlinuxBtf()): TaskLayout | undefined {
  if (!btf) return undefined;
  const layout = {
    task_group_leader: memberOffset(btf, "task_struct", "group_leader"),
    task_thread_pid: memberOffset(btf, "task_struct", "thread_pid"),
    pid_level: memberOffset(btf, "pid", "level"),
    pid_numbers: memberOffset(btf, "pid", "numbers"),
    upid_size: structSize(btf, "upid"),
  };
  return Object.values(layout).includes(undefined) ? undefined : (layout as TaskLayout);
}

function structSize(btf: Btf, name: string): number | undefined {
  const id = btf.findByName(name, "struct");
  return id === 0 ? undefined : btf.sizeOf(id);
}

function memberOffset(btf: Btf, struct: string, member: string): number | undefined {
  const id = btf.findByName(struct, "struct");
  const bits = id === 0 ? undefined : memberBits(btf, id, member);
  return bits === undefined ? undefined : bits / 8;
}

/** Also inside members without a name, whose own members are the struct's. */
function memberBits(btf: Btf, id: number, name: string): number | undefined {
  const type = btf.type(id);
  if (type.kind !== "struct" && type.kind !== "union") return undefined;
  for (const member of type.members) {
    if (member.name === name) return member.bitOffset;
    const inner = member.name === "" ? memberBits(btf, btf.resolve(member.type), name) : undefined;
    if (inner !== undefined) return member.bitOffset + inner;
  }
  return undefined;
}
