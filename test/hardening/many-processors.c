/* Preloaded: has a process believe that this machine has 64 processors. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define PROCESSORS 64

long sysconf(int name)
{
	long (*real)(int) = dlsym(RTLD_NEXT, "sysconf");

	return name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF ? PROCESSORS : real(name);
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	(void)pid;
	memset(set, 0, size);
	memset(set, 0xff, PROCESSORS / 8);
	return 0;
}
