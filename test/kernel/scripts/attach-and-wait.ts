// Attaches programs of several hooks, says the numbers of their links, and waits to be killed.

import { load } from "../lib-support.ts";

using kernel = load("hooks_kernel", "on_raw_tracepoint", "on_iter");
using user = load("hooks_user", "on_uprobe");
using network = load("hooks_network", "on_sk_lookup");
const links = [
  kernel.program("on_raw_tracepoint").attach(),
  kernel.program("on_iter").attach(),
  user.program("on_uprobe").attach(),
  network.program("on_sk_lookup").attach(),
];
// A perf event has no link before 5.15.
console.log(links.flatMap((link) => (link.means === "link" ? [link.info().id] : [])).join(" "));
await Bun.sleep(600_000);
