// --mode sockmap: every byte arrives, in order, whatever the two ends do and when; what ends badly ends badly for both.
// Clients and targets are node's sockets in this process, with half-closing allowed.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { syscall } from "../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";
import { TcpSocket } from "../../src/sys/tcp.ts";
import {
  EXECUTABLE,
  fewerInGuests,
  GUEST,
  Hello,
  hello,
  type JsonRecord,
  KERNEL,
  kernelObjects,
  recordsOf,
  SLOWNESS,
  summaryOf,
  testHere,
  userSpace,
  withCapabilities,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 6_000);
const HOST = "127.0.0.1";
// include/uapi/linux/capability.h
const CAP_NET_ADMIN = 12;
const CAP_BPF = 39;
const LARGE = GUEST ? 4 << 20 : 100 << 20;
/** Megabytes that nobody queues for one connection. */
const ENDLESS = 400;
const MANY = GUEST ? 30 : 300;

const sha256 = (chunks: readonly Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
};

const servers: Server[] = [];
const children: Bun.Subprocess[] = [];
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  for (const server of servers) server.close();
});

/** A target; its port. */
async function target(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    serve(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return (server.address() as AddressInfo).port;
}

const TARGET = `let count = 0; require("net").createServer((socket) =>
  socket.on("data", ({ length }) => console.log(count += length)).on("error", () => {})
).listen(process.argv[1], "${HOST}", () => console.log(0));`;

/** A target that is a process of its own, and how many bytes it has said that it read. */
async function targetProcess(port: number): Promise<{ process: Bun.Subprocess; read(): number }> {
  const child = Bun.spawn([process.execPath, "-e", TARGET, `${port}`], { stdout: "pipe", stderr: "ignore" });
  children.push(child);
  let said = "";
  const listening = Promise.withResolvers<void>();
  void (async () => {
    for await (const chunk of child.stdout) {
      said += new TextDecoder().decode(chunk);
      listening.resolve();
    }
  })();
  await listening.promise;
  return { process: child, read: () => Number(said.slice(0, said.lastIndexOf("\n")).split("\n").at(-1)) };
}

/** Sends until `enough`, or until nobody has taken anything for a second. */
async function flood(socket: Socket, enough: () => boolean): Promise<void> {
  const chunk = randomBytes(1 << 18);
  while (!enough()) {
    if (socket.write(chunk)) continue;
    const drained = new Promise<boolean>((resolve) => socket.once("drain", () => resolve(true)));
    if (!(await Promise.race([drained, Bun.sleep(1000).then(() => false)]))) return;
  }
}

/** A port that nobody listens on at this moment. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The mode under way between a port of its own and another. */
async function proxyTo(to: number): Promise<{ hello: Hello; port: number }> {
  const port = await freePort();
  const args = ["--mode", "sockmap", "--listen", `${HOST}:${port}`, "--to", `${HOST}:${to}`, "--output", "jsonl"];
  return { hello: await new Hello(args).attached(), port };
}

/** All that comes until the end, or the error that it ended with. */
function everything(socket: Socket): Promise<Uint8Array[]> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    socket.on("end", () => resolve(chunks));
    socket.on("error", reject);
  });
}

/** Sends all of it, says so, and answers what came back. */
async function exchange(port: number, data: Uint8Array): Promise<Uint8Array[]> {
  const socket = connect({ port, host: HOST, allowHalfOpen: true });
  const back = everything(socket);
  socket.end(data);
  return await back;
}

/** What has been said until now; the last line may be on its way. */
const eventsOf = (stdout: string) =>
  recordsOf(stdout.slice(0, stdout.lastIndexOf("\n") + 1)).filter(({ type }) => type === "event");
/** The time that a process has run, in user mode and in the kernel's, in hundredths of a second (proc(5)). */
const ticks = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
};
/** Sockets and pipes of a process: it may come to others when it first waits. */
const descriptors = (pid: number) =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => /^(socket|pipe):/.test(readlink(`/proc/${pid}/fd/${fd}`))).length;
function readlink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

/** What a run's own map says that was forwarded by programs, of each way that is open. */
function forwardedBy(pid: number): number[] {
  const bpftool = (...words: string[]) =>
    JSON.parse(Bun.spawnSync(["bpftool", "-j", "map", ...words]).stdout.toString());
  const ids = kernelObjects(pid).map.filter((id) => bpftool("show", "id", `${id}`).name === "forwarded");
  expect(ids).toHaveLength(1);
  return bpftool("dump", "id", `${ids[0]}`).map(({ formatted }: { formatted: { value: number } }) => formatted.value);
}

describe("sockmap", () => {
  let echo: number;
  let proxy: Awaited<ReturnType<typeof proxyTo>>;
  beforeAll(async () => {
    echo = await target((socket) => socket.pipe(socket));
    proxy = await proxyTo(echo);
  });
  let connections = 0;

  test(`${LARGE >> 20} MB there and back have the same sum, and are counted`, async () => {
    const data = randomBytes(LARGE);
    expect(sha256(await exchange(proxy.port, data))).toBe(sha256([data]));
    connections++;
    await proxy.hello.until(({ stdout }) => eventsOf(stdout).length === connections);
    expect(eventsOf(proxy.hello.stdout)).toMatchObject([{ sent: LARGE, received: LARGE, to: `${HOST}:${echo}` }]);
    console.log(`MATRIX ${KERNEL} sockmap sk_skb ok`);
  });

  test(`${MANY} connections at once, that send at once and in pieces, and leave no descriptor behind`, async () => {
    const before = descriptors(proxy.hello.pid);
    const one = async (index: number) => {
      const pieces = Array.from({ length: index % 5 }, () => randomBytes(1 + Math.floor(Math.random() * 20_000)));
      const socket = connect({ port: proxy.port, host: HOST, allowHalfOpen: true });
      const back = everything(socket);
      for (const piece of pieces) {
        socket.write(piece);
        if (index % 2) await Bun.sleep(Math.random() * 5);
      }
      socket.end();
      return { sum: sha256(await back), expected: sha256(pieces) };
    };
    for (const { sum, expected } of await Promise.all(Array.from({ length: MANY }, (_, index) => one(index))))
      expect(sum).toBe(expected);
    connections += MANY;
    await proxy.hello.until(({ stdout }) => eventsOf(stdout).length === connections);
    await proxy.hello.until(({ pid }) => descriptors(pid) <= before);
    for (const { error } of eventsOf(proxy.hello.stdout)) expect(error).toBeUndefined();
  });

  test("the bytes went in the kernel: its own map says how many", async () => {
    const data = randomBytes(LARGE);
    const socket = connect({ port: proxy.port, host: HOST });
    let came = 0;
    const all = new Promise<void>((resolve) =>
      socket.on("data", (chunk) => {
        came += chunk.length;
        if (came === LARGE) resolve();
      }),
    );
    socket.write(data);
    await all;
    const values = forwardedBy(proxy.hello.pid);
    // All of them, but where a busy machine lets so much gather that the rest goes by a pipe.
    expect(values).toHaveLength(2);
    for (const value of values) expect(value).toBeGreaterThan(LARGE / 4);
    socket.end();
    connections++;
    await proxy.hello.until(({ stdout }) => eventsOf(stdout).length === connections);
  });

  test("ends with the sum of its connections", async () => {
    const { status, stdout } = await proxy.hello.stop();
    expect(status).toBe(0);
    expect(summaryOf(stdout)).toEqual({ produced: connections, events: connections, lost: 0 });
  });
});

describe("sockmap, where the ends do not agree", () => {
  test("the target speaks first, and finishes first", async () => {
    const words: Promise<Uint8Array[]>[] = [];
    const { hello, port } = await proxyTo(
      await target((socket) => {
        socket.end("welcome");
        words.push(everything(socket));
      }),
    );
    const socket = connect({ port, host: HOST, allowHalfOpen: true });
    expect(Buffer.concat(await everything(socket)).toString()).toBe("welcome");
    socket.end("thanks"); // the other way is still open
    await hello.until(({ stdout }) => eventsOf(stdout).length === 1);
    expect(Buffer.concat((await words[0]) ?? []).toString()).toBe("thanks");
    expect(eventsOf((await hello.stop()).stdout)).toMatchObject([{ sent: 6, received: 7 }]);
  });

  test("a client's reset reaches the target, and a target's the client", async () => {
    const failed: Promise<string>[] = [];
    const errorOf = (socket: Socket) =>
      new Promise<string>((resolve) => socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "")));
    let onServed = (_socket: Socket) => {};
    const { hello, port } = await proxyTo(
      await target((socket) => {
        failed.push(errorOf(socket));
        socket.on("data", () => onServed(socket));
      }),
    );
    const client = connect({ port, host: HOST });
    onServed = () => client.resetAndDestroy();
    client.write("x");
    await hello.until(({ stdout }) => eventsOf(stdout).length === 1);
    expect(await failed[0]).toBe("ECONNRESET");

    onServed = (socket) => socket.resetAndDestroy();
    // Many times: which direction is told of the error first is a matter of luck.
    const times = GUEST ? 1 : 100;
    for (let i = 0; i < times; i++) {
      const other = connect({ port, host: HOST });
      const refused = errorOf(other);
      other.on("end", () => other.destroy(new Error("an end like any other")));
      other.write("x");
      expect(await refused).toBe("ECONNRESET");
    }
    const { stdout } = await hello.stop();
    expect(eventsOf(stdout).map(({ error }) => error)).toEqual(Array(1 + times).fill("ECONNRESET"));
  });

  testHere("no target: the client is told, and so are we; the next one is served", async () => {
    const to = await freePort();
    const { hello, port } = await proxyTo(to);
    const quiet = connect({ port, host: HOST }); // nothing that it sent is left unread: a reset is meant
    expect(await new Promise((resolve) => quiet.on("error", resolve).on("end", resolve))).toMatchObject({
      code: "ECONNRESET",
    });
    await hello.until(({ stdout }) => eventsOf(stdout).length === 1);
    const late = createServer((socket) => socket.pipe(socket));
    servers.push(late);
    await new Promise<void>((resolve) => late.listen(to, HOST, resolve));
    expect(Buffer.concat(await exchange(port, Buffer.from("now"))).toString()).toBe("now");
    const { stdout } = await hello.stop();
    expect(eventsOf(stdout)).toMatchObject([
      { error: "ECONNREFUSED", sent: 0 },
      { sent: 3, received: 3 },
    ]);
    expect(summaryOf(stdout)).toEqual({ produced: 2, events: 2, lost: 0 });
  });

  const LEAVING: readonly { readonly when: string; readonly bytes: number; readonly reads: boolean }[] = [
    { when: "while it reads", bytes: LARGE / 4, reads: true },
    { when: "having read all there was", bytes: 1 << 18, reads: true },
    { when: "when it has long stopped reading", bytes: Number.POSITIVE_INFINITY, reads: false },
  ];
  for (const { when, bytes, reads } of fewerInGuests(LEAVING, LEAVING.slice(0, 1)))
    test(`a target that goes away amid a transfer, ${when}: the client is told, the next one is served`, async () => {
      const to = await freePort();
      const child = await targetProcess(to);
      const { hello, port } = await proxyTo(to);
      const before = descriptors(hello.pid);
      const socket = connect({ port, host: HOST, allowHalfOpen: true });
      socket.resume();
      const failed = new Promise<string>((resolve) =>
        socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "")),
      );
      if (!reads) child.process.kill("SIGSTOP");
      await flood(socket, () => socket.bytesWritten >= bytes);
      while (reads && child.read() < bytes) await Bun.sleep(5);
      child.process.kill("SIGKILL");
      const more = setInterval(() => socket.write("more"), 10); // it is told when what it sends cannot arrive
      expect(await failed).toMatch(/^(ECONNRESET|EPIPE)$/);
      clearInterval(more);
      await hello.until(({ stdout }) => eventsOf(stdout).length === 1);
      const [{ sent, received, error }] = eventsOf(hello.stdout) as [JsonRecord];
      expect({ received, error }).toEqual({ received: 0, error: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) });
      expect(Number(sent)).toBeGreaterThanOrEqual(reads ? child.read() : 32 << 20);
      expect(Number(sent)).toBeLessThanOrEqual(socket.bytesWritten);
      await hello.until(({ pid }) => descriptors(pid) <= before);
      expect(forwardedBy(hello.pid)).toEqual([]);

      const late = createServer((other) => other.pipe(other));
      servers.push(late);
      await new Promise<void>((resolve) => late.listen(to, HOST, resolve));
      expect(Buffer.concat(await exchange(port, Buffer.from("now"))).toString()).toBe("now");
      const { status, stdout } = await hello.stop();
      expect({ status, ...summaryOf(stdout) }).toEqual({ status: 0, produced: 2, events: 2, lost: 0 });
    });

  test("a reader that takes its time gets all of it", async () => {
    const size = GUEST ? 1 << 20 : 16 << 20;
    const data = randomBytes(size);
    const { hello, port } = await proxyTo(await target((socket) => socket.end(data)));
    const socket = connect({ port, host: HOST });
    socket.pause();
    await Bun.sleep(300);
    const back = everything(socket);
    socket.resume();
    expect(sha256(await back)).toBe(sha256([data]));
    await hello.stop();
  });

  testHere("a reader that takes nothing holds the sender back, and loses nothing", async () => {
    let reader: Socket | undefined;
    const { hello, port } = await proxyTo(
      await target((socket) => {
        socket.pause();
        reader = socket;
      }),
    );
    const socket = connect({ port, host: HOST });
    const chunk = randomBytes(1 << 20);
    const hash = createHash("sha256");
    let sent = 0;
    // As long as the other end takes something within a second, up to more than could be meant.
    for (let held = false; !held && sent < ENDLESS; sent++) {
      hash.update(chunk);
      if (socket.write(chunk)) continue;
      const drained = new Promise<boolean>((resolve) => socket.once("drain", () => resolve(false)));
      held = await Promise.race([drained, Bun.sleep(1000).then(() => true)]);
    }
    expect(sent).toBeLessThan(ENDLESS);
    const all = everything(reader as unknown as Socket);
    reader?.resume();
    socket.end();
    expect(sha256(await all)).toBe(hash.digest("hex"));
    reader?.end();
    await hello.until(({ stdout }) => eventsOf(stdout).length === 1);
    expect(eventsOf((await hello.stop()).stdout)).toMatchObject([{ sent: sent << 20 }]);
  });

  testHere("connections on which nothing happens take no time", async () => {
    const { hello, port } = await proxyTo(await target((socket) => socket.pipe(socket)));
    const sockets = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const socket = connect({ port, host: HOST });
        const answered = new Promise((resolve) => socket.once("data", resolve));
        socket.write("x");
        await answered;
        return socket.on("error", () => {});
      }),
    );
    await Bun.sleep(500); // until all is acknowledged
    const before = ticks(hello.pid);
    await Bun.sleep(1000);
    expect(ticks(hello.pid) - before).toBeLessThan(6); // of 100 a second; looking at each took 15
    await hello.stop();
    for (const socket of sockets) socket.destroy();
  });

  testHere("ended with connections open: they are reset, counted and reported", async () => {
    const { hello, port } = await proxyTo(await target((socket) => socket.pipe(socket)));
    const socket = connect({ port, host: HOST });
    const error = new Promise((resolve) => socket.on("error", resolve).on("close", resolve));
    const first = new Promise<Uint8Array>((resolve) => socket.once("data", resolve));
    socket.write("x");
    await first;
    const { status, stdout } = await hello.stop();
    expect(status).toBe(0);
    await error;
    expect(summaryOf(stdout)).toEqual({ produced: 1, events: 1, lost: 0 });
    expect(eventsOf(stdout)).toMatchObject([{ sent: 1, received: 1 }]);
  });
});

userSpace(() => {
  describe("sockmap", () => {
    test("without CAP_NET_ADMIN that is named; with it nothing is kept", async () => {
      const args = ["--mode", "sockmap", "--listen", `${HOST}:${await freePort()}`, "--to", `${HOST}:1`];
      const refused = await hello(args, { wrapper: withCapabilities([CAP_BPF]), executable: EXECUTABLE });
      expect({ status: refused.status, stderr: refused.stderr }).toEqual({
        status: 3,
        stderr: expect.stringMatching(
          /^hello-ebpf: Cannot create map .* lacks CAP_NET_ADMIN; .*--cap-add=NET_ADMIN\n$/,
        ),
      });
      const wrapper = withCapabilities([CAP_BPF, CAP_NET_ADMIN]);
      const { status, stderr } = await hello(
        [...args, "--duration", "200ms", "-v", "--uid", "5", "--syscall", "read"],
        {
          wrapper,
          executable: EXECUTABLE,
        },
      );
      expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining("capabilities kept: none\n") });
      for (const option of ["--uid", "--syscall"])
        expect(stderr).toContain(`${option} has no effect in sockmap mode\n`);
      expect(stderr).not.toContain("--attach has no effect");
    });

    test("what listens for one family of addresses is no target of the other's", async () => {
      const port = await freePort();
      const args = ["--listen", `0.0.0.0:${port}`, "--to", `[::1]:${port}`, "--duration", "1ms"];
      expect((await hello(["--mode", "sockmap", ...args])).status).toBe(0);
    });

    test("a client that resets before the target answers is not waited for", async () => {
      const listener = TcpSocket.listen({ bytes: Uint8Array.of(127, 0, 0, 1), port: 0 }) as TcpSocket;
      const { port } = listener.local();
      expect(syscall(SYSCALL_NUMBERS.get("listen") ?? -1, listener.number, 0)).toBe(0); // a queue of one
      const queued = Array.from({ length: 3 }, () => TcpSocket.connect(listener.local()) as TcpSocket);
      const proxy = await proxyTo(port);
      const before = descriptors(proxy.hello.pid);
      const clients = Array.from({ length: 10 }, () => connect({ port: proxy.port, host: HOST }).on("error", () => {}));
      for (const client of clients) client.write("x");
      await proxy.hello.until(({ pid }) => descriptors(pid) >= before + 20);
      for (const client of clients) client.resetAndDestroy();
      await proxy.hello.until(({ stdout }) => eventsOf(stdout).length === clients.length);
      expect(eventsOf(proxy.hello.stdout).map(({ error }) => error)).toEqual(clients.map(() => "ECONNRESET"));
      await proxy.hello.until(({ pid }) => descriptors(pid) <= before + 2); // a pipe of the runtime's
      for (const socket of [listener, ...queued]) socket.close();
      await proxy.hello.stop();
    });

    test("what is missing or taken is said in one line", async () => {
      const taken = await target(() => {});
      const to = ["--to", `${HOST}:1`];
      for (const [args, status, line] of [
        [to, 2, /Expected --listen ADDRESS:PORT in mode sockmap/],
        [["--listen", `${HOST}:1`], 2, /Expected --to ADDRESS:PORT in mode sockmap/],
        ...[
          ["127.0.0.1:80", "127.0.0.1:80"],
          ["0.0.0.0:80", "127.3.2.1:80"],
          ["[::]:80", "[::1]:80"],
          ["[::]:80", "127.0.0.1:80"],
          ["127.0.0.1:80", "[::ffff:127.0.0.1]:80"],
          ["127.0.0.1:80", "0.0.0.0:80"],
          ["[::1]:80", "[::]:80"],
        ].map(
          ([from = "", other = ""]) =>
            [
              ["--listen", from, "--to", other],
              2,
              /Expected --to to lead elsewhere, got .*, which --listen is/,
            ] as const,
        ),
        [
          ["--listen", "192.0.2.1:80", ...to],
          1,
          /bind\(\) gave EADDRNOTAVAIL: it is no address of this machine; choose/,
        ],
        [["--listen", "localhost:80", ...to], 2, /Expected an address such as 127\.0\.0\.1:8080 or \[::1\]:80/],
        [
          ["--listen", `${HOST}:${taken}`, ...to],
          1,
          /Cannot listen on .*: bind\(\) gave EADDRINUSE: another program listens there; choose another --listen/,
        ],
      ] as const) {
        const ended = await hello(["--mode", "sockmap", ...args]);
        expect({ status: ended.status, stderr: ended.stderr }).toEqual({ status, stderr: expect.stringMatching(line) });
        expect(ended.stderr.trim().split("\n")).toHaveLength(1);
      }
    });
  });
});
