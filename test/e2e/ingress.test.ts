/** The shapes of HTTP answers, from a whole runtime on disk with its services in the same process. */
import { describe, expect, test } from "vitest";
import { until } from "./support/ingress.ts";
import type { Answered } from "../support/scripted-core.ts";
import { admin, get, idOf, ingressUrl, json, post } from "./support/sample-runtime.ts";

describe("calls", () => {
  test("answer with the handler's bytes", async () => {
    const answer = await post("/Greeter/greet", "Ann");
    expect([answer.status, answer.body]).toEqual([200, '"Hello Ann!"']);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(idOf(answer)).toMatch(/^inv_[A-Za-z0-9]+$/);
    expect(answer.headers).not.toHaveProperty("idempotency-expires");
    expect((await post("/restate/call/Greeter/greet", "Bob")).json()).toBe("Hello Bob!");
  });

  test("of a handler that returns nothing have neither body nor type", async () => {
    const answer = await get("/Greeter/nothing", { method: "POST" });
    expect([answer.status, answer.body]).toEqual([200, ""]);
    expect(answer.headers).not.toHaveProperty("content-type");
  });

  test("carry bytes that are no text", async () => {
    const body = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const response = await fetch(`${ingressUrl()}/Greeter/bytes`, {
      method: "POST",
      body,
      headers: { "content-type": "application/octet-stream" },
    });
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([...body]);
  });

  test("hand their headers to the handler, but for secrets", async () => {
    const sent = { authorization: "Bearer secret", cookie: "a=b", "x-tenant": "acme" };
    const seen = (await get("/Greeter/headers", { headers: sent })).json();
    expect(seen).toMatchObject({
      "x-tenant": "acme",
      "x-restate-ingress-path": "/Greeter/headers",
    });
    expect(JSON.stringify(seen)).not.toMatch(/secret|a=b/);
  });

  test.each(["a/b", "..", "%2F", "a+b c", "\u00e9", "e\u0301", "😀", "?#&=", "send"])(
    "of the key %j reach it and no other",
    async (key) => {
      const path = `/Chat/${encodeURIComponent(key)}/key`;
      expect((await get(path, { method: "POST" })).json()).toBe(key);
      const found = await admin("GET", `/invocations?service=Chat&key=${encodeURIComponent(key)}`);
      const { invocations } = found.json() as { invocations: { target: unknown }[] };
      expect(invocations.map((it) => it.target)).toEqual([
        { service: "Chat", key, handler: "key" },
      ]);
    },
  );

  test("of a handler that is named send are calls", async () => {
    const answer = await get("/Chat/room/send", { method: "POST" });
    expect([answer.status, answer.json()]).toEqual([200, "sent in room"]);
  });
});

describe("sends", () => {
  test("are accepted, and their result is attached to", async () => {
    const sent = await post("/Greeter/greet/send", "Ann");
    expect([sent.status, sent.json()]).toEqual([
      202,
      { invocationId: idOf(sent), status: "Accepted" },
    ]);
    for (const path of [
      `/restate/attach/${idOf(sent)}`,
      `/restate/invocation/${idOf(sent)}/attach`,
    ]) {
      const attached = await get(path);
      expect([attached.status, attached.json()]).toEqual([200, "Hello Ann!"]);
      expect(idOf(attached)).toBe(idOf(sent));
    }
    const output = await get(`/restate/output/${idOf(sent)}`);
    expect([output.status, output.json()]).toEqual([200, "Hello Ann!"]);
    expect(output.headers["idempotency-expires"]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/);
  });

  test("with a delay say when they start", async () => {
    const before = Date.now();
    const sent = await post("/Greeter/greet/send?delay=1%20hour", "Ann");
    const { executionTime } = sent.json() as { executionTime: string };
    expect(executionTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}000000Z$/);
    expect(Date.parse(executionTime)).toBeGreaterThanOrEqual(before + 3_600_000);
    const output = await get(`/restate/output/${idOf(sent)}`);
    expect([output.status, output.json()]).toEqual([
      470,
      {
        code: 470,
        message: "the invocation exists but has not completed yet",
        source: "ingress",
      },
    ]);
  });
});

describe("workflows", () => {
  test("run once per key, and are attached to by it", async () => {
    const sent = await post("/Signup/ann/run/send", "Ann");
    expect(sent.json()).toEqual({ invocationId: idOf(sent), status: "Accepted" });
    const again = await post("/Signup/ann/run/send", "Ann");
    expect(again.json()).toEqual({ invocationId: idOf(sent), status: "PreviouslyAccepted" });
    const called = await post("/Signup/ann/run", "Ann");
    expect([called.status, called.json()]).toEqual([
      409,
      { code: 409, message: "the workflow method was already invoked", source: "invocation" },
    ]);
    expect((await get("/restate/workflow/Signup/ann/output")).status).toBe(470);
    const attached = get("/restate/workflow/Signup/ann/attach");
    expect((await get("/Signup/ann/confirm", { method: "POST" })).status).toBe(200);
    expect((await attached).json()).toBe("Ann confirmed");
    expect((await get("/restate/workflow/Signup/ann/output")).json()).toBe("Ann confirmed");
    const second = await get("/Signup/ann/confirm", { method: "POST" });
    expect([second.status, second.json()]).toMatchObject([409, { source: "invocation" }]);
  });

  test.each(["attach", "output"])(
    "%s of one that never ran is a 404 of the ingress",
    async (word) => {
      const answer = await get(`/restate/workflow/Signup/nobody/${word}`);
      expect([answer.status, answer.json()]).toEqual([
        404,
        { code: 404, message: "invocation not found", source: "ingress" },
      ]);
      expect(answer.headers).not.toHaveProperty("x-restate-id");
    },
  );
});

describe("failures of an invocation", () => {
  test.each([
    [{ message: "bad thing", errorCode: 422 }, 422, { code: 422, message: "bad thing" }],
    [
      { message: "bad meta", errorCode: 418, metadata: { foo: "bar" } },
      418,
      { code: 418, message: "bad meta", metadata: { foo: "bar" } },
    ],
    [{ message: "plain" }, 500, { code: 500, message: "plain" }],
  ])("a TerminalError %j", async (thrown, status, body) => {
    const answer = await post("/Greeter/fail", thrown);
    expect([answer.status, answer.json()]).toEqual([status, { ...body, source: "invocation" }]);
    expect(answer.headers["x-restate-error-source"]).toBe("invocation");
    expect(idOf(answer)).toMatch(/^inv_/);
  });

  test("a run whose retries are used up", async () => {
    const answer = await get("/Greeter/boom", { method: "POST" });
    expect([answer.status, answer.json()]).toEqual([
      500,
      { code: 500, message: "run boom", source: "invocation" },
    ]);
  });

  test("a handler whose retries are used up tells its caller no stack", async () => {
    const answer = await get("/Greeter/broken", { method: "POST" });
    expect([answer.status, answer.json()]).toEqual([
      500,
      { code: 500, message: "kill boom", source: "invocation" },
    ]);
  });

  test("a payload that the handler's serde refuses", async () => {
    const answer = await get("/Greeter/greet", { method: "POST", body: "notjson", headers: json });
    expect([answer.status, answer.json()]).toMatchObject([
      400,
      { code: 400, source: "invocation" },
    ]);
    expect(idOf(answer)).toMatch(/^inv_/);
  });

  test.each([
    ["cancel", [202], "Cancelled"],
    ["kill", [200], "killed"],
  ])("%s by the admin API", async (action, statuses, message) => {
    const sent = await get("/Greeter/wait/send", { method: "POST" });
    const id = idOf(sent);
    await until(
      () => admin("GET", `/invocations/${id}`),
      (it) => JSON.stringify(it.json()).includes('"kind":"sleep","until"'),
    );
    const attached = get(`/restate/attach/${id}`);
    const taken = await admin("PATCH", `/invocations/${id}/${action}`);
    expect(statuses).toContain(taken.status);
    expect((await attached).json()).toEqual({ code: 409, message, source: "invocation" });
    const again = await admin("PATCH", `/invocations/${id}/${action}`);
    expect([again.status, again.json()]).toEqual([
      409,
      { message: "the invocation has already completed", restate_code: null },
    ]);
  });
});

describe("refusals", () => {
  const unknown = "inv_00000000000000000000000000000000";
  test.each([
    [
      "/Nope/greet",
      404,
      "service 'Nope' not found, make sure to register the service before calling it.",
    ],
    [
      "/Nope/greet/send",
      404,
      "service 'Nope' not found, make sure to register the service before calling it.",
    ],
    [
      "/Greeter/nope",
      404,
      "the service 'Greeter' exists, but the handler 'nope' was not found, check that the handler exists in the latest registered service version.",
    ],
    ["/Greeter/secret", 400, "the invoked service is not public"],
    ["/Chat/key", 400, "bad path, 'Chat' is an object: call it at /Chat/{key}/key"],
    ["/Greeter/k/greet", 400, "bad path, 'Greeter' is a service: call it at /Greeter/greet"],
  ])("%s is a %i", async (path, code, message) => {
    const answer = await post(path, "Ann");
    expect([answer.status, answer.json()]).toEqual([code, { code, message, source: "ingress" }]);
    expect(answer.headers["x-restate-error-source"]).toBe("ingress");
  });

  test("a content type that the handler does not take", async () => {
    const headers = { "content-type": "text/plain; charset=utf-8" };
    const answer = await get("/Greeter/greet", { method: "POST", body: '"Ann"', headers });
    expect([answer.status, answer.json()]).toEqual([
      400,
      {
        code: 400,
        message:
          "input validation error: Content-type 'text/plain' does not match 'application/json'",
        source: "ingress",
      },
    ]);
  });

  test.each(["attach", "output"])("%s of an id that nobody has", async (word) => {
    const answer = await get(`/restate/${word}/${unknown}`);
    expect([answer.status, answer.json()]).toEqual([
      404,
      { code: 404, message: "invocation not found", source: "ingress" },
    ]);
  });

  test("a body beyond the limit", async () => {
    expect((await post("/Greeter/greet", "x".repeat(99_998))).status).toBe(200);
    const answer = await post("/Greeter/greet", "x".repeat(99_999));
    expect([answer.status, answer.json()]).toMatchObject([413, { code: 413, source: "ingress" }]);
  });
});

describe("awakeables", () => {
  async function pending(room: string): Promise<{ id: string; outcome: Promise<Answered> }> {
    const outcome = get(`/Chat/${room}/approve`, { method: "POST" });
    const asked = await until(
      () => get(`/Chat/${room}/approval`),
      (answer) => answer.json() !== null,
    );
    return { id: asked.json() as string, outcome };
  }

  test("are resolved once: the first wins, the second is told nothing else", async () => {
    const { id, outcome } = await pending("resolved");
    expect(id).toMatch(/^sign_[A-Za-z0-9_-]+$/);
    const first = await post(`/restate/awakeables/${id}/resolve`, "yes");
    const second = await post(`/restate/a/${id}/resolve`, "no");
    expect([first.status, first.body, second.status]).toEqual([202, "", 202]);
    expect((await outcome).json()).toBe("yes");
  });

  test("are rejected with a reason", async () => {
    const { id, outcome } = await pending("rejected");
    const rejected = await get(`/restate/a/${id}/reject`, { method: "POST", body: "no way" });
    expect(rejected.status).toBe(202);
    const answer = await outcome;
    expect([answer.status, answer.json()]).toEqual([
      500,
      { code: 500, message: "no way", source: "invocation" },
    ]);
  });
});

test("health names the services", async () => {
  const answer = await get("/restate/health");
  expect([answer.status, answer.json()]).toEqual([
    200,
    { services: ["Chat", "Greeter", "Signup"] },
  ]);
});

test("the admin API describes an invocation, its services and its deployment", async () => {
  const failed = await post("/Greeter/fail", { message: "bad thing", errorCode: 422 });
  const described = (await admin("GET", `/invocations/${idOf(failed)}`)).json();
  expect(described).toMatchObject({
    id: idOf(failed),
    target: { service: "Greeter", handler: "fail", key: null },
    status: "completed",
    outcome: { ok: false, failure: { message: "bad thing", code: 422 } },
  });
  const { services } = (await admin("GET", "/services")).json() as { services: { name: string }[] };
  expect(services.map((it) => it.name)).toEqual(["Chat", "Greeter", "Signup"]);
  expect((await admin("GET", "/services/Chat")).json()).toMatchObject({ kind: "object" });
  expect((await admin("GET", "/deployments")).json()).toMatchObject({
    deployments: [{ version: "dev", services: ["Greeter", "Chat", "Signup"], workers: 1 }],
  });
});

test("all invocations come by, page by page, each once", async () => {
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query = cursor === null ? "" : `&cursor=${cursor}`;
    const page = (await admin("GET", `/invocations?limit=7${query}`)).json() as {
      invocations: { id: string }[];
      nextCursor: string | null;
    };
    expect(page.invocations.length).toBeLessThanOrEqual(7);
    seen.push(...page.invocations.map((it) => it.id));
    cursor = page.nextCursor;
  } while (cursor !== null);
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen.length).toBeGreaterThan(20);
});
