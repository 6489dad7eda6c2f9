// What the process ends with, and which error gives which status.

import { BpfError } from "../index.ts";

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  permission: 3,
  unsupported: 4,
  object: 5,
  attach: 6,
} as const;

const BY_CLASS: { readonly [errorClass in BpfError["class"]]: number } = {
  runtime: EXIT.failed,
  permission: EXIT.permission,
  unsupported: EXIT.unsupported,
  object: EXIT.object,
  verifier: EXIT.object,
  attach: EXIT.attach,
};

/** A command line that cannot be carried out; the message says what was wrong. */
export class UsageError extends Error {}

/** A failure that already has its status, such as a command that cannot be started. */
export class StatusError extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

export function exitStatusOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof StatusError) return error.status;
  return error instanceof BpfError ? BY_CLASS[error.class] : EXIT.failed;
}
