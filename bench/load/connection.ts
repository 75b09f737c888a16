/**
 * One keep-alive connection of the load generator: a request out, an answer in, on a bare socket.
 *
 * Knows as much HTTP/1.1 as the servers that it is pointed at need: a length or chunks. A general
 * client would cost more than the runtime that it is to measure.
 */
import { connect, type Socket } from "node:net";

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

export interface ConnectionEvents {
  onReady(connection: Connection): void;
  onAnswer(connection: Connection, answer: HttpAnswer): void;
  /** The connection is gone, with or without an answer outstanding. */
  onBroken(connection: Connection, reason: string): void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  #received = "";
  #over = false;

  constructor(port: number, events: ConnectionEvents) {
    this.#events = events;
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.setEncoding("latin1");
    this.#socket.once("connect", () => events.onReady(this));
    this.#socket.on("data", (text) => this.#take(String(text)));
    this.#socket.once("error", (error) => this.#broken(error.message));
    this.#socket.once("close", () => this.#broken("the connection was closed"));
  }

  post(path: string, body: string): void {
    this.#socket.write(
      `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  close(): void {
    this.#over = true;
    this.#socket.destroy();
  }

  #broken(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.onBroken(this, reason);
  }

  #take(text: string): void {
    this.#received = this.#received === "" ? text : this.#received + text;
    const answer = parse(this.#received);
    if (answer === undefined) return;
    this.#received = "";
    this.#events.onAnswer(this, answer);
  }
}

const LENGTH = /\r\ncontent-length: *(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked/i;

/** `undefined` while it is not complete. There is one answer at a time: nothing follows it. */
function parse(text: string): HttpAnswer | undefined {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const head = text.slice(0, headEnd);
  const status = Number(head.slice(9, 12));
  const rest = text.slice(headEnd + 4);
  const length = LENGTH.exec(head)?.[1];
  if (length !== undefined) {
    return rest.length < Number(length) ? undefined : { status, body: rest };
  }
  if (!CHUNKED.test(head)) return { status, body: "" };
  return rest.endsWith("0\r\n\r\n") ? { status, body: unchunk(rest) } : undefined;
}

function unchunk(text: string): string {
  let body = "";
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (!(size > 0)) return body;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
