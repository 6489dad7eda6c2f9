// A libstdc++.so.6 for musl, which Debian does not have: what the musl executables need beside libc.
//
// Debian's package libstdc++-12-pic holds libstdc++'s objects "to make a library of". Those that the executable asks
// for need little of libc, and nothing of glibc that musl has not; stand-in.c has the rest. It is for tests: what
// would throw ends the process. A musl system has its own libstdc++ (Alpine: apk add libstdc++).

import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageFile } from "../kernels/download.ts";
import type { Architecture } from "../kernels/machines.ts";
import { LIBSTDCXX } from "../kernels/table.ts";

/** By architecture: clang's target, and what keeps it from calling libgcc's atomics. */
const TARGETS: Record<Architecture, readonly string[]> = {
  amd64: ["--target=x86_64-linux-musl"],
  arm64: ["--target=aarch64-linux-musl", "-mno-outline-atomics"],
};

/** What the musl executables of Bun 1.4.5 leave undefined and musl has not: Itanium C++ ABI names. */
const NEEDED = [
  ...[
    "_ZNKSt8__detail20_Prime_rehash_policy11_M_next_bktEm",
    "_ZNKSt8__detail20_Prime_rehash_policy14_M_need_rehashEmmm",
  ],
  ...["_ZNSt18condition_variable10notify_allEv", "_ZNSt18condition_variable10notify_oneEv"],
  ...["_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE", "_ZNSt18condition_variableC1Ev"],
  ...["_ZNSt18condition_variableD1Ev", "_ZNSt6chrono3_V212steady_clock3nowEv"],
  ...["_ZNSt8__detail15_List_node_base7_M_hookEPS0_", "_ZNSt8__detail15_List_node_base9_M_unhookEv"],
  ...["_ZSt11_Hash_bytesPKvmm", "_ZSt11__once_call", "_ZSt15__once_callable", "__once_proxy", "_ZSt15get_new_handlerv"],
  ...["_ZSt18_Rb_tree_decrementPSt18_Rb_tree_node_base", "_ZSt18_Rb_tree_incrementPSt18_Rb_tree_node_base"],
  "_ZSt28_Rb_tree_rebalance_for_erasePSt18_Rb_tree_node_baseRS_",
  "_ZSt29_Rb_tree_insert_and_rebalancebPSt18_Rb_tree_node_baseS0_RS_",
  ...["__cxa_demangle", "__cxa_guard_acquire", "__cxa_guard_release", "__cxa_pure_virtual", "__dynamic_cast"],
  ...["_ZTVN10__cxxabiv117__class_type_infoE", "_ZTVN10__cxxabiv120__si_class_type_infoE"],
  "_ZTVN10__cxxabiv121__vmi_class_type_infoE",
];

function run(command: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([...command]);
  if (exitCode !== 0) throw new Error(`Cannot make libstdc++: ${command[0]}: ${stderr.toString().trim()}`);
}

/** The archive of objects in the package. */
export const OBJECTS = /libstdc\+\+_pic\.a$/;

/** Makes the library at a path. Throws where the package cannot be had or a tool is missing. */
export function makeStandIn(architecture: Architecture, path: string): void {
  const archive = packageFile(LIBSTDCXX[architecture], OBJECTS);
  const object = `${path}.o`;
  mkdirSync(dirname(path), { recursive: true });
  const flags = ["-ffreestanding", "-fno-builtin", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"];
  run(["clang-19", ...TARGETS[architecture], ...flags, "-c", "-o", object, join(import.meta.dir, "stand-in.c")]);
  const wanted = NEEDED.flatMap((name) => ["-u", name]);
  run(["ld.lld-19", "-shared", "-soname", "libstdc++.so.6", "--gc-sections", ...wanted, "-o", path, object, archive]);
  rmSync(object);
}
