// The options as the program in the kernel reads them: struct hello_config of bpf/include/hello.bpf.h.

import { compatTaskMark, type ObjectSpec, ownTgid, probeReadKernel, syscallNumber, taskLayout } from "../index.ts";
import type { Invocation } from "./options.ts";

/** Writes the configuration into the object's .rodata, before load. */
export function configure(spec: ObjectSpec, options: Invocation): void {
  const compat = compatTaskMark();
  const { pid, uid, comm, count, mode } = options;
  const config: Record<string, number | bigint | boolean | string> = {
    self: ownTgid(),
    has_probe_read_kernel: probeReadKernel.probe(),
    syscall: syscallNumber(options.syscall) ?? 0,
    compat_offset: compat.offset,
    compat_mask: compat.mask,
    compat_value: compat.value,
    filter_pid: pid !== undefined,
    filter_uid: uid !== undefined,
    filter_comm: comm !== undefined,
    pid: pid ?? 0,
    uid: uid ?? 0,
    comm: comm ?? "",
    limit: mode.refreshes ? 0 : (count ?? 0),
    ...(mode.places && options.output === "jsonl" ? placement() : {}),
  };
  for (const [field, value] of Object.entries(config)) spec.globals.set(`config.${field}`, value);
}

/** Where the program finds the pid in the process's own namespace; without the kernel's BTF it does without. */
function placement(): Record<string, number | boolean> {
  const layout = taskLayout();
  return { placed: true, has_task_layout: layout !== undefined, ...layout };
}
