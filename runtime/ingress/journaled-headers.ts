/**
 * Which headers of a request become part of the invocation. They are stored, replayed and shown to
 * handlers, so secrets stay out, and so does what concerns only this connection.
 */
import type { Header } from "../../protocol/command.ts";
import { HttpProblem } from "../http/answer.ts";
import type { HttpRequest } from "../http/request.ts";

const LEFT_OUT: ReadonlySet<string> = new Set([
  // Secrets.
  "authorization",
  "cookie",
  "proxy-authorization",
  "x-api-key",
  // Of this connection (RFC 9110 7.6.1), or of this message's form.
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  // Part of the invocation by other means.
  "idempotency-expires",
  "idempotency-key",
]);

/** The path by which the request came, for handlers that look at it. */
const PATH_HEADER = "x-restate-ingress-path";

export function journaledHeaders({ fields, path }: HttpRequest, bytesMax: number): Header[] {
  const ofConnection = fields
    .get("connection")
    ?.toLowerCase()
    .split(/\s*,\s*/);
  const kept: Header[] = [];
  let sizeBytes = PATH_HEADER.length + path.length;
  for (const [name, value] of fields) {
    if (LEFT_OUT.has(name) || ofConnection?.includes(name) || name === PATH_HEADER) continue;
    kept.push([name, asciiValue(name, value)]);
    sizeBytes += name.length + value.length;
  }
  kept.push([PATH_HEADER, path]);
  if (sizeBytes <= bytesMax) return kept;
  const message = `the headers that an invocation keeps have ${sizeBytes} bytes, the limit headerBytesMax is ${bytesMax}; send fewer or shorter ones`;
  throw new HttpProblem(431, message);
}

/** The value as it came; anything but visible ASCII has no agreed meaning in a header. */
export function asciiValue(name: string, value: string): string {
  if (/^[\t\x20-\x7e]*$/.test(value)) return value;
  const message = `the header '${name}' holds characters outside ASCII; percent-encode its value`;
  throw new HttpProblem(400, message);
}
