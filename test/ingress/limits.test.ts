import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import {
  AWAKEABLE,
  completed,
  deferred,
  post,
  send,
  sendRaw,
  startIngress,
  type Listening,
} from "../support/scripted-core.ts";
import type { Response } from "../../runtime/core/effect.ts";

const small = { bodyBytesMax: 1_000, payloadBytesMax: 1_000 };

/** As a client that announces nothing: one chunk after the other. */
async function sendChunked(to: Listening, path: string, chunks: readonly string[]) {
  const request = httpRequest({ port: to.port, host: "127.0.0.1", path, method: "POST" });
  for (const chunk of chunks) request.write(chunk);
  request.end();
  const closed = once(request, "close");
  const [response] = await once(request, "response");
  let body = "";
  for await (const chunk of response) body += chunk;
  await closed;
  return { status: response.statusCode as number, body };
}

describe("a body", () => {
  test.each([
    [999, 200],
    [1_000, 200],
    [1_001, 413],
  ])("of %i bytes, announced or not, is a %i when the limit is 1000", async (size, status) => {
    const ingress = await startIngress({ limits: small });
    const body = "x".repeat(size);
    expect((await post(ingress, "/G/g", body)).status).toBe(status);
    expect((await sendChunked(ingress, "/G/g", ["x", body.slice(1)])).status).toBe(status);
    expect(ingress.asked).toHaveLength(status === 200 ? 2 : 0);
  });

  test("may not be larger than a payload, either", async () => {
    const ingress = await startIngress({ limits: { bodyBytesMax: 1_000, payloadBytesMax: 10 } });
    expect((await post(ingress, "/G/g", "x".repeat(11))).status).toBe(413);
    expect((await post(ingress, `/restate/a/${AWAKEABLE}/resolve`, "x".repeat(11))).status).toBe(
      413,
    );
  });

  test("that is too large is refused in JSON that says what to do", async () => {
    const ingress = await startIngress({ limits: small });
    const answer = await post(ingress, "/G/g", "x".repeat(1_001));
    expect(answer.json()).toEqual({
      code: 413,
      message:
        "the request body is larger than 1000 bytes; send a smaller one, or keep large data elsewhere and send a reference",
      source: "ingress",
    });
    expect(answer.headers).toMatchObject({
      "content-type": "application/json",
      "x-restate-error-source": "ingress",
      connection: "close",
    });
  });

  test("of many megabytes too much still lets its client read the answer", async () => {
    const ingress = await startIngress({ limits: small });
    const body = "x".repeat(20 * 1024 * 1024);
    const url = `${ingress.url}/G/g`;
    const answers = await Promise.all([
      fetch(url, { method: "POST", body }),
      fetch(url, { method: "POST", body: new Blob([body]).stream(), duplex: "half" }),
    ]);
    expect(answers.map((it) => it.status)).toEqual([413, 413]);
    expect(await answers[0].json()).toMatchObject({ code: 413 });
    const chunks = Array.from({ length: 20 }, () => "x".repeat(1024 * 1024));
    expect((await sendChunked(ingress, "/G/g", chunks)).status).toBe(413);
  });

  test("that never ends is cut off", async () => {
    const ingress = await startIngress({ limits: small, http: { lingerMs: 50 } });
    const received = await sendRaw(
      ingress,
      `POST /G/g HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n800\r\n${"x".repeat(2_048)}\r\n`,
    );
    expect(received).toMatch(/^HTTP\/1.1 413 /);
  });

  test("that is announced too large is refused before it is sent", async () => {
    const ingress = await startIngress({ limits: small, http: { lingerMs: 50 } });
    const head =
      "POST /G/g HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1001\r\n\r\n";
    const received = await sendRaw(ingress, head);
    expect(received).toMatch(/^HTTP\/1.1 413 /);
  });

  test("that waits for 100-continue is asked for", async () => {
    const ingress = await startIngress({ limits: small });
    const request = httpRequest({
      port: ingress.port,
      host: "127.0.0.1",
      path: "/G/g",
      method: "POST",
      headers: { expect: "100-continue", "content-length": 2 },
    });
    request.flushHeaders();
    await once(request, "continue");
    request.end("{}");
    const [response] = await once(request, "response");
    response.resume();
    expect(response.statusCode).toBe(200);
    expect(ingress.asked[0]?.question).toMatchObject({ parameter: new TextEncoder().encode("{}") });
  });

  test("for the ingress itself has a limit of its own", async () => {
    const ingress = await startIngress();
    expect((await post(ingress, "/restate/attach", "x".repeat(65_537))).status).toBe(413);
    const reason = "x".repeat(65_537);
    expect((await post(ingress, `/restate/a/${AWAKEABLE}/reject`, reason)).status).toBe(413);
  });
});

describe("a listener", () => {
  /**
   * Small ones too were refused, so that a few clients that stopped in the middle of a large body shut
   * out everybody for a minute. Found by the floods of test/hostile: what is small is always taken.
   */
  test("refuses large bodies when all that arrive together are too much, and takes small ones", async () => {
    const ingress = await startIngress({ http: { receivingBytesMax: 100_000 } });
    // A body that has come in part and is still expected.
    const holder = connect({ port: ingress.port, host: "127.0.0.1" });
    holder.write("POST /G/g HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n");
    holder.write("x".repeat(89_900));
    const refused = async (): Promise<boolean> =>
      (await post(ingress, "/G/g", "x".repeat(50_000))).status === 429;
    // The part may not have been read yet: the other side says when it has.
    while (!(await refused()));
    expect((await post(ingress, "/G/g", "x".repeat(16_384))).status).toBe(200);
    expect(await refused()).toBe(true);
    holder.write("x".repeat(100));
    const [answer] = await once(holder, "data");
    expect(String(answer)).toMatch(/^HTTP\/1.1 200 /);
    expect((await post(ingress, "/G/g", "x".repeat(50_000))).status).toBe(200);
    holder.destroy();
  });

  test("refuses requests when too many wait", async () => {
    const gate = deferred<Response>();
    const asked = deferred<void>();
    const ingress = await startIngress({
      answer: () => {
        asked.resolve();
        return gate.promise;
      },
      http: { requestsMax: 1 },
    });
    const waiting = post(ingress, "/G/g", "{}");
    await asked.promise;
    const refused = await post(ingress, "/G/g", "{}");
    expect([refused.status, refused.headers["retry-after"]]).toEqual([429, "1"]);
    expect(refused.json()).toMatchObject({
      message: "too many requests, the ingress is overloaded. Retry later.",
    });
    gate.resolve(completed("1"));
    expect((await waiting).status).toBe(200);
    expect((await post(ingress, "/G/g", "{}")).status).toBe(200);
  });

  test.each([
    [63, 200],
    [64, 200],
    [65, 431],
    [66, 431],
    [200, 431],
  ])("of %i headers is a %i when the limit is 64", async (count, status) => {
    const ingress = await startIngress();
    const lines = Array.from({ length: count - 2 }, (_, i) => `x-${i}: ${i}\r\n`).join("");
    const head = `GET /G/g HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${lines}\r\n`;
    const received = await sendRaw(ingress, head);
    expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(ingress.asked).toHaveLength(status === 200 ? 1 : 0);
  });

  test("refuses headers that are too large", async () => {
    const ingress = await startIngress({ http: { headBytesMax: 2_048 } });
    const head = `GET /G/g HTTP/1.1\r\nhost: x\r\nx-large: ${"x".repeat(4_096)}\r\n\r\n`;
    const received = await sendRaw(ingress, head);
    expect(received).toMatch(/^HTTP\/1.1 431 /);
    expect(received).toContain('{"code":431,"message":"the headers are too large');
  });

  test("lets a call wait longer than a request may take to arrive", async () => {
    const gate = deferred<Response>();
    const ingress = await startIngress({
      answer: () => gate.promise,
      http: { headersTimeoutMs: 40, requestTimeoutMs: 40, checkIntervalMs: 10 },
    });
    const waiting = post(ingress, "/G/g", "{}");
    // A request that does not arrive in time shows that the limits have been looked at meanwhile.
    const slow = await sendRaw(ingress, "POST /G/g HTTP/1.1\r\nhost: x\r\n");
    expect(slow).toMatch(/^HTTP\/1.1 408 /);
    const slowBody = "POST /G/g HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{";
    expect(await sendRaw(ingress, slowBody)).toMatch(/^HTTP\/1.1 408 /);
    gate.resolve(completed('"late"'));
    expect((await waiting).body).toBe('"late"');
  });
});

test("the path of a key of the largest size fits", async () => {
  const ingress = await startIngress();
  const key = "%F0%9F%98%80".repeat(128);
  expect((await send(ingress, `/C/${key}/get`)).status).toBe(200);
});

test("the headers that an invocation keeps have a limit of their own", async () => {
  const ingress = await startIngress({ limits: { headerBytesMax: 200 } });
  expect((await send(ingress, "/G/g", { headers: { "x-a": "x".repeat(100) } })).status).toBe(200);
  const refused = await send(ingress, "/G/g", { headers: { "x-a": "x".repeat(200) } });
  expect([refused.status, refused.json()]).toMatchObject([
    431,
    {
      message: expect.stringContaining(
        "the limit headerBytesMax is 200; send fewer or shorter ones",
      ),
    },
  ]);
});
