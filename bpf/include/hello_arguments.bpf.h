/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The first two arguments of the syscall watched, by each hook's own way to them. */
#ifndef HELLO_ARGUMENTS_BPF_H
#define HELLO_ARGUMENTS_BPF_H

#include "hello.bpf.h"

/*
 * Where struct pt_regs saves them, in bytes: user space knows its machine, so
 * that one object serves both architectures.
 */
struct hello_arguments {
	__u64 first;
	__u64 second;
};

const volatile struct hello_arguments arguments;

static __always_inline __u64 saved_register(const void *regs, __u64 offset)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), regs + offset);
	return value;
}

#define WITH_ARGUMENTS(handle, regs)                     \
	handle(saved_register(regs, arguments.first),    \
	       saved_register(regs, arguments.second))

/*
 * A syscall's function is called with the caller's registers as its first
 * argument (CONFIG_ARCH_HAS_SYSCALL_WRAPPER); a tracepoint has its arguments
 * behind the common fields and the number (include/trace/events/syscalls.h).
 * fentry's context is read as memory: kernel 5.10 refuses a typed load of this
 * argument (invalid bpf_context access).
 */
#define HELLO_ARGUMENT_HOOKS(handle)                                          \
	SEC("kprobe") int on_kprobe(void *ctx)                                 \
	{                                                                      \
		void *regs = (void *)saved_register(ctx, arguments.first);     \
		return WITH_ARGUMENTS(handle, regs);                           \
	}                                                                      \
	SEC("fentry") int on_fentry(void *ctx)                                 \
	{                                                                      \
		void *regs = (void *)saved_register(ctx, 0);                   \
		return WITH_ARGUMENTS(handle, regs);                           \
	}                                                                      \
	SEC("tracepoint") int on_tracepoint(__u64 *ctx)                        \
	{                                                                      \
		return handle(ctx[2], ctx[3]);                                 \
	}                                                                      \
	SEC("raw_tracepoint/sys_enter")                                        \
	int on_raw_tracepoint(struct bpf_raw_tracepoint_args *ctx)             \
	{                                                                      \
		void *regs = (void *)ctx->args[0];                             \
		return is_our_syscall(ctx) ? WITH_ARGUMENTS(handle, regs) : 0; \
	}

#endif
