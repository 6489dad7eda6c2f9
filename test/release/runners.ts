// The ways a container is run here: podman, or bubblewrap with the same restrictions where podman cannot.
//
// A test says what is taken away; a runner answers with the command, or that it cannot take that away. podman is run
// with a storage of its own and without a network; --runtime runc, cgroupfs and the ulimits are what makes it run in
// a container or a virtual machine without systemd.

import { afterAll } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { IMAGES } from "../../scripts/release/targets.ts";
import { ROOT } from "../kernel/support.ts";
import { compileProfile } from "./seccomp-filter.ts";

/** What a container is started with; nothing given is what podman does by default. */
export interface Restrictions {
  /** The only capabilities it has; undefined: the runner's usual ones. */
  readonly capabilities?: readonly string[];
  readonly readOnly?: boolean;
  /** A user other than root, with the same capabilities. */
  readonly user?: number;
  /** Bytes, swap included. */
  readonly memory?: number;
  /** Processes and threads. */
  readonly pids?: number;
  /** A profile's path; "unconfined"; undefined: the runner's usual one. */
  readonly seccomp?: string;
  /** Where tracefs is mounted outside; it is at /sys/kernel/tracing inside, read-only. */
  readonly tracefs?: string;
  /** Where a bpffs is mounted outside; it is at /sys/fs/bpf inside. */
  readonly bpffs?: string;
  /** The host's interfaces, instead of none. */
  readonly hostNetwork?: boolean;
  readonly noNewPrivileges?: boolean;
  /** A user namespace of its own. */
  readonly userNamespace?: boolean;
  readonly noDev?: boolean;
  readonly noProc?: boolean;
}

export interface Runner {
  readonly name: string;
  /** The command that runs the image's entry point with arguments after it; undefined where it cannot restrict so. */
  command(restrictions: Restrictions, container: string): string[] | undefined;
  /** Ends a container as `docker stop` does; settles when it is asked, not when it has ended. */
  stop(container: string, runner: number): Promise<unknown>;
  /** The process of the entry point, by its pid here. */
  mainProcess(container: string, runner: number): number;
}

export const TARGET = process.arch === "arm64" ? "linux-arm64" : "linux-x64";
export const IMAGE_TARGET = IMAGES.find(({ name }) => name === TARGET)!;
export const ARCHIVE = join(ROOT, `dist/hello-ebpf-image-${TARGET}.tar`);
export const TREE = join(ROOT, "build/image", TARGET);

const podmanWords = (place: string): string[] => [
  ...["podman", "--root", join(place, "storage"), "--runroot", join(place, "run")],
  ...["--storage-driver", "overlay", "--cgroup-manager=cgroupfs"],
];

const FLAGS = {
  capabilities: (names: readonly string[]) => ["--cap-drop=all", ...names.map((name) => `--cap-add=${name}`)],
  readOnly: () => ["--read-only"],
  user: (uid: number) => ["--user", `${uid}`],
  memory: (bytes: number) => ["--memory", `${bytes}`, "--memory-swap", `${bytes}`],
  pids: (count: number) => ["--pids-limit", `${count}`],
  seccomp: (profile: string) => ["--security-opt", `seccomp=${profile}`],
  tracefs: (path: string) => ["--volume", `${path}:/sys/kernel/tracing:ro`],
  bpffs: (path: string) => ["--volume", `${path}:/sys/fs/bpf`],
  hostNetwork: () => ["--network=host"],
  noNewPrivileges: () => ["--security-opt", "no-new-privileges"],
  userNamespace: () => ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"],
} as const;

export class Podman implements Runner {
  readonly name = "podman";
  readonly #words: readonly string[];
  readonly image: string;

  /** Loads the image of the release into a storage of its own. Throws podman's words. */
  constructor(place: string) {
    this.#words = podmanWords(place);
    this.image = this.run("load", "--quiet", "--input", ARCHIVE).replace(/^Loaded image: /, "");
  }

  /** Runs podman to its end, answers what it printed; throws its words. */
  run(...args: string[]): string {
    const { exitCode, stdout, stderr } = Bun.spawnSync([...this.#words, ...args]);
    if (exitCode !== 0) throw new Error(`podman ${args.join(" ")}: ${exitCode}, ${stderr}`);
    return stdout.toString().trim();
  }

  command(restrictions: Restrictions, container: string): string[] | undefined {
    const flags: string[] = [];
    for (const [name, value] of Object.entries(restrictions)) {
      const flag = FLAGS[name as keyof typeof FLAGS] as ((value: unknown) => string[]) | undefined;
      if (!flag) return undefined;
      if (value !== undefined && value !== false) flags.push(...flag(value));
    }
    if (!restrictions.hostNetwork) flags.push("--network=none");
    return [...this.flags(container), ...flags, this.image];
  }

  /** What every run has, whatever is tested. */
  flags(container: string): string[] {
    const limits = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=32768:32768"];
    const run = [...this.#words, "--runtime", "runc", "run", "--rm", "--pull=never"];
    return [...run, ...limits, "--name", container];
  }

  stop(container: string): Promise<unknown> {
    return Bun.spawn([...this.#words, "stop", "--time", "10", container], { stdio: ["ignore", "ignore", "ignore"] })
      .exited;
  }

  mainProcess(container: string): number {
    return Number(this.run("inspect", "--format", "{{.State.Pid}}", container));
  }
}

const FILTER_FD = 9;

/** Flags of bubblewrap; what is not here it cannot take away: memory, processes, and root's identity without its namespace. */
const BUBBLEWRAP = {
  capabilities: (names: readonly string[]) => [
    ...["--cap-drop", "ALL"],
    ...names.flatMap((name) => ["--cap-add", `CAP_${name}`]),
  ],
  readOnly: () => ["--remount-ro", "/"],
  tracefs: (path: string) => ["--ro-bind", path, "/sys/kernel/tracing"],
  userNamespace: () => ["--unshare-user"],
  seccomp: (profile: string) => (profile === "unconfined" ? [] : ["--seccomp", `${FILTER_FD}`]),
  noNewPrivileges: () => [], // always
  noDev: () => [],
  noProc: () => [],
} as const;

class Bubblewrap implements Runner {
  readonly name = "bubblewrap";
  readonly #place: string;

  constructor(place: string) {
    this.#place = place;
  }

  command(restrictions: Restrictions): string[] | undefined {
    // Nothing taken away is podman's own choice of what to take away.
    if (restrictions.capabilities === undefined) return undefined;
    const { noDev, noProc, seccomp, capabilities } = restrictions;
    const mounts = [
      ...["--tmpfs", "/", "--ro-bind", join(TREE, "hello-ebpf"), "/hello-ebpf", "--ro-bind", join(TREE, "lib"), "/lib"],
      ...(IMAGE_TARGET.loader.startsWith("/lib64/") ? ["--ro-bind", join(TREE, "lib64"), "/lib64"] : []),
      ...(noProc ? [] : ["--proc", "/proc"]),
      ...(noDev ? [] : ["--dev", "/dev"]),
      ...["--ro-bind", "/sys", "/sys"],
    ];
    const flags: string[] = [];
    for (const [name, value] of Object.entries(restrictions)) {
      if (value === undefined || value === false) continue;
      const flag = BUBBLEWRAP[name as keyof typeof BUBBLEWRAP] as ((value: unknown) => string[]) | undefined;
      const more = flag?.(value);
      if (!more) return undefined;
      flags.push(...more);
    }
    const apart = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--as-pid-1"];
    const bubblewrap = ["bwrap", ...apart, "--clearenv", ...mounts, ...flags, "/hello-ebpf"];
    return seccomp && seccomp !== "unconfined"
      ? [...this.#withFilter(seccomp, capabilities), ...bubblewrap]
      : bubblewrap;
  }

  /** A shell that opens a profile's filter where bubblewrap reads it, and becomes the command after it. */
  #withFilter(profile: string, capabilities: readonly string[]): string[] {
    const filter = join(this.#place, `${basename(profile)}.${capabilities.join("-")}.bpf`);
    compileProfile(profile, filter, capabilities);
    return ["sh", "-c", `exec ${FILTER_FD}<"$0"; exec "$@"`, filter];
  }

  async stop(_container: string, runner: number): Promise<void> {
    process.kill(this.mainProcess("", runner), "SIGTERM");
  }

  mainProcess(_container: string, runner: number): number {
    const child = Number(readFileSync(`/proc/${runner}/task/${runner}/children`, "utf8").trim());
    if (!child) throw new Error(`bubblewrap ${runner} has no child`);
    return child;
  }
}

/** podman, where it can run the image; otherwise it says why not. */
function startPodman(place: string): Podman | undefined {
  try {
    const podman = new Podman(place);
    const { exitCode, stderr } = Bun.spawnSync([...podman.flags("probe"), "--network=none", podman.image, "--version"]);
    if (exitCode === 0) return podman;
    throw new Error(stderr.toString().trim());
  } catch (error) {
    console.log(`podman cannot run here: ${(error as Error).message}`);
    return undefined;
  }
}

/** The shipped profile. */
export const SECCOMP = join(ROOT, "scripts/containers/seccomp.json");

/** What a test file runs containers with, from its first line until after its last test. */
export class Runners {
  /** A folder outside the checkout. */
  readonly #place = mkdtempSync(join(tmpdir(), "hello-release-"));
  readonly podman = startPodman(this.#place);
  readonly #bubblewrap = Bun.which("bwrap") ? new Bubblewrap(this.#place) : undefined;
  /** tracefs, mounted where nothing else looks for it. */
  readonly tracefs = join(this.#place, "tracefs");

  constructor() {
    afterAll(() => this.#remove());
    if (!existsSync(ARCHIVE)) throw new Error(`Cannot find ${ARCHIVE}: npm run release makes it`);
    mkdirSync(this.tracefs);
    const { exitCode, stderr } = Bun.spawnSync(["mount", "-t", "tracefs", "tracefs", this.tracefs]);
    if (exitCode !== 0) throw new Error(`Cannot mount tracefs: ${stderr}`);
  }

  /** The first runner that can restrict so, with its command. */
  for(restrictions: Restrictions, container: string): { runner: Runner; command: string[] } | undefined {
    for (const runner of [this.podman, this.#bubblewrap]) {
      const command = runner?.command(restrictions, container);
      if (runner && command) return { runner, command };
    }
    return undefined;
  }

  /** A profile like the shipped one that refuses one system call as other profiles do: EPERM, or ENOSYS (38). */
  seccompWithout(name: string, errno = 1): string {
    const profile = JSON.parse(readFileSync(SECCOMP, "utf8"));
    const names: string[] = profile.syscalls[0].names;
    if (!names.includes(name)) throw new Error(`${basename(SECCOMP)} does not allow ${name}`);
    profile.syscalls[0].names = names.filter((other) => other !== name);
    profile.syscalls.push({ names: [name], action: "SCMP_ACT_ERRNO", errnoRet: errno });
    const path = join(this.#place, `without-${name}-${errno}.json`);
    writeFileSync(path, JSON.stringify(profile));
    return path;
  }

  /** Ends what is left and removes the storage, whose layers are mounted. */
  #remove(): void {
    for (const words of [
      ["rm", "--all", "--force", "--time", "0"],
      ["rmi", "--all", "--force"],
    ])
      Bun.spawnSync([...podmanWords(this.#place), ...words]);
    for (const mounted of [this.tracefs, join(this.#place, "storage/overlay")]) Bun.spawnSync(["umount", mounted]);
    rmSync(this.#place, { recursive: true, force: true });
  }
}
