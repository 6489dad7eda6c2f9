/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * --mode map-of-maps: for each user a map of the commands that made syscalls. User
 * space makes a user's map when it sees the user in `waiting`, where what comes
 * before is counted.
 */
#include "hello_command.bpf.h"

struct hello_commands {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct hello_command);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__array(values, struct hello_commands);
} users SEC(".maps");

struct hello_user_command {
	__u32 uid;
	struct hello_command command;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct hello_user_command);
	__type(value, __u64);
} waiting SEC(".maps");

static __always_inline int handle(void *ctx)
{
	struct hello_user_command key = { .uid = bpf_get_current_uid_gid() };
	struct hello_account *account = produce();
	bool counted;
	void *user;

	if (!account)
		return 0;
	bpf_get_current_comm(&key.command, sizeof(key.command));
	user = bpf_map_lookup_elem(&users, &key.uid);
	if (user)
		counted = count_in(user, &key.command);
	else
		counted = count_in(&waiting, &key);
	if (!counted)
		lose(account);
	return 0;
}

HELLO_HOOKS(handle)
