/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What the two programs of --mode chain share: how often each user calls. */
#ifndef HELLO_RATE_BPF_H
#define HELLO_RATE_BPF_H

#include "hello.bpf.h"

/* Written by user space before load, the same for both. */
struct hello_rate_config {
	__u64 window; /* nanoseconds */
	__u64 most; /* calls in that time, whenever it begins, that nobody is told of */
};

const volatile struct hello_rate_config rate_config;

/* Times are the kernel's monotonic clock's, in nanoseconds. */
struct hello_user {
	__u64 next; /* number of the next call; the first one's is the time it was made at, so none comes twice */
	__u64 said; /* when the last one was made that was told of */
	__u64 since; /* when the calls began that are counted next */
	__u64 calls; /* in less than that time since then */
};

/* The map that is shared: one program writes what it counts, the other reads it. Who is idle makes room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, struct hello_user);
} users SEC(".maps");

struct hello_excess_call {
	__u64 uid;
	__u64 when;
};

/* The calls that were one too many and have not ended, by the thread's id: who ends another call is not to blame. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, struct hello_excess_call);
} excesses SEC(".maps");

static __always_inline __u64 current_user(void)
{
	return bpf_get_current_uid_gid() & 0xFFFFFFFF;
}

#endif
