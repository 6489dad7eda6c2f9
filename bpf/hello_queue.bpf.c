/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode queue: the oldest event first. */
#include "hello_arrivals.bpf.h"

HELLO_ARRIVALS(BPF_MAP_TYPE_QUEUE)
