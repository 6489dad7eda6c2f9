// What a refusal is explained by, and the flags of `docker run` that explanations name.

/** What holds a call back, and what to change. */
export interface Refusal {
  readonly likely: string;
  readonly action: string;
}

/** What was refused: "mlock" is the memory of perf buffers. */
export type Subject = "bpf" | "perf" | "mlock" | "tracefs";

/** The call that was refused. */
export interface RefusedCall {
  /** As it is named in the message: `bpf(BPF_MAP_CREATE)`, `fsopen(tracefs)`. */
  readonly call: string;
  /** What it answered: a negative errno; EPERM where nothing is said. */
  readonly result?: number;
  /** Capabilities that it needs; CAP_BPF where nothing is said. */
  readonly needs?: readonly string[];
  readonly kind?: Subject;
  /** What EPERM or EACCES means of this very call, where none of the causes that are common to all holds. */
  readonly forbidden?: Refusal;
}

export const addFlags = (capabilities: readonly string[]): string =>
  capabilities.map((name) => `--cap-add=${name.replace("CAP_", "")}`).join(" ");

export const TRACEFS_VOLUME = "--volume=/sys/kernel/tracing:/sys/kernel/tracing:ro";
