/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Counting by command: a key of TASK_COMM_LEN bytes, and one more for it in a map. */
#ifndef HELLO_COMMAND_BPF_H
#define HELLO_COMMAND_BPF_H

#include "hello.bpf.h"

struct hello_command {
	char name[TASK_COMM_LEN];
};

/* One more for a key of a map that may be full; false where it could not be counted. */
static __always_inline bool count_in(void *map, const void *key)
{
	__u64 one = 1, *counter = bpf_map_lookup_elem(map, key);

	if (!counter) {
		if (!bpf_map_update_elem(map, key, &one, BPF_NOEXIST))
			return true;
		/* Another CPU was first, or the map is full. */
		counter = bpf_map_lookup_elem(map, key);
	}
	if (counter)
		__sync_fetch_and_add(counter, 1);
	return counter;
}

#endif
