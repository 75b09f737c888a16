/** Writes an answer to its response, and sees to it that the client can read it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Answer } from "./answer.ts";

/** A body up to here is copied, to go out with its head. */
export const JOINED_BYTES_MAX: number = 4 * 1024;

export interface Exchange {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
}

/** Does nothing when the request was answered already: the first answer is the one. */
export function writeAnswer(
  { message, response }: Exchange,
  answer: Answer,
  lingerMs: number,
): void {
  if (response.destroyed || response.headersSent) return;
  // Node closes behind the answer when the client asked for it, with what is left of the body unread.
  const closes = answer.closes === true || !response.shouldKeepAlive;
  if (closes && !message.complete) {
    linger({ message, response }, answer, lingerMs);
    return;
  }
  writeHead(response, answer, answer.closes ? { connection: "close" } : undefined);
  // Node puts head and body into one write only if the body is text; latin1 is bytes as they are.
  // While answers pile up that nobody reads it has to count their bytes, which it does of bytes only.
  const unread = response.socket === null || response.socket.writableLength > 0;
  if (answer.body.length <= JOINED_BYTES_MAX && !unread) {
    response.end(binaryOf(answer.body), "latin1");
  } else response.end(answer.body);
}

export function binaryOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** Answers now, and closes only when the client has stopped sending: a reset would eat the answer. */
function linger({ message, response }: Exchange, answer: Answer, lingerMs: number): void {
  writeHead(response, answer, { connection: "close" });
  response.write(answer.body);
  const finish = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(finish, lingerMs);
  message.on("end", finish).on("close", finish).on("error", finish);
  message.resume();
}

function writeHead(
  response: ServerResponse,
  { status, headers, body }: Answer,
  more?: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, { ...headers, ...more, "content-length": String(body.length) });
}
