/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * --mode lpm: connect(2) to addresses of IPv4 and IPv6, counted by the class of
 * the longest prefix that covers the address; class 0 is that of no prefix.
 */
#include "hello_arguments.bpf.h"

#define AF_INET 2   /* include/linux/socket.h */
#define AF_INET6 10

struct hello_address {
	__u32 prefixlen;
	__u8 bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct hello_address);
	__type(value, __u32);
} prefixes SEC(".maps");

/* Filled by user space with a zero for each class. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1025);
	__type(key, __u32);
	__type(value, __u64);
} classes SEC(".maps");

/* struct sockaddr_in and sockaddr_in6 (include/uapi/linux/in.h, in6.h) */
static __always_inline bool read_address(__u64 sockaddr, struct hello_address *address)
{
	__u16 family = 0;

	bpf_probe_read_user(&family, sizeof(family), (void *)sockaddr);
	if (family == AF_INET6)
		return !bpf_probe_read_user(address->bytes, 16, (void *)(sockaddr + 8));
	address->bytes[10] = address->bytes[11] = 0xff;
	return family == AF_INET && !bpf_probe_read_user(&address->bytes[12], 4, (void *)(sockaddr + 4));
}

static __always_inline int handle(__u64 fd, __u64 sockaddr)
{
	struct hello_address address = { .prefixlen = 128 };
	struct hello_account *account;
	__u32 *class, number = 0;
	__u64 *counter;

	if (!matches() || !read_address(sockaddr, &address))
		return 0;
	account = produce();
	if (!account)
		return 0;
	class = bpf_map_lookup_elem(&prefixes, &address);
	if (class)
		number = *class;
	counter = bpf_map_lookup_elem(&classes, &number);
	if (counter)
		__sync_fetch_and_add(counter, 1);
	else
		lose(account);
	return 0;
}

HELLO_ARGUMENT_HOOKS(handle)
