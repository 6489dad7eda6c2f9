/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode chain, the program that counts: one more call of this user in this stretch of time. */
#include "hello_rate.bpf.h"

static __always_inline int handle(void *ctx)
{
	struct hello_rate_key key = rate_key();
	__u64 one = 1, *count;

	if (!matches())
		return 0;
	count = bpf_map_lookup_elem(&rates, &key);
	if (!count) {
		if (!bpf_map_update_elem(&rates, &key, &one, BPF_NOEXIST))
			return 0;
		count = bpf_map_lookup_elem(&rates, &key); /* another CPU was first */
	}
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}

HELLO_HOOKS(handle)
