// What a refusal is explained by, and the flags of `docker run` that explanations name.

/** What holds a call back, and what to change. */
export interface Refusal {
  readonly likely: string;
  readonly action: string;
}

/** What was refused: "mlock" is the memory of perf buffers. */
export type Subject = "bpf" | "perf" | "mlock" | "tracefs" | "socket";

export const addFlags = (capabilities: readonly string[]): string =>
  capabilities.map((name) => `--cap-add=${name.replace("CAP_", "")}`).join(" ");

export const TRACEFS_VOLUME = "--volume=/sys/kernel/tracing:/sys/kernel/tracing:ro";
