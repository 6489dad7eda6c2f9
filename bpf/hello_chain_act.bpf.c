/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * --mode chain, the program that acts: reads what the other one has counted,
 * and says once for each stretch of time that a user made more calls than are
 * allowed. It runs after the call that was counted.
 */
#include "hello_rate.bpf.h"

struct hello_excess {
	__u32 uid;
	__u32 pid;
	__u64 count;
	char command[TASK_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

/* What has been said. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 10240);
	__type(key, struct hello_rate_key);
	__type(value, __u8);
} said SEC(".maps");

/* A function of its own, so that its BTF carries struct hello_excess. */
static __noinline int fill(struct hello_excess *excess, __u64 count)
{
	excess->uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
	excess->pid = bpf_get_current_pid_tgid() >> 32;
	excess->count = count;
	bpf_get_current_comm(&excess->command, sizeof(excess->command));
	return 0;
}

static __always_inline void look(struct hello_rate_key *key)
{
	__u64 *count = bpf_map_lookup_elem(&rates, key);
	struct hello_account *account;
	struct hello_excess *excess;
	__u8 yes = 1;

	if (!count || *count <= rate_config.most)
		return;
	if (bpf_map_lookup_elem(&said, key) || bpf_map_update_elem(&said, key, &yes, BPF_NOEXIST))
		return;
	account = produce();
	if (!account)
		return;
	excess = bpf_ringbuf_reserve(&events, sizeof(*excess), 0);
	if (!excess) {
		lose(account);
		return;
	}
	fill(excess, *count);
	bpf_ringbuf_submit(excess, 0);
}

/* Also the stretch before: it may have ended between the call and now. */
static __always_inline int act(void)
{
	struct hello_rate_key key = rate_key();

	look(&key);
	key.window--;
	look(&key);
	return 0;
}

/* For execve: once the new program is there, and for no other call. */
SEC("raw_tracepoint/sched_process_exec") int on_exec(void *ctx) { return act(); }

/* For any other system call: when it, or another of that user, ends. */
SEC("raw_tracepoint/sys_exit") int on_exit(void *ctx) { return act(); }
