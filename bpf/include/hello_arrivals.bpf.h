/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Modes queue and stack: events kept in the kernel until user space asks for them. */
#ifndef HELLO_ARRIVALS_BPF_H
#define HELLO_ARRIVALS_BPF_H

#include "hello_event.bpf.h"

#define HELLO_ARRIVALS(map_type)                                    \
	struct {                                                    \
		__uint(type, map_type);                             \
		__uint(max_entries, 10240);                         \
		__type(value, struct hello_placed_event);           \
	} arrivals SEC(".maps");                                    \
	static __always_inline int handle(void *ctx)                \
	{                                                           \
		struct hello_placed_event event = {};               \
		struct hello_account *account = produce();          \
                                                                    \
		if (!account)                                       \
			return 0;                                   \
		fill(&event.event);                                 \
		if (config.placed)                                  \
			place(&event);                              \
		if (bpf_map_push_elem(&arrivals, &event, BPF_ANY))  \
			lose(account);                              \
		return 0;                                           \
	}                                                           \
	HELLO_HOOKS(handle)

#endif
