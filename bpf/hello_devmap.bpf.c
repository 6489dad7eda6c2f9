/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * --mode devmap: what comes in by one interface goes out by the other, before
 * the kernel's network stack sees it. One program, attached to both.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Written by user space before load. */
const volatile __u32 from_ifindex;

enum direction { FROM_TO, TO_FROM, DIRECTIONS };

/* Where each direction goes out. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, DIRECTIONS);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

struct hello_traffic {
	__u64 packets;
	__u64 bytes;
	__u64 lost; /* packets that had nowhere to go */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DIRECTIONS);
	__type(key, __u32);
	__type(value, struct hello_traffic);
} traffic SEC(".maps");

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
	__u32 direction = ctx->ingress_ifindex == from_ifindex ? FROM_TO : TO_FROM;
	struct hello_traffic *counts = bpf_map_lookup_elem(&traffic, &direction);
	long verdict = bpf_redirect_map(&ports, direction, 0);

	/* This CPU's, and packets are not interrupted by packets. */
	if (counts && verdict == XDP_REDIRECT) {
		counts->packets++;
		counts->bytes += ctx->data_end - ctx->data;
	} else if (counts) {
		counts->lost++; /* the kernel has taken an interface away that is gone */
	}
	return verdict;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
