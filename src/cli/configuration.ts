// The options as the program in the kernel reads them: struct hello_config of bpf/include/hello.bpf.h.

import { compatTaskMark, type ObjectSpec, ownTgid, probeReadKernel, syscallNumber, taskLayout } from "../index.ts";
import type { Settings } from "./settings.ts";

/** What a mode's program does with the options. */
interface Uses {
  /** Whether the kernel keeps to --count. */
  readonly limited: boolean;
  /** Whether an event has room for where its process is. */
  readonly placed: boolean;
}

/** Writes the configuration into the object's .rodata, before load. */
export function configure(spec: ObjectSpec, settings: Settings, { limited, placed }: Uses): void {
  const compat = compatTaskMark();
  const { pid, uid, comm, count } = settings;
  const config: Record<string, number | bigint | boolean | string> = {
    self: ownTgid(),
    has_probe_read_kernel: probeReadKernel.probe(),
    syscall: syscallNumber(settings.syscall) ?? 0,
    compat_offset: compat.offset,
    compat_mask: compat.mask,
    compat_value: compat.value,
    filter_pid: pid !== undefined,
    filter_uid: uid !== undefined,
    filter_comm: comm !== undefined,
    pid: pid ?? 0,
    uid: uid ?? 0,
    comm: comm ?? "",
    limit: limited ? (count ?? 0) : 0,
    ...(placed && settings.output === "jsonl" ? placement() : {}),
  };
  for (const [field, value] of Object.entries(config)) spec.globals.set(`config.${field}`, value);
}

/** Where the program finds the pid in the process's own namespace; without the kernel's BTF it does without. */
function placement(): Record<string, number | boolean> {
  const layout = taskLayout();
  return { placed: true, has_task_layout: layout !== undefined, ...layout };
}
