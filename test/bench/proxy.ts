// A TCP proxy in user space: `proxy.ts FROM TO`.

import { connect, createServer } from "node:net";

const [from, to] = process.argv.slice(2).map(Number);
createServer((client) => {
  const target = connect(to ?? 0, "127.0.0.1");
  for (const socket of [client, target]) socket.on("error", () => {});
  client.pipe(target);
  target.pipe(client);
}).listen(from, "127.0.0.1");
