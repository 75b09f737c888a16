/** Where nobody stands between, a worker's frames go as they are; elsewhere they are masked. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { expect, test } from "vitest";
import { makesNoMask } from "../../sdk/worker/frame-mask.ts";
import { dial } from "../../sdk/worker/ws-channel.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

test.each([
  "ws://127.0.0.1:9072",
  "ws://127.8.9.1/",
  "ws://[::1]:9072",
  "ws://localhost:1",
  "wss://a.example",
])("%s: no mask", (url) => {
  expect(makesNoMask(url)).toBe(true);
});

test.each([
  "ws://runtime.internal:9072",
  "ws://10.0.0.1:9072",
  "ws://127.0.0.1.example:9072",
  "ws://localhost.example",
  "ws://[::2]:9072",
])("%s: masked", (url) => {
  expect(makesNoMask(url)).toBe(false);
});

test("over the loopback interface a frame says that it is masked, with zeros, and is what was sent", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // of a TCP server
  const accepted = once(server, "connection");
  const { signal } = new AbortController();
  const dialing = dial({
    url: `ws://127.0.0.1:${port}`,
    token: undefined,
    timeoutMs: 9_000,
    signal,
  });
  const [socket] = (await accepted) as [Socket];
  await upgrade(socket);
  const channel = await dialing;
  channel.send({ kind: "drain" });
  const [frame] = (await once(socket, "data")) as [Buffer];
  // Final and binary; masked, with so many bytes; the mask; partition 0 and a message of type 8.
  expect([...frame]).toEqual([0x82, 0x80 | 4, 0, 0, 0, 0, 0x92, 0, 0x91, 8]);
  channel.terminate();
  server.close();
});

async function upgrade(socket: Socket): Promise<void> {
  const [head] = (await once(socket, "data")) as [Buffer];
  const key = /sec-websocket-key: (\S+)/i.exec(head.toString("latin1"))?.[1] ?? "";
  const accept = createHash("sha1")
    .update(key + GUID)
    .digest("base64");
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "upgrade: websocket",
    "connection: Upgrade",
    "sec-websocket-protocol: holdfast.v1",
    `sec-websocket-accept: ${accept}`,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
}
