// install.sh where its shell is busybox's and nothing else is there: a root directory of our own for each C library.
//
// What is installed is a stand-in script of a few bytes: it is the choice, the checks and the words that are tested. The
// real executable is installed once, on this machine.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { packageFile } from "../../scripts/kernels/download.ts";
import { BUSYBOX } from "../../scripts/kernels/table.ts";
import { TARGETS } from "../../scripts/release/targets.ts";
import { ROOT } from "../kernel/support.ts";

const SCRIPT = join(ROOT, "scripts/install.sh");
const DIST = join(ROOT, "dist");
const place = mkdtempSync(join(tmpdir(), "hello-install-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

const MACHINE = process.arch === "arm64" ? "aarch64" : "x86_64";
const ARCH = process.arch === "arm64" ? "arm64" : "x64";
const GLIBC = { x86_64: "lib64/ld-linux-x86-64.so.2", aarch64: "lib/ld-linux-aarch64.so.1" }[MACHINE] as string;
const MUSL = `lib/ld-musl-${MACHINE}.so.1`;

let busybox: string;
beforeAll(async () => {
  busybox = await packageFile(BUSYBOX, /^(usr\/)?bin\/busybox$/);
});

/** A root directory with busybox, a release of stand-ins in /release, and these files, empty. */
class Root {
  readonly path = mkdtempSync(join(place, "root-"));

  constructor(files: readonly string[]) {
    for (const folder of ["bin", "release", "usr/local/bin"]) mkdirSync(join(this.path, folder), { recursive: true });
    copyFileSync(busybox, join(this.path, "bin/busybox"));
    for (const applet of ["sh", "uname", "sha256sum", "cp", "chmod", "mv", "mkdir", "rm", "tr"])
      symlinkSync("busybox", join(this.path, "bin", applet));
    for (const file of files) this.write(file, file === GLIBC ? "... GLIBC_PRIVATE ..." : "");
    const sums: string[] = [];
    for (const { name } of TARGETS) {
      const standIn = `#!/bin/sh\necho hello-ebpf ${name}\n`;
      this.write(`release/hello-ebpf-${name}`, standIn);
      sums.push(`${createHash("sha256").update(standIn).digest("hex")}  hello-ebpf-${name}\n`);
    }
    this.write("release/SHA256SUMS", sums.join(""));
    this.write("release/install.sh", readFileSync(SCRIPT, "utf8"));
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.path, path)), { recursive: true });
    writeFileSync(join(this.path, path), text);
  }

  /** The shell's status and words. */
  install(...args: string[]) {
    return this.#run(["/bin/sh", "/release/install.sh", ...args]);
  }

  /** The same on another machine: busybox's shell has its own uname, which only a function hides. */
  installOn(machine: string) {
    const uname = `uname() { [ "$1" = -s ] && echo Linux || echo ${machine}; }`;
    return this.#run(["/bin/sh", "-c", `${uname}; . /release/install.sh`, "/release/install.sh"]);
  }

  /** The same as a user who may not write where it is to go. */
  installAsNobody(...args: string[]) {
    for (const folder of [place, this.path]) chmodSync(folder, 0o755);
    return this.#run(["/bin/sh", "/release/install.sh", ...args], ["--userspec=65534:65534"]);
  }

  #run(script: readonly string[], options: readonly string[] = []) {
    const command = ["chroot", ...options, this.path, ...script];
    const { exitCode, stdout, stderr } = Bun.spawnSync(command, { env: { PATH: "/bin:/usr/sbin:/usr/bin:/sbin" } });
    return { status: exitCode, said: `${stdout}${stderr}`.trim() };
  }

  /** What lies in a folder; no half-written file may. */
  installed(folder = "usr/local/bin"): string[] {
    return existsSync(join(this.path, folder)) ? readdirSync(join(this.path, folder)) : [];
  }
}

/** The script refuses, installs nothing, and says why in one line. */
function refuses(root: Root, line: RegExp, { status, said } = root.install()): void {
  expect(status).toBe(1);
  expect(said).toMatch(line);
  expect(said.split("\n")).toHaveLength(1);
  expect(root.installed()).toEqual([]);
}

test("is a screen or less", () => {
  expect(readFileSync(SCRIPT, "utf8").split("\n").length).toBeLessThanOrEqual(50);
});

describe("picks by libc", () => {
  for (const [libc, files, name] of [
    ["glibc", [GLIBC], `linux-${ARCH}`],
    ["musl with libstdc++", [MUSL, "usr/lib/libstdc++.so.6"], `linux-${ARCH}-musl`],
    ["glibc beside musl", [GLIBC, MUSL], `linux-${ARCH}`],
    ["musl under glibc's name", [MUSL, "usr/lib/libstdc++.so.6", `/${GLIBC}`], `linux-${ARCH}-musl`],
  ] as const)
    test(libc, () => {
      const root = new Root(files);
      const where = "/usr/local/bin/hello-ebpf";
      expect(root.install()).toEqual({
        status: 0,
        said: `installed ${where} (hello-ebpf-${name}): hello-ebpf ${name}`,
      });
      expect(root.installed()).toEqual(["hello-ebpf"]);
      expect(Bun.spawnSync(["chroot", root.path, where]).stdout.toString()).toBe(`hello-ebpf ${name}\n`);
    });

  test("into a directory that is not there yet", () => {
    const root = new Root([GLIBC]);
    expect(root.install("/opt/tools/bin").status).toBe(0);
    expect(root.installed("opt/tools/bin")).toEqual(["hello-ebpf"]);
  });
});

describe("says what is wrong", () => {
  test("no build for this machine", () => {
    const root = new Root([GLIBC]);
    refuses(root, /no hello-ebpf for riscv64, only for x86_64 and aarch64/, root.installOn("riscv64"));
  });

  test("musl without libstdc++", () => {
    refuses(new Root([MUSL]), /musl without libstdc\+\+\.so\.6: .*apk add libstdc\+\+/);
  });

  test("no C library that is known", () => {
    refuses(new Root([]), /neither glibc \(.*\) nor musl \(.*\) is here/);
  });

  test("a sum that does not agree", () => {
    const root = new Root([GLIBC]);
    root.write(`release/hello-ebpf-linux-${ARCH}`, "#!/bin/sh\necho another\n");
    refuses(root, /the sum of .* is not that of SHA256SUMS/);
  });

  test("a file that is missing, the sums, or a sum", () => {
    for (const [name, line] of [
      [`hello-ebpf-linux-${ARCH}`, /hello-ebpf-linux-\w+ is missing/],
      ["SHA256SUMS", /SHA256SUMS is missing/],
    ] as const) {
      const root = new Root([GLIBC]);
      rmSync(join(root.path, "release", name));
      refuses(root, line);
    }
    const root = new Root([GLIBC]);
    root.write("release/SHA256SUMS", "");
    refuses(root, /SHA256SUMS has no sum of hello-ebpf-linux-/);
  });

  test("a directory that this user may not write to, or make", () => {
    for (const [to, said] of [
      ["/usr/local/bin", "cannot write to /usr/local/bin"],
      ["/opt/tools", "cannot make /opt/tools"],
    ] as const) {
      const root = new Root([GLIBC]);
      const ended = root.installAsNobody(to);
      // What refused has the first word: cp's or mkdir's.
      expect({ status: ended.status, last: ended.said.split("\n").slice(1) }).toEqual({
        status: 1,
        last: [`install.sh: ${said}`],
      });
      expect(ended.said).toContain("Permission denied");
      expect([root.installed(), root.installed("opt")]).toEqual([[], []]);
    }
  });

  test("one that does not start leaves the one before", () => {
    const root = new Root([GLIBC]);
    expect(root.install().status).toBe(0);
    const broken = "#!/bin/sh\nexit 1\n";
    root.write(`release/hello-ebpf-linux-${ARCH}`, broken);
    const sum = createHash("sha256").update(broken).digest("hex");
    root.write("release/SHA256SUMS", `${sum}  hello-ebpf-linux-${ARCH}\n`);
    const { status, said } = root.install();
    expect({ status, said }).toEqual({ status: 1, said: `install.sh: hello-ebpf-linux-${ARCH} does not run here` });
    expect(root.installed()).toEqual(["hello-ebpf"]);
    expect(readFileSync(join(root.path, "usr/local/bin/hello-ebpf"), "utf8")).toContain("echo hello-ebpf");
  });
});

describe("installs the release's own executable here", () => {
  for (const shell of [["sh"], ["bash", "--posix"], ["busybox", "sh"]])
    test(`by ${shell.join(" ")}`, () => {
      const [name = "", ...options] = shell;
      const command = [name === "busybox" ? busybox : name, ...options];
      const { exitCode, stdout, stderr } = Bun.spawnSync([...command, "install.sh", join(place, name)], { cwd: DIST });
      const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
      const said = `installed ${join(place, name, "hello-ebpf")} (hello-ebpf-linux-${ARCH}): hello-ebpf ${version}\n`;
      expect({ exitCode, said: `${stdout}${stderr}` }).toEqual({ exitCode: 0, said });
    });
});
