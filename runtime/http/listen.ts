/**
 * An HTTP/1.1 listener: sockets, limits and times. What requests mean is the app's business.
 *
 * 1. Whatever a client sends, it gets an answer in the app's own error format, or its connection is
 *    closed; nothing that it sends throws past this file.
 * 2. A request that has arrived may wait for its answer for ever.
 * 3. An answer given before the body was read reaches its client: what is left of the body is read
 *    and thrown away, for a bounded time.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { HttpProblem, type Answer } from "./answer.ts";
import { ClientGoneError, overloaded, type Receiving } from "./body.ts";
import { trackBrokenRequests } from "./broken-request.ts";
import type { HttpLimits } from "./http-limits.ts";
import { toHttpRequest, type HttpRequest } from "./request.ts";

export interface HttpApp {
  handle(request: HttpRequest): Promise<Answer>;
  /** A refusal in the app's error format. */
  problem(problem: HttpProblem): Answer;
  /** An error of our own; the caller has been told no more than "internal error". */
  onError(error: unknown): void;
}

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** The setting that changes the port, for the error when it is taken: "--ingress-port". */
  readonly portSetting: string;
  readonly limits: HttpLimits;
  readonly app: HttpApp;
}

export interface Listening {
  /** "http://127.0.0.1:8080": an address that a client on this machine can use. */
  readonly url: string;
  readonly port: number;
  /** No new requests; those that wait have `graceMs` to be answered, then they are cut off. */
  close(graceMs: number): Promise<void>;
}

/** The listener cannot be opened: the port is taken, or the address is not of this machine. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

export async function listen(options: ListenOptions): Promise<Listening> {
  const server = serverFor(options);
  await open(server, options);
  // A listening TCP server has an address object; only pipes have a string.
  const { port } = server.address() as AddressInfo;
  return {
    url: urlOf(options.host, port),
    port,
    close: (graceMs) => close(server, graceMs),
  };
}

function serverFor({ app, limits }: ListenOptions): Server {
  const server = createServer({
    maxHeaderSize: limits.headBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.checkIntervalMs,
    keepAliveTimeout: limits.keepAliveMs,
  });
  server.maxConnections = limits.connectionsMax;
  // Node drops what is beyond in silence, so that one more than allowed can still be noticed.
  server.maxHeadersCount = limits.headersMax + 1;
  const problem = (status: number, message: string): Answer =>
    app.problem(new HttpProblem(status, message));
  const broken = trackBrokenRequests(problem);
  const receiving: Receiving = { bytes: 0, bytesMax: limits.receivingBytesMax };
  let requests = 0;
  const onRequest = (message: IncomingMessage, response: ServerResponse): void => {
    const { socket } = message;
    requests++;
    const answered = broken.begin(socket);
    response.on("close", () => {
      requests--;
      answered();
    });
    const answering =
      requests > limits.requestsMax
        ? Promise.resolve(app.problem(overloaded()))
        : answerOf(app, () => toHttpRequest(message, response, { limits, receiving }));
    answering
      .then((answer) => answer && write({ message, response, answer, lingerMs: limits.lingerMs }))
      .catch((error: unknown) => {
        app.onError(error);
        socket.destroy();
      });
  };
  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
  server.on("checkExpectation", (_message: IncomingMessage, response: ServerResponse) => {
    const text = "the only expectation that is understood is 100-continue; leave the header out";
    send(response, problem(417, text));
  });
  server.on("connect", (_message, socket) => broken.onError(new Error("no tunnels here"), socket));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => broken.onError(error, socket));
  return server;
}

async function answerOf(app: HttpApp, request: () => HttpRequest): Promise<Answer | undefined> {
  try {
    return await app.handle(request());
  } catch (error) {
    if (error instanceof ClientGoneError) return undefined;
    if (error instanceof HttpProblem) return app.problem(error);
    app.onError(error);
    const message = "internal error; the log of the runtime says more";
    return app.problem(new HttpProblem(500, message));
  }
}

interface Writing {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly answer: Answer;
  readonly lingerMs: number;
}

function write({ message, response, answer, lingerMs }: Writing): void {
  if (response.destroyed) return;
  if (answer.closes && !message.complete) linger({ message, response, answer, lingerMs });
  else send(response, answer);
}

function send(response: ServerResponse, answer: Answer): void {
  writeHead(response, answer, answer.closes ? { connection: "close" } : {});
  response.end(answer.body);
}

/** Answers now, and closes only when the client has stopped sending: a reset would eat the answer. */
function linger({ message, response, answer, lingerMs }: Writing): void {
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
  more: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, { ...headers, ...more, "content-length": String(body.length) });
}

function open(server: Server, { app, host, port, portSetting }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void =>
      reject(new ListenError(explainListen(error, { host, port, portSetting }), { cause: error }));
    server.once("error", refuse);
    server.listen({ host, port }, () => {
      server.off("error", refuse);
      // From now on: a connection that could not be accepted, for want of file descriptors mostly.
      server.on("error", (error) => app.onError(error));
      resolve();
    });
  });
}

function explainListen(
  error: NodeJS.ErrnoException,
  { host, port, portSetting }: Pick<ListenOptions, "host" | "port" | "portSetting">,
): string {
  switch (error.code) {
    case "EADDRINUSE":
      return `port ${port} on ${host} is in use by another process: choose another one with ${portSetting}, or stop that process`;
    case "EACCES":
      return `port ${port} on ${host} needs rights that this process does not have: choose one above 1023 with ${portSetting}`;
    default:
      return `cannot listen on ${host}, port ${port} (${portSetting}): ${error.message}`;
  }
}

/** A listener on all addresses is reached through the loopback one. */
function urlOf(host: string, port: number): string {
  const reached = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
