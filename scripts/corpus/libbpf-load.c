// What libbpf makes of eBPF objects: the oracle of the comparison. For each file named, a line of JSON: whether
// bpf_object__load takes it, how many maps and programs it has, and what comes of each program by itself.
//
//   [INSTRUCTIONS=1] libbpf-load FILE...
//   libbpf-load --time N FILE
//
// With INSTRUCTIONS each program comes with its instructions as they are after relocation, in hexadecimal.
// The second opens and loads one object so many times and says for each how many milliseconds that took, and how many of
// them the kernel had: those of its system calls, which the linker leads through here (--wrap=syscall).
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (getenv("LIBBPF_LOAD_VERBOSE"))
		return vfprintf(stderr, format, arguments);
	return 0;
}

// What an object's own user space would fill in: sizes that are not known when it is compiled. As our-load.ts does.
static void complete(struct bpf_object *object)
{
	struct bpf_map *map;
	bpf_object__for_each_map(map, object) {
		switch (bpf_map__type(map)) {
		case BPF_MAP_TYPE_STACK_TRACE:
			if (bpf_map__value_size(map) == 0)
				bpf_map__set_value_size(map, 127 * 8);
			/* fallthrough */
		case BPF_MAP_TYPE_HASH:
		case BPF_MAP_TYPE_ARRAY:
		case BPF_MAP_TYPE_PERCPU_HASH:
		case BPF_MAP_TYPE_PERCPU_ARRAY:
		case BPF_MAP_TYPE_LRU_HASH:
		case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		case BPF_MAP_TYPE_DEVMAP:
		case BPF_MAP_TYPE_CPUMAP:
		case BPF_MAP_TYPE_RINGBUF:
			if (bpf_map__max_entries(map) == 0)
				bpf_map__set_max_entries(map, 4096);
			break;
		default:
			break;
		}
	}
}

static void write_instructions(struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	const unsigned char *bytes = (const void *)bpf_program__insns(program);
	for (size_t i = 0; i < bpf_program__insn_cnt(program) * sizeof(struct bpf_insn); i++)
		printf("%02x", bytes[i]);
}

// Everything as it is, or with one program alone, whose instructions are written where they are asked for.
static int load(const char *path, const char *alone, bool instructions)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	if (!object)
		return -errno;
	struct bpf_program *program;
	if (alone)
		bpf_object__for_each_program(program, object)
			bpf_program__set_autoload(program, strcmp(bpf_program__name(program), alone) == 0);
	complete(object);
	int result = instructions ? bpf_object__prepare(object) : 0;
	if (instructions && !result)
		write_instructions(object, alone);
	if (!result)
		result = bpf_object__load(object);
	bpf_object__close(object);
	return result;
}

static void report(const char *path, bool instructions)
{
	printf("{\"object\":\"%s\"", path);
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	if (!object) {
		printf(",\"opened\":false,\"errno\":%d}\n", errno);
		return;
	}
	struct bpf_program *program;
	struct bpf_map *map;
	int programs = 0, maps = 0;
	bpf_object__for_each_map(map, object)
		maps++;
	printf(",\"opened\":true,\"programs\":[");
	bpf_object__for_each_program(program, object) {
		const char *name = bpf_program__name(program);
		printf("%s{\"name\":\"%s\",\"type\":%d,\"attach\":%d,\"autoload\":%s", programs++ ? "," : "", name,
		       bpf_program__type(program), bpf_program__expected_attach_type(program),
		       bpf_program__autoload(program) ? "true" : "false");
		printf(",\"instructions\":\"");
		int result = load(path, name, instructions);
		printf("\",\"errno\":%d}", -result);
	}
	bpf_object__close(object);
	printf("],\"maps\":%d,\"errno\":%d}\n", maps, -load(path, NULL, false));
}

static double milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static double in_kernel;

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	double begin = milliseconds();
	long result = __real_syscall(number, a, b, c, d, e, f);
	int failed = errno;
	in_kernel += milliseconds() - begin;
	errno = failed;
	return result;
}

static int time_loads(int times, const char *path)
{
	for (int i = 0; i < times; i++) {
		in_kernel = 0;
		double begin = milliseconds();
		int result = load(path, NULL, false);
		double total = milliseconds() - begin;
		if (result)
			return 1;
		printf("%f %f\n", total, in_kernel);
	}
	return 0;
}

int main(int count, char **arguments)
{
	libbpf_set_print(silent);
	if (count == 4 && strcmp(arguments[1], "--time") == 0)
		return time_loads(atoi(arguments[2]), arguments[3]);
	for (int i = 1; i < count; i++) {
		report(arguments[i], getenv("INSTRUCTIONS") != NULL);
		fflush(stdout);
	}
	return 0;
}
