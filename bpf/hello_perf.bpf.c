/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode perf: a struct for every syscall watched, through a perf buffer for each CPU. */
#include "hello_event.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

static __always_inline int handle(void *ctx)
{
	/* On the stack in full, and output as far as it is asked for. */
	struct hello_placed_event event = {};
	struct hello_account *account = produce();

	if (!account)
		return 0;
	fill(&event.event);
	if (config.placed)
		place(&event);
	if (bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event,
				  config.placed ? sizeof(event) : sizeof(event.event)))
		lose(account);
	return 0;
}

HELLO_HOOKS(handle)
