/** Plain requests beside Node's own parser: what is taken for plain, Node reads in the same way. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readHeaderFields } from "../../runtime/http/header-fields.ts";
import { DEFAULT_HTTP_LIMITS } from "../../runtime/http/http-limits.ts";
import { readPlainRequest } from "../../runtime/http/plain-request.ts";

const read = (text: string, limits = {}) =>
  readPlainRequest(Buffer.from(text, "latin1"), { ...DEFAULT_HTTP_LIMITS, ...limits });

interface Seen {
  readonly method: string | undefined;
  readonly target: string | undefined;
  readonly fields: Record<string, string>;
  readonly body: string;
}

/** Node's parser at the other end of one connection. */
class NodeReader {
  readonly #server: Server;
  #socket: Socket | undefined;
  #onRequest: (seen: Seen | string) => void = () => undefined;

  constructor() {
    this.#server = createServer({ requireHostHeader: false }, (message, response) => {
      void this.#read(message).then((seen) => {
        this.#onRequest(response.shouldKeepAlive ? seen : "it wants to be the last");
        response.end();
      });
    });
    this.#server.on("clientError", (error) => this.#onRequest(error.message));
    this.#server.on("upgrade", () => this.#onRequest("an upgrade"));
    this.#server.on("checkContinue", () => this.#onRequest("an expectation"));
    this.#server.on("checkExpectation", () => this.#onRequest("an expectation"));
  }

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const { port } = this.#server.address() as AddressInfo; // of a TCP server
    this.#socket = connect({ port, host: "127.0.0.1" }).resume();
    await once(this.#socket, "connect");
  }

  stop(): void {
    this.#socket?.destroy();
    this.#server.close();
  }

  /** What Node makes of it, behind all that it was given before. */
  request(text: string): Promise<Seen | string> {
    return new Promise((resolve) => {
      this.#onRequest = resolve;
      this.#socket?.write(text, "latin1");
    });
  }

  async #read(message: IncomingMessage): Promise<Seen> {
    let body = "";
    for await (const chunk of message.setEncoding("latin1")) body += chunk;
    const fields = Object.fromEntries(readHeaderFields(message.rawHeaders, 1_000));
    return { method: message.method, target: message.url, fields, body };
  }
}

describe("beside Node", () => {
  const node = new NodeReader();
  beforeAll(() => node.start());
  afterAll(() => node.stop());

  const name = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom("x-a", "X-A", "te", "trailer", "keep-alive", "cookie", "http2-settings", "__proto__") }, // prettier-ignore
    { weight: 2, arbitrary: fc.constantFrom("host", "content-length", "Content-Length", "connection", "Connection") }, // prettier-ignore
    { weight: 1, arbitrary: fc.constantFrom("transfer-encoding", "upgrade", "expect", "proxy-connection", "x-a ", "", "x\ta") }, // prettier-ignore
  );
  const value = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom("", "a", " a ", "\ta\t", "a\tb", "0", "1", "2", "02", "keep-alive", "Keep-Alive", ":", "a:b") }, // prettier-ignore
    { weight: 2, arbitrary: fc.constantFrom("+2", "2, 2", "2 2", "close", "keep-alive, te", "chunked", "100-continue") }, // prettier-ignore
    { weight: 1, arbitrary: fc.constantFrom("a\0b", "a\rb", "a\nb", "a\r\n b", "\x7f", "\xe9", "\x0b", "\xa0a") }, // prettier-ignore
  );
  const header = fc.tuple(name, value).map(([it, text]) => `${it}:${text}\r\n`);
  const line = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom("GET /", "POST /a/b?c=d") },
    { weight: 3, arbitrary: fc.constantFrom('POST /%zz"<>\\^`{|}', "GET //a", "POST /a#b") },
    { weight: 1, arbitrary: fc.constantFrom("GET  /", "GET /a b", "get /", "PUT /", "POST a", "GET *") }, // prettier-ignore
  );
  const version = fc.constantFrom(...Array<string>(20).fill("1.1"), "1.0", "1.1 ", "2.0");
  const head = fc
    .tuple(line, version, fc.array(header, { maxLength: 3 }))
    .map(([first, it, headers]) => `${first} HTTP/${it}\r\nhost: a\r\n${headers.join("")}`);
  const withBody = fc
    .tuple(head, fc.constantFrom("", "1", "{}", "\r\n", "\xff\0"), fc.nat({ max: 9 }))
    .map(([text, body, said]) =>
      said > 0 ? `${text}content-length: ${body.length}\r\n\r\n${body}` : `${text}\r\n${body}`,
    );
  const mutations = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    maxLength: 2,
  });

  test("what is plain is the same request for Node, alone on a connection that lives on", async () => {
    const counts = { plain: 0, left: 0 };
    await fc.assert(
      fc.asyncProperty(withBody, mutations, async (sound, changes) => {
        const bytes = Buffer.from(sound, "latin1");
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        const text = bytes.toString("latin1");
        const plain = read(text);
        counts[plain ? "plain" : "left"]++;
        if (plain === undefined) return;
        const { method, target, fields, body } = plain;
        expect(await node.request(text)).toEqual({
          method,
          target,
          fields: Object.fromEntries(fields),
          body: Buffer.from(body).toString("latin1"),
        });
      }),
      { numRuns: 5_000 },
    );
    expect(counts.plain).toBeGreaterThan(500);
    expect(counts.left).toBeGreaterThan(500);
  });

  test("what clients send is plain", async () => {
    const sent = "POST /counter/a%20b/add?x=1 HTTP/1.1\r\nhost: localhost:8080\r\nconnection: keep-alive\r\ncontent-type: application/json\r\naccept: */*\r\naccept-language: *\r\nsec-fetch-mode: cors\r\nuser-agent: node\r\naccept-encoding: gzip, deflate\r\nX-A:1\r\nx-a: 2\r\ncontent-length: 2\r\n\r\n{}"; // prettier-ignore
    const plain = read(sent);
    expect(plain).toMatchObject({ method: "POST", target: "/counter/a%20b/add?x=1" });
    expect(plain?.fields.get("x-a")).toBe("1, 2");
    expect(await node.request(sent)).toMatchObject({
      fields: Object.fromEntries(plain?.fields ?? []),
    });
  });
});

test.each([
  ["not whole in its head", "GET / HTTP/1.1\r\nhost: a\r\n"],
  ["not whole in its body", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n1"],
  ["not alone", "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"],
  ["a body that was not announced", "POST / HTTP/1.1\r\nhost: a\r\n\r\n{}"],
  ["chunks", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["two lengths", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n1"],
  ["a length with a sign", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\n1"],
  ["an expectation", "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n1"], // prettier-ignore
  ["an upgrade", "GET / HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\n\r\n"],
  ["the wish to close", "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"],
  ["the wish to close, of a proxy", "GET / HTTP/1.1\r\nhost: a\r\nproxy-connection: close\r\n\r\n"],
  ["no host", "GET / HTTP/1.1\r\nx-a: a\r\n\r\n"],
  ["two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"],
  ["an older version", "GET / HTTP/1.0\r\nhost: a\r\n\r\n"],
  ["another method", "PATCH / HTTP/1.1\r\nhost: a\r\n\r\n"],
  ["another form of target", "GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n"],
  ["an empty line in front", "\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"],
  ["a lone line feed", "GET / HTTP/1.1\nhost: a\r\n\r\n"],
  ["a lone line feed in a header", "GET / HTTP/1.1\r\nhost: a\r\nx-a: a\nx-b: b\r\n\r\n"],
  ["a lone carriage return", "GET / HTTP/1.1\r\nhost: a\r\nx-a: a\rx-b: b\r\n\r\n"],
  ["a folded header", "GET / HTTP/1.1\r\nhost: a\r\nx-a: a\r\n b\r\n\r\n"],
  ["a space before the colon", "GET / HTTP/1.1\r\nhost : a\r\n\r\n"],
  ["a header without a name", "GET / HTTP/1.1\r\nhost: a\r\n: a\r\n\r\n"],
  ["a header without a colon", "GET / HTTP/1.1\r\nhost: a\r\nx-a\r\n\r\n"],
  ["bytes above ASCII", "GET / HTTP/1.1\r\nhost: a\r\nx-a: \xe9\r\n\r\n"],
  ["more than 16 KiB", `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 16384\r\n\r\n${"x".repeat(16_384)}`], // prettier-ignore
])("%s is left to Node", (_, text) => {
  expect(read(text)).toBeUndefined();
});

test("more or larger headers than allowed are left to Node", () => {
  const two = "GET / HTTP/1.1\r\nhost: a\r\nx-a: a\r\n\r\n";
  expect(read(two, { headersMax: 2 })).toBeDefined();
  expect(read(two, { headersMax: 1 })).toBeUndefined();
  expect(read(two, { headBytesMax: two.length + 1 })).toBeDefined();
  expect(read(two, { headBytesMax: two.length })).toBeUndefined();
});

test("the body does not keep what it came in", () => {
  const plain = read("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n1");
  expect(plain?.body.buffer.byteLength).toBe(1);
});
