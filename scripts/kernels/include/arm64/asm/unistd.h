/* arm64 has the kernel's generic numbers: arch/arm64/include/uapi/asm/unistd.h and bitsperlong.h. */
#include <asm-generic/unistd.h>
