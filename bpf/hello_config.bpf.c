/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * --mode config: the struct of ring, of the calls that pass the filters in a
 * pinned map. Whoever may write the map changes them while the program runs.
 */
#include "hello_ring.bpf.h"

struct hello_filters {
	bool filter_uid;
	bool filter_comm;
	__u32 uid;
	char comm[TASK_COMM_LEN]; /* NUL-padded */
};

/*
 * One entry, 0; without it all pass. A hash map replaces an entry as a whole:
 * a call sees the old filters or the new ones, never some of both.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, struct hello_filters);
} hello_filters SEC(".maps");

static __always_inline bool passes(void)
{
	__u32 key = 0;
	struct hello_filters *filters = bpf_map_lookup_elem(&hello_filters, &key);
	char comm[TASK_COMM_LEN] = {};

	if (!filters)
		return true;
	if (filters->filter_uid && (__u32)bpf_get_current_uid_gid() != filters->uid)
		return false;
	if (!filters->filter_comm)
		return true;
	bpf_get_current_comm(comm, sizeof(comm));
	for (int at = 0; at < TASK_COMM_LEN; at++)
		if (comm[at] != filters->comm[at])
			return false;
	return true;
}

static __always_inline int handle(void *ctx)
{
	return passes() ? hand_over() : 0;
}

HELLO_HOOKS(handle)
