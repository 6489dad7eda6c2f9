// What runs under musl need, fetched before they begin: what cannot be had is a reason to skip them, not a failure of theirs.

import { existsSync } from "node:fs";
import { packageFile } from "../kernels/download.ts";
import { releasedExecutable } from "../kernels/executables.ts";
import { LIBSTDCXX } from "../kernels/table.ts";
import { OBJECTS } from "./stand-in.ts";

/** Where the x86-64 executable asks for its loader, and the linker of its libstdc++. */
const INSTALLED = { musl: "/lib/ld-musl-x86_64.so.1", "lld-19": "/usr/bin/ld.lld-19" };

/** Why nothing can be run under musl here; undefined where it can. */
export function muslUnavailable(): string | undefined {
  const missing = Object.entries(INSTALLED).filter(([, path]) => !existsSync(path));
  if (missing.length > 0) return `${missing.map(([name]) => name).join(", ")} not installed`;
  try {
    packageFile(LIBSTDCXX.amd64, OBJECTS);
    for (const name of ["linux-x64-musl", "linux-arm64-musl"]) releasedExecutable(name);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
