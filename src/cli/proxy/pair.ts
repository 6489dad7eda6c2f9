// Two connected sockets whose bytes go to each other in the kernel: by its programs where it takes them, else by a pipe.
//
// A socket's bytes go in the kernel once its peer is in the map `peers` and itself in `sources`, whose programs run from
// then on. What arrived before is looked at again then, so no byte is overtaken. The kernel takes only sockets whose other
// end has not finished yet (ESTABLISHED): what a quick client has sent by then, and all it will, goes by splice(2).

import type { BpfArray, BpfHashMap, BpfSockHash, PollerShare, TcpSocket } from "../../index.ts";
import { BpfError, SocketPipe, wouldBlock } from "../../index.ts";

/** The maps of bpf/hello_sockmap.bpf.c, all by the cookies of sockets. */
export interface PairMaps {
  readonly peers: BpfSockHash<bigint>;
  readonly sources: BpfSockHash<bigint>;
  readonly forwarded: BpfHashMap<bigint, bigint>;
  /** One number, of all sockets. */
  readonly total: BpfArray<bigint>;
}

/** What is in `forwarded`, at one time. */
export type Forwarded = ReadonlyMap<bigint, bigint>;

/** How long the kernel may take to hand on what it has taken, at the least, before it is asked again. */
const SOON_MS = 1;
const LATER_MS = 20;
/** Bytes that may wait in the kernel for a receiver: many times what its socket holds. */
const MOST_BACKLOG = 32 << 20;

/** A socket that failed; its errno. */
export class ConnectionError extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

/** One of the two sockets, as both directions see it: the kernel tells an error once, whoever asks. */
class Side {
  readonly socket: TcpSocket;
  #failed = 0;

  constructor(socket: TcpSocket) {
    this.socket = socket;
  }

  /** The errno that it came to, 0 while there is none. */
  failure(): number {
    this.#failed ||= this.socket.error();
    return this.#failed;
  }

  /** Throws ConnectionError where it came to one. */
  check(): void {
    if (this.failure() !== 0) throw new ConnectionError(this.failure());
  }
}

/** What one socket sends to the other. */
class Direction {
  readonly #from: TcpSocket;
  readonly #to: TcpSocket;
  readonly #sender: Side;
  readonly #receiver: Side;
  readonly #maps: PairMaps;
  readonly #cookie: bigint;
  /** What the other socket had been given before. */
  readonly #before: number;
  #carried = 0;
  #forwards = false;
  #held = false;
  /** What had been forwarded when last all of it had arrived. */
  #arrived = 0n;

  constructor(sender: Side, receiver: Side, maps: PairMaps) {
    this.#sender = sender;
    this.#receiver = receiver;
    this.#from = sender.socket;
    this.#to = receiver.socket;
    this.#maps = maps;
    this.#cookie = this.#from.cookie();
    this.#before = this.#to.handed();
  }

  /** Makes the other socket fit to be sent to; whether the kernel took it. */
  prepare(): boolean {
    return taken(() => {
      this.#maps.forwarded.set(this.#cookie, 0n);
      this.#maps.peers.set(this.#cookie, this.#to);
    });
  }

  /** From now on the kernel forwards, if it takes the socket. */
  forward(): void {
    this.#forwards = taken(() => this.#maps.sources.set(this.#cookie, this.#from));
    if (this.#forwards) this.#from.lookAgain();
  }

  get bytes(): number {
    return this.#carried + (this.#forwards ? this.#inKernel() : 0);
  }

  #inKernel(): number {
    return Number(this.#maps.forwarded.get(this.#cookie) ?? 0n);
  }

  /** Until all that will come has gone on, and its end too. Throws ConnectionError. */
  async run(poller: PollerShare): Promise<void> {
    if (this.#forwards) await this.#watch(poller);
    else await this.#carry(poller);
    this.#sender.check(); // where the other direction was told of it, this one sees an end like any other
    this.#to.finish();
  }

  /** The kernel forwards: what is left is to notice the end, and to hold it back until the last byte has gone on. */
  async #watch(poller: PollerShare): Promise<void> {
    // An error is told once: each look at the socket is acted upon.
    while (!this.#held) {
      this.#receiver.check();
      const found = this.#from.peek();
      if (found === 0) break;
      if (wouldBlock(found)) await poller.wait(this.#from.number);
      else if (found > 0)
        await Bun.sleep(SOON_MS); // on its way to the program
      else throw new ConnectionError(-found);
    }
    for (let wait = SOON_MS; !this.#isDrained(); wait = Math.min(LATER_MS, wait * 2)) {
      this.#receiver.check();
      await Bun.sleep(wait);
    }
    if (this.#held) await this.#carry(poller);
  }

  /** What came is counted before it is queued for the other socket, and given to it later. */
  #isDrained(): boolean {
    return (this.#held || this.#from.unread() === 0) && this.#backlog() <= 0;
  }

  /** Bytes that the kernel has taken from one socket and not yet given to the other. */
  #backlog(): number {
    return this.#inKernel() - (this.#to.handed() - this.#before);
  }

  /**
   * Notices what nobody waits for: that the other socket takes nothing any more, and that too much has gathered for it.
   * The kernel takes from a fast sender whatever a slow receiver does; then the socket is its own again, whose window
   * holds the sender back, and what comes goes by the pipe from then on. It is not put back when all has gone on: the
   * kernel sets up its stream parser anew then, while work for the old one may be queued. Whether all has arrived of what
   * was forwarded until now.
   */
  look(forwarded: Forwarded, poller: PollerShare): boolean {
    const bytes = forwarded.get(this.#cookie);
    if (bytes === undefined || bytes === this.#arrived || !this.#forwards || this.#held) return true;
    this.#held = this.#backlog() >= MOST_BACKLOG;
    if (this.#held) this.#maps.sources.delete(this.#cookie);
    if (this.#held || this.#receiver.failure() !== 0) poller.cancel(this.#from.number);
    else if (this.#backlog() <= 0 && this.#to.unacknowledged() === 0) this.#arrived = bytes;
    return bytes === this.#arrived;
  }

  async #carry(poller: PollerShare): Promise<void> {
    const pipe = SocketPipe.open();
    if (typeof pipe === "number") throw new ConnectionError(-pipe);
    using _pipe = pipe;
    for (;;) {
      const count = pipe.fill(this.#from);
      if (count === 0) return;
      if (count > 0) await this.#empty(pipe, poller);
      else if (wouldBlock(count)) await poller.wait(this.#from.number);
      else throw new ConnectionError(-count);
    }
  }

  async #empty(pipe: SocketPipe, poller: PollerShare): Promise<void> {
    while (pipe.held > 0) {
      const count = pipe.drain(this.#to);
      if (count > 0) this.#carried += count;
      else if (wouldBlock(count)) await poller.wait(this.#to.number, "writable");
      else throw new ConnectionError(-count);
    }
  }

  forget(): void {
    this.#maps.forwarded.delete(this.#cookie);
    this.#maps.sources.delete(this.#cookie);
    this.#maps.peers.delete(this.#cookie);
  }
}

/** Whether the kernel takes a socket: not where its other end has finished or is gone, nor where the maps are full. */
function taken(put: () => unknown): boolean {
  try {
    put();
    return true;
  } catch (error) {
    if (error instanceof BpfError) return false;
    throw error;
  }
}

/** A client and its target. */
export class Pair {
  readonly #sockets: readonly TcpSocket[];
  readonly #poller: PollerShare;
  readonly #there: Direction;
  readonly #back: Direction;

  constructor(client: TcpSocket, target: TcpSocket, maps: PairMaps, poller: PollerShare) {
    this.#sockets = [client, target];
    this.#poller = poller;
    const [one, other] = [new Side(client), new Side(target)];
    this.#there = new Direction(one, other, maps);
    this.#back = new Direction(other, one, maps);
  }

  /** Carries until both have finished or one fails: the errno of that, 0 where there is none. */
  async run(): Promise<number> {
    const directions = [this.#there, this.#back];
    // Both before either is forwarded: neither side may have to wait for the other's place in the map.
    const ready = directions.map((direction) => direction.prepare());
    if (ready.every(Boolean)) for (const direction of directions) direction.forward();
    try {
      await Promise.all(directions.map((direction) => direction.run(this.#poller)));
      return 0;
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      return error.errno;
    }
  }

  /** To be called now and then, as Direction's, of both. */
  look(forwarded: Forwarded): boolean {
    const [there, back] = [this.#there, this.#back].map((direction) => direction.look(forwarded, this.#poller));
    return there === true && back === true;
  }

  /** Bytes from the client to the target, and back. */
  get carried(): { sent: number; received: number } {
    return { sent: this.#there.bytes, received: this.#back.bytes };
  }

  /** With an errno both ends are told that something went wrong. */
  close(errno: number): void {
    this.#there.forget();
    this.#back.forget();
    for (const socket of this.#sockets) {
      this.#poller.cancel(socket.number);
      if (errno === 0) socket.close();
      else socket.reset();
    }
  }
}
