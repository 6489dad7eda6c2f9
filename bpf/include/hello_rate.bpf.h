/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What the two programs of --mode chain share: how many calls each user made in each stretch of time. */
#ifndef HELLO_RATE_BPF_H
#define HELLO_RATE_BPF_H

#include "hello.bpf.h"

/* Written by user space before load, the same for both. */
struct hello_rate_config {
	__u64 window; /* nanoseconds */
	__u64 most; /* calls in one of them that nobody is told of */
};

const volatile struct hello_rate_config rate_config;

/* Stretches are numbered from boot: no CPU has to begin a new one for the others. */
struct hello_rate_key {
	__u64 window;
	__u64 uid;
};

/* The map that is shared: one program writes it, the other reads it. What is old makes room by itself. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 10240);
	__type(key, struct hello_rate_key);
	__type(value, __u64);
} rates SEC(".maps");

static __always_inline struct hello_rate_key rate_key(void)
{
	struct hello_rate_key key = {
		.window = bpf_ktime_get_ns() / rate_config.window,
		.uid = bpf_get_current_uid_gid() & 0xFFFFFFFF,
	};

	return key;
}

#endif
