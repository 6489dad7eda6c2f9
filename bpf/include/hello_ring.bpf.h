/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The event through one ring buffer for all CPUs (kernel 5.8). */
#ifndef HELLO_RING_BPF_H
#define HELLO_RING_BPF_H

#include "hello_event.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

/* One event of the current task, if it is wanted. */
static __always_inline int hand_over(void)
{
	struct hello_account *account = produce();
	struct hello_placed_event *placed = 0;
	struct hello_event *event;

	if (!account)
		return 0;
	/* The size of a reservation must be a constant. */
	if (config.placed) {
		placed = bpf_ringbuf_reserve(&events, sizeof(*placed), 0);
		event = placed ? &placed->event : 0;
	} else {
		event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	}
	if (!event) {
		lose(account);
		return 0;
	}
	fill(event);
	if (placed)
		place(placed);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

#endif
