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
static __noinline int fill(struct hello_excess *excess, __u32 uid)
{
	excess->uid = uid;
	excess->pid = bpf_get_current_pid_tgid() >> 32;
	excess->count = rate_config.most + 1;
	bpf_get_current_comm(&excess->command, sizeof(excess->command));
	return 0;
}

/* thread: the current one's id when the call began. */
static __always_inline int act(__u32 thread)
{
	struct hello_excess_call *call = bpf_map_lookup_elem(&excesses, &thread);
	struct hello_claim claim = {};
	struct hello_account *account;
	struct hello_excess *excess;
	struct hello_user *user;
	__u64 when;
	__u8 yes = 1;

	if (!call)
		return 0;
	claim.uid = call->uid;
	when = call->when;
	bpf_map_delete_elem(&excesses, &thread);
	user = bpf_map_lookup_elem(&users, &claim.uid);
	if (!user)
		return 0;
	claim.said = user->said;
	if ((__s64)(when - claim.said) < (__s64)rate_config.window)
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
	fill(excess, claim.uid);
	bpf_ringbuf_submit(excess, 0);
	return 0;
}

static __always_inline int act_now(void) { return act(bpf_get_current_pid_tgid()); }

/*
 * For execve: once the new program is there, or there will be none. A thread
 * that was not its process's first takes that one's id:
 * TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm) of
 * include/trace/events/sched.h
 */
SEC("raw_tracepoint/sched_process_exec") int on_exec(struct bpf_raw_tracepoint_args *ctx) { return act(ctx->args[1]); }

/* TP_PROTO(struct pt_regs *regs, long ret) of include/trace/events/syscalls.h */
SEC("raw_tracepoint/sys_exit") int on_failure(struct bpf_raw_tracepoint_args *ctx)
{
	return (long)ctx->args[1] < 0 ? act_now() : 0;
}

/* For any other system call. */
SEC("raw_tracepoint/sys_exit") int on_exit(void *ctx) { return act_now(); }

/* The calls that do not come back: exit, exit_group, and who is killed in one. */
SEC("raw_tracepoint/sched_process_exit") int on_end(void *ctx) { return act_now(); }
