/*
 * The witness's network, by system calls alone: a TCP connection that goes
 * through a proxy, and frames that cross from one interface to another.
 */
#ifndef BARE_NETWORK_H
#define BARE_NETWORK_H

#include "bare.h"

#define O_WRONLY 1
#define O_CLOEXEC 02000000

static int write_file(const char *path, const char *text)
{
	long fd = call(__NR_openat, AT_FDCWD, (long)path, O_WRONLY, 0, 0);

	return call(__NR_write, fd, (long)text, length(text), 0, 0) != (long)length(text);
}

/* include/uapi/linux/sockios.h, if.h, ethtool.h */
#define SIOCSIFFLAGS 0x8914
#define SIOCGIFINDEX 0x8933
#define SIOCETHTOOL 0x8946
#define IFF_UP 1
#define ETHTOOL_SGRO 0x2c

/* struct ifreq */
struct request {
	char name[16];
	union {
		int number;
		short flags;
		void *data;
		char rest[24];
	};
};

/* 0, or what is below; the answer is in the request. */
static long ask(const char *name, unsigned long what, struct request *request)
{
	long fd = call(__NR_socket, 2, 2, 0, 0, 0), result;

	for (int at = 0; name[at]; at++)
		request->name[at] = name[at];
	result = call(__NR_ioctl, fd, what, (long)request, 0, 0);
	call(__NR_close, fd, 0, 0, 0, 0);
	return result;
}

static int bring_up(const char *name)
{
	struct request request = { .flags = IFF_UP };

	return ask(name, SIOCSIFFLAGS, &request) < 0;
}

static int index_of(const char *name)
{
	struct request request = { 0 };

	return ask(name, SIOCGIFINDEX, &request) < 0 ? 0 : request.number;
}

/* Has interrupts' work done in batches (GRO), struct ethtool_value. */
static int batch(const char *name)
{
	unsigned int on[] = { ETHTOOL_SGRO, 1 };
	struct request request = { .data = on };

	return ask(name, SIOCETHTOOL, &request) < 0;
}

/* A TCP socket that listens on a port of 127.0.0.1 (`bind`), or is connected to it. */
static long tcp(unsigned int port, int bind)
{
	unsigned char address[16] = { 2, 0, port >> 8, port, 127, 0, 0, 1 };
	long fd = call(__NR_socket, 2, 1, 0, 0, 0);

	if (call(bind ? __NR_bind : __NR_connect, fd, (long)address, sizeof(address), 0, 0))
		return -1;
	if (bind)
		call(__NR_listen, fd, 1, 0, 0, 0);
	return fd;
}

/* Reads until so many bytes are there or the end: how many. */
static long read_all(long fd, char *to, long most)
{
	long held = 0, count;

	while (held < most && (count = call(__NR_read, fd, (long)(to + held), most - held, 0, 0)) > 0)
		held += count;
	return held;
}

static int go_through(unsigned int port, unsigned int target)
{
	static const char said[] = "Hello World\n";
	const long size = sizeof(said) - 1;
	char heard[sizeof(said)] = "";
	long listener, client, served;

	bring_up("lo");
	listener = tcp(target, 1);
	client = tcp(port, 0);
	if (listener < 0 || client < 0 || call(__NR_write, client, (long)said, size, 0, 0) != size)
		return 1;
	served = call(__NR_accept4, listener, 0, 0, 0, 0);
	if (read_all(served, heard, size) != size || call(__NR_write, served, (long)heard, size, 0, 0) != size)
		return 1;
	heard[0] = 0;
	if (read_all(client, heard, size) != size || !same(heard, said))
		return 1;
	/* Each end is heard by the other: then nothing is under way any more. */
	call(__NR_shutdown, client, 1, 0, 0, 0);
	if (read_all(served, heard, 1) != 0)
		return 1;
	call(__NR_close, served, 0, 0, 0, 0);
	return read_all(client, heard, 1) != 0;
}

#define MODULE_INIT_COMPRESSED_FILE 4 /* include/uapi/linux/module.h */

/* Compressed or not; it may be there already. */
static void load_module(const char *path)
{
	long fd = call(__NR_openat, AT_FDCWD, (long)path, O_CLOEXEC, 0, 0);

	/* In this order, as what is compressed is complained of on the console. */
	if (call(__NR_finit_module, fd, (long)"", MODULE_INIT_COMPRESSED_FILE, 0, 0))
		call(__NR_finit_module, fd, (long)"", 0, 0, 0);
	call(__NR_close, fd, 0, 0, 0, 0);
}

/* RTM_NEWLINK of a veth: the kernel names both ends. 0, or what the answer's error is. */
static int make_pair(void)
{
	/* struct nlmsghdr; ifinfomsg; IFLA_LINKINFO { IFLA_INFO_KIND }: rtnetlink.h, if_link.h */
	struct {
		unsigned int size;
		unsigned short type, flags;
		unsigned int sequence, port;
		unsigned char interface[16];
		unsigned short info_size, info, kind_size, kind;
		char name[8];
	} message = { sizeof(message), 16, 0x605, 1, 0, "", 16, 18, 9, 1, "veth" };
	int answer[64] = { 0 };
	long fd = call(__NR_socket, 16, 3, 0, 0, 0);

	call(__NR_write, fd, (long)&message, sizeof(message), 0, 0);
	call(__NR_read, fd, (long)answer, sizeof(answer), 0, 0);
	call(__NR_close, fd, 0, 0, 0, 0);
	return answer[4]; /* behind the header of NLMSG_ERROR */
}

/* Ready for what is redirected to their other ends, which look for it when they come up (veth_set_xdp_features), and up. */
static int make_pairs(unsigned int count, const char *module)
{
	char name[] = "veth0", end = '0' + 2 * count;
	int failed = 0;

	load_module(module);
	/* Interfaces have nothing of their own to say. */
	write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	for (unsigned int pair = 0; pair < count; pair++)
		failed |= make_pair();
	for (name[4] = '0'; name[4] < end; name[4]++)
		failed |= batch(name);
	for (name[4] = '0'; name[4] < end; name[4]++)
		failed |= bring_up(name);
	return failed != 0;
}

#define FRAMES 20
#define PROTOCOL 0xb588 /* ETH_P_802_EX1, big-endian */

/* A socket for frames of that protocol on an interface; waits two seconds for one at the most. */
static long frames_of(const char *interface)
{
	/* struct sockaddr_ll */
	struct {
		unsigned short family, protocol;
		int index;
		unsigned char rest[12];
	} address = { 17, PROTOCOL, index_of(interface), "" };
	long fd = call(__NR_socket, 17, 3, PROTOCOL, 0, 0), limit[] = { 2, 0 };

	call(__NR_setsockopt, fd, 1, 20, (long)limit, sizeof(limit)); /* SOL_SOCKET, SO_RCVTIMEO */
	return call(__NR_bind, fd, (long)&address, sizeof(address), 0, 0) ? -1 : fd;
}

/* Whether one of the frames does not come out as it was put in. */
static int cross(const char *from, const char *to)
{
	long in = frames_of(from), out = frames_of(to);
	unsigned char frame[64] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 }, came[64];

	for (int number = 1; number <= FRAMES; number++) {
		frame[63] = number;
		call(__NR_write, in, (long)frame, sizeof(frame), 0, 0);
		came[63] = 0;
		if (call(__NR_read, out, (long)came, sizeof(came), 0, 0) != sizeof(came) || came[63] != number)
			return 1;
	}
	call(__NR_close, in, 0, 0, 0, 0);
	call(__NR_close, out, 0, 0, 0, 0);
	return 0;
}

#endif
