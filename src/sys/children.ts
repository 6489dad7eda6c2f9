// Children that have ended, those included that became ours when their parents ended: a process that is PID 1 gets them
// all, and nobody else takes them away (wait(2), struct siginfo of asm-generic/siginfo.h).

import { P_ALL, P_PID, SI_MAX_SIZE, WEXITED, WNOHANG, WNOWAIT } from "elf-loader/uapi";
import { syscall } from "./libc.ts";
import { SYSCALL_NUMBERS } from "./syscall-numbers.ts";

const NR_WAITID = SYSCALL_NUMBERS.get("waitid") ?? -1;
const PID_AT = 16; // behind signal, errno and code, and as much as aligns a pointer

const info = new Int32Array(SI_MAX_SIZE / 4);

/** The pid of a child that has ended and is still there; 0 where there is none. */
function endedChild(): number {
  info.fill(0);
  syscall(NR_WAITID, P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT);
  return info[PID_AT / 4] ?? 0;
}

/** Takes away the children that have ended but this one, for which somebody waits; what has ended after it, the next time. */
export function takeOrphans(awaited: number): void {
  for (let pid = endedChild(); pid > 0 && pid !== awaited; pid = endedChild())
    syscall(NR_WAITID, P_PID, pid, 0, WEXITED | WNOHANG);
}
