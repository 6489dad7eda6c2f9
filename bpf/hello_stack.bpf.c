/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode stack: the newest event first. */
#include "hello_arrivals.bpf.h"

HELLO_ARRIVALS(BPF_MAP_TYPE_STACK)
