/** The HTTP side under real sockets, with a scripted machine behind it. */
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { onTestFinished } from "vitest";
import type { Departure } from "../../runtime/http/client-signal.ts";
import type { InvocationId } from "../../protocol/ids.ts";
import { formatAwakeableId, formatInvocationId } from "../../protocol/ids.ts";
import type { Question } from "../../runtime/ask.ts";
import type { Response } from "../../runtime/core/effect.ts";
import { DEFAULT_LIMITS, type Limits } from "../../runtime/core/limits.ts";
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from "../../runtime/http/http-limits.ts";
import { listen, type HttpApp, type Listening } from "../../runtime/http/listen.ts";
import { createIngress, type IngressCore } from "../../runtime/ingress/ingress.ts";
import type { ServiceKind } from "../../protocol/manifest.ts";

const parts = { slot: 17, epoch: 3, sequence: 42, tag: "01234567" };
export const INVOCATION: InvocationId = formatInvocationId(parts);
export const AWAKEABLE = formatAwakeableId({ invocation: parts, completionId: 5 });
export const ENTROPY = "e".repeat(24);

export const DONE: Response = { kind: "done" };
export const ACCEPTED: Response = {
  kind: "accepted",
  invocationId: INVOCATION,
  status: "Accepted",
  executionTimeMs: null,
};

export function completed(text: string, contentType = "application/json"): Response {
  return {
    kind: "completed",
    invocationId: INVOCATION,
    result: { ok: true, value: new TextEncoder().encode(text) },
    contentType,
    expiresAtMs: null,
  };
}

export interface Asked {
  readonly question: Question;
  readonly signal: Departure;
}

export interface ScriptedIngress extends Listening {
  readonly asked: Asked[];
  readonly errors: unknown[];
}

export interface Script {
  readonly answer?: (question: Question, signal: Departure) => Response | Promise<Response>;
  readonly kinds?: Readonly<Record<string, ServiceKind>>;
  readonly limits?: Partial<Limits>;
  readonly http?: Partial<HttpLimits>;
  readonly corsOrigins?: readonly string[];
  readonly starting?: boolean;
}

/** The ingress with its scripted machine, before anything listens. */
export function scriptedApp(script: Script): {
  readonly app: HttpApp;
  readonly asked: Asked[];
  readonly errors: unknown[];
} {
  const asked: Asked[] = [];
  const errors: unknown[] = [];
  const answer = script.answer ?? (() => completed('"ok"'));
  const kinds = new Map(Object.entries(script.kinds ?? {}));
  const core: IngressCore = {
    ask: async (question, signal) => {
      asked.push({ question, signal });
      return await answer(question, signal);
    },
    directory: {
      names: () => Promise.resolve([...kinds.keys()]),
      kindOf: (service) => kinds.get(service),
    },
  };
  const app = createIngress({
    core: () => (script.starting ? undefined : core),
    limits: { ...DEFAULT_LIMITS, ...script.limits },
    corsOrigins: script.corsOrigins ?? [],
    onError: (error) => errors.push(error),
    entropy: () => ENTROPY,
  });
  return { app, asked, errors };
}

export async function startIngress(script: Script = {}): Promise<ScriptedIngress> {
  const { app, asked, errors } = scriptedApp(script);
  const listening = await serveApp(app, script.http);
  return { ...listening, asked, errors };
}

export type { Listening };

export async function serveApp(app: HttpApp, http: Partial<HttpLimits> = {}): Promise<Listening> {
  const limits = { ...DEFAULT_HTTP_LIMITS, ...http };
  const portSetting = "--test-port";
  const listening = await listen({ app, host: "127.0.0.1", port: 0, portSetting, limits });
  onTestFinished(() => listening.close(0));
  return listening;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly json: () => unknown;
}

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Uint8Array;
}

/** Sends the path exactly as it is given: `fetch` would resolve `..` and encode what is not encoded. */
export async function send(
  to: Pick<Listening, "port">,
  path: string,
  sent: Sent = {},
): Promise<Answered> {
  const method = sent.method ?? (sent.body === undefined ? "GET" : "POST");
  const headers = { ...sent.headers };
  const request = httpRequest({ port: to.port, host: "127.0.0.1", path, method, headers });
  request.end(sent.body);
  const [response] = await once(request, "response");
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  return {
    status: response.statusCode,
    headers: response.headers,
    body,
    json: () => JSON.parse(body) as unknown,
  };
}

export async function post(
  to: Pick<Listening, "port">,
  path: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  return await send(to, path, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
}

/**
 * Writes bytes as they are, and resolves with everything that came back when the peer closes.
 * `end`: says that nothing more will come, which a server may take for going away.
 */
export async function sendRaw(
  to: Pick<Listening, "port">,
  text: string | Uint8Array,
  { end = false }: { readonly end?: boolean } = {},
): Promise<string> {
  const socket = connect({ port: to.port, host: "127.0.0.1" });
  let received = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    received += chunk;
  });
  // A reset after the answer is as good an end as any.
  socket.on("error", () => socket.destroy());
  socket.write(text);
  if (end) socket.end();
  await once(socket, "close");
  return received;
}

/** A promise and the means to settle it. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
