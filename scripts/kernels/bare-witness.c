/*
 * Produces events that can be told apart, and checks that each arrives as it
 * was made. For guests without a shell and for libcs without tools.
 *
 *   witness storm N                   calls sched_rr_get_interval, which nothing else
 *                                     does, N times, each time under another name
 *   witness exec N                    starts itself N times, one after the other
 *   witness connect N                 connects N datagram sockets to 127.0.0.1
 *   witness through PORT TARGET       takes its own connection on TARGET that it makes to PORT, and has
 *                                     what it says come back
 *   witness pairs N MODULE            loads veth's module and makes N pairs of interfaces: veth0 and
 *                                     veth1, veth2 and veth3, ...
 *   witness across A B                puts 20 frames on interface A, which come out of B, and back
 *   witness on CPU CMD...             becomes CMD on that CPU alone
 *   witness with NAME=VALUE CMD...    becomes CMD with that in its environment
 *   witness without CAPABILITY CMD... becomes CMD, which cannot have the capability of that number
 *   witness parent MASK               waits until every thread of its parent has no_new_privs and
 *                                     no other capabilities than MASK, 16 hexadecimal digits
 *   witness write FILE TEXT           writes it there
 *   witness check CMD...              runs CMD, whose standard output is the text of such
 *                                     a storm, and counts the lines that are not as made
 */
#include "bare.h"
#include "bare-network.h"

#define PR_SET_NAME 15
#define PR_CAPBSET_DROP 24

/* The name of event N: s and seven digits. */
static void storm(unsigned int times)
{
	char name[] = "s0000000";

	while (times--) {
		int at = 7;

		while (++name[at] > '9')
			name[at--] = '0';
		call(__NR_prctl, PR_SET_NAME, (long)name, 0, 0, 0);
		call(__NR_sched_rr_get_interval, 0, 0, 0, 0, 0);
	}
}

static int start_many(char *self, unsigned int times)
{
	char *argv[] = { self, "exec", "0", NULL };
	int failed = 0;

	while (times--)
		failed |= run(argv);
	return failed;
}

static int connect_many(unsigned int times)
{
	/* struct sockaddr_in: AF_INET, port 9, 127.0.0.1 */
	unsigned char address[16] = { 2, 0, 0, 9, 127, 0, 0, 1 };
	int failed = 0;

	while (times--) {
		long fd = call(__NR_socket, 2, 2, 0, 0, 0);

		/* A guest's loopback may be down: that it was asked for is what counts. */
		call(__NR_connect, fd, (long)address, sizeof(address), 0, 0);
		failed |= fd < 0;
		call(__NR_close, fd, 0, 0, 0, 0);
	}
	return failed;
}

static void pin(unsigned int cpu)
{
	unsigned long mask = 1UL << cpu;

	call(__NR_sched_setaffinity, 0, sizeof(mask), (long)&mask, 0, 0);
}

static unsigned int lines, malformed, disordered, last_event, storm_pid;

/* PID UID COMMAND Hello World, of one process, in the order it was made. */
static void check_line(const char *line)
{
	unsigned int pid = take_number(&line), event;
	const char *rest = after(line, " 0 s");
	const char *name = rest;

	lines++;
	if (!storm_pid)
		storm_pid = pid;
	if (!rest || !pid || pid != storm_pid) {
		malformed++;
		return;
	}
	event = take_number(&rest);
	if (rest - name != 7 || !same(rest, " Hello World"))
		malformed++;
	else if (event <= last_event)
		disordered++;
	else
		last_event = event;
}

static char buffer[65536];

/* Reads until the end; a line without its end is malformed too. */
static void check_stream(int fd)
{
	unsigned long held = 0;
	long count;

	while ((count = call(__NR_read, fd, (long)(buffer + held), sizeof(buffer) - held, 0, 0)) > 0) {
		unsigned long end = held + count, begin = 0;

		for (unsigned long at = held; at < end; at++) {
			if (buffer[at] != '\n')
				continue;
			buffer[at] = 0;
			check_line(buffer + begin);
			begin = at + 1;
		}
		held = end - begin;
		for (unsigned long at = 0; at < held; at++)
			buffer[at] = buffer[begin + at];
	}
	malformed += held != 0;
}

static void report(const char *what, unsigned int number)
{
	print(what);
	print_number(number);
}

static int check(char **argv)
{
	int ends[2], status;
	long pid;

	/* O_CLOEXEC: the command must not hold the reading end, nor its command the writing one. */
	call(__NR_pipe2, (long)ends, 02000000, 0, 0, 0);
	pid = start(argv, ends[1]);
	call(__NR_close, ends[1], 0, 0, 0, 0);
	check_stream(ends[0]);
	status = wait_for(pid);
	report("checked ", lines);
	report(" lines, malformed ", malformed);
	report(", out of order ", disordered);
	report(", last ", last_event);
	print("\n");
	return status;
}

/* The value behind NAME in a /proc/PID/status that ends in NUL; "" where it is not there. */
static const char *field(const char *status, const char *name)
{
	const char *value;

	for (; *status; status++)
		if ((value = after(status, name)))
			return value;
	return "";
}

/* Into `buffer`, ending in NUL: /proc/PID/task/TID/status; 0 where there is no such thread. */
static int read_status(unsigned int pid, unsigned int tid)
{
	char path[64] = "/proc/", *at = path + 6;
	unsigned int numbers[] = { pid, tid };
	const char *names[] = { "/task/", "/status" };
	long fd, count;

	for (int part = 0; part < 2; part++) {
		unsigned int scale = 1;

		while (numbers[part] / scale > 9)
			scale *= 10;
		for (; scale; scale /= 10)
			*at++ = '0' + numbers[part] / scale % 10;
		for (const char *name = names[part]; *name;)
			*at++ = *name++;
	}
	*at = 0;
	fd = call(__NR_openat, AT_FDCWD, (long)path, 0, 0, 0);
	if (fd < 0)
		return 0;
	count = call(__NR_read, fd, (long)buffer, sizeof(buffer) - 1, 0, 0);
	call(__NR_close, fd, 0, 0, 0, 0);
	buffer[count > 0 ? count : 0] = 0;
	return count > 0;
}

/* Threads of a process whose status holds `mask` in both sets and no_new_privs; *others counts the rest. */
static unsigned int threads_with(unsigned int pid, const char *mask, unsigned int *others)
{
	unsigned int found = 0;

	*others = 0;
	for (unsigned int tid = pid; tid < pid + 100; tid++) {
		if (!read_status(pid, tid))
			continue;
		if (after(field(buffer, "CapPrm:\t"), mask) && after(field(buffer, "CapEff:\t"), mask) &&
		    after(field(buffer, "NoNewPrivs:\t"), "1"))
			found++;
		else
			++*others;
	}
	return found;
}

static int check_parent(const char *mask)
{
	long pause[] = { 0, 50000000 };
	unsigned int others, found;

	for (int attempt = 0; attempt < 200; attempt++) {
		found = threads_with(call(__NR_getppid, 0, 0, 0, 0, 0), mask, &others);
		if (!others)
			break;
		call(__NR_nanosleep, (long)pause, 0, 0, 0, 0);
	}
	report("threads as they should be ", found);
	report(", others ", others);
	print("\n");
	return others != 0;
}

void begin(long *stack)
{
	char **argv = (char **)(stack + 1);
	int status = 2;

	if (stack[0] < 3)
		status = 2;
	else if (same(argv[1], "storm"))
		status = (storm(parse(argv[2])), 0);
	else if (same(argv[1], "exec"))
		status = start_many(argv[0], parse(argv[2]));
	else if (same(argv[1], "connect"))
		status = connect_many(parse(argv[2]));
	else if (same(argv[1], "parent"))
		status = check_parent(argv[2]);
	else if (stack[0] > 3 && same(argv[1], "through"))
		status = go_through(parse(argv[2]), parse(argv[3]));
	else if (stack[0] > 3 && same(argv[1], "pairs"))
		status = make_pairs(parse(argv[2]), argv[3]);
	else if (stack[0] > 3 && same(argv[1], "across"))
		status = cross(argv[2], argv[3]) || cross(argv[3], argv[2]);
	else if (stack[0] > 3 && same(argv[1], "write"))
		status = write_file(argv[2], argv[3]);
	else if (same(argv[1], "check"))
		status = check(argv + 2);
	else if (stack[0] > 3 && same(argv[1], "on")) {
		pin(parse(argv[2]));
		become(argv + 3);
	} else if (stack[0] > 3 && same(argv[1], "without")) {
		call(__NR_prctl, PR_CAPBSET_DROP, parse(argv[2]), 0, 0, 0);
		become(argv + 3);
	} else if (stack[0] > 3 && same(argv[1], "with")) {
		environment[1] = argv[2];
		become(argv + 3);
	}
	call(__NR_exit_group, status, 0, 0, 0, 0);
}
