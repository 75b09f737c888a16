/**
 * What is not HTTP, or does not arrive in time: Node's parser gives up on the connection.
 *
 * 1. A request that broke off in its body is answered as any other, and the connection ends.
 * 2. What breaks before there is a request is answered on the socket itself, after all requests
 *    before it: an answer out of turn would be taken for theirs.
 */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Answer } from "./answer.ts";
import { writeAnswer, type Exchange } from "./write-answer.ts";

/** How long a client may take to read the answer. */
const CLOSE_MS = 1_000;

export interface BrokenRequests {
  /** A request has come; it is open until its response closes. */
  track(exchange: Exchange): void;
  /** The parser has given up on this socket. */
  onError(error: NodeJS.ErrnoException, socket: Duplex): void;
}

interface SocketState {
  /** Mostly one. Not a Set: see protocol/number-map.ts for what comes and goes. */
  readonly open: Exchange[];
  /** What is to be written when nothing is open any more. */
  broken: Answer | undefined;
}

export function trackBrokenRequests(
  problem: (status: number, message: string) => Answer,
): BrokenRequests {
  const states = new WeakMap<Duplex, SocketState>();
  const stateOf = (socket: Duplex): SocketState => {
    const state = states.get(socket) ?? { open: [], broken: undefined };
    states.set(socket, state);
    return state;
  };
  return {
    track: (exchange) => {
      const { socket } = exchange.message;
      const state = stateOf(socket);
      state.open.push(exchange);
      exchange.response.on("close", () => {
        state.open.splice(state.open.indexOf(exchange), 1);
        if (state.open.length === 0 && state.broken) writeAndEnd(socket, state.broken);
      });
    },
    onError: (error, socket) => {
      const state = stateOf(socket);
      // Behind an answer that closes, what else came is nobody's business.
      if (state.broken || socket.writableEnded) return;
      if (!socket.writable || error.code === "ECONNRESET") {
        socket.destroy();
        return;
      }
      const { status, message } = explain(error);
      state.broken = { ...problem(status, message), closes: true };
      const cutOff = state.open.find((it) => !it.message.complete);
      if (cutOff) writeAnswer(cutOff, state.broken, 0);
      else if (state.open.length === 0) writeAndEnd(socket, state.broken);
    },
  };
}

function explain(error: NodeJS.ErrnoException): { status: number; message: string } {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return { status: 431, message: "the headers are too large; send fewer or shorter ones" };
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return { status: 408, message: "the request did not arrive in time; send it again" };
    default:
      return {
        status: 400,
        message: `this is not a valid HTTP/1.1 request: ${error.message}; check what sends it`,
      };
  }
}

function writeAndEnd(socket: Duplex, answer: Answer): void {
  // The answer before this one has closed the connection.
  if (socket.writableEnded) return;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const headers = { ...answer.headers, connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const status = `${answer.status} ${STATUS_CODES[answer.status] ?? "Error"}`;
  const length = `content-length: ${answer.body.length}`;
  socket.write(`HTTP/1.1 ${status}\r\n${lines.join("")}${length}\r\n\r\n`);
  socket.end(answer.body);
  setTimeout(() => socket.destroy(), CLOSE_MS).unref();
}
