/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The event of the modes that carry one to user space, and how it is filled. */
#ifndef HELLO_EVENT_BPF_H
#define HELLO_EVENT_BPF_H

#include "hello.bpf.h"

/* One execve (or whatever syscall was asked for), as it crosses to user space. */
struct hello_event {
	int pid;
	int uid;
	char command[TASK_COMM_LEN];
	char message[12];
};

/* The same with what lays it to a container. */
struct hello_placed_event {
	struct hello_event event;
	int nspid; /* the pid as the process itself knows it; 0 where it cannot be told */
	__u64 cgroup;
};

static const char hello_world[12] = "Hello World";

/* A function of its own, so that its BTF carries struct hello_event. */
static __noinline int fill(struct hello_event *event)
{
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
	bpf_get_current_comm(&event->command, sizeof(event->command));
	if (config.has_probe_read_kernel)
		bpf_probe_read_kernel(&event->message, sizeof(event->message), hello_world);
	else
		__builtin_memcpy(event->message, hello_world, sizeof(event->message));
	return 0;
}

/*
 * current->group_leader->thread_pid, and of its numbers the innermost one.
 * The offsets come from user space, which has read the kernel's BTF.
 */
static __always_inline int namespace_pid(void)
{
	__u64 leader = 0, pid = 0;
	__u32 level = 0;
	int number = 0;

	if (!config.has_task_layout || !config.has_probe_read_kernel)
		return 0;
	bpf_probe_read_kernel(&leader, sizeof(leader), (void *)(bpf_get_current_task() + config.task_group_leader));
	bpf_probe_read_kernel(&pid, sizeof(pid), (void *)(leader + config.task_thread_pid));
	bpf_probe_read_kernel(&level, sizeof(level), (void *)(pid + config.pid_level));
	bpf_probe_read_kernel(&number, sizeof(number),
			      (void *)(pid + config.pid_numbers + (__u64)level * config.upid_size));
	return number;
}

static __noinline int place(struct hello_placed_event *placed)
{
	placed->nspid = namespace_pid();
	placed->cgroup = bpf_get_current_cgroup_id();
	return 0;
}

#endif
