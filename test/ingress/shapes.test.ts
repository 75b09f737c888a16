import { describe, expect, test } from "vitest";
import type { Failure } from "../../protocol/failure.ts";
import type { Response } from "../../runtime/core/effect.ts";
import {
  ACCEPTED,
  AWAKEABLE,
  completed,
  DONE,
  INVOCATION,
  post,
  send,
  startIngress,
  type Answered,
} from "../support/scripted-core.ts";

/** A call that the machine answers like this. */
async function answered(response: Response, path = "/Greeter/greet"): Promise<Answered> {
  return await post(await startIngress({ answer: () => response }), path, "{}");
}

function failed(failure: Failure): Response {
  const result = { ok: false, failure } as const;
  return {
    kind: "completed",
    invocationId: INVOCATION,
    result,
    contentType: "",
    expiresAtMs: null,
  };
}

describe("what the machine answers", () => {
  test("a result: its bytes, its type, its id", async () => {
    const answer = await answered(completed('"Hello Ann!"'));
    expect([answer.status, answer.body]).toEqual([200, '"Hello Ann!"']);
    expect(answer.headers).toMatchObject({
      "content-type": "application/json",
      "content-length": "12",
      "x-restate-id": INVOCATION,
    });
    expect(answer.headers).not.toHaveProperty("idempotency-expires");
    expect(answer.headers).not.toHaveProperty("x-restate-error-source");
  });

  test("nothing: an empty body without a type", async () => {
    const answer = await answered(completed("", ""));
    expect([answer.status, answer.body]).toEqual([200, ""]);
    expect(answer.headers).not.toHaveProperty("content-type");
  });

  test("a type that no header can carry is not sent", async () => {
    const answer = await answered(completed("x", "text/☂\r\nx-evil: 1"));
    expect(answer.headers["content-type"]).toBe("application/octet-stream");
    expect(answer.headers).not.toHaveProperty("x-evil");
  });

  test("a result that is read back says when it expires", async () => {
    const expiresAtMs = Date.UTC(2026, 10, 23, 21, 45, 34, 658);
    const answer = await answered({ ...completed('"x"'), expiresAtMs } as Response);
    expect(answer.headers["idempotency-expires"]).toBe("2026-11-23T21:45:34.658+00:00");
  });

  test("a send", async () => {
    const answer = await answered(ACCEPTED, "/Greeter/greet/send");
    expect(answer.status).toBe(202);
    expect(answer.body).toBe(`{"invocationId":"${INVOCATION}","status":"Accepted"}`);
    expect(answer.headers["x-restate-id"]).toBe(INVOCATION);
  });

  test("a delayed send says when it starts", async () => {
    const executionTimeMs = Date.UTC(2026, 10, 22, 21, 45, 36, 556);
    const answer = await answered({ ...ACCEPTED, executionTimeMs } as Response, "/G/g/send");
    expect(answer.body).toBe(
      `{"invocationId":"${INVOCATION}","executionTime":"2026-11-22T21:45:36.556000000Z","status":"Accepted"}`,
    );
  });

  test("a send that was made before", async () => {
    const answer = await answered({ ...ACCEPTED, status: "PreviouslyAccepted" } as Response);
    expect(answer.json()).toEqual({ invocationId: INVOCATION, status: "PreviouslyAccepted" });
  });

  test.each<[string, Failure, number, unknown]>([
    ["a code", { name: "TerminalError", message: "bad thing", code: 422 }, 422, {}],
    ["no code", { name: "TerminalError", message: "plain", code: 500 }, 500, {}],
    [
      "metadata",
      { name: "TerminalError", message: "bad meta", code: 418, metadata: { foo: "bar" } },
      418,
      { metadata: { foo: "bar" } },
    ],
    ["a code that is no error in HTTP", { name: "E", message: "odd", code: 200 }, 500, {}],
    ["a code beyond HTTP", { name: "E", message: "odd", code: 70_000 }, 500, {}],
    [
      "a code that is no number",
      { name: "E", message: "odd", code: Number.NaN },
      500,
      { code: null },
    ],
  ])("a failure with %s", async (_, failure, status, more) => {
    const answer = await answered(failed(failure));
    expect(answer.status).toBe(status);
    expect(answer.json()).toEqual({
      code: failure.code,
      message: failure.message,
      source: "invocation",
      ...(more as object), // a literal above
    });
    expect(answer.headers).toMatchObject({
      "content-type": "application/json",
      "x-restate-id": INVOCATION,
      "x-restate-error-source": "invocation",
    });
  });

  test.each([
    [404, "service 'Nope' not found, make sure to register the service before calling it.", null],
    [400, "the invoked service is not public", null],
    [404, "invocation not found", null],
    [470, "the invocation exists but has not completed yet", INVOCATION],
  ])("a refusal with %i by the ingress", async (code, message, invocationId) => {
    const answer = await answered({
      kind: "refused",
      code,
      message,
      invocationId,
      source: "ingress",
    });
    expect([answer.status, answer.json()]).toEqual([code, { code, message, source: "ingress" }]);
    expect(answer.headers["x-restate-error-source"]).toBe("ingress");
    expect(answer.headers["x-restate-id"]).toBe(invocationId ?? undefined);
  });

  test.each([
    [429, "1"],
    [503, "5"],
    [422, undefined],
  ])("a refusal with %i says when to come again: %s", async (code, after) => {
    const message = "try again later";
    const source = "ingress";
    const answer = await answered({ kind: "refused", code, message, invocationId: null, source });
    expect([answer.status, answer.headers["retry-after"]]).toEqual([code, after]);
  });

  test("a failure of a handler with such a code is the handler's, and says nothing of the kind", async () => {
    const answer = await answered(failed({ name: "TerminalError", message: "busy", code: 429 }));
    expect([answer.status, answer.headers["retry-after"]]).toEqual([429, undefined]);
  });

  test("a workflow that was run before", async () => {
    const message = "the workflow method was already invoked";
    const source = "invocation";
    const refused = {
      kind: "refused",
      code: 409,
      message,
      invocationId: INVOCATION,
      source,
    } as const;
    const answer = await answered(refused);
    expect([answer.status, answer.json()]).toEqual([409, { code: 409, message, source }]);
    expect(answer.headers["x-restate-id"]).toBe(INVOCATION);
  });

  test("an awakeable that was completed: an empty 202", async () => {
    const ingress = await startIngress({ answer: () => DONE });
    const answer = await post(ingress, `/restate/a/${AWAKEABLE}/resolve`, '"x"');
    expect([answer.status, answer.body]).toEqual([202, ""]);
  });
});

describe("what the ingress refuses by itself, and the machine never hears of", () => {
  const badPath =
    "bad path, expected either /:service-name/:handler or /:object-name/:object-key/:handler";
  const refusals: [request: string, status: number, message: string | RegExp][] = [
    ["GET /", 400, badPath],
    ["GET //", 400, badPath],
    ["GET /Greeter", 400, badPath],
    ["POST /a/b/c/d", 400, badPath],
    ["POST /a/b/c/d/e/f/g/h", 400, badPath],
    ["GET /openapi", 400, badPath],
    ["GET /openapi/x", 404, /no OpenAPI/],
    ["GET /restate", 400, badPath],
    ["GET /restate/nothing/of/the/sort", 400, badPath],
    ["POST /restate/a/b/send", 400, badPath],
    ["GET /holdfast/x", 400, badPath],
    ["PUT /Greeter/greet", 405, "method not allowed"],
    ["DELETE /Greeter/greet/send", 405, "method not allowed"],
    ["OPTIONS /Greeter/greet", 405, "method not allowed"],
    ["POST /restate/health", 405, "method not allowed"],
    ["GET /restate/attach", 405, "method not allowed"],
    [`POST /restate/attach/${INVOCATION}`, 405, "method not allowed"],
    [`GET /restate/a/${AWAKEABLE}/resolve`, 405, "method not allowed"],
    ["POST /Greeter/greet?delay=2s", 400, /cannot use the delay query parameter with calls/],
    ["POST /restate/call/G/g?delay=2s", 400, /The delay is supported only with sends/],
    ["POST /G/g/send?delay=soon", 400, /bad delay query parameter, must be a ISO8601 duration/],
    ["POST /G/g/send?delay=500", 400, /500 has no unit; write it as ISO 8601/],
    ["POST /G/g/send?delay=", 400, /it is empty/],
    ["POST /G/g/send?delay=-PT2S", 400, /it is negative/],
    ["POST /G/g/send?delay=1s&delay=2s", 400, /more than once/],
    ["POST /G/g/send?delay=P2000000D", 400, /longer than 3162240000000 ms/],
    ["GET /restate/attach/inv_garbage", 400, /^bad invocation id 'inv_garbage': /],
    ["GET /restate/output/x", 400, /^bad invocation id 'x': /],
    ["POST /restate/a/sign_1garbage/resolve", 400, /^bad awakeable id 'sign_1garbage': /],
    ["POST /restate/scope/s/call/G/g", 400, /scoped invocations are not supported/],
    ["POST /G/g?limit-key=a", 400, /^limit-key requires a scope to be set/],
    ["POST /Counter//add", 400, "the key is empty; give one"],
    [
      `POST /Counter/${"k".repeat(513)}/add`,
      400,
      /the key has 513 bytes, the limit keyBytesMax is 512/,
    ],
    [`POST /Counter/${"%F0%9F%98%80".repeat(129)}/add`, 400, /the key has 516 bytes/],
    [
      `POST /${"S".repeat(129)}/add`,
      400,
      /service name has 129 bytes, the limit serviceNameBytesMax is 128/,
    ],
    [`POST /${"S".repeat(129)}/add/send`, 400, /service name has 129 bytes/],
    [`POST /S/${"h".repeat(129)}`, 400, /handler name has 129 bytes/],
    ["POST /Counter/%zz/add", 400, /percent-encoded UTF-8 without NUL/],
    ["POST /Counter/%/add", 400, /encodeURIComponent/],
    ["POST /Counter/%00/add", 400, /percent-encoded/],
    ["POST /Counter/%ff/add", 400, /percent-encoded/],
    ["POST /Counter/%ed%a0%80/add", 400, /percent-encoded/],
    ["POST /Counter/%c0%af/add", 400, /percent-encoded/],
  ];

  test.each(refusals)("%s is a %i", async (request, status, message) => {
    const [method = "", path = ""] = request.split(" ");
    const ingress = await startIngress({ kinds: { G: "service" } });
    const answer = await send(ingress, path, {
      method,
      ...(method === "POST" ? { body: "" } : {}),
    });
    expect(answer.status).toBe(status);
    expect(answer.json()).toEqual({
      code: status,
      message: typeof message === "string" ? message : expect.stringMatching(message),
      source: "ingress",
    });
    expect(answer.headers).toMatchObject({
      "content-type": "application/json",
      "x-restate-error-source": "ingress",
    });
    expect(ingress.asked).toEqual([]);
    expect(ingress.errors).toEqual([]);
  });

  test("a wrong method is told the right ones", async () => {
    const ingress = await startIngress();
    expect((await send(ingress, "/G/g", { method: "PUT" })).headers["allow"]).toBe("GET, POST");
    const head = await send(ingress, "/restate/health", { method: "HEAD" });
    expect([head.status, head.headers["allow"], head.body]).toEqual([405, "GET", ""]);
  });

  test.each([
    ["idempotency-key", "", /the idempotency key is empty/],
    [
      "idempotency-key",
      "k".repeat(257),
      /the idempotency key has 257 bytes, the limit idempotencyKeyBytesMax is 256/,
    ],
    ["idempotency-key", "caf\u00e9", /'idempotency-key' holds characters outside ASCII/],
    ["x-name", "caf\u00e9", /'x-name' holds characters outside ASCII; percent-encode/],
    ["x-restate-limit-key", "a/b", /^limit-key requires a scope/],
  ])("the header %s with %j is refused", async (name, value, message) => {
    const ingress = await startIngress();
    const answer = await post(ingress, "/G/g", "{}", { [name]: value });
    expect([answer.status, answer.json()]).toMatchObject([
      400,
      { code: 400, message: expect.stringMatching(message) },
    ]);
    expect(ingress.asked).toEqual([]);
  });

  test.each([
    ["", /Unexpected end of JSON input/],
    ["notjson", /bad target: /],
    ["[]", /not a JSON object/],
    ["null", /not a JSON object/],
    ["{}", /'target' is missing or not known/],
    ['{"target":"nope"}', /not known; expected \{"target":"invocation"/],
    ['{"target":"invocation"}', /'invocationId' is not a string/],
    ['{"target":"invocation","invocationId":7}', /'invocationId' is not a string/],
    ['{"target":"invocation","invocationId":"inv_x"}', /bad invocation id 'inv_x'/],
    ['{"target":"workflow","workflowName":"W","workflowKey":""}', /the workflow key is empty/],
    ['{"target":"workflow","workflowName":"W","workflowKey":"\\ud800"}', /surrogate/],
    ['{"target":"workflow","workflowName":"W","workflowKey":"a\\u0000"}', /NUL/],
    ['{"target":"workflow","workflowName":"W","workflowKey":"k","scope":"s"}', /scopes are not/],
    ['{"__proto__":{"target":"invocation"}}', /'target' is missing/],
    [`${"[".repeat(30_000)}${"]".repeat(30_000)}`, /not a JSON object|nested too deeply/],
    [`{"target":"workflow","workflowName":"W","workflowKey":"${"k".repeat(600)}"}`, /600 bytes/],
  ])("the target %s is refused", async (body, message) => {
    const ingress = await startIngress();
    for (const path of ["/restate/attach", "/restate/output", "/restate/lookup"]) {
      const answer = await post(ingress, path, body);
      expect(answer.status).toBe(400);
      expect(answer.json()).toMatchObject({ code: 400, message: expect.stringMatching(message) });
    }
    expect(ingress.asked).toEqual([]);
  });

  test("a reason that is not UTF-8 is refused", async () => {
    const ingress = await startIngress();
    const body = Uint8Array.of(0xff, 0xfe);
    const answer = await send(ingress, `/restate/a/${AWAKEABLE}/reject`, { body });
    expect([answer.status, ingress.asked]).toEqual([400, []]);
  });
});

describe("when there is no machine to ask", () => {
  test("before recovery is done: 503, retry", async () => {
    const ingress = await startIngress({ starting: true });
    const answer = await send(ingress, "/Greeter/greet");
    expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "1"]);
    expect(answer.json()).toMatchObject({ code: 503, source: "ingress" });
  });

  test("when it stops before it could answer: 503, and what to do", async () => {
    const ingress = await startIngress({ answer: () => Promise.reject(new Error("stopping")) });
    const answer = await send(ingress, "/Greeter/greet");
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ message: expect.stringContaining("idempotency-key") });
  });

  test("an error of our own is reported and told to nobody else", async () => {
    const ingress = await startIngress({
      answer: () => ({ kind: "controlled", applied: "now", effect: "" }),
    });
    const answer = await send(ingress, "/Greeter/greet");
    expect(answer.json()).toEqual({
      code: 500,
      message: "internal error; the log of the runtime says more",
      source: "ingress",
    });
    expect(ingress.errors).toHaveLength(1);
  });
});
