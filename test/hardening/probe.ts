// What the hardening tests compile twice, onto a hardened Bun and onto Bun as it is: a program that lives long enough
// for a debugger to be opened, and says nothing but two lines.

import { writeSync } from "node:fs";

writeSync(1, "ours\n");
setTimeout(() => writeSync(1, "done\n"), 150);
