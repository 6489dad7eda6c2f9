/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* --mode trace: a line into the kernel's trace_pipe for every syscall watched. */
#include "hello.bpf.h"

static __always_inline int handle(void *ctx)
{
	const char format[] = "Hello World!\n";
	struct hello_account *account = produce();

	if (!account)
		return 0;
	if (bpf_trace_printk(format, sizeof(format)) < 0)
		lose(account);
	return 0;
}

HELLO_HOOKS(handle)
