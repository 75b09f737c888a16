/** An answer as it goes over a socket, with the headers that Node would give it. */
import { STATUS_CODES, validateHeaderValue } from "node:http";
import type { Socket } from "node:net";
import type { Answer } from "./answer.ts";
import { binaryOf, JOINED_BYTES_MAX } from "./write-answer.ts";

export interface PlainAnswerOptions {
  readonly closes: boolean;
  readonly keepAliveMs: number;
}

/** @throws TypeError for a value that cannot stand in a header */
export function writePlainAnswer(
  socket: Socket,
  { status, headers, body }: Answer,
  { closes, keepAliveMs }: PlainAnswerOptions,
): void {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "unknown"}\r\n`;
  for (const name in headers) {
    const value = headers[name] ?? "";
    validateHeaderValue(name, value);
    head += `${name}: ${value}\r\n`;
  }
  const connection = closes
    ? "close"
    : `keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveMs / 1_000)}`;
  head += `content-length: ${body.length}\r\nDate: ${now()}\r\nConnection: ${connection}\r\n\r\n`;
  if (body.length <= JOINED_BYTES_MAX) {
    socket.write(head + binaryOf(body), "latin1");
    return;
  }
  socket.cork();
  socket.write(head, "latin1");
  socket.write(body);
  socket.uncork();
}

let second = 0;
let date = "";

/** Made once in a second: this is the dearest part of a head. */
function now(): string {
  const current = Math.floor(Date.now() / 1_000);
  if (current !== second) {
    second = current;
    date = new Date(current * 1_000).toUTCString();
  }
  return date;
}
