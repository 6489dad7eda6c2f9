// Takes connections, connects each to the target, and has the two carry each other's bytes.

import { PollerShare, type SocketAddress, TcpSocket, wouldBlock } from "../../index.ts";
import { formatSocketAddress } from "./address.ts";
import { type Carried, carry, type PairMaps } from "./pair.ts";

/** A connection that has ended. */
export interface EndedConnection extends Carried {
  readonly client: string;
}

/** Accepts, connects and carries, until closed. */
export class TcpProxy {
  readonly #listener: TcpSocket;
  readonly #to: SocketAddress;
  readonly #maps: PairMaps;
  readonly #poller = new PollerShare();
  readonly #open = new Set<TcpSocket>();
  readonly ended: EndedConnection[] = [];
  accepted = 0;
  #stopped = false;
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
    this.#open.add(client);
    const name = formatSocketAddress(client.remote());
    const target = await this.#connect();
    let carried: Carried;
    if (target instanceof TcpSocket) {
      this.#open.add(target);
      carried = await carry(client, target, this.#maps, this.#poller);
      this.#open.delete(target);
    } else {
      client.reset();
      carried = { sent: 0, received: 0, errno: target };
    }
    this.#open.delete(client);
    this.ended.push({ client: name, ...carried });
    this.onEnded();
  }

  /** The target, connected, or the errno that it refused with. */
  async #connect(): Promise<TcpSocket | number> {
    const target = TcpSocket.connect(this.#to);
    if (!(target instanceof TcpSocket)) return -target;
    await this.#poller.wait(target.number, "writable");
    const error = target.error();
    if (error === 0) return target;
    this.#poller.cancel(target.number);
    target.close();
    return error;
  }

  /** No connection more; those that there are end with a reset, as with any proxy that goes away. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#poller.cancel(this.#listener.number);
    this.#listener.close();
    for (const socket of this.#open) {
      this.#poller.cancel(socket.number);
      socket.abort();
    }
  }

  close(): void {
    this.stop();
    this.#poller.close();
  }
}
