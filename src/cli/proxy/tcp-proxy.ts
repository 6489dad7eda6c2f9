// Takes connections, connects each to the target, and has the two carry each other's bytes.

import { ECONNABORTED, PollerShare, type SocketAddress, TcpSocket, wouldBlock } from "../../index.ts";
import { formatSocketAddress } from "./address.ts";
import { Pair, type PairMaps } from "./pair.ts";

/** A connection that has ended: bytes each way, and the errno that it ended with, 0 where both sides finished. */
export interface EndedConnection {
  readonly client: string;
  readonly sent: number;
  readonly received: number;
  readonly errno: number;
}

/** A connection under way; its pair once the target has answered. */
interface OpenConnection {
  readonly client: TcpSocket;
  readonly name: string;
  pair?: Pair;
  /** What the target is connected by, until it has answered. */
  target?: TcpSocket;
}

/** How often connections are looked at for receivers that are too slow, or gone. */
const LOOK_MS = 25;

/** Accepts, connects and carries, until closed. */
export class TcpProxy {
  readonly #listener: TcpSocket;
  readonly #to: SocketAddress;
  readonly #maps: PairMaps;
  readonly #poller = new PollerShare();
  readonly #open = new Set<OpenConnection>();
  /** Those whose target has not answered. */
  readonly #waiting = new Set<OpenConnection>();
  readonly ended: EndedConnection[] = [];
  accepted = 0;
  #stopped = false;
  readonly #timer = setInterval(() => this.#look(), LOOK_MS);
  #arrived: bigint | undefined = 0n;
  /** Called when something is in `ended`. */
  onEnded = () => {};

  constructor(listener: TcpSocket, to: SocketAddress, maps: PairMaps) {
    this.#listener = listener;
    this.#to = to;
    this.#maps = maps;
    void this.#accept();
  }

  async #accept(): Promise<void> {
    while (!this.#stopped) {
      const client = this.#listener.accept();
      if (client instanceof TcpSocket) void this.#serve(client);
      else if (wouldBlock(client)) await this.#poller.wait(this.#listener.number);
      else await Bun.sleep(1); // that one is gone already, or there are no descriptors: others may be served
    }
  }

  async #serve(client: TcpSocket): Promise<void> {
    this.accepted++;
    const connection: OpenConnection = { client, name: formatSocketAddress(client.remote()) };
    this.#open.add(connection);
    const target = await this.#connect(connection);
    if (!this.#open.has(connection)) return void (target instanceof TcpSocket && target.close());
    if (!(target instanceof TcpSocket)) return this.#end(connection, target);
    const pair = new Pair(client, target, this.#maps, this.#poller);
    connection.pair = pair;
    this.#end(connection, await pair.run());
  }

  /**
   * At each connection whose client may have gone before its target answers, which only a reset tells; at the others
   * unless nothing was forwarded since all had arrived: what is idle takes no time.
   */
  #look(): void {
    for (const connection of this.#waiting) {
      const error = connection.client.error();
      if (error !== 0) this.#end(connection, error);
    }
    const total = this.#maps.total.get(0);
    if (total === this.#arrived) return;
    const forwarded = new Map(this.#maps.forwarded);
    const pending = [...this.#open].filter(({ pair }) => pair && !pair.look(forwarded));
    if (pending.length === 0) this.#arrived = total;
  }

  /** The target, connected, or the errno that it refused with. */
  async #connect(connection: OpenConnection): Promise<TcpSocket | number> {
    const target = TcpSocket.connect(this.#to);
    if (!(target instanceof TcpSocket)) return -target;
    connection.target = target;
    this.#waiting.add(connection);
    await this.#poller.wait(target.number, "writable");
    this.#waiting.delete(connection);
    const error = target.error();
    if (error === 0) return target;
    this.#poller.cancel(target.number);
    target.close();
    return error;
  }

  /** Once for each connection. */
  #end(connection: OpenConnection, errno: number): void {
    if (!this.#open.delete(connection)) return;
    const { client, name, pair, target } = connection;
    if (target && this.#waiting.delete(connection)) this.#poller.cancel(target.number);
    this.ended.push({ client: name, ...(pair?.carried ?? { sent: 0, received: 0 }), errno });
    if (pair) pair.close(errno);
    else client.reset();
    this.onEnded();
  }

  /** No connection more; those that there are end with a reset, as with any proxy that goes away. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#poller.cancel(this.#listener.number);
    this.#listener.close();
    for (const connection of this.#open) this.#end(connection, ECONNABORTED);
  }

  close(): void {
    this.stop();
    this.#poller.close();
  }
}
