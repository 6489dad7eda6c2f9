/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode bloom, the program at the call: who executes something, while they still have their own name. */
#include "hello_caller.bpf.h"

static __always_inline int handle(void *ctx)
{
	__u32 thread = bpf_get_current_pid_tgid();
	struct hello_caller caller = {};

	if (!matches()) {
		bpf_map_delete_elem(&callers, &thread); /* of a call that failed */
		return 0;
	}
	bpf_get_current_comm(&caller.command, sizeof(caller.command));
	bpf_map_update_elem(&callers, &thread, &caller, BPF_ANY);
	return 0;
}

HELLO_HOOKS(handle)
