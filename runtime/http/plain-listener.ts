/**
 * Puts plain requests in front of Node's HTTP server: connections begin as `PlainConnection`s, and
 * become Node's when something else comes. An HTTP server takes connections by its "connection"
 * event; Node documents that others may emit it, and this is nothing else.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { NumberMap } from "../../protocol/number-map.ts";
import type { Answer } from "./answer.ts";
import { tooLarge } from "./body.ts";
import type { ClientSignal } from "./client-signal.ts";
import type { HttpLimits } from "./http-limits.ts";
import { PlainConnection, type PlainHost } from "./plain-connection.ts";
import type { PlainRequest } from "./plain-request.ts";
import type { HttpRequest } from "./request.ts";
import { readTarget } from "./target.ts";

export interface PlainOptions {
  readonly limits: HttpLimits;
  /** `undefined`: there is nobody to answer. */
  serve(request: () => HttpRequest): Promise<Answer | undefined>;
  onError(error: unknown): void;
}

export interface PlainConnections {
  closeIdle(): void;
  closeAll(): void;
}

export function servePlainFirst(server: Server, options: PlainOptions): PlainConnections {
  const byNode = server.listeners("connection");
  server.removeAllListeners("connection");
  const connections = new NumberMap<PlainConnection>();
  const gone = ({ number }: PlainConnection): void => void connections.delete(number);
  const host: PlainHost = {
    limits: options.limits,
    closing: () => !server.listening,
    serve: (request, signal) => options.serve(() => toHttpRequest(request, signal)),
    handOver: (connection, piece) => {
      gone(connection);
      const { socket } = connection;
      for (const listener of byNode) listener.call(server, socket);
      socket.unshift(piece);
      socket.resume();
    },
    gone,
    onError: (error) => options.onError(error),
  };
  let last = 0;
  server.on("connection", (socket: Socket) => {
    const number = ++last;
    connections.set(number, new PlainConnection(socket, number, host));
  });
  const each = (act: (it: PlainConnection) => void): void => {
    for (const connection of connections.values()) act(connection);
  };
  const timer = setInterval(() => each((it) => it.look()), options.limits.checkIntervalMs);
  timer.unref();
  server.on("close", () => clearInterval(timer));
  return {
    closeIdle: () => each((it) => it.closeIfIdle()),
    closeAll: () => each((it) => void it.socket.destroy()),
  };
}

function toHttpRequest(request: PlainRequest, signal: ClientSignal): HttpRequest {
  const { path, segments, query } = readTarget(request.target);
  const { method, fields, body } = request;
  return {
    method,
    path,
    segments,
    query,
    fields,
    // It has come already: there is nothing to count.
    body: (bytesMax) => {
      if (body.length > bytesMax) throw tooLarge(bytesMax);
      return body;
    },
    signal,
  };
}
