import { describe, expect, test } from "vitest";
import { formatAwakeableId, parseInvocationId } from "../../protocol/ids.ts";
import { bytes, CoreHarness, handler, serviceOf, text } from "../support/core-harness.ts";

describe("what is asked from outside", () => {
  test("a call is answered with what the handler returned", () => {
    const h = new CoreHarness();
    h.connect(1);
    const request = h.invoke("greeter/greet", { body: '"Ann"' });
    expect(h.responses.get(request)).toBeUndefined();
    h.attempt(1).end('"Hello Ann"');
    const response = h.responses.get(request);
    expect(response).toMatchObject({
      kind: "completed",
      contentType: "application/json",
      expiresAtMs: null,
    });
    expect(
      response?.kind === "completed" && response.result.ok && text(response.result.value),
    ).toBe('"Hello Ann"');
  });

  test("a send is answered when it is accepted, with its time when it is delayed", () => {
    const h = new CoreHarness();
    h.connect(1);
    const now = h.invoke("greeter/greet", { mode: "send" });
    const later = h.invoke("greeter/greet", { mode: "send", delayMs: 5_000 });
    expect(h.responses.get(now)).toMatchObject({ status: "Accepted", executionTimeMs: null });
    expect(h.responses.get(later)).toMatchObject({
      status: "Accepted",
      executionTimeMs: h.nowMs + 5_000,
    });
    expect(h.starts(1).length).toBe(1);
    h.advance(5_000);
    expect(h.starts(1).length).toBe(2);
  });

  test.each([
    ["nobody/greet", {}, 404, "service 'nobody' not found"],
    ["greeter/shout", {}, 404, "the handler 'shout' was not found"],
    ["greeter/key/greet", {}, 400, "'greeter' is a service: call it at /greeter/greet"],
    ["counter/add", {}, 400, "'counter' is an object: call it at /counter/{key}/add"],
    ["signup/k/run", { idempotencyKey: "x" }, 400, "cannot use the idempotency key with workflow"],
    [
      "greeter/greet",
      { body: "x", headers: [["content-type", "text/plain"]] as const },
      400,
      "does not match",
    ],
    ["greeter/greet", { body: "x".repeat(101) }, 413, "the limit payloadBytesMax is 100"],
    [`counter/${"k".repeat(513)}/add`, {}, 400, "the key has 513 bytes"],
    [
      "greeter/greet",
      { idempotencyKey: "i".repeat(257) },
      400,
      "the idempotency key has 257 bytes",
    ],
  ])("%s %j is refused with %i", (path, options, code, message) => {
    const h = new CoreHarness({ payloadBytesMax: 100 });
    h.connect(1);
    const rows = h.tx.rows.size;
    const request = h.invoke(path, options);
    expect(h.responses.get(request)).toMatchObject({ kind: "refused", code, source: "ingress" });
    expect((h.responses.get(request) as { message: string }).message).toContain(message);
    expect(h.tx.rows.size).toBe(rows);
  });

  test("a private handler is refused from outside and open to other handlers", () => {
    const h = new CoreHarness();
    const secret = handler("secret", "stateless", { ingressPrivate: true });
    h.connect(1, {
      services: [serviceOf("greeter", "service", [handler("greet", "stateless"), secret])],
    });
    const request = h.invoke("greeter/secret");
    expect(h.responses.get(request)).toMatchObject({
      code: 400,
      message: "the invoked service is not public",
    });
    h.invoke("greeter/greet");
    const target = { service: "greeter", key: null, handler: "secret" };
    h.attempt(1).issue({
      kind: "send",
      target,
      parameter: bytes(""),
      headers: [],
      idempotencyKey: null,
      delayMs: 0,
    });
    expect(h.starts(1).at(-1)?.target.handler).toBe("secret");
  });

  test("known services accept and wait while no worker is connected", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.lose(1);
    h.restart();
    const request = h.invoke("greeter/greet", { body: "1" });
    expect(h.responses.get(request)).toBeUndefined();
    h.connect(2);
    h.attempt(2).end("hi");
    expect(h.responses.get(request)).toMatchObject({ kind: "completed" });
  });
});

describe("idempotency keys", () => {
  test("the same key names the same invocation, running and ended", () => {
    const h = new CoreHarness();
    h.connect(1);
    const first = h.invoke("counter/a/add", { body: "1", idempotencyKey: "k" });
    const second = h.invoke("counter/a/add", { body: "1", idempotencyKey: "k" });
    expect(h.starts(1).length).toBe(1);
    h.attempt(1).end("1");
    expect(h.admittedId(second)).toBe(h.admittedId(first));
    const third = h.invoke("counter/a/add", { body: "1", idempotencyKey: "k" });
    expect(h.admittedId(third)).toBe(h.admittedId(first));
    expect(h.responses.get(third)).toMatchObject({
      expiresAtMs: h.nowMs + h.limits.idempotencyRetentionMs,
    });
    const sent = h.invoke("counter/a/add", { body: "1", idempotencyKey: "k", mode: "send" });
    expect(h.responses.get(sent)).toMatchObject({ status: "PreviouslyAccepted" });
    expect(h.starts(1).length).toBe(1);
  });

  test("the same key with another payload is 422", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("counter/a/add", { body: "1", idempotencyKey: "k" });
    const other = h.invoke("counter/a/add", { body: "2", idempotencyKey: "k" });
    expect(h.responses.get(other)).toMatchObject({ kind: "refused", code: 422 });
  });

  test("a key counts per target", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("counter/a/add", { body: "1", idempotencyKey: "k" });
    h.invoke("counter/b/add", { body: "1", idempotencyKey: "k" });
    expect(h.starts(1).length).toBe(2);
  });

  test("after its retention a key is free again", () => {
    const h = new CoreHarness({ idempotencyRetentionMs: 1_000 });
    h.connect(1);
    h.invoke("counter/a/add", { body: "1", idempotencyKey: "k" });
    h.attempt(1).end("1");
    h.advance(1_001);
    h.invoke("counter/a/add", { body: "2", idempotencyKey: "k" });
    expect(h.starts(1).length).toBe(2);
  });
});

describe("workflows", () => {
  test("run happens once per key: a send finds it, a call is 409", () => {
    const h = new CoreHarness();
    h.connect(1);
    const first = h.invoke("signup/ann/run", { mode: "send" });
    const again = h.invoke("signup/ann/run", { mode: "send" });
    expect(h.responses.get(again)).toMatchObject({
      status: "PreviouslyAccepted",
      invocationId: h.admittedId(first),
    });
    const call = h.invoke("signup/ann/run");
    const conflict = {
      code: 409,
      message: "the workflow method was already invoked",
      source: "invocation",
    };
    expect(h.responses.get(call)).toMatchObject(conflict);
    expect(h.starts(1).length).toBe(1);
  });

  test("a promise is completed once, by whoever comes first, and wakes who waits", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("signup/ann/run");
    const run = h.attempt(1);
    run.issue({ kind: "get-promise", promise: "confirmed", completionId: 1 });
    h.invoke("signup/ann/confirm");
    const confirm = h.attempt(1);
    confirm.issue({ kind: "peek-promise", promise: "confirmed", completionId: 1 });
    const yes = { ok: true, value: bytes("1") } as const;
    confirm.issue({ kind: "complete-promise", promise: "confirmed", result: yes, completionId: 2 });
    confirm.issue({ kind: "complete-promise", promise: "confirmed", result: yes, completionId: 3 });
    confirm.issue({ kind: "peek-promise", promise: "confirmed", completionId: 4 });
    expect(confirm.deliveries().map((it) => it.kind === "completion" && it.result.kind)).toEqual([
      "void",
      "void",
      "failure",
      "value",
    ]);
    expect(run.deliveries()).toEqual([
      { kind: "completion", completionId: 1, result: { kind: "value", value: bytes("1") } },
    ]);
  });
});

describe("attach and output", () => {
  test("output says not ready, then the outcome; attach waits", () => {
    const h = new CoreHarness();
    h.connect(1);
    const sent = h.invoke("greeter/greet", { mode: "send" });
    const invocationId = h.admittedId(sent);
    const ref = { kind: "id", invocationId } as const;
    expect(h.ask((request) => ({ kind: "output", request, ref }))).toMatchObject({
      code: 470,
      invocationId,
    });
    expect(h.ask((request) => ({ kind: "attach", request, ref }))).toBeUndefined();
    h.attempt(1).end("hi");
    expect(h.responses.get(3)).toMatchObject({ kind: "completed" });
    expect(h.ask((request) => ({ kind: "output", request, ref }))).toMatchObject({
      kind: "completed",
    });
  });

  test("an id that was made up is 404", () => {
    const h = new CoreHarness();
    h.connect(1);
    const invocationId = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
    const madeUp = (invocationId.slice(0, -1) +
      (invocationId.endsWith("0") ? "1" : "0")) as typeof invocationId;
    const ref = { kind: "id", invocationId: madeUp } as const;
    expect(h.ask((request) => ({ kind: "output", request, ref }))).toMatchObject({ code: 404 });
  });

  test("a client that went away is not answered", () => {
    const h = new CoreHarness();
    h.connect(1);
    const request = h.invoke("greeter/greet");
    h.apply({ kind: "forget-request", request });
    h.attempt(1).end("hi");
    expect(h.responses.get(request)).toBeUndefined();
  });

  test.each([0, 1, 2])(
    "of three that wait for one outcome, number %i goes away: the others are answered",
    (gone) => {
      const h = new CoreHarness();
      h.connect(1);
      const invocationId = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
      const ref = { kind: "id", invocationId } as const;
      const requests: number[] = [];
      for (let i = 0; i < 3; i++) {
        h.ask((request) => {
          requests.push(request);
          return { kind: "attach", request, ref };
        });
      }
      h.apply({ kind: "forget-request", request: requests[gone] ?? 0 });
      h.attempt(1).end("hi");
      const answered = requests.map((request) => h.responses.has(request));
      expect(answered).toEqual([0, 1, 2].map((at) => at !== gone));
    },
  );
});

describe("awakeables", () => {
  test("the first completion wins, also before it is awaited; an id of something else completes nothing", () => {
    const h = new CoreHarness();
    h.connect(1);
    const sent = h.invoke("greeter/greet", { mode: "send" });
    const attempt = h.attempt(1);
    attempt.issue({ kind: "sleep", durationMs: 1_000, completionId: 1 });
    attempt.issue({ kind: "awakeable", completionId: 2 });
    const invocation = parseInvocationId(h.admittedId(sent));
    if (invocation === undefined) throw new Error("an id that was given out parses");
    const complete = (completionId: number, value: string) =>
      h.ask((request) => ({
        kind: "complete-awakeable",
        request,
        awakeableId: formatAwakeableId({ invocation, completionId }),
        result: { ok: true, value: bytes(value) },
      }));
    expect(complete(1, "not yours")).toEqual({ kind: "done" });
    expect(attempt.deliveries()).toEqual([]);
    expect(complete(2, "first")).toEqual({ kind: "done" });
    expect(complete(2, "second")).toEqual({ kind: "done" });
    expect(attempt.deliveries()).toEqual([
      { kind: "completion", completionId: 2, result: { kind: "value", value: bytes("first") } },
    ]);
  });

  /**
   * Found by the simulation. The id of an awakeable is known to user code before its command is
   * accepted. A completion that came in between was answered with "done", and was lost: the handler
   * waited for ever for what a client had been told was taken.
   */
  test("one that has not been asked for yet is unknown, and is taken once it has", () => {
    const h = new CoreHarness();
    h.connect(1);
    const sent = h.invoke("greeter/greet", { mode: "send" });
    const invocation = parseInvocationId(h.admittedId(sent));
    if (invocation === undefined) throw new Error("an id that was given out parses");
    const awakeableId = formatAwakeableId({ invocation, completionId: 1 });
    const complete = () =>
      h.ask((request) => ({
        kind: "complete-awakeable",
        request,
        awakeableId,
        result: { ok: true, value: bytes("yes") },
      }));
    expect(complete()).toMatchObject({ kind: "refused", code: 404 });
    const attempt = h.attempt(1);
    attempt.issue({ kind: "awakeable", completionId: 1 });
    expect(complete()).toEqual({ kind: "done" });
    expect(attempt.deliveries()).toHaveLength(1);
  });
});
