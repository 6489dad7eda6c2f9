// One end of a TCP transfer: `serve PORT` prints how much came and its sum, `send HOST PORT BYTES` what it sent.

import { createHash, randomBytes } from "node:crypto";
import { connect, createServer } from "node:net";

const [what, ...rest] = process.argv.slice(2);
if (what === "serve") {
  const server = createServer((socket) => {
    const hash = createHash("sha256");
    let count = 0;
    socket.on("data", (chunk) => {
      hash.update(chunk);
      count += chunk.length;
    });
    socket.on("end", () => {
      console.log(count, hash.digest("hex"));
      server.close();
    });
  });
  server.listen(Number(rest[0]), () => console.error("listening"));
} else {
  const [host = "", port, bytes] = rest;
  const data = randomBytes(Number(bytes));
  const socket = connect(Number(port), host, () => socket.end(data));
  socket.on("close", () => console.log(data.length, createHash("sha256").update(data).digest("hex")));
}
