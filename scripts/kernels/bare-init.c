/*
 * PID 1 of a guest that holds the executable, libc and nothing else: no shell,
 * no libc of its own. Each line of /commands is a command, words separated by
 * one space; it is run with its output on the second serial port, and its exit
 * status is printed after it. As "/init exec N" it starts itself N times and
 * ends: something for the executable to see.
 */
#include <asm/unistd.h>

#define NULL ((void *)0)
#define MAX_WORDS 32
#define O_RDWR 2
#define WAIT_SIGNALLED 128

struct status_line {
	char text[32];
};

static long call(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

static unsigned long length(const char *text)
{
	unsigned long n = 0;

	while (text[n])
		n++;
	return n;
}

static void print(const char *text)
{
	call(__NR_write, 1, (long)text, length(text), 0, 0);
}

static void print_number(unsigned int number)
{
	char digits[11];
	int at = sizeof(digits) - 1;

	digits[at] = 0;
	do
		digits[--at] = '0' + number % 10;
	while (number /= 10);
	print(digits + at);
}

static unsigned int parse(const char *text)
{
	unsigned int number = 0;

	while (*text >= '0' && *text <= '9')
		number = number * 10 + (*text++ - '0');
	return number;
}

/* Starts a program and waits for it: its exit status, or 128 + signal as a shell has it. */
static int run(char **argv)
{
	static char *envp[] = { "PATH=/", NULL };
	long pid = call(__NR_fork, 0, 0, 0, 0, 0);
	int status = 0;

	if (pid == 0) {
		call(__NR_execve, (long)argv[0], (long)argv, (long)envp, 0, 0);
		call(__NR_exit_group, 127, 0, 0, 0, 0);
	}
	while (call(__NR_wait4, -1, (long)&status, 0, 0, 0) != pid)
		;
	return status & 0x7f ? WAIT_SIGNALLED + (status & 0x7f) : (status >> 8) & 0xff;
}

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

static char commands[8192];

/* The first line of /commands is the word that marks our own lines. */
static void run_commands(void)
{
	char *argv[MAX_WORDS], *at = commands, *nonce;
	long fd = call(__NR_open, (long)"/commands", 0, 0, 0, 0);

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

static int start_many(unsigned int times)
{
	char *argv[] = { "/init", "exec", "0", NULL };
	int failed = 0;

	while (times--)
		failed |= run(argv);
	return failed;
}

static void boot(void)
{
	mount("proc", "/proc");
	mount("sysfs", "/sys");
	mount("devtmpfs", "/dev");
	long fd = call(__NR_open, (long)"/dev/ttyS1", O_RDWR, 0, 0, 0);

	call(__NR_dup2, fd, 1, 0, 0, 0);
	call(__NR_dup2, fd, 2, 0, 0, 0);
	run_commands();
	call(__NR_sync, 0, 0, 0, 0, 0);
	/* LINUX_REBOOT_MAGIC1, MAGIC2, CMD_RESTART */
	call(__NR_reboot, 0xfee1dead, 672274793, 0x01234567, 0, 0);
}

/* argc lies where the stack begins, argv above it. */
__attribute__((used)) void begin(long *stack)
{
	char **argv = (char **)(stack + 1);

	if (stack[0] > 2)
		call(__NR_exit_group, start_many(parse(argv[2])), 0, 0, 0, 0);
	boot();
	for (;;)
		call(__NR_pause, 0, 0, 0, 0, 0);
}

__attribute__((naked)) void _start(void)
{
	__asm__("mov %rsp, %rdi; and $-16, %rsp; call begin");
}
