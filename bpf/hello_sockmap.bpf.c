/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * --mode sockmap: what arrives at a socket goes on to the socket that it is
 * paired with, without passing through user space.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define CONNECTIONS 65536

/* A socket's cookie to the socket that its bytes go to. No program is attached here: it makes sockets fit to be sent to. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 2 * CONNECTIONS);
	__type(key, __u64);
	__type(value, __u64);
} peers SEC(".maps");

/* The sockets whose bytes are forwarded, by their own cookie: the programs are attached to this map. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 2 * CONNECTIONS);
	__type(key, __u64);
	__type(value, __u64);
} sources SEC(".maps");

/* Bytes forwarded from a socket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * CONNECTIONS);
	__type(key, __u64);
	__type(value, __u64);
} forwarded SEC(".maps");

/* Of all sockets: where it is the same as before, user space need not look at any. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} total SEC(".maps");

/* Kernels before 5.11 want to be told how long a message is: as long as what there is. */
SEC("sk_skb/stream_parser")
int measure(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("sk_skb/stream_verdict")
int forward(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	__u64 *bytes = bpf_map_lookup_elem(&forwarded, &cookie);
	__u32 length = skb->len, first = 0;
	__u64 *all = bpf_map_lookup_elem(&total, &first);
	int verdict;

	/* An end without bytes: user space hands it on, when all else has gone on. */
	if (!length)
		return SK_DROP;
	verdict = bpf_sk_redirect_hash(skb, &peers, &cookie, 0);
	if (bytes && all && verdict == SK_PASS) {
		__sync_fetch_and_add(bytes, length);
		__sync_fetch_and_add(all, length);
	}
	return verdict;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
