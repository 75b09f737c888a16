/** Clients that mean ill, or are broken: each gets a 4xx or its connection is closed. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Departure } from "../../runtime/http/client-signal.ts";
import type { Response } from "../../runtime/core/effect.ts";
import {
  ACCEPTED,
  AWAKEABLE,
  completed,
  deferred,
  DONE,
  INVOCATION,
  post,
  send,
  sendRaw,
  startIngress,
} from "../support/scripted-core.ts";

const host = "host: localhost\r\nconnection: close\r\n";
const kept = "host: localhost\r\n";

/** Status codes in the order in which they were answered. */
function statuses(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((it) => Number(it[1]));
}

describe("what is not HTTP", () => {
  test.each([
    ["noise", "\x00\x01\x02\xff\xfe\r\n\r\n"],
    ["a greeting", "HELLO\r\n\r\n"],
    ["TLS", Uint8Array.of(0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0, 13, 10, 13, 10)],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["an unknown method", `BREW /G/g HTTP/1.1\r\n${host}\r\n`],
    ["no host", "GET /G/g HTTP/1.1\r\nconnection: close\r\n\r\n"],
    ["a NUL in the path", `GET /C/a\x00b/get HTTP/1.1\r\n${host}\r\n`],
    ["a NUL in a header", `GET /G/g HTTP/1.1\r\n${host}x-a: a\x00b\r\n\r\n`],
    ["a space before the colon", `GET /G/g HTTP/1.1\r\n${host}x-a : a\r\n\r\n`],
    ["a folded header", `GET /G/g HTTP/1.1\r\n${host}x-a: a\r\n b\r\n\r\n`],
    [
      "two lengths",
      `POST /G/g HTTP/1.1\r\n${host}content-length: 2\r\ncontent-length: 3\r\n\r\n{} `,
    ],
    [
      "a length beside chunks",
      `POST /G/g HTTP/1.1\r\n${host}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ["a negative length", `POST /G/g HTTP/1.1\r\n${host}content-length: -1\r\n\r\n`],
    [
      "a length beyond numbers",
      `POST /G/g HTTP/1.1\r\n${host}content-length: ${"9".repeat(30)}\r\n\r\n`,
    ],
    [
      "a chunk without a size",
      `POST /G/g HTTP/1.1\r\n${host}transfer-encoding: chunked\r\n\r\nzz\r\n`,
    ],
    ["a coding twice", `POST /G/g HTTP/1.1\r\n${host}transfer-encoding: chunked, gzip\r\n\r\n`],
    ["a huge path", `GET /C/${"x".repeat(100_000)}/get HTTP/1.1\r\n${host}\r\n`],
    ["a huge header name", `GET /G/g HTTP/1.1\r\n${host}${"x".repeat(100_000)}: 1\r\n\r\n`],
    ["an expectation", `GET /G/g HTTP/1.1\r\n${host}expect: a-miracle\r\n\r\n`],
    ["a tunnel", "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n"],
    ["a path without a slash", `GET G/g HTTP/1.1\r\n${host}\r\n`],
    ["no path at all", `OPTIONS * HTTP/1.1\r\n${host}\r\n`],
  ])("%s is refused in JSON", async (_, text) => {
    const ingress = await startIngress();
    const received = await sendRaw(ingress, text);
    expect(received).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(received).toMatch(/\r\ncontent-type: application\/json\r\n/);
    expect(received).toMatch(/\{"code":4\d\d,"message":".+","source":"ingress"\}/);
    expect(ingress.asked).toEqual([]);
    expect(ingress.errors).toEqual([]);
    expect((await send(ingress, "/G/g")).status).toBe(200);
  });
});

describe("lengths that are not true", () => {
  test("a body that is shorter than announced reaches no machine", async () => {
    const ingress = await startIngress();
    const received = await sendRaw(
      ingress,
      `POST /G/g HTTP/1.1\r\n${host}content-length: 100\r\n\r\n{}`,
      { end: true },
    );
    expect(statuses(received).filter((it) => it < 400)).toEqual([]);
    expect(ingress.asked).toEqual([]);
    expect((await send(ingress, "/G/g")).status).toBe(200);
  });

  test("what follows a body that is longer than announced is answered after it", async () => {
    const gate = deferred<Response>();
    const asked = deferred<void>();
    const ingress = await startIngress({
      answer: () => {
        asked.resolve();
        return gate.promise;
      },
    });
    const text = `POST /G/g HTTP/1.1\r\n${kept}content-length: 2\r\n\r\n{}surplus\r\n\r\n`;
    const received = sendRaw(ingress, text);
    await asked.promise;
    gate.resolve(completed('"mine"'));
    expect(statuses(await received)).toEqual([200, 400]);
    expect(await received).toContain('"mine"');
  });
});

describe("answers that a client must be able to read", () => {
  /**
   * Behind an answer that closes, Node closed the socket at once: what was unread in it made the
   * kernel reset the connection and throw away this answer and all before it. Found by
   * test/hostile/http.test.ts.
   */
  test("answers reach a client that goes on sending behind a request to close", async () => {
    const gate = deferred<Response>();
    const all = deferred<void>();
    const ingress = await startIngress({
      answer: (question) => {
        if (ingress.asked.length === 20) all.resolve();
        const first = question.kind === "invoke" && question.target.handler === "first";
        return first ? gate.promise : completed('"2"');
      },
    });
    const requests = [
      `GET /G/first HTTP/1.1\r\n${kept}\r\n`,
      `GET /G/g HTTP/1.1\r\n${kept}\r\n`.repeat(18),
      `GET /G/g HTTP/1.1\r\n${host}\r\n`,
      `POST /too/many/parts/of/a/path HTTP/1.1\r\n${kept}content-length: 4000000\r\n\r\n`,
      "x".repeat(4_000_000),
    ];
    const received = sendRaw(ingress, requests.join(""));
    await all.promise;
    gate.resolve(completed('"1"'));
    expect(statuses(await received)).toEqual(Array<number>(20).fill(200));
  });

  /**
   * With requests in a row, "100 Continue" for a later one was written between the head and the body
   * of its own answer: the client took it for the body, and every answer behind it was shifted. Node
   * puts what waits for its turn behind the head. Found by test/hostile/http.test.ts.
   */
  test("a request to go on stands in front of the answer, also behind other answers", async () => {
    const gate = deferred<Response>();
    const ingress = await startIngress({
      answer: (question) => {
        // By then all have been asked, and those behind the first wait for their turn.
        if (ingress.asked.length === 4) setImmediate(() => gate.resolve(completed('"ok"')));
        const first = question.kind === "invoke" && question.target.handler === "first";
        return first ? gate.promise : completed('"ok"');
      },
    });
    const expecting = `expect: 100-continue\r\ncontent-length: 2\r\n\r\n{}`;
    const requests = [
      `GET /G/first HTTP/1.1\r\n${kept}\r\n`,
      `POST /G/g HTTP/1.1\r\n${kept}${expecting}`,
      `GET /G/g HTTP/1.1\r\n${kept}\r\n`,
      `POST /G/g HTTP/1.1\r\n${host}${expecting}`,
    ];
    const received = await sendRaw(ingress, requests.join(""));
    // Whatever stands behind a head is the body that it announced.
    const answers = [...received.matchAll(/HTTP\/1\.1 200 ([\s\S]*?)\r\n\r\n(.{4})/g)];
    expect(answers.map((it) => it[2])).toEqual(answers.map(() => '"ok"'));
    // One that was never asked to go on closes, says Node: nothing behind it is answered.
    expect(answers.length).toBeGreaterThan(1);
    expect(answers.at(-1)?.[1]).toContain("Connection: close");
  });
});

describe("connections", () => {
  test("several requests in one packet are answered in their order", async () => {
    const ingress = await startIngress({
      answer: async (question) => {
        // The first is answered last.
        const first = question.kind === "invoke" && question.target.handler === "first";
        if (first) await new Promise((resolve) => setImmediate(resolve));
        return completed(first ? '"1"' : '"2"');
      },
    });
    const received = await sendRaw(
      ingress,
      `GET /G/first HTTP/1.1\r\n${kept}\r\nGET /G/second HTTP/1.1\r\n${host}\r\n`,
    );
    expect(statuses(received)).toEqual([200, 200]);
    expect(received.indexOf('"1"')).toBeLessThan(received.indexOf('"2"'));
  });

  test.each([
    ["dies", (socket: Socket) => socket.destroy()],
    ["closes its side", (socket: Socket) => socket.end()],
    ["resets the connection", (socket: Socket) => socket.resetAndDestroy()],
  ])("a client that %s while it waits is forgotten", async (_, leave) => {
    const asked = deferred<Departure>();
    const ingress = await startIngress({
      answer: (_question, signal) => {
        asked.resolve(signal);
        return new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(new Error("gone")));
        });
      },
    });
    const socket = connect({ port: ingress.port, host: "127.0.0.1" });
    socket.write(`GET /G/g HTTP/1.1\r\n${kept}\r\n`);
    const signal = await asked.promise;
    expect(signal.aborted).toBe(false);
    const aborted = new Promise<void>((done) => signal.addEventListener("abort", () => done()));
    leave(socket);
    await aborted;
    expect(ingress.errors).toEqual([]);
  });

  test("an answered request is not forgotten afterwards", async () => {
    const ingress = await startIngress();
    await send(ingress, "/G/g", { headers: { connection: "close" } });
    await send(ingress, "/G/g", { headers: { connection: "close" } });
    expect(ingress.asked[0]?.signal.aborted).toBe(false);
  });

  test("a client that goes away in the middle of its body asks nothing", async () => {
    const ingress = await startIngress();
    const socket = connect({ port: ingress.port, host: "127.0.0.1" });
    socket.write(
      `POST /G/g HTTP/1.1\r\n${host}content-length: 100\r\nexpect: 100-continue\r\n\r\n{`,
    );
    // The request has been seen when it is told to go on.
    await once(socket, "data");
    socket.destroy();
    await send(ingress, "/G/g");
    expect(ingress.asked).toHaveLength(1);
    expect(ingress.errors).toEqual([]);
  });
});

describe("whatever comes", () => {
  const part = fc.oneof(
    fc.constantFrom(
      ..."G C g restate call send attach output a awakeables workflow health".split(" "),
    ),
    fc.constantFrom("", ".", "..", "%", "%zz", "%00", "%2F", "%ff", INVOCATION, AWAKEABLE, "inv_1"),
    fc.string({ maxLength: 20 }).map((it) => it.replace(/[^\x21-\x7e]/g, "_")),
  );
  const paths = fc
    .tuple(
      fc.array(part, { maxLength: 9 }),
      fc.constantFrom("", "/", "?delay=1s", "?delay=x&", "?"),
    )
    .map(([parts, end]) => `/${parts.join("/")}${end}`);

  test("any path and method is answered, never with a 5xx", async () => {
    const ingress = await startIngress({
      answer: (question) => (question.kind === "complete-awakeable" ? DONE : ACCEPTED),
    });
    await fc.assert(
      fc.asyncProperty(
        paths,
        fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"),
        fc.string({ maxLength: 50 }),
        async (path, method, body) => {
          const sent = method === "POST" ? { method, body } : { method };
          expect((await send(ingress, path, sent)).status).toBeLessThan(500);
        },
      ),
      { numRuns: 300 },
    );
    expect(ingress.errors).toEqual([]);
  });

  test("any bytes leave the listener as it was", async () => {
    const ingress = await startIngress();
    const valid = Buffer.from(`POST /G/g HTTP/1.1\r\n${host}content-length: 2\r\n\r\n{}`);
    const mutations = fc.array(
      fc.tuple(fc.nat({ max: valid.length - 1 }), fc.integer({ min: 0, max: 255 })),
      { minLength: 1, maxLength: 3 },
    );
    await fc.assert(
      fc.asyncProperty(mutations, fc.nat({ max: valid.length }), async (changes, length) => {
        const bytes = Buffer.from(valid);
        for (const [at, byte] of changes) bytes[at] = byte;
        const received = await sendRaw(ingress, bytes.subarray(0, length), { end: true });
        expect(statuses(received).filter((it) => it >= 500)).toEqual([]);
      }),
      { numRuns: 200 },
    );
    expect(ingress.errors).toEqual([]);
    expect((await post(ingress, "/G/g", "{}")).status).toBe(200);
  });
});
