// The Containerfile makes what the archive holds; the manifests give each mode the least it needs, and what they give
// is run as it stands: a service's keys become podman's flags.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { LAYER_LIMIT } from "../../scripts/release/image.ts";
import { provenance } from "../../scripts/release/provenance.ts";
import { IMAGES } from "../../scripts/release/targets.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";
import { Hello, NamedProgram, processes, ROOT, scratch, summaryOf } from "../kernel/support.ts";
import { Runners, SECCOMP, TARGET, TREE } from "./runners.ts";

setDefaultTimeout(60_000);
const folder = scratch();
const { podman, tracefs } = new Runners();
const CONTAINERS = join(ROOT, "scripts/containers");
const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const manifest = (name: string) => readFileSync(join(CONTAINERS, name), "utf8");
const yaml = (name: string): unknown => Bun.YAML.parse(manifest(name));

/** A service of compose.yaml, with the keys that are used there. */
interface Service {
  image: string;
  command: string[];
  cap_drop: string[];
  cap_add: string[];
  security_opt: string[];
  read_only: boolean;
  network_mode: string;
  mem_limit: string;
  memswap_limit: string;
  pids_limit: number;
  volumes?: string[];
  stop_grace_period: string;
  ulimits?: Record<string, number>;
  profiles: string[];
}

/** A key's flags for podman run. tracefs is mounted elsewhere on this machine. */
const FLAGS: { [key in keyof Required<Service>]: (value: never) => string[] } = {
  image: () => [],
  command: () => [],
  profiles: () => [],
  stop_grace_period: () => [],
  cap_drop: (names: string[]) => names.map((name) => `--cap-drop=${name}`),
  cap_add: (names: string[]) => names.map((name) => `--cap-add=${name}`),
  security_opt: (options: string[]) =>
    options.map((option) =>
      option.startsWith("seccomp=")
        ? `--security-opt=seccomp=${resolve(CONTAINERS, option.slice(8))}`
        : `--security-opt=${option.replace(":true", "")}`,
    ),
  read_only: (value: boolean) => (value ? ["--read-only"] : []),
  network_mode: (mode: string) => [`--network=${mode}`],
  mem_limit: (limit: string) => [`--memory=${limit}`],
  memswap_limit: (limit: string) => [`--memory-swap=${limit}`],
  pids_limit: (limit: number) => [`--pids-limit=${limit}`],
  ulimits: (limits: Record<string, number>) => Object.entries(limits).map(([name, n]) => `--ulimit=${name}=${n}:${n}`),
  volumes: (volumes: string[]) => volumes.map((volume) => `--volume=${volume.replace(/^[^:]*/, tracefs)}`),
};

function serviceFlags(service: Service): string[] {
  return Object.entries(service).flatMap(([key, value]) => {
    const flags = FLAGS[key as keyof Service];
    if (!flags) throw new Error(`compose.yaml has ${key}, which this test does not know`);
    return flags(value as never);
  });
}

type Services = Record<string, Service>;

/** What is commented out for hosts that want more is there: lines such as `# cap_add: [...]`. */
const uncommented = (text: string) => text.replace(/^( +)# ( *[a-zA-Z_]+: [[{].*)$/gm, "$1$2");

describe("compose.yaml", () => {
  const { services } = yaml("compose.yaml") as { services: Services };
  const { services: forOthers } = Bun.YAML.parse(uncommented(manifest("compose.yaml"))) as { services: Services };

  const least = {
    image: `hello-ebpf:${version}`,
    network_mode: "none",
    read_only: true,
    cap_drop: ["ALL"],
    cap_add: ["BPF", "PERFMON"],
    security_opt: ["no-new-privileges:true", "seccomp=seccomp.json"],
    mem_limit: "96m",
    memswap_limit: "96m",
    pids_limit: 16,
    stop_grace_period: "2s",
  };
  const leastOf = (mode: string) => ({ ...least, profiles: [mode], command: ["--mode", mode, "--output", "jsonl"] });

  test("has a service for each mode, of this version, with two capabilities and no more", () => {
    const { ring, perf, map } = { ring: leastOf("ring"), perf: leastOf("perf"), map: leastOf("map") };
    const trace = { ...leastOf("trace"), volumes: ["/sys/kernel/tracing:/sys/kernel/tracing:ro"] };
    expect(services as Record<string, unknown>).toEqual({ ring, perf, map, trace });
  });

  test("what some hosts want besides is commented out: README.md says the same", () => {
    const raised = { ulimits: { memlock: -1 } };
    expect(forOthers).toEqual({
      ring: { ...services.ring!, ...raised },
      perf: { ...services.perf!, ...raised, cap_add: ["SYS_ADMIN"] },
      map: { ...services.map!, ...raised },
      trace: { ...services.trace!, ...raised },
    });
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const [compose, daemonset] = [manifest("compose.yaml"), manifest("daemonset.yaml")];
    for (const word of ["kernel.perf_event_paranoid is above 2 (Debian: 3)", "SYS_ADMIN alone", "before 5.11"])
      for (const text of [readme, compose, daemonset]) expect(text.replace(/\s+(# )?/g, " ")).toContain(word);
    for (const text of [readme, daemonset]) expect(text).toContain("SYS_RESOURCE");
  });

  const runs = [
    ...Object.entries(services).map(([mode, service]) => [mode, service, "as it is written there"] as const),
    // Without its limit, which this machine may not be allowed to raise.
    ["perf", { ...services.perf!, cap_add: forOthers.perf!.cap_add }, "with the capabilities that are commented out"],
  ] as const;
  for (const [mode, service, how] of runs)
    test.skipIf(!podman)(`${mode} sees execs ${how}`, async () => {
      const program = new NamedProgram(folder, "sh");
      const name = `compose-${process.pid}-${program.name}`;
      const wrapper = [...podman!.flags(name), ...serviceFlags(service)];
      const args = [...service.command, "--comm", program.name];
      const hello = await new Hello(args, { wrapper, executable: podman!.image }).attached();
      await program.run(["-c", processes(10)]);
      await podman!.stop(name);
      const { status, stdout } = await hello.ended();
      expect({ status, ...summaryOf(stdout) }).toMatchObject({ status: 0, produced: 10, events: 10, lost: 0 });
    });
});

test.skipIf(!podman)("README.md's docker run line, flag by flag, shows every exec of the host", async () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const [load, line = ""] = /^docker load .*\ndocker run .*$/m.exec(readme)?.[0].split("\n") ?? [];
  expect(load).toBe("docker load -i dist/hello-ebpf-image-linux-x64.tar");
  const words = line.split(" ").slice(2);
  const image = words.indexOf(`hello-ebpf:${version}`);
  const [flags, args] = [words.slice(0, image), words.slice(image + 1)];
  expect([image > 0, ...flags].every((flag) => flag === true || `${flag}`.startsWith("--"))).toBe(true);
  // Besides: what makes podman run here, and our profile, as README.md says of podman 4.3.
  const name = `readme-${process.pid}`;
  const besides = podman!.flags(name).filter((flag) => !flags.includes(flag));
  const wrapper = [...besides, `--security-opt=seccomp=${join(CONTAINERS, "seccomp.json")}`, ...flags];
  const program = new NamedProgram(folder, "sh");
  const hello = await new Hello(args, { wrapper, executable: podman!.image }).attached();
  await program.run(["-c", processes(10)]);
  await hello.until(({ stdout }) => stdout.split(` 0 ${program.name} Hello World\n`).length > 10);
  await podman!.stop(name);
  const { status, stderr } = await hello.ended();
  expect({ status, summary: /^(\d+) events, 0 lost$/m.test(stderr) }).toEqual({ status: 0, summary: true });
});

describe("daemonset.yaml", () => {
  type Pod = { containers: Record<string, unknown>[] } & Record<string, unknown>;
  const pod = (text: string) => (Bun.YAML.parse(text) as { spec: { template: { spec: Pod } } }).spec.template.spec;
  const container = {
    name: "hello-ebpf",
    image: `hello-ebpf:${version}`,
    args: ["--mode", "ring", "--output", "jsonl"],
    resources: { requests: { cpu: "10m", memory: "96Mi" }, limits: { memory: "96Mi" } },
    securityContext: {
      runAsUser: 0,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"], add: ["BPF", "PERFMON"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
  const least = {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 2,
    nodeSelector: { "kubernetes.io/os": "linux" },
    tolerations: [{ operator: "Exists" }],
    containers: [container],
  };

  test("gives two capabilities and nothing else, on every node, to this version", () => {
    expect(pod(manifest("daemonset.yaml"))).toEqual(least);
  });

  test("has for trace, commented out, tracefs as it is mounted on nodes, to be read only", () => {
    const mountPath = "/sys/kernel/tracing";
    expect(pod(uncommented(manifest("daemonset.yaml")))).toEqual({
      ...least,
      containers: [{ ...container, volumeMounts: [{ name: "tracefs", mountPath, readOnly: true }] }],
      volumes: [{ name: "tracefs", hostPath: { path: mountPath, type: "Directory" } }],
    });
  });

  test.skipIf(!podman)(
    "the commands it gives put both machines' images under one name, no larger than they are",
    () => {
      const commands = [...manifest("daemonset.yaml").matchAll(/^# {3}podman (manifest .*)$/gm)].map(
        ([, words = ""]) => words,
      );
      expect(commands).toHaveLength(4);
      const registry = join(folder, "registry");
      const here = (word: string) =>
        word.replace(/^(oci-archive:)/, `$1${ROOT}/`).replace(/^docker:.*/, `oci:${registry}`);
      for (const words of commands) podman!.run(...words.split(" ").map(here));
      const blob = (digest: string) => readFileSync(join(registry, "blobs", digest.replace(":", "/")), "utf8");
      const [list] = JSON.parse(readFileSync(join(registry, "index.json"), "utf8")).manifests;
      const images = JSON.parse(blob(list.digest)).manifests;
      const machines = images.map(({ platform }: { platform: { architecture: string } }) => platform.architecture);
      expect(machines).toEqual(IMAGES.map(({ architecture }) => architecture));
      for (const { digest } of images)
        for (const { size } of JSON.parse(blob(digest)).layers) expect(size).toBeLessThanOrEqual(LAYER_LIMIT);
    },
  );
});

test("the Containerfile's comment gives the commit's time as the release does", () => {
  const [, command = ""] = /CREATED="\$\((.*?)\)"/.exec(manifest("Containerfile")) ?? [];
  const { stdout } = Bun.spawnSync(["sh", "-c", command], { cwd: ROOT });
  expect(stdout.toString().trim()).toBe(provenance().created);
});

/** All that seccomp.json allows whatever the capabilities, by what it is for; on arm64 and by musl other calls of these are made. */
const ALLOWED: { readonly [use: string]: string } = {
  "what it is about": "bpf perf_event_open",
  "privileges given up": "capget capset prctl",
  memory: "brk madvise membarrier mmap mprotect mremap munmap",
  threads:
    "arch_prctl exit exit_group futex getpid getppid gettid rseq sched_getaffinity sched_yield set_robust_list set_tid_address",
  signals: "restart_syscall rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait sigaltstack tgkill",
  time: "clock_getres clock_gettime clock_nanosleep gettimeofday nanosleep",
  waiting: "epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd2 pipe2 poll ppoll",
  "descriptors, read and written":
    "close close_range dup dup2 dup3 fcntl fstat fstatfs ioctl lseek pread64 pwrite64 read readv write writev",
  "files by their paths":
    "access faccessat faccessat2 getcwd getdents64 lstat newfstatat open openat readlink readlinkat stat statfs statx unlink unlinkat",
  "what is asked of the system": "getegid geteuid getgid getrandom getrlimit getuid prlimit64 sysinfo uname",
  "a runtime, which starts us under it": "chdir execve fchown setgid setgroups setuid",
};
/** What CAP_NET_ADMIN brings: two modes that have connections or interfaces. */
const ALLOWED_BY_NET_ADMIN =
  "accept4 bind connect getpeername getsockname getsockopt listen recvfrom sendto setsockopt shutdown socket splice";

describe("seccomp.json", () => {
  const { defaultAction, defaultErrnoRet, syscalls } = JSON.parse(readFileSync(SECCOMP, "utf8"));

  test("allows what there is a use for, threads without namespaces, and nothing else", () => {
    const allow = { action: "SCMP_ACT_ALLOW" };
    const [all, threads, network, mounting, ...others] = syscalls;
    expect({ defaultAction, defaultErrnoRet, others }).toEqual({
      ...{ defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 38, others: [] },
    });
    expect(all).toEqual({ ...allow, names: Object.values(ALLOWED).join(" ").split(" ").sort() });
    expect(threads).toMatchObject({ ...allow, names: ["clone"], args: [{ index: 0, valueTwo: 0 }] });
    expect(network).toMatchObject({
      ...{ ...allow, includes: { caps: ["CAP_NET_ADMIN"] }, names: ALLOWED_BY_NET_ADMIN.split(" ") },
    });
    expect(mounting).toMatchObject({ action: "SCMP_ACT_ERRNO", names: ["fsopen", "fsconfig", "fsmount"] });
  });

  /** What perl says of each call: 0 where it did it, or errno; what clone makes ends at once. */
  const ask = (calls: readonly (readonly [name: string, ...args: number[]])[]) => {
    const asked = calls.map(([name, ...args]) => `[${[SYSCALL_NUMBERS.get(name), ...args].join(",")}]`);
    const script = `$| = 1; for (${asked.join(",")}) { my ($n, @a) = @$_; my $r = syscall($n, @a);
      if ($r == 0 && $n == ${SYSCALL_NUMBERS.get("clone")}) { exec "/usr/bin/true" } print $r < 0 ? $!+0 : 0, "\\n" }`;
    const flags = [
      "--network=none",
      "--cap-drop=all",
      "--user=1000",
      "--volume=/usr:/usr:ro",
      "--entrypoint=/usr/bin/perl",
    ];
    const words = [...podman!.flags(`calls-${process.pid}`), ...flags, `--security-opt=seccomp=${SECCOMP}`];
    const { stdout, stderr } = Bun.spawnSync([...words, podman!.image, "-e", script]);
    expect(stderr.toString()).toBe("");
    return stdout.toString().trim().split("\n").map(Number);
  };

  test.skipIf(!podman)("a process under it makes others, but no namespace by any call", () => {
    const NAMESPACES = [0x10000000, 0x40000000, 0x20000000, 0x08000000, 0x04000000, 0x00020000, 0x02000000]; // CLONE_NEW*
    const SIGCHLD = 17;
    const clones = NAMESPACES.map((flag) => ["clone", flag | SIGCHLD, 0, 0, 0, 0] as const);
    const rest = [
      ["clone3", 0, 0],
      ["unshare", 0x10000000],
      ["setns", -1, 0],
    ] as const;
    const refused = [...clones, ...rest];
    expect(ask([["clone", SIGCHLD, 0, 0, 0, 0], ...refused])).toEqual([0, ...refused.map(() => 38)]);
  });
});

/** Path and sum of every file below a folder. */
const contents = (path: string): string[] =>
  (readdirSync(path, { recursive: true, withFileTypes: true }) as import("node:fs").Dirent[])
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const file = join(entry.parentPath, entry.name);
      return `${file.slice(path.length)} ${createHash("sha256").update(readFileSync(file)).digest("hex")}`;
    })
    .sort();

test.skipIf(!podman)("the Containerfile makes an image of the same files, labels and entry point", () => {
  const about = (image: string) => JSON.parse(podman!.run("image", "inspect", image))[0];
  const loaded = about(podman!.image);
  const label = (name: string) => loaded.Labels[`org.opencontainers.image.${name}`];
  const values = { TARGET, VERSION: version, REVISION: label("revision"), CREATED: label("created") };
  const given = Object.entries(values).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  const flags = ["--quiet", "--file", join(CONTAINERS, "Containerfile"), "--platform", `linux/${loaded.Architecture}`];
  podman!.run("build", ...flags, ...given, "--tag", "built", join(ROOT, "build/image"));
  const built = about("built");
  expect(built.Config.Entrypoint).toEqual(loaded.Config.Entrypoint);
  expect([built.Os, built.Architecture]).toEqual([loaded.Os, loaded.Architecture]);
  // Podman's builder adds its own name.
  const { "io.buildah.version": _, ...labels } = built.Labels;
  expect(labels).toEqual(loaded.Labels);
  for (const image of ["built", podman!.image]) {
    const path = podman!.run("image", "mount", image);
    expect(contents(path)).toEqual(contents(TREE));
    podman!.run("image", "unmount", image);
  }
  expect(loaded.Size).toBeLessThan(3 * LAYER_LIMIT);
});
