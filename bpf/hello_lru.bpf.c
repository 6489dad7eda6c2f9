/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode lru: how many syscalls each command made, in a map that forgets commands that made none for long. */
#include "hello_command.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 10240);
	__type(key, struct hello_command);
	__type(value, __u64);
} commands SEC(".maps");

static __always_inline int handle(void *ctx)
{
	struct hello_account *account = produce();
	struct hello_command command = {};

	if (!account)
		return 0;
	bpf_get_current_comm(&command, sizeof(command));
	if (!count_in(&commands, &command))
		lose(account);
	return 0;
}

HELLO_HOOKS(handle)
