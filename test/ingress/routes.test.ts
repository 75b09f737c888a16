import { describe, expect, test } from "vitest";
import {
  ACCEPTED,
  AWAKEABLE,
  completed,
  DONE,
  ENTROPY,
  INVOCATION,
  post,
  send,
  startIngress,
} from "../support/scripted-core.ts";
import type { Question } from "../../runtime/ask.ts";
import type { Response } from "../../runtime/core/effect.ts";

function answerAll(question: Question): Response {
  switch (question.kind) {
    case "invoke":
      return question.mode === "call" ? completed('"ok"') : ACCEPTED;
    case "complete-awakeable":
      return DONE;
    default:
      return completed('"ok"');
  }
}

/** What the machine was asked, without what every invocation has. */
async function questionFor(
  path: string,
  sent: Parameters<typeof send>[2] = {},
): Promise<{ status: number; question: Question | undefined }> {
  const ingress = await startIngress({
    answer: answerAll,
    kinds: { Greeter: "service", Chat: "object", Signup: "workflow" },
  });
  const { status } = await send(ingress, path, sent);
  return { status, question: ingress.asked[0]?.question };
}

describe("calls and sends", () => {
  const paths: [path: string, mode: "call" | "send", target: [string, string | null, string]][] = [
    ["/Greeter/greet", "call", ["Greeter", null, "greet"]],
    ["/Greeter/greet/", "call", ["Greeter", null, "greet"]],
    ["/Greeter/greet/send", "send", ["Greeter", null, "greet"]],
    ["/Chat/room/say", "call", ["Chat", "room", "say"]],
    ["/Chat/room/say/send", "send", ["Chat", "room", "say"]],
    ["/Chat/room/send", "call", ["Chat", "room", "send"]],
    ["/Chat/room/send/send", "send", ["Chat", "room", "send"]],
    ["/Signup/ann/send", "call", ["Signup", "ann", "send"]],
    ["/Unknown/greet/send", "send", ["Unknown", null, "greet"]],
    ["/restate/call/Greeter/greet", "call", ["Greeter", null, "greet"]],
    ["/restate/call/Chat/room/say", "call", ["Chat", "room", "say"]],
    ["/restate/call/Chat/room/send", "call", ["Chat", "room", "send"]],
    ["/restate/send/Greeter/greet", "send", ["Greeter", null, "greet"]],
    ["/restate/send/Chat/room/say/", "send", ["Chat", "room", "say"]],
  ];

  test.each(paths)("%s is a %s of %j", async (path, mode, [service, key, handler]) => {
    const { status, question } = await questionFor(path, { body: "{}" });
    expect(status).toBe(mode === "call" ? 200 : 202);
    expect(question).toMatchObject({ kind: "invoke", mode, target: { service, key, handler } });
  });

  test("a GET calls, too", async () => {
    const { question } = await questionFor("/Greeter/greet");
    expect(question).toMatchObject({ kind: "invoke", mode: "call", parameter: new Uint8Array(0) });
  });

  test("a target in absolute form is the same path", async () => {
    const { question } = await questionFor("http://holdfast.example/Greeter/greet?x=1");
    expect(question).toMatchObject({ target: { service: "Greeter", handler: "greet" } });
  });

  test("the body passes as bytes, and the random part comes from outside the machine", async () => {
    const body = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const { question } = await questionFor("/Greeter/greet", { body });
    expect(question).toMatchObject({ parameter: body, entropy: ENTROPY, delayMs: 0 });
  });

  test("an idempotency key in the header names the invocation", async () => {
    const headers = { "idempotency-key": "order 7" };
    const { question } = await questionFor("/Greeter/greet", { body: "{}", headers });
    expect(question).toMatchObject({ idempotencyKey: "order 7" });
  });

  test("without the header there is no idempotency key", async () => {
    const { question } = await questionFor("/Greeter/greet", { body: "{}" });
    expect(question).toMatchObject({ idempotencyKey: null });
  });

  test.each([
    ["/Greeter/greet/send?delay=PT2S", 2_000],
    ["/Greeter/greet/send?delay=1500ms", 1_500],
    ["/Greeter/greet/send?DELAY=10%20minutes", 600_000],
    ["/Greeter/greet/send?Delay=1+hour", 3_600_000],
    ["/restate/send/Chat/room/say?delay=0s", 0],
  ])("%s is delayed by %i ms", async (path, delayMs) => {
    const { question } = await questionFor(path, { body: "{}" });
    expect(question).toMatchObject({ mode: "send", delayMs });
  });
});

describe("headers of an invocation", () => {
  async function headersOf(
    headers: Record<string, string | string[]>,
  ): Promise<Map<string, string>> {
    const { question } = await questionFor("/Greeter/greet?x=1", { body: "{}", headers });
    return new Map(question?.kind === "invoke" ? question.headers : []);
  }

  test("what the client sent is kept, in lower case, with the path it came by", async () => {
    const kept = await headersOf({
      "Content-Type": "application/json",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "X-Tenant": "acme",
    });
    expect(Object.fromEntries(kept)).toEqual({
      "content-type": "application/json",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "x-tenant": "acme",
      "x-restate-ingress-path": "/Greeter/greet",
    });
  });

  test.each([
    ["authorization", "Bearer secret"],
    ["cookie", "session=secret"],
    ["proxy-authorization", "Basic secret"],
    ["x-api-key", "secret"],
    ["idempotency-key", "k"],
    ["idempotency-expires", "tomorrow"],
    ["keep-alive", "timeout=5"],
    ["te", "trailers"],
    ["upgrade", "h2c"],
  ])("%s is not stored", async (name, value) => {
    expect((await headersOf({ [name]: value })).has(name)).toBe(false);
  });

  test("what the Connection header names is not stored, and neither is it itself", async () => {
    const kept = await headersOf({ connection: "close, X-Hop", "x-hop": "1", "x-end": "2" });
    expect([...kept.keys()]).toEqual(["x-end", "x-restate-ingress-path"]);
  });

  test("a repeated header keeps all its values", async () => {
    expect((await headersOf({ "x-tag": ["a", "b", "c"] })).get("x-tag")).toBe("a, b, c");
  });

  test("a client cannot say that it came by another path", async () => {
    const kept = await headersOf({ "x-restate-ingress-path": "/Other/one" });
    expect(kept.get("x-restate-ingress-path")).toBe("/Greeter/greet");
  });
});

describe("attach, output, lookup", () => {
  const byId = { kind: "id", invocationId: INVOCATION };
  const byWorkflow = { kind: "workflow", service: "Signup", key: "a/b" };
  const byKey = (key: string | null): unknown => ({
    kind: "idempotency-key",
    target: { service: "Chat", key, handler: "say" },
    idempotencyKey: "i/1",
  });

  test.each([
    [`/restate/attach/${INVOCATION}`, "attach", byId],
    [`/restate/output/${INVOCATION}`, "output", byId],
    [`/restate/invocation/${INVOCATION}/attach`, "attach", byId],
    [`/restate/invocation/${INVOCATION}/output`, "output", byId],
    ["/restate/invocation/Chat/say/i%2F1/attach", "attach", byKey(null)],
    ["/restate/invocation/Chat/say/i%2F1/output", "output", byKey(null)],
    ["/restate/invocation/Chat/room/say/i%2F1/attach", "attach", byKey("room")],
    ["/restate/invocation/Chat/room/say/i%2F1/output", "output", byKey("room")],
    ["/restate/workflow/Signup/a%2Fb/attach", "attach", byWorkflow],
    ["/restate/workflow/Signup/a%2Fb/output", "output", byWorkflow],
  ])("GET %s is %s", async (path, kind, ref) => {
    const { status, question } = await questionFor(path);
    expect(status).toBe(200);
    expect(question).toEqual({ kind, ref });
  });

  test.each([
    [{ target: "invocation", invocationId: INVOCATION }, byId],
    [{ target: "workflow", workflowName: "Signup", workflowKey: "a/b", scope: null }, byWorkflow],
    [
      { target: "idempotentInvocation", service: "Chat", handler: "say", idempotencyKey: "i/1" },
      byKey(null),
    ],
    [
      {
        target: "idempotentInvocation",
        service: "Chat",
        key: "room",
        handler: "say",
        idempotencyKey: "i/1",
      },
      byKey("room"),
    ],
  ])("a target in the body: %j", async (target, ref) => {
    const ingress = await startIngress();
    await post(ingress, "/restate/attach", JSON.stringify(target));
    await post(ingress, "/restate/output", JSON.stringify(target));
    expect(ingress.asked.map((it) => it.question)).toEqual([
      { kind: "attach", ref },
      { kind: "output", ref },
    ]);
  });

  test("lookup answers the id of what exists, whether it has ended or not", async () => {
    const target = JSON.stringify({ target: "invocation", invocationId: INVOCATION });
    const ended = await startIngress();
    expect((await post(ended, "/restate/lookup", target)).json()).toEqual({
      invocationId: INVOCATION,
    });
    const running = await startIngress({
      answer: () => ({
        kind: "refused",
        code: 470,
        message: "the invocation exists but has not completed yet",
        invocationId: INVOCATION,
        source: "ingress",
      }),
    });
    const answer = await post(running, "/restate/lookup", target);
    expect([answer.status, answer.json()]).toEqual([200, { invocationId: INVOCATION }]);
  });
});

describe("awakeables", () => {
  test.each(["awakeables", "a"])("/restate/%s resolves with the body's bytes", async (word) => {
    const body = Uint8Array.of(0, 255, 10);
    const { status, question } = await questionFor(`/restate/${word}/${AWAKEABLE}/resolve`, {
      body,
    });
    expect(status).toBe(202);
    expect(question).toEqual({
      kind: "complete-awakeable",
      awakeableId: AWAKEABLE,
      result: { ok: true, value: body },
    });
  });

  test.each(["awakeables", "a"])("/restate/%s rejects with the body as reason", async (word) => {
    const path = `/restate/${word}/${AWAKEABLE}/reject`;
    const { status, question } = await questionFor(path, { body: "no way ☂" });
    expect(status).toBe(202);
    expect(question).toEqual({
      kind: "complete-awakeable",
      awakeableId: AWAKEABLE,
      result: { ok: false, failure: { name: "TerminalError", message: "no way ☂", code: 500 } },
    });
  });
});

test("health names the services", async () => {
  const ingress = await startIngress({ kinds: { Chat: "object", Greeter: "service" } });
  const answer = await send(ingress, "/restate/health");
  expect([answer.status, answer.json()]).toEqual([200, { services: ["Chat", "Greeter"] }]);
});
