// The instructions of thread-calls.ts, each with its bytes; a test assembles the text and compares.
//
// A signal handler: it walks the table of calls behind it until a number is negative, and returns to the restorer, which
// tells the kernel that the handler has ended. Registers of a system call: syscall(2); errno is libc's and is not touched.

/** The table begins here; three words of 64 bits a call: number, first and second argument. A negative number ends it. */
export const TABLE_AT = 0x80;

interface HandlerCode {
  /** Where in it the restorer (sigreturn(2)) begins. */
  readonly restorerAt: number;
  readonly rows: readonly (readonly [bytes: string, instruction: string])[];
}

const X86_64: HandlerCode = {
  restorerAt: 0x30,
  rows: [
    ["53", "push rbx"],
    ["48 8d 1d 78 00 00 00", "lea rbx, [rip + 0x78]"], // TABLE_AT
    ["48 8b 03", "next: mov rax, [rbx]"],
    ["48 85 c0", "test rax, rax"],
    ["78 18", "js done"],
    ["48 8b 7b 08", "mov rdi, [rbx + 8]"],
    ["48 8b 73 10", "mov rsi, [rbx + 16]"],
    ["31 d2", "xor edx, edx"],
    ["45 31 d2", "xor r10d, r10d"],
    ["45 31 c0", "xor r8d, r8d"],
    ["0f 05", "syscall"],
    ["48 83 c3 18", "add rbx, 24"],
    ["eb e0", "jmp next"],
    ["5b", "done: pop rbx"],
    ["c3", "ret"],
    ["90 90 90 90 90 90", ".fill 6, 1, 0x90"],
    ["b8 0f 00 00 00", "mov eax, 15"], // __NR_rt_sigreturn
    ["0f 05", "syscall"],
  ],
};

const ARM64: HandlerCode = {
  restorerAt: 0x28,
  rows: [
    ["09 04 00 10", "adr x9, #0x80"], // TABLE_AT
    ["28 85 40 f8", "next: ldr x8, [x9], #8"],
    ["e8 00 f8 b7", "tbnz x8, #63, done"],
    ["20 05 c1 a8", "ldp x0, x1, [x9], #16"],
    ["02 00 80 d2", "mov x2, #0"],
    ["03 00 80 d2", "mov x3, #0"],
    ["04 00 80 d2", "mov x4, #0"],
    ["01 00 00 d4", "svc #0"],
    ["f9 ff ff 17", "b next"],
    ["c0 03 5f d6", "done: ret"],
    ["68 11 80 d2", "mov x8, #139"], // __NR_rt_sigreturn
    ["01 00 00 d4", "svc #0"],
  ],
};

export const HANDLER_CODE: { readonly [architecture: string]: HandlerCode } = { x64: X86_64, arm64: ARM64 };

/** The bytes of one architecture's. */
export function handlerBytes({ rows }: HandlerCode): Uint8Array {
  return Uint8Array.from(rows.flatMap(([bytes]) => bytes.split(" ")).map((byte) => Number.parseInt(byte, 16)));
}
