// Things that are opened one after the other and closed together.

/** Closes what was given to it, the last first; once. */
export class Closing {
  readonly #things: { close(): void }[] = [];

  push(...things: { close(): void }[]): void {
    this.#things.push(...things);
  }

  close(): void {
    for (const one of this.#things.splice(0).reverse()) one.close();
  }
}
