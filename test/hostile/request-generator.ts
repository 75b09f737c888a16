/**
 * Hostile HTTP requests from a seed, as bytes. Most are framed soundly, so that one connection carries
 * many of them; what they say is another matter. A broken one is the last of its connection.
 */
import type { Random } from "../simulation/random.ts";
import { AWAKEABLE, INVOCATION } from "../support/scripted-core.ts";

export interface HostileRequest {
  readonly bytes: Buffer;
  readonly method: string;
  /** Not HTTP, or not to its end: what comes behind it has no meaning. */
  readonly broken: boolean;
  /** The key that it must be understood to name; and a header by which it is found again. */
  readonly key?: { readonly text: string; readonly tag: string };
}

const METHODS = ["GET", "POST", "POST", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "PURGE", "LINK"]; // prettier-ignore
const WORDS = ["Honest", "add", "G", "g", "restate", "call", "send", "attach", "output", "lookup", "a", "awakeables", "workflow", "invocation", "invocations", "services", "deployments", "health", "version", "cancel", "kill", "pause", "resume", "purge", "scope", "openapi", "holdfast", "resolve", "reject", INVOCATION, AWAKEABLE]; // prettier-ignore
const STRANGE = ["", ".", "..", "%2e%2e", "%2E%2e%2F", "%", "%0", "%zz", "%00", "%0d%0a", "%ff", "%C0%80", "%ED%A0%80", "%EF%BB%BF", "%252F", "%2500", "%u0041", "__proto__", "constructor", "hasOwnProperty", "inv_1", "inv_", "sign_", "a;b", "a\\b", "<script>", "'", "\"", "|", "{", "~", "%F0%9F%98%80",   "x".repeat(513), "%41".repeat(600)]; // prettier-ignore
const QUERIES = ["", "", "", "?", "?delay=1s", "?delay=", "?delay=x", "?delay=-1s", "?delay=9e99d", `?delay=${"9".repeat(90)}d`, "?delay=1s&delay=2s", "?DELAY=1ms", "?delay=%ff", "?%zz=%", "?limit-key=a", "?limit=0", "?limit=1e3", "?limit=99999999999999999999", "?cursor=281474976710655", "?cursor=-1", "?status=running,x", "?status=__proto__", "?status=completed&limit=5", "?service=Honest", "?journalFrom=-1", "?journalLimit=10001", "?__proto__=1", "?a=%00", `?${"a=1&".repeat(300)}`]; // prettier-ignore
const HEADERS = ["content-type: application/json", "Content-Type: text/plain", "content-type: ", "content-type: application/json; charset=\"", "x-a: 1", "x-a: 2", "X-A:\t3", `x-long: ${"y".repeat(4_000)}`, "x-high: \xe9\xff", "__proto__: 1", "constructor: 1", "cookie: a=b", "authorization: Bearer x", "origin: http://evil.example", "origin: null", "sec-fetch-site: cross-site", "sec-fetch-site: none", "access-control-request-method: POST", "connection: keep-alive", "connection: x-a, content-type", "keep-alive: timeout=9999", "te: trailers", "trailer: x-a", "upgrade: websocket", "upgrade: h2c", "range: bytes=0-", "if-none-match: *", "accept-encoding: gzip", "x-restate-limit-key: a", "x-restate-ingress-path: /forged", "forwarded: for=\"_evil\"", "idempotency-expires: 1", "host: evil.example", "date: now", "max-forwards: 0"]; // prettier-ignore
const BODIES = ["", "", "{}", "1", "null", "\"\"", "[", "{\"__proto__\":{\"target\":\"invocation\"}}", "{\"target\":\"invocation\"}", "{\"target\":\"__proto__\"}", `{"target":"invocation","invocationId":"${INVOCATION}"}`, "{\"target\":\"workflow\",\"workflowName\":\"W\",\"workflowKey\":\"\\ud800\"}", "{\"target\":\"workflow\",\"workflowName\":\"W\",\"workflowKey\":\"\\u0000\"}", "{\"target\":\"idempotentInvocation\",\"service\":\"S\",\"handler\":\"h\",\"idempotencyKey\":\"k\",\"key\":5}", "{\"target\":\"invocation\",\"target\":\"workflow\"}", "1e999", "-0", "9".repeat(400), "\xff\xfe", "\0", "[".repeat(60_000), `${"{\"a\":".repeat(9_000)}1`]; // prettier-ignore
const BROKEN = ["GET /\xe9 HTTP/1.1\r\nhost: a\r\n\r\n", "GET /G/\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n", "GET /G/g HTTP/1.1\r\nhost: a\r\nidempotency-key: \x7f\r\n\r\n", "BREW /G/g HTTP/1.1\r\n\r\n", "GET /G/g HTTP/9.9\r\n\r\n", "GET  /G/g HTTP/1.1\r\n\r\n", "GET /G/\0 HTTP/1.1\r\nhost: a\r\n\r\n", "GET /G/g HTTP/1.1\r\nhost a\r\n\r\n", "GET /G/g HTTP/1.1\r\nhost: a\r\nx-a: \0\r\n\r\n", "GET /G/g HTTP/1.1\r\nhost: a\r\n x-folded: 1\r\n\r\n", "POST /G/g HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", "POST /G/g HTTP/1.1\r\nhost: a\r\ncontent-length: 1e3\r\n\r\n", "POST /G/g HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}", "POST /G/g HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n", "POST /G/g HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "POST /G/g HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n", "POST /G/g HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n", "POST /G/g HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", "POST /G/g HTTP/1.1\r\nhost: a\r\nexpect: tea\r\ncontent-length: 1\r\n\r\n1", "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", `GET /${"x".repeat(20_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, `GET /G/g HTTP/1.1\r\n${"a: b\r\n".repeat(4_000)}\r\n`, "\x16\x03\x01\x02\x00\x01\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\r\r\r\n\r\n"]; // prettier-ignore

/** Should a server see nothing wrong in a broken one, it closes after this, and nobody waits. */
const LAST = "GET /G/g HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

export function brokenRequest(random: Random): HostileRequest {
  return { bytes: latin1(random.pick(BROKEN) + LAST), method: "GET", broken: true };
}

/** Framed soundly, whatever it says. */
export function hostileRequest(random: Random, tag: string): HostileRequest {
  if (random.chance(0.25)) return keyedRequest(random, tag);
  const method = random.pick(METHODS);
  const target = random.chance(0.97)
    ? `${anyPath(random)}${random.pick(QUERIES)}`
    : random.pick(["*", "http://a", "http://a/G/g", "https://a:1?x", "G/g", "//", "/\\\\"]);
  const host = random.chance(0.95) ? ["host: localhost"] : [];
  const headers = Array.from({ length: random.int(0, random.chance(0.03) ? 90 : 5) }, () =>
    random.pick(HEADERS),
  );
  if (random.chance(0.3)) headers.push(`idempotency-key: ${anyIdempotencyKey(random)}`);
  if (random.chance(0.005)) headers.push("connection: close");
  if (random.chance(0.02)) headers.push("expect: 100-continue");
  const body = latin1(random.pick(BODIES));
  return request({ method, target, headers: [...host, ...headers], body, random });
}

/** A call whose key may be any text: accepted, it is exactly this text. */
function keyedRequest(random: Random, tag: string): HostileRequest {
  const text = anyKey(random);
  const target = `/Honest/${encoded(random, text)}/add`;
  const headers = ["host: localhost", `x-tag: ${tag}`, "content-type: application/json"];
  const made = request({ method: "POST", target, headers, body: latin1("1"), random });
  return { ...made, key: { text, tag } };
}

interface Parts {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
  readonly random: Random;
}

function request({ method, target, headers, body, random }: Parts): HostileRequest {
  const chunked = body.length > 0 && random.chance(0.2);
  const framing = chunked ? ["transfer-encoding: chunked"] : body.length > 0 || random.chance(0.3) ? [`content-length: ${body.length}`] : []; // prettier-ignore
  const lines = [`${method} ${target} HTTP/1.1`, ...headers, ...framing];
  const head = latin1(`${lines.join("\r\n")}\r\n\r\n`);
  return {
    bytes: Buffer.concat([head, chunked ? chunks(body) : body]),
    method,
    broken: false,
  };
}

function chunks(body: Buffer): Buffer {
  const middle = body.length >> 1;
  const parts = [body.subarray(0, middle), body.subarray(middle)].filter((it) => it.length > 0);
  const made = parts.map((it) =>
    Buffer.concat([latin1(`${it.length.toString(16)};x=y\r\n`), it, latin1("\r\n")]),
  );
  return Buffer.concat([...made, latin1("0\r\nx-trailer: 1\r\n\r\n")]);
}

function anyPath(random: Random): string {
  const parts = Array.from({ length: random.int(0, 7) }, () =>
    random.chance(0.7) ? random.pick(WORDS) : random.pick(STRANGE),
  );
  // What cannot stand in a request line would break the framing.
  return `/${parts.join("/")}${random.pick(["", "", "/"])}`.replaceAll(/[ \t\r\n]/g, "_");
}

/** 0 to 10,000 bytes. */
function anyIdempotencyKey(random: Random): string {
  const length = random.pick([0, 1, 10, 255, 256, 257, 1_000, 10_000]);
  return random.pick(["k", "%00", "\xe9", "a b"]).repeat(length).slice(0, length);
}

const UNITS = ["a", "Z", "0", "/", "%", "%2F", ".", "..", " ", "+", "?", "#", "&", "=", ";", ":", "\\", "\u00e9", "e\u0301", "\u{1f600}", "\u202e", "\ufeff", "\ufffd", "\x01", "\x7f", "\x80", "\r\n", "__proto__"]; // prettier-ignore

function anyKey(random: Random): string {
  const text = Array.from({ length: random.int(1, 12) }, () => random.pick(UNITS)).join("");
  return text.slice(0, 60).replace(/[\ud800-\udbff]$/, "");
}

/** Percent-encoded one way or another: more than needed, in either case. */
function encoded(random: Random, text: string): string {
  const bytes = [...Buffer.from(text, "utf8")];
  return bytes
    .map((byte) => {
      const character = String.fromCharCode(byte);
      const mustNot = /[A-Za-z0-9_~-]/.test(character) && random.chance(0.7);
      if (mustNot) return character;
      const hex = byte.toString(16).padStart(2, "0");
      return `%${random.chance(0.5) ? hex : hex.toUpperCase()}`;
    })
    .join("");
}

/** Text whose characters are bytes. */
export function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
