/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode ring: the same struct, through one ring buffer for all CPUs (kernel 5.8). */
#include "hello_event.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

static __always_inline int handle(void *ctx)
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

HELLO_HOOKS(handle)
