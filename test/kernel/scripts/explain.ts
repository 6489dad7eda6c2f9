// Says what this process's refusals are put down to: of opening trace_pipe with EPERM, and of a perf event with EACCES.

import { EACCES, EPERM } from "elf-loader/uapi";
import { kernelError } from "../../../src/host/kernel-error.ts";
import { tracefsNeeds } from "../../../src/host/tracefs.ts";

const about = { doing: "explain", subject: "test" };
const call = "open(trace_pipe)";
console.log(kernelError(-EPERM, { ...about, call, needs: tracefsNeeds(-EPERM, call), kind: "tracefs" }).likely);
const event = { ...about, call: "perf_event_open()", needs: ["CAP_PERFMON"], kind: "perf" } as const;
console.log(kernelError(-EACCES, event).likely);
