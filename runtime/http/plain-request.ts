/**
 * Reads a request in its plainest form: whole, alone and small, with nothing in it that two readers
 * could understand in two ways. That is what clients mostly send, and what node:http spends most on
 * that is not needed for it (docs/decisions/0012-plain-requests.md, docs/performance.md).
 *
 * 1. Nothing is refused here: what is not plain beyond doubt is left to Node, as it came.
 * 2. What is plain, Node's parser reads in the same way: test/ingress/plain-requests.test.ts holds
 *    the two side by side.
 * 3. The time it takes grows with the length of what came, whatever it is.
 */
import { addField, type HeaderFields } from "./header-fields.ts";
import type { HttpLimits } from "./http-limits.ts";

export interface PlainRequest {
  readonly method: string;
  /** Path and query, as they were sent. */
  readonly target: string;
  readonly fields: HeaderFields;
  readonly body: Uint8Array;
}

/** Beyond it bodies are counted while they arrive (`receivingBytesMax`). */
const PLAIN_BYTES_MAX = 16 * 1024;

const HEAD_END = "\r\n\r\n";
/** A path from the root, without a fragment. */
const FIRST_LINE = /^(GET|POST) (\/[\x21\x22\x24-\x7e]*) HTTP\/1\.1$/;
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e]*$/;
const LENGTH = /^\d{1,5}$/;

/** These decide where a request ends, and what becomes of its connection. */
const FRAMING: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** `chunk`: all that has come since the last request. `undefined`: Node is to read it. */
export function readPlainRequest(
  chunk: Buffer,
  limits: Pick<HttpLimits, "headBytesMax" | "headersMax">,
): PlainRequest | undefined {
  if (chunk.length > PLAIN_BYTES_MAX) return undefined;
  const text = chunk.toString("latin1");
  const headEnd = text.indexOf(HEAD_END);
  const bodyAt = headEnd + HEAD_END.length;
  if (headEnd < 0 || bodyAt >= limits.headBytesMax) return undefined;
  const lineEnd = text.indexOf("\r\n");
  const line = FIRST_LINE.exec(text.slice(0, lineEnd));
  const fields = line && readFields(text, lineEnd + 2, headEnd + 2);
  if (!line || !fields || fields.count > limits.headersMax) return undefined;
  if (fields.length !== chunk.length - bodyAt) return undefined;
  const [, method = "", target = ""] = line;
  return { method, target, fields: fields.byName, body: copyOf(chunk, bodyAt) };
}

interface PlainFields {
  readonly byName: HeaderFields;
  readonly count: number;
  /** Of the body. */
  readonly length: number;
}

function readFields(text: string, from: number, to: number): PlainFields | undefined {
  const byName = new Map<string, string>();
  let count = 0;
  for (let at = from; at < to; count++) {
    const lineEnd = text.indexOf("\r\n", at);
    const colon = text.indexOf(":", at);
    if (colon < 0 || colon > lineEnd) return undefined;
    const name = text.slice(at, colon).toLowerCase();
    const value = text.slice(colon + 1, lineEnd);
    if (!NAME.test(name) || !VALUE.test(value)) return undefined;
    const trimmed = value.trim();
    if (FRAMING.has(name) && (byName.has(name) || !isPlain(name, trimmed))) return undefined;
    addField(byName, name, trimmed);
    at = lineEnd + 2;
  }
  if (!byName.has("host")) return undefined;
  return { byName, count, length: Number(byName.get("content-length") ?? 0) };
}

/** A header that decides something, and leaves no doubt what. */
function isPlain(name: string, value: string): boolean {
  switch (name) {
    case "host":
      return true;
    case "content-length":
      return LENGTH.test(value);
    case "connection":
      return value.toLowerCase() === "keep-alive";
    default:
      return false;
  }
}

/** A chunk is a window on a much larger buffer, which a part of it would keep alive. */
function copyOf(chunk: Buffer, from: number): Uint8Array {
  const copy = new Uint8Array(chunk.length - from);
  chunk.copy(copy, 0, from);
  return copy;
}
