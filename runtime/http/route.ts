/**
 * Tables of routes. A pattern is a path whose parts are words, or names that begin with a colon:
 * `/restate/attach/:invocationId`. The first route that fits path and method is taken.
 *
 * Words are compared as they were sent, names are percent-decoded exactly once: a key may be any
 * text, `/` and `..` included.
 */
import { HttpProblem, type Answer } from "./answer.ts";
import type { HttpRequest } from "./request.ts";
import { decodePercent } from "./text.ts";

export interface Call<Api> {
  readonly request: HttpRequest;
  /** The named part of the path, decoded. */
  readonly part: (name: string) => string;
  readonly api: Api;
}

export interface Route<Api> {
  readonly methods: readonly string[];
  readonly parts: readonly string[];
  readonly serve: (call: Call<Api>) => Promise<Answer> | Answer;
}

export function route<Api>(
  methods: string,
  pattern: string,
  serve: (call: Call<Api>) => Promise<Answer> | Answer,
): Route<Api> {
  return { methods: methods.split(" "), parts: pattern.split("/").slice(1), serve };
}

/** Serves a request by the table. Throws 405 when only the method is wrong; `undefined`: no such path. */
export function dispatch<Api>(
  routes: readonly Route<Api>[],
  request: HttpRequest,
  api: Api,
): Promise<Answer> | Answer | undefined {
  const others: Route<Api>[] = [];
  for (const it of routes) {
    if (!fits(it.parts, request.segments)) continue;
    if (!it.methods.includes(request.method)) {
      others.push(it);
      continue;
    }
    const parts = decodeParts(it.parts, request.segments);
    return it.serve({ request, api, part: (name) => partOf(parts, name) });
  }
  if (others.length === 0) return undefined;
  const allow = [...new Set(others.flatMap((it) => it.methods))].join(", ");
  throw new HttpProblem(405, "method not allowed", { headers: { allow } });
}

function fits(parts: readonly string[], segments: readonly string[]): boolean {
  if (parts.length !== segments.length) return false;
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at] ?? "";
    if (part !== segments[at] && !part.startsWith(":")) return false;
  }
  return true;
}

function decodeParts(parts: readonly string[], segments: readonly string[]): Map<string, string> {
  const decoded = new Map<string, string>();
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at] ?? "";
    if (!part.startsWith(":")) continue;
    const segment = segments[at] ?? "";
    const text = decodePercent(segment);
    if (text === undefined) {
      const message = `bad path: '${segment.slice(0, 100)}' is not percent-encoded UTF-8 without NUL; encode each part of the path with encodeURIComponent`;
      throw new HttpProblem(400, message);
    }
    decoded.set(part.slice(1), text);
  }
  return decoded;
}

function partOf(parts: ReadonlyMap<string, string>, name: string): string {
  const text = parts.get(name);
  if (text === undefined) throw new Error(`the route has no part named ${name}`);
  return text;
}
