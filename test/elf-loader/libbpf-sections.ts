// What libbpf itself says of section names: a small program on the installed libbpf that prints type and attach type.
import { execFileSync } from "node:child_process";
import { scratch } from "./compile.ts";

const SOURCE = `
#include <bpf/libbpf.h>
#include <stdio.h>
static int quiet(enum libbpf_print_level level, const char *format, va_list arguments) { return 0; }
int main(int count, char **names) {
  libbpf_set_print(quiet);
  for (int i = 1; i < count; i++) {
    enum bpf_prog_type type;
    enum bpf_attach_type attach;
    if (libbpf_prog_type_by_name(names[i], &type, &attach) == 0) printf("%s %d %d\\n", names[i], type, attach);
  }
}`;

/** Program type and attach type of each name that the installed libbpf knows. */
export function askLibbpf(names: readonly string[]): Map<string, [type: number, attachType: number]> {
  const program = scratch("libbpf-sections");
  execFileSync("clang-19", ["-x", "c", "-", "-lbpf", "-o", program], { input: SOURCE });
  const lines = execFileSync(program, names as string[], { encoding: "utf8" })
    .trim()
    .split("\n");
  return new Map(
    lines.map((line) => {
      const [name = "", type, attachType] = line.split(" ");
      return [name, [Number(type), Number(attachType)]];
    }),
  );
}
