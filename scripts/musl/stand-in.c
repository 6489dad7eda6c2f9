/*
 * What libstdc++'s own objects (tree, list, hash tables, guards, condition
 * variables) need beside musl to be a library: the ends of what never happens.
 * Debian has no libstdc++ for musl; see stand-in.ts.
 *
 * Whatever would throw ends the process with its name: a run that needs
 * exceptions of this library is not one that works.
 */
extern long write(int fd, const void *data, unsigned long size);
extern void abort(void) __attribute__((noreturn));
extern void *malloc(unsigned long size);
extern void free(void *memory);

/* glibc says here that no lock is needed; musl does not know it. */
char __libc_single_threaded = 0;

/* Objects are not destroyed at exit. */
void *__dso_handle = &__dso_handle;

static __attribute__((noreturn)) void end(const char *name)
{
	unsigned long size = 0;

	while (name[size])
		size++;
	write(2, "libstdc++ stand-in: ", 20);
	write(2, name, size);
	write(2, "\n", 1);
	abort();
}

#define ENDS(name) void name(void) { end(#name); }

ENDS(_ZSt17__throw_bad_allocv)
ENDS(_ZSt19__throw_logic_errorPKc)
ENDS(_ZSt20__throw_length_errorPKc)
ENDS(_ZSt20__throw_system_errori)
ENDS(_ZSt21__glibcxx_assert_failPKciS0_S0_)
ENDS(_ZSt24__throw_out_of_range_fmtPKcz)
ENDS(_ZSt25__throw_bad_function_callv)
ENDS(_ZSt28__throw_bad_array_new_lengthv)
ENDS(_ZSt9terminatev)
ENDS(__cxa_bad_typeid)
ENDS(__cxa_allocate_exception)
ENDS(__cxa_throw)
ENDS(__gxx_personality_v0)
ENDS(_Unwind_Resume)
ENDS(_ZN9__gnu_cxx20recursive_init_errorC1Ev)
ENDS(_ZN9__gnu_cxx20recursive_init_errorD1Ev)
const void *const _ZTIN9__gnu_cxx20recursive_init_errorE = 0;

/* std::set_terminate: the handler there was. */
void *_ZSt13set_terminatePFvvE(void *handler)
{
	static void *current;
	void *old = current;

	current = handler;
	return old;
}

void *_Znwm(unsigned long size)
{
	return malloc(size);
}

void _ZdlPv(void *memory)
{
	free(memory);
}

#ifdef __aarch64__
/* libgcc's out-of-line atomics, which Debian's objects call: operation, bytes, order. */
int __aarch64_cas4_acq_rel(int expected, int desired, int *at)
{
	__atomic_compare_exchange_n(at, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	return expected;
}

int __aarch64_swp4_acq_rel(int value, int *at)
{
	return __atomic_exchange_n(at, value, __ATOMIC_ACQ_REL);
}

long __aarch64_swp8_acq_rel(long value, long *at)
{
	return __atomic_exchange_n(at, value, __ATOMIC_ACQ_REL);
}
#endif
