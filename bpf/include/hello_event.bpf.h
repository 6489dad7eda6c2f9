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

#endif
