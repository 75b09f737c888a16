import { expect, test } from "vitest";
import { completed, INVOCATION, send, startIngress } from "../support/scripted-core.ts";

const page = { origin: "https://app.example", "sec-fetch-site": "cross-site" };
const asksFirst = {
  ...page,
  "access-control-request-method": "POST",
  "access-control-request-headers": "content-type,idempotency-key",
};

test("a page of another site can do nothing while no origin is named", async () => {
  const ingress = await startIngress();
  const answer = await send(ingress, "/G/g", { headers: page });
  expect(answer.status).toBe(403);
  expect(answer.json()).toMatchObject({
    message: expect.stringContaining("--cors-origins"),
  });
  const before = await send(ingress, "/G/g", { method: "OPTIONS", headers: asksFirst });
  expect(before.status).toBe(403);
  expect(Object.keys(before.headers).filter((it) => it.startsWith("access-"))).toEqual([]);
  expect(ingress.asked).toEqual([]);
});

test("what is no browser is not asked where it comes from", async () => {
  const ingress = await startIngress();
  const headers = { origin: "https://proxied.example" };
  const answer = await send(ingress, "/G/g", { headers });
  expect(answer.status).toBe(200);
  expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
});

test("a page of a named origin may call, and read the headers that matter", async () => {
  const ingress = await startIngress({ corsOrigins: ["https://app.example"] });
  const answer = await send(ingress, "/G/g", { headers: page });
  expect(answer.status).toBe(200);
  expect(answer.headers).toMatchObject({
    "access-control-allow-origin": "https://app.example",
    "access-control-expose-headers": "x-restate-id, x-restate-error-source, idempotency-expires",
    vary: "origin",
    "x-restate-id": INVOCATION,
  });
});

test("it may ask first, and calls nothing by asking", async () => {
  const ingress = await startIngress({ corsOrigins: ["https://app.example"] });
  const answer = await send(ingress, "/G/g", { method: "OPTIONS", headers: asksFirst });
  expect([answer.status, answer.body]).toEqual([200, ""]);
  expect(answer.headers).toMatchObject({
    "access-control-allow-origin": "https://app.example",
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "content-type,idempotency-key",
  });
  expect(ingress.asked).toEqual([]);
});

test("refusals can be read by a page of a named origin, too", async () => {
  const ingress = await startIngress({
    corsOrigins: ["https://app.example"],
    limits: { bodyBytesMax: 10 },
  });
  const large = await send(ingress, "/G/g", { headers: page, body: "x".repeat(11) });
  const badPath = await send(ingress, "/G", { headers: page });
  for (const [answer, status] of [
    [large, 413],
    [badPath, 400],
  ] as const) {
    expect(answer.status).toBe(status);
    expect(answer.headers["access-control-allow-origin"]).toBe("https://app.example");
  }
});

test.each(["https://app.example.evil", "https://APP.example:444", "null", "http://app.example"])(
  "%s is not the origin that was named",
  async (origin) => {
    const ingress = await startIngress({ corsOrigins: ["https://app.example"] });
    const answer = await send(ingress, "/G/g", { headers: { ...page, origin } });
    expect([answer.status, ingress.asked]).toEqual([403, []]);
  },
);

test("a star names every origin", async () => {
  const ingress = await startIngress({ corsOrigins: ["*"], answer: () => completed("1") });
  const answer = await send(ingress, "/G/g", { headers: page });
  expect(answer.headers["access-control-allow-origin"]).toBe("https://app.example");
});
