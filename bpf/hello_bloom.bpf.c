/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode bloom: the path of a program the first time it is executed, remembered by a bloom filter (kernel 5.16). */
#include "hello_arguments.bpf.h"

struct hello_path {
	char path[256];
};

struct hello_file_event {
	int pid;
	int uid;
	char command[TASK_COMM_LEN];
	struct hello_path file;
};

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 10240);
	__uint(map_extra, 5); /* hash functions */
	__type(value, struct hello_path);
} known SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

/*
 * The event while it is made, one a CPU: a program is not run twice at once on
 * one. Not on the stack: kernel 7 takes a bloom filter's peek for one that
 * writes its value, and forgets what the stack held.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hello_file_event);
} making SEC(".maps");

/* A function of its own, so that its BTF carries struct hello_file_event. */
static __noinline int describe(struct hello_file_event *event)
{
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
	bpf_get_current_comm(&event->command, sizeof(event->command));
	return 0;
}

static __always_inline int handle(__u64 path, __u64 argv)
{
	__u32 key = 0;
	struct hello_file_event *event = bpf_map_lookup_elem(&making, &key);
	struct hello_account *account;

	if (!event || !matches())
		return 0;
	/* What is behind the end is zero, so that one path is always the same bytes. */
	__builtin_memset(&event->file, 0, sizeof(event->file));
	if (bpf_probe_read_user_str(&event->file, sizeof(event->file), (void *)path) <= 0)
		return 0;
	if (!bpf_map_peek_elem(&known, &event->file))
		return 0;
	account = produce();
	if (!account)
		return 0;
	bpf_map_push_elem(&known, &event->file, BPF_ANY);
	describe(event);
	if (bpf_ringbuf_output(&events, event, sizeof(*event), 0))
		lose(account);
	return 0;
}

HELLO_ARGUMENT_HOOKS(handle)
