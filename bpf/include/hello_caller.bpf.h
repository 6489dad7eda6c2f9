/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What the two programs of --mode bloom share: the threads that execute something. */
#ifndef HELLO_CALLER_BPF_H
#define HELLO_CALLER_BPF_H

#include "hello.bpf.h"

struct hello_caller {
	char command[TASK_COMM_LEN];
};

/* By thread, until the new program is there. Of calls that failed it stays, and makes room by itself. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, struct hello_caller);
} callers SEC(".maps");

#endif
