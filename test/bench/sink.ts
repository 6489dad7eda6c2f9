// The target of proxied bytes: prints its port, then a line whenever a connection has brought so many.

import { type AddressInfo, createServer } from "node:net";

const wanted = Number(process.argv[2]);
const server = createServer((socket) => {
  let count = 0;
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    count += chunk.length;
  });
  socket.on("end", () => {
    if (count >= wanted) console.log("done");
  });
});
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
