/*
 * What the programs of a bare guest share: system calls and text without libc,
 * on x86-64 and arm64. Only calls that both have (arm64 has no fork, open,
 * dup2 or pause).
 */
#ifndef BARE_H
#define BARE_H

#include <asm/unistd.h>

#define NULL ((void *)0)
#define AT_FDCWD -100
#define SIGCHLD 17
#define WAIT_SIGNALLED 128

/* The serial port that is not the console's: on arm64 QEMU's second one is on the PCI bus. */
#if defined(__x86_64__)
#define SERIAL "/dev/ttyS1"

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

/* argc lies where the stack begins, argv above it: begin() gets their place. */
#define START "mov %rsp, %rdi; and $-16, %rsp; call begin"

#elif defined(__aarch64__)
#define SERIAL "/dev/ttyS0"

static long call(long nr, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}

#define START "mov x0, sp; bl begin"
#endif

static inline unsigned long length(const char *text)
{
	unsigned long n = 0;

	while (text[n])
		n++;
	return n;
}

/* Whether a text begins with another: the rest of it, or NULL. */
static inline const char *after(const char *text, const char *start)
{
	while (*start)
		if (*text++ != *start++)
			return NULL;
	return text;
}

static inline int same(const char *a, const char *b)
{
	const char *rest = after(a, b);

	return rest && !*rest;
}

static inline void print(const char *text)
{
	call(__NR_write, 1, (long)text, length(text), 0, 0);
}

static inline void print_number(unsigned int number)
{
	char digits[11];
	int at = sizeof(digits) - 1;

	digits[at] = 0;
	do
		digits[--at] = '0' + number % 10;
	while (number /= 10);
	print(digits + at);
}

/* The number a text begins with; *text moves behind it. */
static inline unsigned int take_number(const char **text)
{
	unsigned int number = 0;

	while (**text >= '0' && **text <= '9')
		number = number * 10 + (*(*text)++ - '0');
	return number;
}

static inline unsigned int parse(const char *text)
{
	return take_number(&text);
}

/* With room for one more. */
static char *environment[] = { "PATH=/", NULL, NULL };

static inline void become(char **argv)
{
	call(__NR_execve, (long)argv[0], (long)argv, (long)environment, 0, 0);
	call(__NR_exit_group, 127, 0, 0, 0, 0);
}

/* Starts a program: its pid. Its standard output is `output` where that is not negative. */
static inline long start(char **argv, int output)
{
	long pid = call(__NR_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid != 0)
		return pid;
	if (output >= 0)
		call(__NR_dup3, output, 1, 0, 0, 0);
	become(argv);
	return -1;
}

/* Waits for a program: its exit status, or 128 + signal as a shell has it. PID 1 is left others' children too. */
static inline int wait_for(long pid)
{
	int status = 0;

	while (call(__NR_wait4, -1, (long)&status, 0, 0, 0) != pid)
		;
	return status & 0x7f ? WAIT_SIGNALLED + (status & 0x7f) : (status >> 8) & 0xff;
}

static inline int run(char **argv)
{
	return wait_for(start(argv, -1));
}

__attribute__((used)) void begin(long *stack);

__attribute__((naked)) void _start(void)
{
	__asm__(START);
}

#endif
