/** A worker's end of a WebSocket without a library: it answers neither pings nor closes. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Dials, and resolves with the socket once it speaks WebSocket. */
export async function dialRaw(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  // A reset is one way to be closed.
  socket.on("error", () => undefined);
  const lines = [
    "GET / HTTP/1.1",
    "host: worker",
    "connection: upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
    "sec-websocket-protocol: holdfast.v1",
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  if (!answer.toString().startsWith("HTTP/1.1 101 ")) throw new Error(answer.toString());
  return socket;
}

/** A masked WebSocket frame. `opcode` 2: binary, 0: goes on. */
export function webSocketFrame(payload: Uint8Array, { opcode = 2, last = true } = {}): Buffer {
  const head = [(last ? 0x80 : 0) | opcode];
  const { length } = payload;
  if (length < 126) head.push(0x80 | length);
  else if (length < 65_536) head.push(0x80 | 126, length >>> 8, length & 255);
  else head.push(0x80 | 127, 0, 0, 0, 0, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255); // prettier-ignore
  // A mask of zeros leaves the payload as it is.
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]);
}

/** Resolves when this was written, or the socket is gone. */
export function write(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.write(bytes, () => resolve());
  });
}
