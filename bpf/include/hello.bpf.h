/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What the modes at the entry of a system call share: the configuration that user space writes
 * before load, the per-CPU accounts, and one section for each hook a syscall's
 * entry can be watched by. The loader loads only the program of the hook it
 * attaches.
 */
#ifndef HELLO_BPF_H
#define HELLO_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#define TASK_COMM_LEN 16 /* include/linux/sched.h */

/*
 * Written by user space into .rodata before load. The verifier knows these
 * values, so a filter that is off costs nothing.
 */
struct hello_config {
	__u32 self; /* thread group of the tracer, never reported */
	bool filter_pid;
	bool filter_uid;
	bool filter_comm;
	bool has_probe_read_kernel; /* absent before 5.5 and under lockdown */
	__u32 pid;
	__u32 uid;
	union {
		char comm[TASK_COMM_LEN]; /* NUL-padded */
		__u64 comm_words[TASK_COMM_LEN / 8];
	};
	/* raw_tracepoint only: sys_enter fires for every syscall. */
	__u32 syscall;
	/*
	 * The same number means another syscall in a 32-bit task. Such a task
	 * has compat_value in the bits compat_mask of the saved register at
	 * compat_offset of its pt_regs (x86: cs, arm64: pstate).
	 */
	__u32 compat_offset;
	__u64 compat_mask;
	__u64 compat_value;
	__u64 limit; /* so many reach user space and no more; 0: all */
	bool placed; /* events say where their process is: struct hello_placed_event */
	/* Offsets in the running kernel's types, on the way from a task to its pid in its own namespace. */
	bool has_task_layout;
	__u32 task_group_leader;
	__u32 task_thread_pid;
	__u32 pid_level;
	__u32 pid_numbers;
	__u32 upid_size;
};

const volatile struct hello_config config;

/* produced = received by user space + lost, for every mode. */
struct hello_account {
	__u64 produced;
	__u64 lost;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hello_account);
} accounts SEC(".maps");

/* How many were let through towards the limit. */
__u64 admitted;

/*
 * Kernels before 5.12 have no atomic that returns a value: add first, look
 * after. Two CPUs may turn each other away, but never let one too many through.
 */
static __always_inline bool admit(void)
{
	if (!config.limit)
		return true;
	__sync_fetch_and_add(&admitted, 1);
	if (*(volatile __u64 *)&admitted <= config.limit)
		return true;
	__sync_fetch_and_add(&admitted, -1);
	return false;
}

static __always_inline bool matches(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (tgid == config.self)
		return false;
	if (config.filter_pid && tgid != config.pid)
		return false;
	if (config.filter_uid && (__u32)bpf_get_current_uid_gid() != config.uid)
		return false;
	if (config.filter_comm) {
		__u64 comm[TASK_COMM_LEN / 8] = {};

		bpf_get_current_comm(comm, sizeof(comm));
		if (comm[0] != config.comm_words[0] || comm[1] != config.comm_words[1])
			return false;
	}
	return true;
}

/*
 * The account of this CPU, with one more produced, of what the filters have let
 * through; NULL where --count wants no more. Atomic, because a program can be
 * preempted by itself in another task on the same CPU.
 */
static __always_inline struct hello_account *produce_matched(void)
{
	__u32 key = 0;
	struct hello_account *account = bpf_map_lookup_elem(&accounts, &key);

	if (!account || !admit())
		return 0;
	__sync_fetch_and_add(&account->produced, 1);
	return account;
}

/* The same of the task that is running, where the filters let it through. */
static __always_inline struct hello_account *produce(void)
{
	return matches() ? produce_matched() : 0;
}

/* Nothing reached user space: that does not count towards the limit. */
static __always_inline void lose(struct hello_account *account)
{
	__sync_fetch_and_add(&account->lost, 1);
	if (config.limit)
		__sync_fetch_and_add(&admitted, -1);
}

/* TP_PROTO(struct pt_regs *regs, long id) of include/trace/events/syscalls.h */
static __always_inline bool is_our_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 saved = 0;

	if (ctx->args[1] != config.syscall)
		return false;
	if (!config.has_probe_read_kernel || !config.compat_mask)
		return true;
	bpf_probe_read_kernel(&saved, sizeof(saved), (void *)(ctx->args[0] + config.compat_offset));
	return (saved & config.compat_mask) != config.compat_value;
}

/* One body, one section a hook. */
#define HELLO_HOOKS(handle)                                                  \
	SEC("kprobe") int on_kprobe(void *ctx) { return handle(ctx); }        \
	SEC("fentry") int on_fentry(void *ctx) { return handle(ctx); }        \
	SEC("tracepoint") int on_tracepoint(void *ctx) { return handle(ctx); } \
	SEC("raw_tracepoint/sys_enter")                                       \
	int on_raw_tracepoint(struct bpf_raw_tracepoint_args *ctx)            \
	{                                                                     \
		return is_our_syscall(ctx) ? handle(ctx) : 0;                 \
	}

/* bpf_trace_printk, bpf_perf_event_output and bpf_probe_read_kernel are GPL-only. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";

#endif
