/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * --mode chain, the program that acts: reads what the other one has counted,
 * and says, once in that time, that a user made more calls than are allowed. It
 * runs after the call that was counted.
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

/* Where pt_regs saves a system call's number; written by user space before load. */
const volatile __u64 number_offset;

struct hello_claim {
	__u64 uid;
	__u64 said;
};

/* Who tells of the next excess after one: the CPU that puts this in. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 10240);
	__type(key, struct hello_claim);
	__type(value, __u8);
} claims SEC(".maps");

/* A function of its own, so that its BTF carries struct hello_excess. */
static __noinline int fill(struct hello_excess *excess)
{
	excess->uid = current_user();
	excess->pid = bpf_get_current_pid_tgid() >> 32;
	excess->count = rate_config.most + 1;
	bpf_get_current_comm(&excess->command, sizeof(excess->command));
	return 0;
}

static __always_inline int act(void)
{
	struct hello_claim claim = { .uid = current_user() };
	struct hello_user *user = bpf_map_lookup_elem(&users, &claim.uid);
	struct hello_account *account;
	struct hello_excess *excess;
	__u64 when;
	__u8 yes = 1;

	if (!user)
		return 0;
	when = user->excess;
	claim.said = user->said;
	if (!when || (__s64)(when - claim.said) < (__s64)rate_config.window)
		return 0;
	if (bpf_map_update_elem(&claims, &claim, &yes, BPF_NOEXIST))
		return 0;
	user->said = when;
	account = produce();
	if (!account)
		return 0;
	excess = bpf_ringbuf_reserve(&events, sizeof(*excess), 0);
	if (!excess) {
		lose(account);
		return 0;
	}
	fill(excess);
	bpf_ringbuf_submit(excess, 0);
	return 0;
}

/* For execve: once the new program is there, or there will be none. */
SEC("raw_tracepoint/sched_process_exec") int on_exec(void *ctx) { return act(); }

/* TP_PROTO(struct pt_regs *regs, long ret) of include/trace/events/syscalls.h */
SEC("raw_tracepoint/sys_exit") int on_failure(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 number = config.syscall;

	if ((long)ctx->args[1] >= 0)
		return 0;
	if (config.has_probe_read_kernel)
		bpf_probe_read_kernel(&number, sizeof(number), (void *)(ctx->args[0] + number_offset));
	return number == config.syscall ? act() : 0;
}

/* For any other system call: when it, or another of that user, ends. */
SEC("raw_tracepoint/sys_exit") int on_exit(void *ctx) { return act(); }
