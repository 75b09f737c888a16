/**
 * One HTTP request of a command. On `node:http` because a call may wait for its answer for days,
 * and the timeouts of `fetch` cannot be switched off.
 */
import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { CliError, ExitCode } from "./exit.ts";

export interface HttpRequest {
  /** URL of the listener, as the user gave it. */
  readonly baseUrl: string;
  /** The flag that sets it, for errors. */
  readonly urlFlag: string;
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Begins with a slash; may hold a query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** Throws a CliError when the runtime cannot be reached; any status is an answer. */
export function send(request: HttpRequest): Promise<HttpReply> {
  const url = parseUrl(request);
  const open = url.protocol === "https:" ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(cannotReach(request, error));
    const { method, headers } = request;
    // The path as it is: a URL would take a key of two dots for a step up.
    const path = url.pathname.replace(/\/+$/, "") + request.path;
    const outgoing = open(url, { method, headers, path }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", fail);
      incoming.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text });
      });
    });
    outgoing.on("error", fail);
    outgoing.end(request.body);
  });
}

/** The body of a good answer; a CliError with the runtime's own words for any other. */
export async function sendForJson(request: HttpRequest): Promise<unknown> {
  const reply = await send(request);
  if (reply.status >= 300) throw refusal(request, reply);
  return parseJson(request, reply);
}

/** What the runtime said when it refused, with its status. */
export function refusal(request: HttpRequest, reply: HttpReply): CliError {
  const body = tryJson(reply.text);
  const said =
    typeof body === "object" && body !== null && "message" in body ? String(body.message) : "";
  const message = said || reply.text.slice(0, 500) || `no reason given by ${request.baseUrl}`;
  return new CliError(`${message} (HTTP ${reply.status})`, ExitCode.failed, body);
}

export function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON: the caller shows the text as it is
  }
}

function parseJson(request: HttpRequest, reply: HttpReply): unknown {
  const body = tryJson(reply.text);
  if (body === undefined) {
    throw new CliError(
      `${request.baseUrl} does not answer like a Holdfast runtime (HTTP ${reply.status}, not JSON): check ${request.urlFlag}`,
    );
  }
  return body;
}

function parseUrl(request: HttpRequest): URL {
  const { baseUrl } = request;
  if (!/^https?:\/\/[^/]/.test(baseUrl) || !URL.canParse(baseUrl)) {
    throw new CliError(
      `${request.urlFlag} is not an HTTP URL: ${request.baseUrl}; it looks like http://127.0.0.1:8080`,
      ExitCode.usage,
    );
  }
  return new URL(baseUrl);
}

function cannotReach(request: HttpRequest, error: NodeJS.ErrnoException): CliError {
  const why = error.code ?? error.message;
  return new CliError(
    `cannot reach a runtime at ${request.baseUrl} (${why}): start one with \`holdfast start\`, or say where it is with ${request.urlFlag}`,
  );
}
