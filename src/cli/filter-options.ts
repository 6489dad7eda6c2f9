// The filters that a run takes, and a later call may give it anew.

import { Option } from "commander";
import { stringToBytes } from "../index.ts";
import { valued } from "./command-line.ts";
import { UsageError } from "./exit-status.ts";
import { parseInteger } from "./units.ts";

const LARGEST_UID = 2 ** 32 - 2; // the last one means "none"
const COMM_BYTES = 15; // TASK_COMM_LEN without the NUL

function parseComm(text: string): string {
  const bytes = stringToBytes(text).length;
  if (bytes > 0 && bytes <= COMM_BYTES) return text;
  throw new UsageError(`Expected 1 to ${COMM_BYTES} bytes, as the kernel keeps no longer name, got ${bytes}`);
}

export const FILTER_OPTIONS = {
  uid: new Option("--uid <n>", "only this user's calls").argParser(
    valued((text) => parseInteger(text, 0, LARGEST_UID)),
  ),
  comm: new Option("--comm <name>", "only calls of processes with this name").argParser(valued(parseComm)),
};
