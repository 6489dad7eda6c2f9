// The verifier's refusals in plain words: a program for each cause, refused by the real verifier, is explained as what it
// is, at the line it is at.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BpfObject, type ProgramSpec, parseObject, VerifierError } from "../../src/index.ts";
import { fixture, KERNEL, ROOT, testHere, thrownBy, userSpace } from "./lib-support.ts";

/** By program: a part of what it most likely is, and a part of the line that is at fault where an instruction is. */
const CAUSES: { readonly [program: string]: readonly [likely: RegExp, line?: string] } = {
  null_check: [/may be NULL, and it is used without a check/, "return lookup(skb)->bytes[0];"],
  null_arithmetic: [/may be NULL is added to/],
  number: [/a plain number is used as a pointer/, "return *(volatile int *)(long)skb->len;"],
  long_line: [/a plain number is used as a pointer.{0,300}$/, "skb->len + 1); /* generated code"],
  map_bounds: [/1 bytes at 20 of a map's value of 16 bytes/, "&value->bytes[20]"],
  signed_index: [/an index may be -2147483648, which is within nothing/, "value->bytes[index]"],
  far_index: [/-1000000000 is added to a pointer/],
  unbounded: [/an index has no bounds/, "value->bytes[skb->len]"],
  packet: [/bytes of the packet are read without a look/, "(long)ctx->data;"],
  context: [/no field that it may use so at offset 1000 \(4 bytes\)/, "(char *)skb + 1000"],
  context_index: [/context is used with an offset that is not constant/],
  no_such_helper: [/no kernel has a helper 9999/, "(void))9999)()"],
  helper_of_others: [/programs of this type may not call bpf_override_return/, "bpf_override_return("],
  endless: [/a loop has no end/],
  stack: [/the stack has 512 bytes/],
  stack_index: [/an index into a variable on the stack may be outside of it/, "bytes[skb->len & 15] = 1;"],
  stack_bytes: [/64 bytes at -8 from the end of the function's stack reach beyond it/, "bytes, 64)"],
  stack_value: [/16 bytes at -8 from the end of the function's stack reach beyond it/, "&key, &key, 0)"],
  deep_variable: [/the stack has 512 bytes/],
  no_bytes: [/number of bytes that the helper is given may be 0/, "skb->len & 7)"],
  unwritten: [/memory of the stack is used that was not written before/],
  odd_address: [/an address that is no multiple of its size/],
  no_value: [/a variable is used that was not given a value/],
  no_result: [/ends without a result/],
  argument: [/argument 2 is of kind ctx, and the function takes fp/, "bpf_map_lookup_elem(&table, skb)"],
  leak: [/what was acquired is not given back/, "bpf_sk_lookup_tcp("],
  licence: [/only for programs under a licence that agrees with the GPL/, "bpf_printk("],
  result: [/result is none that this type of program may give/, "return 5;"],
  lock: [/a lock is held where the program ends/],
  lock_not_held: [/a lock is given back that is not held there/, "bpf_spin_unlock("],
  lock_beside: [/another address than that of the value's struct bpf_spin_lock(?: at 0)?$/, "&value->count"],
  lock_written: [/bpf_spin_lock in a map's value is read or written as memory/, "lock.val = 0"],
  lock_untyped: [/map untyped is without types, which say where bpf_spin_lock is/, "bpf_spin_lock("],
  lock_of_others: [/programs may not use a map with bpf_\S*spin_lock/],
  read_only: [/read-only memory is written/, "(volatile int *)&constant = 2;"],
  dead: [/instructions that no path leads to/],
  deep: [/more than 8 deep/],
  sleeps: [/a function that may sleep is called where nothing may/, "bpf_copy_from_user("],
  function_of_others: [/may not call the kernel function tcp_reno_ssthresh/, "tcp_reno_ssthresh("],
  moved: [/a pointer into the packet is used after bpf_xdp_adjust_head\(\)/, "return *data;"],
  given_back: [/is used after it was given back by bpf_ringbuf_submit\(\)/, "return *record;"],
  moved_elsewhere: [/a pointer into the packet is used after bpf_skb_pull_data\(\)/, "return *data;"],
  given_twice: [/is used after it was given back by bpf_ringbuf_submit\(\)/, "bpf_ringbuf_submit(record, 0);"],
  moved_on_stack: [/a pointer into the packet is used after bpf_skb_pull_data\(\)/, "return *kept;"],
  given_back_on_stack: [/is used after it was given back by bpf_ringbuf_submit\(\)/, "return *kept;"],
  given_back_by_iterator: [/is used after it was given back by bpf_iter_num_destroy\(\)/, "*number : 0"],
  moved_slice: [/a pointer into the packet is used after bpf_skb_pull_data\(\)/, "return *slice;"],
  moved_by_option: [/a pointer into the packet is used after bpf_store_hdr_opt\(\)/, "return *data;"],
  number_again: [/a plain number is used as a pointer/],
  varying: [/a size that must be a constant varies/, "bpf_ringbuf_reserve(&ring, skb->len, 0)"],
  kernel_write: [/memory of the kernel is written/, "(long)ctx[0] = 1;"],
  masked: [/a calculation other than adding/, "(long)value & 0xffff"],
  tripled: [/a calculation other than adding/, "(long)value * 3"],
  packet_given: [/a helper is given a pointer into the packet/, "bpf_skb_store_bytes("],
  null_given: [/may be NULL, and it is used without a check/, "bpf_task_release("],
  promise: [/given what its declaration does not promise/, "global_function((long)skb)"],
};

/** What not every kernel refuses so: 5.10 has no calls of its functions, those since 6.3 let a program read its whole stack. */
const REFUSED_BY: { readonly [program: string]: (kernel: string) => boolean } = {
  deep: (kernel) => kernel !== "7",
  function_of_others: (kernel) => kernel !== "5.10",
  given_back_by_iterator: (kernel) => kernel !== "5.10" && kernel !== "6.1",
  moved_slice: (kernel) => kernel !== "5.10" && kernel !== "6.1",
  null_given: (kernel) => kernel !== "5.10" && kernel !== "6.1",
  unwritten: (kernel) => kernel === "5.10" || kernel === "6.1",
};

const parsed = fixture("verdicts", "none yet");

function refusal(program: string): VerifierError {
  const spec = parsed.copy();
  (spec.programs.get(program) as ProgramSpec).autoload = true;
  if (program === "licence") spec.license = "Proprietary";
  const error = thrownBy(() => BpfObject.load(spec));
  expect([program, error]).toEqual([program, expect.any(VerifierError)]);
  return error as VerifierError;
}

test("each cause is told, with the line that is at fault", () => {
  for (const [program, [likely, line]] of Object.entries(CAUSES)) {
    if (REFUSED_BY[program]?.(KERNEL) === false) continue;
    const error = refusal(program);
    expect([program, error.likely]).toEqual([program, expect.stringMatching(likely)]);
    if (line) expect(error.likely).toMatch(/^verdicts\.bpf\.c:\d+ \(/);
    if (line) expect(error.likely).toContain(line);
    expect(error.action?.length).toBeGreaterThan(10);
  }
});

test("the line's number is that of the source", () => {
  const [, number] = /^verdicts\.bpf\.c:(\d+)/.exec(refusal("result").likely ?? "") ?? [];
  const source = readFileSync(join(ROOT, "test/fixtures/verdicts.bpf.c"), "utf8").split("\n");
  expect(source[Number(number) - 1]).toContain("return 5;");
});

// Where there is a compiler.
userSpace(() => {
  const WRONG: readonly (readonly [code: string, likely: RegExp])[] = [
    [
      "bpf_ringbuf_submit(e, 0); return *(volatile int *)bpf_get_current_task();",
      /a plain number is used as a pointer/,
    ],
    [
      "bpf_ringbuf_submit(e, 0); bpf_ringbuf_submit((void *)bpf_get_current_task(), 0); return 0;",
      /argument 1 is of kind/,
    ],
    [
      "int *volatile kept = e; bpf_ringbuf_submit(e, 0); kept = 0; return *kept;",
      /a plain number is used as a pointer/,
    ],
    [
      "int *volatile kept = e; bpf_ringbuf_submit(e, 0); bpf_probe_read_kernel((void *)&kept, 8, ctx); return *kept;",
      /a plain number is used as a pointer/,
    ],
  ];
  test("what a register or the stack held before a call is not blamed for what came back from it", async () => {
    const { compiled } = await import("../elf-loader/compile.ts");
    for (const [code, likely] of WRONG) {
      const source = `struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
        SEC("raw_tp/sys_enter") int use(void *ctx) {
          int *e = bpf_ringbuf_reserve(&ring, 8, 0);
          if (!e) return 0;
          ${code}
        }
        char LICENSE[] SEC("license") = "GPL";`;
      const error = thrownBy(() => BpfObject.load(parseObject(compiled(source))).close()) as VerifierError;
      expect(error.likely).toMatch(likely);
    }
  });
});

testHere("a verdict without an end of line is told without the statistics behind it", () => {
  const { message, log, likely } = refusal("run_on");
  expect(likely).toContain("a map of another type than bpf_tail_call() takes");
  expect(log).toContain("processed ");
  expect(message).toMatch(/ gave EINVAL: .*tail.call/);
  expect(message).not.toContain("processed");
});

test.skipIf(KERNEL !== "5.10")("a helper that came later is named with its kernel (5.10 has no bpf_strncmp)", () => {
  expect(refusal("late_helper").likely).toMatch(/helper bpf_strncmp came with kernel 5\.17, this is 5\.10/);
});
