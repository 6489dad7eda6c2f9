/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode chain, the program that counts: when each user made the last calls, as many as are allowed. */
#include "hello_rate.bpf.h"

#define CPUS_AT_ONCE 16 /* of one user, between looking at a number and taking it */

struct hello_call {
	__u64 uid;
	__u64 number;
};

/* When each was made. As large as user space says: a few users' --limit; of more the oldest make room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct hello_call);
	__type(value, __u64);
} times SEC(".maps");

static __always_inline struct hello_user *find_user(__u64 uid, __u64 now)
{
	struct hello_user *user = bpf_map_lookup_elem(&users, &uid);
	struct hello_user fresh = { .next = now, .said = now - rate_config.window, .since = now };

	if (user)
		return user;
	bpf_map_update_elem(&users, &uid, &fresh, BPF_NOEXIST); /* or another CPU was first */
	return bpf_map_lookup_elem(&users, &uid);
}

/*
 * Kernels before 5.12 have no atomic that returns a value: a number is taken
 * by who puts its time into the map.
 */
static __always_inline void take_number(struct hello_call *call, struct hello_user *user, __u64 now)
{
	int i;

	call->number = *(volatile __u64 *)&user->next;
	for (i = 0; i < CPUS_AT_ONCE; i++) {
		if (!bpf_map_update_elem(&times, call, &now, BPF_NOEXIST))
			break;
		call->number++;
	}
	__sync_fetch_and_add(&user->next, 1);
}

/* Whether a time is less than that ago; on another CPU it may be a little ahead. */
static __always_inline int is_recent(__u64 time, __u64 now)
{
	return (__s64)(now - time) < (__s64)rate_config.window;
}

/*
 * Needs no times: with many users these make room for each other, and then an
 * excess is found where it falls in one such stretch.
 */
static __always_inline int too_many_since(struct hello_user *user, __u64 now)
{
	/*
	 * The count first: who comes between the two begins anew as well, so that
	 * no old count is taken for a new one, where stores are seen in their order
	 * (arm64 promises none). A call or two may be forgotten.
	 */
	if (!is_recent(user->since, now)) {
		*(volatile __u64 *)&user->calls = 0;
		*(volatile __u64 *)&user->since = now;
	}
	__sync_fetch_and_add(&user->calls, 1);
	return user->calls > rate_config.most;
}

static __always_inline void keep_excess(__u64 uid, __u64 now)
{
	struct hello_excess_call excess = { .uid = uid, .when = now };
	__u32 thread = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&excesses, &thread, &excess, BPF_ANY);
}

static __always_inline int handle(void *ctx)
{
	struct hello_call call = { .uid = current_user() };
	__u64 now = bpf_ktime_get_ns(), *before;
	struct hello_user *user;

	if (!matches())
		return 0;
	user = find_user(call.uid, now);
	if (!user)
		return 0;
	take_number(&call, user, now);
	call.number -= rate_config.most;
	before = bpf_map_lookup_elem(&times, &call);
	if ((too_many_since(user, now) || (before && is_recent(*before, now))) && !is_recent(user->said, now))
		keep_excess(call.uid, now);
	call.number--;
	bpf_map_delete_elem(&times, &call); /* nobody asks for it any more */
	return 0;
}

HELLO_HOOKS(handle)
