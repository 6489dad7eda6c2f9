/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode map: how many syscalls each user made, in a hash map. */
#include "hello.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, __u64);
} counter_table SEC(".maps");

static __always_inline int handle(void *ctx)
{
	__u64 uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
	struct hello_account *account = produce();
	__u64 one = 1, *counter;

	if (!account)
		return 0;
	counter = bpf_map_lookup_elem(&counter_table, &uid);
	if (!counter) {
		if (!bpf_map_update_elem(&counter_table, &uid, &one, BPF_NOEXIST))
			return 0;
		/* Another CPU was first, or the table is full. */
		counter = bpf_map_lookup_elem(&counter_table, &uid);
	}
	if (counter)
		__sync_fetch_and_add(counter, 1);
	else
		lose(account);
	return 0;
}

HELLO_HOOKS(handle)
