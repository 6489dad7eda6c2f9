/*
 * PID 1 of a guest that holds the executable, libc and nothing else: no shell,
 * no libc of its own. Each line of /commands is a command, words separated by
 * one space; it is run with its output on the second serial port, and its exit
 * status is printed after it.
 */
#include "bare.h"

#define MAX_WORDS 32
#define O_RDWR 2
#define TCSBRK 0x5409

/* Splits a line in place; returns the start of the next one. */
static char *split(char *line, char **argv)
{
	int words = 0;

	argv[words++] = line;
	for (; *line && *line != '\n'; line++) {
		if (*line != ' ')
			continue;
		*line = 0;
		if (words < MAX_WORDS - 1)
			argv[words++] = line + 1;
	}
	argv[words] = NULL;
	if (*line)
		*line++ = 0;
	return line;
}

static void mount(const char *type, const char *where)
{
	call(__NR_mount, (long)type, (long)where, (long)type, 0, 0);
}

static char commands[16384];

/* The first line of /commands is the word that marks our own lines. */
static void run_commands(void)
{
	char *argv[MAX_WORDS], *at = commands, *nonce;
	long fd = call(__NR_openat, AT_FDCWD, (long)"/commands", 0, 0, 0);

	call(__NR_read, fd, (long)commands, sizeof(commands) - 1, 0, 0);
	nonce = commands;
	at = split(at, argv);
	while (*at) {
		at = split(at, argv);
		int status = run(argv);

		print("\n");
		print(nonce);
		print(" status ");
		print_number(status);
		print("\n");
	}
	print(nonce);
	print(" exit 0\n");
}

static void boot(void)
{
	mount("proc", "/proc");
	mount("sysfs", "/sys");
	mount("devtmpfs", "/dev");
	mount("securityfs", "/sys/kernel/security");
	mount("bpf", "/sys/fs/bpf");
	long fd = call(__NR_openat, AT_FDCWD, (long)SERIAL, O_RDWR, 0, 0);

	call(__NR_dup3, fd, 1, 0, 0, 0);
	call(__NR_dup3, fd, 2, 0, 0, 0);
	run_commands();
	call(__NR_sync, 0, 0, 0, 0, 0);
	/* tcdrain(3): the machine would go down with what is still in the port's buffer. */
	call(__NR_ioctl, 1, TCSBRK, 1, 0, 0);
	/* LINUX_REBOOT_MAGIC1, MAGIC2, CMD_RESTART */
	call(__NR_reboot, 0xfee1dead, 672274793, 0x01234567, 0, 0);
}

void begin(long *stack)
{
	(void)stack;
	boot();
	for (;;)
		call(__NR_ppoll, 0, 0, 0, 0, 0);
}
