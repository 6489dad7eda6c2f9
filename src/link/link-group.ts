// Several attachments of one program that are one to whoever attached it: a sample on each CPU, a marker that is in
// several places.

import { UnsupportedError } from "elf-loader";
import type { Attachment, LinkInfo, LoadedProgram } from "../program/hook.ts";

/** Made of at least one; of a single one it does everything that one does. */
export class LinkGroup implements Attachment {
  readonly hook: string;
  readonly target: string;
  readonly means: string;
  readonly #links: readonly Attachment[];

  constructor(hook: string, target: string, links: readonly Attachment[]) {
    this.hook = hook;
    this.target = target;
    this.means = links[0]?.means ?? "link";
    this.#links = links;
  }

  /** The links of each place; what was attached is closed again where a later place fails. */
  static attach<T>(hook: string, target: string, places: Iterable<T>, attach: (place: T) => Attachment): LinkGroup {
    const links: Attachment[] = [];
    try {
      for (const place of places) links.push(attach(place));
    } catch (error) {
      for (const link of links) link.close();
      throw error;
    }
    return new LinkGroup(hook, target, links);
  }

  #only(doing: string): Attachment {
    const [only, ...others] = this.#links;
    if (only && others.length === 0) return only;
    throw new UnsupportedError(`Cannot ${doing} ${this.hook} ${this.target}: it is ${this.#links.length} links`, {
      subject: `link ${this.hook} ${this.target}`,
      action: "attach to each place by itself",
    });
  }

  update(program: LoadedProgram): void {
    for (const link of this.#links) link.update(program);
  }

  detach(): void {
    for (const link of this.#links) link.detach();
  }

  pin(path: string): void {
    this.#only("pin").pin(path);
  }

  info(): LinkInfo {
    return this.#only("look at").info();
  }

  read(): string {
    return this.#only("read").read();
  }

  close(): void {
    for (const link of this.#links) link.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
