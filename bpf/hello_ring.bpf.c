/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode ring: a struct for every event, through one ring buffer. */
#include "hello_ring.bpf.h"

static __always_inline int handle(void *ctx)
{
	return hand_over();
}

HELLO_HOOKS(handle)
