/**
 * An HTTP/1.1 listener: sockets, limits and times. What requests mean is the app's business.
 *
 * 1. Whatever a client sends, it gets an answer in the app's own error format, or its connection is
 *    closed; nothing that it sends throws past this file.
 * 2. A request that has arrived may wait for its answer for ever. A client that closes its side of
 *    the connection meanwhile has gone: nothing tells it from one that died.
 * 3. An answer given before the body was read reaches its client: what is left of the body is read
 *    and thrown away, for a bounded time.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { HttpProblem, type Answer } from "./answer.ts";
import { ClientGoneError, overloaded, type Receiving } from "./body.ts";
import { trackBrokenRequests } from "./broken-request.ts";
import { ClientSignal } from "./client-signal.ts";
import { closeGently } from "./gentle-close.ts";
import type { HttpLimits } from "./http-limits.ts";
import { servePlainFirst, type PlainConnections } from "./plain-listener.ts";
import { promised } from "./promised.ts";
import { toHttpRequest, type HttpRequest } from "./request.ts";
import { ResponseWatch } from "./response-watch.ts";
import { writeAnswer } from "./write-answer.ts";

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
  const { server, plain } = serverFor(options);
  await openServer(server, { ...options, onError: (error) => options.app.onError(error) });
  // A listening TCP server has an address object; only pipes have a string.
  const { port } = server.address() as AddressInfo;
  return {
    url: urlOf(options.host, port),
    port,
    close: (graceMs) => close(server, plain, graceMs),
  };
}

function serverFor(options: ListenOptions): { server: Server; plain: PlainConnections } {
  const { app, limits } = options;
  const server = createServer({
    maxHeaderSize: limits.headBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.checkIntervalMs,
    keepAliveTimeout: limits.keepAliveMs,
    // Checked by us, to answer in the app's own format.
    requireHostHeader: false,
  });
  server.maxConnections = limits.connectionsMax;
  // Node drops what is beyond in silence, so that one more than allowed can still be noticed.
  server.maxHeadersCount = limits.headersMax + 1;
  const open: OpenRequests = { count: 0 };
  const over = (): void => void open.count--;
  serveByNode(server, options, open);
  const plain = servePlainFirst(server, {
    limits,
    serve: (request) => {
      open.count++;
      return answerOf(options, open, { request, gone: nobody, over });
    },
    onError: (error) => app.onError(error),
  });
  server.prependListener("connection", (socket) => closeGently(socket, limits.lingerMs));
  return { server, plain };
}

/**
 * Of one connection, so that one that sends without reading its answers does not take the places of all.
 * Node reads some two megabytes of requests in one go, forty thousand of them, before any is answered.
 */
const PIPELINED_MAX = 1_000;

/** Requests that are being served or waiting, of all connections. */
export interface OpenRequests {
  count: number;
}

function serveByNode(server: Server, { app, limits }: ListenOptions, open: OpenRequests): void {
  const problem = (status: number, message: string): Answer =>
    app.problem(new HttpProblem(status, message));
  const broken = trackBrokenRequests(problem);
  const receiving: Receiving = { bytes: 0, bytesMax: limits.receivingBytesMax };
  const responses = new ResponseWatch();
  const refused = new WeakSet<Socket>();
  const serve = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    open.count++;
    const signal = new ClientSignal();
    responses.add(message.socket, response, () => {
      open.count--;
      if (!response.writableFinished) signal.abort();
      // While it closes, a connection that has been answered has nothing more to wait for.
      if (!server.listening) setImmediate(() => server.closeIdleConnections());
    });
    broken.track({ message, response });
    const reading = { limits, receiving, signal };
    const request = (): HttpRequest => toHttpRequest(message, response, reading);
    // It counts as open until its response is over: see above.
    const asking = { request, gone: nobody, over: nobody };
    const answer = await answerOf({ app, limits }, open, asking);
    if (answer) writeAnswer({ message, response }, answer, limits.lingerMs);
  };
  const onRequest = (message: IncomingMessage, response: ServerResponse): void => {
    // Behind an answer that closes: it will not be answered, so it does not happen either.
    if (message.socket.writableEnded || refused.has(message.socket)) {
      message.resume();
      return;
    }
    if (responses.openOf(message.socket) >= PIPELINED_MAX) {
      refused.add(message.socket);
      writeAnswer({ message, response }, app.problem(overloaded()), limits.lingerMs);
      return;
    }
    serve(message, response).catch((error: unknown) => {
      app.onError(error);
      response.destroy();
    });
  };
  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
  server.on("checkExpectation", (message: IncomingMessage, response: ServerResponse) => {
    const text = "the only expectation that is understood is 100-continue; leave the header out";
    writeAnswer({ message, response }, { ...problem(417, text), closes: true }, limits.lingerMs);
  });
  server.on("connect", (_message, socket) => broken.onError(new Error("no tunnels here"), socket));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => broken.onError(error, socket));
}

/** What is served, and how much of it at once. */
export interface Served {
  readonly app: HttpApp;
  readonly limits: Pick<HttpLimits, "requestsMax">;
}

export interface Asking<Gone> {
  readonly request: () => HttpRequest;
  /** Answers in the place of the app when there is nobody to answer. */
  readonly gone: () => Gone;
  /** Once it is answered, or there is nobody to answer. */
  readonly over: () => void;
}

/** What the app answers, whatever happens in it. */
export function answerOf<Gone>(
  { app, limits }: Served,
  open: OpenRequests,
  { request, gone, over }: Asking<Gone>,
): Promise<Answer | Gone> {
  const act = (): Promise<Answer> | Answer =>
    open.count > limits.requestsMax ? app.problem(overloaded()) : app.handle(request());
  return promised(act).then(
    (answer) => {
      over();
      return answer;
    },
    (error: unknown) => {
      over();
      return error instanceof ClientGoneError ? gone() : problemOf(app, error);
    },
  );
}

function problemOf(app: HttpApp, error: unknown): Answer {
  if (error instanceof HttpProblem) return app.problem(error);
  app.onError(error);
  const message = "internal error; the log of the runtime says more";
  return app.problem(new HttpProblem(500, message));
}

/** There is nobody to answer. */
const nobody = (): undefined => undefined;

export interface OpenServer {
  readonly host: string;
  readonly port: number;
  readonly portSetting: string;
  readonly onError: (error: Error) => void;
}

/** Makes a server listen. @throws ListenError that names the setting */
export function openServer(
  server: Server,
  { onError, host, port, portSetting }: OpenServer,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void =>
      reject(new ListenError(explainListen(error, { host, port, portSetting }), { cause: error }));
    server.once("error", refuse);
    server.listen({ host, port }, () => {
      server.off("error", refuse);
      // From now on: a connection that could not be accepted, for want of file descriptors mostly.
      server.on("error", onError);
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
export function urlOf(host: string, port: number): string {
  const reached = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
}

function close(server: Server, plain: PlainConnections, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.closeAllConnections();
      plain.closeAll();
    }, graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
    plain.closeIdle();
  });
}
