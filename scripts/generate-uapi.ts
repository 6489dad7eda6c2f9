/**
 * Writes src/elf-loader/uapi/*.ts: the kernel's constants and struct layouts, as clang 19 sees them in the headers of
 * the newest kernel that Debian has (sid's linux-libc-dev, unpacked into the cache and never installed). What is built
 * never needs them. User space's interface only grows, so the newest headers hold for every kernel, and the test asks
 * that newer ones say the same of every name that is here. Names come from `clang -dM -E` and the JSON dump of the syntax tree; every value, offset and
 * size is then evaluated by the compiler itself, so nothing is parsed or typed by hand.
 *
 *   bun scripts/generate-uapi.ts
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageTree } from "./kernels/download.ts";
import { HEADERS } from "./kernels/table.ts";

/** The package with the headers. Throws an Error where it is neither in the cache nor to be had. */
const headers = (): string => packageTree(HEADERS);

/** Compiles for a machine with these headers and the compiler's own, and no others. */
const machine = (target: string, arch: string): (() => string[]) => {
  return () => [
    ...["-target", `${target}-linux-gnu`, "-nostdlibinc"],
    ...["usr/include", `usr/lib/linux/uapi/${arch}`].flatMap((folder) => ["-isystem", join(headers(), folder)]),
  ];
};
const X86_64 = machine("x86_64", "x86");
const ARM64 = machine("aarch64", "arm64");
type Machine = typeof X86_64;

/** One generated file: which headers to read, which names to keep, which structs to lay out. */
interface Source {
  readonly about: string;
  readonly headers: readonly string[];
  /** Macros and enumerators kept. */
  readonly names?: RegExp;
  readonly structs?: readonly string[];
  /** x86-64 where nothing is said. */
  readonly machine?: Machine;
}

const SOURCES: { readonly [file: string]: Source } = {
  "bpf.ts": {
    about: "bpf(2): commands, map, program, attach and link types, flags, helper ids and instruction codes",
    headers: ["linux/bpf.h", "linux/bpf_common.h"],
    names: /^(BPF_|XDP_|SK_|TCP_BPF_)/,
  },
  "bpf-layouts.ts": {
    about: "bpf(2): union bpf_attr, one layout a member, and the structs that travel with it",
    headers: ["linux/bpf.h"],
    structs: [
      ..."bpf_insn bpf_prog_info bpf_map_info bpf_btf_info bpf_link_info bpf_func_info bpf_line_info".split(" "),
      ..."bpf_core_relo bpf_iter_link_info bpf_devmap_val bpf_cpumap_val bpf_raw_tracepoint_args xdp_md bpf_insn_array_value".split(
        " ",
      ),
    ],
  },
  "btf.ts": {
    about: "BPF Type Format: kinds, limits and records",
    headers: ["linux/btf.h"],
    names: /^BTF_/,
    structs: [
      ..."btf_header btf_type btf_enum btf_enum64 btf_array btf_member btf_param btf_var btf_var_secinfo".split(" "),
      "btf_decl_tag",
    ],
  },
  "elf.ts": {
    about: "ELF64: header, section and symbol codes and records",
    headers: ["linux/elf.h", "linux/elf-em.h"],
    names: /^(EI_|ELF|EM_|ET_|EV_|PF_[RWX]$|PT_|SHF_|SHN_|SHT_|STB_|STT_|STN_)/,
    structs: "elf64_hdr elf64_shdr elf64_phdr elf64_sym elf64_rel elf64_rela elf64_note".split(" "),
  },
  "perf.ts": {
    about: "perf_event_open(2): types, configurations, formats, ioctls, record types and records",
    headers: ["linux/ioctl.h", "linux/perf_event.h"],
    names: /^PERF_/,
    structs: "perf_event_attr perf_event_mmap_page perf_event_header".split(" "),
  },
  "registers-x86-64.ts": {
    about: "The saved registers of a task on x86-64, as programs of probes get them",
    headers: ["asm/ptrace.h"],
    structs: ["pt_regs"],
  },
  "registers-arm64.ts": {
    about: "The saved registers of a task on arm64, as programs of probes get them",
    headers: ["linux/types.h", "asm/ptrace.h"],
    structs: ["user_pt_regs"],
    machine: ARM64,
  },
  "tcp.ts": {
    about: "TCP sockets: addresses, options, what the kernel knows of a connection",
    headers: "linux/in.h linux/in6.h linux/tcp.h linux/sockios.h asm/ioctls.h".split(" "),
    names: /^(IPPROTO_TCP$|IPV6_V6ONLY$|IPPROTO_IPV6$|TCP_(INFO|NODELAY)$|SIOC(IN|OUT)Q$)/,
    structs: "sockaddr_in sockaddr_in6 tcp_info".split(" "),
  },
  "linux.ts": {
    about: "Files, memory, polling, mounts, namespaces, prctl, capabilities, limits and netlink",
    headers: [
      ..."linux/fcntl.h linux/mman.h linux/eventpoll.h linux/sched.h linux/mount.h linux/magic.h".split(" "),
      ..."linux/prctl.h linux/capability.h linux/resource.h linux/memfd.h linux/netlink.h".split(" "),
      ..."linux/rtnetlink.h linux/if_link.h linux/aio_abi.h asm/poll.h asm/signal.h asm/socket.h".split(" "),
      ..."linux/socket.h linux/stat.h linux/time.h linux/time_types.h linux/time.h linux/pkt_sched.h".split(" "),
      ..."linux/pkt_cls.h linux/if_ether.h linux/netfilter.h linux/wait.h asm/siginfo.h".split(" "),
    ],
    names: new RegExp(
      `^(${[
        "AT_(FDCWD|EMPTY_PATH|RECURSIVE|SYMLINK_NOFOLLOW|NO_AUTOMOUNT|STATX_|REMOVEDIR|EACCESS)|F_(GET|SET|DUP|ADD|OFD_|RDLCK$|WRLCK$|UNLCK$)",
        "O_(?!DIRECT$|DIRECTORY$|NOFOLLOW$|LARGEFILE$|TMPFILE$)|FD_CLOEXEC$|MAP_|PROT_|MADV_|MS_|MCL_|MFD_",
        "EPOLL|CLONE_|OPEN_TREE_|MOVE_MOUNT_|FSOPEN_|FSPICK_|FSMOUNT_|FSCONFIG_|MOUNT_ATTR_|BPF_FS_MAGIC$|TRACEFS_MAGIC$",
        "DEBUGFS_MAGIC$|CGROUP2?_SUPER_MAGIC$|PROC_SUPER_MAGIC$|SYSFS_MAGIC$|NSFS_MAGIC$|PR_|CAP_|_LINUX_CAPABILITY_",
        "RLIMIT_|RLIM64_INFINITY$|NLM_F_|NLMSG_|NLA_|NETLINK_(ROUTE|EXT_ACK|GENERIC|CAP_ACK)$|RTM_(NEW|DEL|GET|SET)|IFLA_(XDP|INFO)_|IFLA_(IFNAME|MTU|LINK|LINKINFO|MASTER|ALT_IFNAME)$|IFLA_(XDP|NET_NS_FD|NET_NS_PID|EXT_MASK|GROUP)$|IOCB_|POLL(IN|OUT|PRI|ERR|HUP|NVAL|RDHUP)$",
        "SOL_SOCKET$|XDP_FLAGS_|TC_H_|TCA_(KIND|OPTIONS|BPF_\\w+)$|ETH_P_ALL$|NF_(?!VERDICT)|NFPROTO_|SIG(?!RTM)[A-Z0-9]+$|SA_|SO_|STATX_|CLOCK_|TFD_|TIMER_ABSTIME$|CLOCK_",
        "P_(ALL|PID)$|W(NOHANG|EXITED|NOWAIT)$|SI_MAX_SIZE$",
      ].join("|")})`,
    ),
    structs: [
      ..."epoll_event rlimit64 mount_attr __user_cap_header_struct __user_cap_data_struct nlmsghdr nlmsgerr".split(" "),
      ..."nlattr rtattr ifinfomsg tcmsg sockaddr_nl pollfd iocb io_event __kernel_timespec flock".split(" "),
    ],
  },
};

/** Members of union bpf_attr that C leaves nameless, by their first field; the names are those of the bpf(2) commands. */
const ATTR_MEMBERS: { readonly [firstField: string]: string } = {
  map_type: "map_create",
  map_fd: "map_elem",
  prog_type: "prog_load",
  pathname: "obj",
  target_fd: "prog_attach",
  start_id: "get_id",
  btf: "btf_load",
};

/** What socket(2) takes and no header for user space but libc's names: include/linux/socket.h, include/linux/net.h. */
const INTERNAL_SOCKET = {
  ...{ AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16, SOCK_STREAM: 1, SOCK_RAW: 3, SOL_NETLINK: 270 },
  ...{ MSG_PEEK: 2, MSG_DONTWAIT: 0x40, MSG_NOSIGNAL: 0x4000 },
};

/** Kernel-internal, yet bpf(2) returns it to user space: include/linux/errno.h. */
const INTERNAL_ERRNO = { ENOTSUPP: 524 };

type Field = { readonly path: string; readonly bits: boolean };
type Node = { kind: string; name?: string; completeDefinition?: boolean; isBitfield?: boolean; inner?: Node[] };
type Layout = { name: string; size: number; fields: [string, number, number][]; bits: [string, number, number][] };

function clang(machine: Machine, flags: readonly string[], source: string): string {
  return execFileSync("clang-19", [...machine(), ...flags, "-x", "c", "-"], {
    input: source,
    encoding: "utf8",
    maxBuffer: 1 << 30,
    stdio: ["pipe", "pipe", "inherit"],
  });
}

const include = (headers: readonly string[]) => headers.map((h) => `#include <${h}>\n`).join("");

/** Values of integer constant expressions, by compiling them to LLVM IR globals. */
function evaluate(preamble: string, expressions: readonly string[], machine: Machine = X86_64): bigint[] {
  const lines = expressions.map(
    (e, i) => `const long long v${i} = (long long)(${e});\nconst char s${i} = (${e}) < 0;\n`,
  );
  const ir = clang(machine, ["-w", "-S", "-emit-llvm", "-o", "-"], preamble + lines.join(""));
  const found = new Map<string, bigint>();
  for (const [, name, value] of ir.matchAll(/^@([vs]\d+) = .*constant i\d+ (-?\d+)/gm))
    found.set(name ?? "", BigInt(value ?? ""));
  return expressions.map((expression, i) => {
    const value = found.get(`v${i}`);
    if (value === undefined) throw new Error(`No value for ${expression}`);
    return value < 0n && found.get(`s${i}`) === 0n ? value + (1n << 64n) : value;
  });
}

/** Object-like macros that expand to an expression of numbers and other names. */
function macros(headers: readonly string[], names: RegExp, machine: Machine = X86_64): string[] {
  const text = clang(machine, ["-dM", "-E", "-o", "-"], include(headers));
  const defined = [...text.matchAll(/^#define ([A-Za-z_]\w*) (.+)$/gm)];
  return defined
    .filter(([, name, body]) => names.test(name ?? "") && isNumeric(body ?? ""))
    .map(([, name]) => name ?? "");
}

const isNumeric = (body: string) =>
  !/["{};]|^__attribute__|\b(struct \w+ \w|inline|extern)\b/.test(body) && !/^(void|int|\w+_t)$/.test(body);

function syntaxTree(headers: readonly string[], machine: Machine = X86_64): Node[] {
  const json = clang(machine, ["-fsyntax-only", "-Xclang", "-ast-dump=json"], include(headers));
  return (JSON.parse(json) as Node).inner ?? [];
}

function enumerators(tree: readonly Node[], names: RegExp): string[] {
  const constants = tree.filter((n) => n.kind === "EnumDecl").flatMap((n) => n.inner ?? []);
  return constants.filter((n) => n.kind === "EnumConstantDecl" && names.test(n.name ?? "")).map((n) => n.name ?? "");
}

/** Leaves of a record in the order of declaration; nameless members are transparent, nameless types get dotted paths. */
function leaves(record: Node, prefix = ""): Field[] {
  const members = record.inner ?? [];
  return members.flatMap((member, i) => {
    if (member.kind !== "FieldDecl") return [];
    const before = members[i - 1];
    const nested = before?.kind === "RecordDecl" && !before.name && before.completeDefinition ? before : undefined;
    if (!member.name) return nested ? leaves(nested, prefix) : [];
    const path = prefix + member.name;
    return nested ? leaves(nested, `${path}.`) : [{ path, bits: member.isBitfield === true }];
  });
}

/** Bit offsets of bit-fields, from clang's own record layout: `40:3-3 |   __u64 exclude_user`. */
function bitFields(record: string, preamble: string): Map<string, [number, number]> {
  const dump = clang(
    X86_64,
    ["-fsyntax-only", "-Xclang", "-fdump-record-layouts"],
    `${preamble}int probe = sizeof(${record});\n`,
  );
  const block =
    dump.split("*** Dumping AST Record Layout").find((b) => b.trimStart().startsWith(`0 | ${record}\n`)) ?? "";
  const rows = block.matchAll(/^\s*(\d+):(\d+)-(\d+) \|.* (\w+)$/gm);
  return new Map(
    [...rows].map(([, byte, low, high, name]) => [
      name ?? "",
      [Number(byte) * 8 + Number(low), Number(high) - Number(low) + 1],
    ]),
  );
}

function layout(name: string, record: string, fields: readonly Field[], preamble: string, machine = X86_64): Layout {
  const plain = fields.filter((f) => !f.bits).map((f) => f.path);
  const at = plain.flatMap((p) => [`__builtin_offsetof(${record}, ${p})`, `sizeof(((${record} *)0)->${p})`]);
  const values = evaluate(preamble, [`sizeof(${record})`, ...at], machine).map(Number);
  const positions = fields.some((f) => f.bits) ? bitFields(record, preamble) : new Map<string, [number, number]>();
  return {
    name,
    size: values[0] ?? 0,
    fields: plain.map((p, i) => [p, values[1 + i * 2] ?? 0, values[2 + i * 2] ?? 0]),
    bits: [...positions].map(([bit, [offset, width]]) => [bit, offset, width]),
  };
}

function recordOf(tree: readonly Node[], name: string): { record: string; node: Node } {
  const node = tree.find((n) => n.kind === "RecordDecl" && n.name === name && n.completeDefinition) as
    | (Node & { tagUsed: string })
    | undefined;
  if (!node) throw new Error(`No struct or union ${name} in the headers`);
  return { record: `${node.tagUsed} ${name}`, node };
}

function structLayouts(source: Source, tree: readonly Node[]): Layout[] {
  const preamble = include(source.headers);
  return (source.structs ?? []).flatMap((name) => {
    const { record, node } = recordOf(tree, name);
    const here = layout(name, record, leaves(node), preamble, source.machine);
    if (name !== "epoll_event") return [here];
    // The one struct whose layout differs between the two machines: EPOLL_PACKED in linux/eventpoll.h.
    const arm64 = layout(`${name}_arm64`, record, leaves(node), preamble, ARM64);
    return [{ ...here, name: `${name}_x86_64` }, arm64];
  });
}

/** Each member of union bpf_attr; its size ends with its last field, which is what libbpf gives the kernel too. */
function attrLayouts(tree: readonly Node[], preamble: string): Layout[] {
  const { record, node } = recordOf(tree, "bpf_attr");
  const members = node.inner ?? [];
  return members.flatMap((member, i) => {
    const type = members[i - 1];
    if (member.kind !== "FieldDecl" || type?.kind !== "RecordDecl") return [];
    const prefix = member.name ? `${member.name}.` : "";
    const whole = layout("", record, leaves(type, prefix), preamble);
    const name = member.name ?? ATTR_MEMBERS[whole.fields[0]?.[0] ?? ""];
    if (!name)
      throw new Error(`Member ${i} of union bpf_attr, beginning with ${whole.fields[0]?.[0]}, has no name here`);
    const fields = whole.fields.map(([path, offset, size]): [string, number, number] => [
      path.slice(prefix.length),
      offset,
      size,
    ]);
    return [{ name: `bpf_attr_${name}`, size: Math.max(...fields.map(([, o, s]) => o + s)), fields, bits: [] }];
  });
}

const literal = (value: bigint) => (value >= -(2n ** 53n) && value <= 2n ** 53n ? String(value) : `${value}n`);
const key = (name: string) => (/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name));
const rows = (table: readonly [string, number, number][]) =>
  table.map(([n, a, b]) => `    ${key(n)}: [${a}, ${b}],\n`).join("");

function printLayout({ name, size, fields, bits }: Layout): string {
  const bitRows = bits.length > 0 ? `  bits: {\n${rows(bits)}  },\n` : "";
  return `export const ${name}: Layout = {\n  name: "${name}",\n  size: ${size},\n  fields: {\n${rows(fields)}  },\n${bitRows}};\n`;
}

function printTable(name: string, entries: readonly (readonly [string, string | number])[], type: string): string {
  const lines = entries.map(([k, v]) => `  ${k}: ${typeof v === "string" ? JSON.stringify(v) : v},\n`);
  return `export const ${name}: ${type} = {\n${lines.join("")}};\n`;
}

function constants(source: Source, tree: readonly Node[]): [string, bigint][] {
  if (!source.names) return [];
  const names = new Set([...enumerators(tree, source.names), ...macros(source.headers, source.names).sort()]);
  const kept = [...names].filter((n) => !n.startsWith("__"));
  const values = evaluate(include(source.headers), kept);
  return kept.map((name, i) => [name, values[i] ?? 0n]);
}

function generateFile(source: Source): string {
  const tree = syntaxTree(source.headers, source.machine);
  const attr = source.structs?.includes("bpf_insn") ? attrLayouts(tree, include(source.headers)) : [];
  const layouts = [...attr, ...structLayouts(source, tree)];
  const imported = layouts.length > 0 ? ['import type { Layout } from "./layout.ts";\n'] : [];
  const values = constants(source, tree).map(([name, value]) => `export const ${name} = ${literal(value)};\n`);
  return [...imported, values.join(""), ...layouts.map(printLayout)].filter((part) => part !== "").join("\n");
}

const NUMBER_BY_NAME = "{ readonly [name: string]: number }";

function generateErrno(): string {
  const headers = ["asm/errno.h"];
  const names = macros(headers, /^E[A-Z0-9]+$/).sort();
  const values = evaluate(include(headers), names).map(Number);
  const all: [string, number][] = [
    ...names.map((n, i): [string, number] => [n, values[i] ?? 0]),
    ...Object.entries(INTERNAL_ERRNO),
  ];
  all.sort((a, b) => a[1] - b[1]);
  const aliases = new Set(["EWOULDBLOCK", "EDEADLOCK", "EFSBADCRC", "EFSCORRUPTED"]);
  const byNumber = all.filter(([n]) => !aliases.has(n)).map(([n, v]): [string, string] => [String(v), n]);
  return [
    all.map(([n, v]) => `export const ${n} = ${v};\n`).join(""),
    `/** Number of each errno name. */\n${printTable("ERRNO", all, NUMBER_BY_NAME)}`,
    `/** Name of each errno number. */\n${printTable("ERRNO_NAMES", byNumber, "{ readonly [errno: number]: string }")}`,
  ].join("\n");
}

function generateCapabilities(): string {
  const headers = ["linux/capability.h"];
  const names = macros(headers, /^CAP_(?!LAST_CAP$|TO_)/);
  const values = evaluate(include(headers), names).map(Number);
  const entries = names.map((n, i): [string, number] => [n, values[i] ?? 0]);
  return `/** Number of each capability: the bit in a set. */\n${printTable(
    "CAPABILITIES",
    entries.sort((a, b) => a[1] - b[1]),
    NUMBER_BY_NAME,
  )}`;
}

/** Enumerators of linux/bpf.h by number: their names as `name` makes them. */
function generateNames(table: string, about: string, wanted: RegExp, name: (enumerator: string) => string): string {
  const headers = ["linux/bpf.h"];
  const names = enumerators(syntaxTree(headers), wanted);
  const values = evaluate(include(headers), names).map(Number);
  const entries = names.map((n, i): [string, string] => [String(values[i] ?? 0), name(n)]);
  entries.sort((a, b) => Number(a[0]) - Number(b[0]));
  return `/** ${about} */\n${printTable(table, entries, "{ readonly [number: number]: string }")}`;
}

/** The open(2) flags that are not the same number on both machines. */
function openFlags(name: string, machine: Machine): string {
  const names = ["O_DIRECT", "O_DIRECTORY", "O_LARGEFILE", "O_NOFOLLOW", "O_TMPFILE"];
  const values = evaluate(include(["linux/fcntl.h"]), names, machine).map(Number);
  return printTable(
    name,
    names.map((n, i) => [n, values[i] ?? 0] as const),
    NUMBER_BY_NAME,
  );
}

function syscallTable(name: string, machine: Machine): string {
  const header = "asm/unistd_64.h";
  const names = macros([header], /^__NR_(?!syscalls$|arch_specific_syscall$)/, machine);
  const values = evaluate(include([header]), names, machine).map(Number);
  const entries = names.map((n, i): [string, number] => [n.slice("__NR_".length), values[i] ?? 0]);
  return printTable(
    name,
    entries.sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1)),
    NUMBER_BY_NAME,
  );
}

const LAYOUT_TYPE = `export interface Layout {
  readonly name: string;
  /** Bytes; of a member of union bpf_attr, up to the end of its last field. */
  readonly size: number;
  /** Byte offset and byte size of each field; fields of nested nameless types have dotted names. */
  readonly fields: { readonly [field: string]: readonly [offset: number, size: number] };
  /** Bit offset from the start of the struct (little-endian numbering) and width in bits of each bit-field. */
  readonly bits?: { readonly [field: string]: readonly [bitOffset: number, width: number] };
}
`;

/** The version of the headers, for example `7.2.13-1`. */
export function headersVersion(): string {
  return /^Version: (\S+)$/m.exec(readFileSync(join(headers(), "DEBIAN/control"), "utf8"))?.[1] ?? "";
}

/** Every generated file as text, by file name. Throws when a name or a header is missing. */
export function generate(version = headersVersion()): Map<string, string> {
  const syscalls = `${syscallTable("SYSCALLS_X86_64", X86_64)}\n${syscallTable("SYSCALLS_ARM64", ARM64)}`;
  const parts: [string, string, string][] = [
    ["layout.ts", "Shape of a struct layout", LAYOUT_TYPE],
    ...Object.entries(SOURCES).map(([file, s]): [string, string, string] => [file, s.about, generateFile(s)]),
    ["errno.ts", "errno numbers and names, both ways; the same on x86-64 and arm64", generateErrno()],
    ["capabilities.ts", "Capabilities by name", generateCapabilities()],
    [
      "link-types.ts",
      "Types of bpf_link by number",
      generateNames(
        "LINK_TYPES",
        "Name of each type of bpf_link, in small letters.",
        /^BPF_LINK_TYPE_(?!UNSPEC$)/,
        (name) => name.slice("BPF_LINK_TYPE_".length).toLowerCase(),
      ),
    ],
    [
      "helpers.ts",
      "Helpers by number",
      generateNames("HELPERS", "Name of each helper, as a program calls it.", /^BPF_FUNC_(?!unspec$)/, (name) =>
        name.replace("BPF_FUNC_", "bpf_"),
      ),
    ],
    [
      "open-flags.ts",
      "open(2) flags whose numbers differ between the two machines; the others are in linux.ts",
      `${openFlags("OPEN_FLAGS_X86_64", X86_64)}\n${openFlags("OPEN_FLAGS_ARM64", ARM64)}`,
    ],
    [
      "sockets.ts",
      "Sockets: families, types, levels",
      Object.entries(INTERNAL_SOCKET)
        .map(([name, value]) => `export const ${name} = ${value};\n`)
        .join(""),
    ],
    ["syscalls.ts", "System call numbers of both machines, by name", syscalls],
  ];
  const modules = parts.map(([file]) => file.slice(0, -".ts".length)).sort();
  parts.push(["index.ts", "All of it", modules.map((name) => `export * from "./${name}.ts";\n`).join("")]);
  const header = `// GENERATED by scripts/generate-uapi.ts from linux-libc-dev ${version}; do not edit.\n`;
  return new Map(parts.map(([file, about, text]) => [file, `${header}// ${about}.\n\n${text}`]));
}

export const UAPI_DIRECTORY = join(import.meta.dirname, "../src/elf-loader/uapi");

function write(): void {
  const files = generate();
  mkdirSync(UAPI_DIRECTORY, { recursive: true });
  for (const stale of readdirSync(UAPI_DIRECTORY).filter((f) => !files.has(f))) rmSync(join(UAPI_DIRECTORY, stale));
  for (const [file, text] of files) {
    const path = join(UAPI_DIRECTORY, file);
    let old = "";
    try {
      old = readFileSync(path, "utf8");
    } catch {}
    if (old !== text) writeFileSync(path, text);
  }
}

if (import.meta.main) write();
