/** Pause and resume of a key and of a service; and of an invocation that is moved to other code. */
import { describe, expect, test } from "vitest";
import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import { loadInvocation } from "../../runtime/admin/summary.ts";
import { PAUSED_KEYS_MAX } from "../../runtime/core/pauses.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { CoreHarness, handler, serviceOf } from "../support/core-harness.ts";
import { SortedTx } from "../support/sorted-tx.ts";

const send = (h: CoreHarness, path: string): InvocationId =>
  h.admittedId(h.invoke(path, { mode: "send" }));
const key = (h: CoreHarness, kind: "pause-key" | "resume-key", name = "a", service = "counter") =>
  h.ask((request) => ({ kind, request, service, key: name }));
const service = (h: CoreHarness, kind: "pause-service" | "resume-service", name = "counter") =>
  h.ask((request) => ({ kind, request, service: name }));
const startedKeys = (h: CoreHarness, connection = 1) =>
  h.starts(connection).map((it) => it.target.key);
const recordOf = (h: CoreHarness, id: InvocationId) =>
  loadInvocation(h.tx, parseInvocationId(id)?.sequence ?? 0);

describe("while a key is paused", () => {
  test("what runs is stopped, what comes is accepted, and nothing of it starts", () => {
    const h = new CoreHarness();
    h.connect(1);
    const running = send(h, "counter/a/add");
    const attempt = h.attempt(1);
    expect(key(h, "pause-key")).toMatchObject({ kind: "controlled", applied: "now" });
    expect(attempt.aborts().map((it) => it.reason)).toEqual(["key a of counter is paused"]);
    attempt.end("zombie");
    send(h, "counter/a/add");
    send(h, "counter/a/read");
    send(h, "counter/b/add");
    h.connect(2);
    expect(startedKeys(h)).toEqual(["a", "b"]);
    expect(recordOf(h, running)).toMatchObject({ status: "ready", parked: true, failures: 0 });
    key(h, "resume-key");
    const after = [...h.starts(1).slice(2), ...h.starts(2)].map((it) => it.target);
    expect(after.map((it) => `${String(it.key)}/${it.handler}`).sort()).toEqual([
      "a/add",
      "a/read",
    ]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("timers and completions go on being recorded", () => {
    const h = new CoreHarness();
    h.connect(1);
    send(h, "counter/a/add");
    h.attempt(1).issue({ kind: "sleep", durationMs: 1_000, completionId: 1 });
    key(h, "pause-key");
    h.advance(5_000);
    key(h, "resume-key");
    expect(h.attempt(1).start).toMatchObject({ commandCount: 1, deliveryCount: 1 });
  });

  test("a restart changes nothing about it", () => {
    const h = new CoreHarness();
    h.connect(1);
    send(h, "counter/a/add");
    key(h, "pause-key");
    h.restart();
    h.connect(1);
    expect(h.starts(1)).toEqual([]);
    expect(key(h, "pause-key")).toMatchObject({ effect: expect.stringMatching(/paused already$/) });
    key(h, "resume-key");
    expect(startedKeys(h)).toEqual(["a"]);
    expect([...h.tx.rows.keys()].filter((it) => /^[zx]/.test(it))).toEqual([]);
  });

  test("what stood in a queue as it was paused stands in nobody's way", () => {
    const h = new CoreHarness({}, { tx: new SortedTx() });
    h.connect(1);
    h.lose(1);
    for (let i = 0; i < 1_000; i++) send(h, "counter/a/read");
    key(h, "pause-key");
    send(h, "counter/b/read");
    h.connect(2, { concurrency: 1 });
    h.advance(0);
    expect(startedKeys(h, 2)).toEqual(["b"]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });
});

test("a key with a thousand that wait is let go in bounded steps, through a crash and another pause", () => {
  const h = new CoreHarness({}, { tx: new SortedTx() });
  h.connect(1, { concurrency: 2_000 });
  key(h, "pause-key");
  for (let i = 0; i < 1_000; i++) send(h, "counter/a/read");
  expect(h.starts(1)).toEqual([]);
  key(h, "resume-key");
  expect(h.starts(1).length).toBe(256);
  h.restart();
  h.connect(1, { concurrency: 2_000 });
  expect(h.starts(1).length).toBe(256);
  h.apply({ kind: "timers-due" });
  expect(h.starts(1).length).toBe(512);
  key(h, "pause-key");
  h.advance(0);
  expect(h.starts(1).length).toBe(512);
  expect(h.messages(1, "abort").length).toBe(512);
  key(h, "resume-key");
  h.advance(0);
  expect(h.starts(1).length).toBe(512 + 1_000);
  expect([...h.tx.rows.keys()].filter((it) => /^[zx]/.test(it))).toEqual([]);
  expect(brokenReferences(h.tx)).toEqual([]);
});

test("more keys than memory is to hold cannot be paused", () => {
  const h = new CoreHarness({}, { tx: new SortedTx() });
  h.connect(1);
  for (let i = 0; i < PAUSED_KEYS_MAX; i++) key(h, "pause-key", `k${i}`);
  expect(key(h, "pause-key", "one more")).toMatchObject({ kind: "refused", code: 429 });
  key(h, "resume-key", "k0");
  expect(key(h, "pause-key", "one more")).toMatchObject({ kind: "controlled" });
  h.restart();
  expect(key(h, "pause-key", "and another")).toMatchObject({ kind: "refused", code: 429 });
});

describe("while a service is paused", () => {
  test("nothing of it runs or starts, others do, also after a restart", () => {
    const h = new CoreHarness();
    h.connect(1);
    send(h, "counter/a/add");
    expect(service(h, "pause-service")).toMatchObject({ kind: "controlled", applied: "now" });
    expect(h.attempt(1).aborts().length).toBe(1);
    send(h, "counter/b/add");
    h.restart();
    h.connect(1);
    send(h, "greeter/greet");
    expect(h.starts(1).map((it) => it.target.service)).toEqual(["greeter"]);
    service(h, "resume-service");
    expect(startedKeys(h)).toEqual([null, "a", "b"]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("a key of it that is resumed still waits for the service", () => {
    const h = new CoreHarness();
    h.connect(1);
    key(h, "pause-key");
    service(h, "pause-service");
    send(h, "counter/a/add");
    key(h, "resume-key");
    expect(h.starts(1)).toEqual([]);
    service(h, "resume-service");
    expect(startedKeys(h)).toEqual(["a"]);
  });
});

describe("what is held by a pause", () => {
  test.each(["key", "service"] as const)("of its %s and has started is told so", (what) => {
    const h = new CoreHarness();
    h.connect(1);
    const id = send(h, "counter/a/add");
    if (what === "key") key(h, "pause-key");
    else service(h, "pause-service");
    const answer = h.ask((request) => ({ kind: "cancel", request, invocationId: id }));
    const named = what === "key" ? "the key a of counter" : "the service counter";
    expect(answer).toMatchObject({
      applied: "appended",
      effect: `it was ready: its handler sees the cancellation when ${named} is resumed, and may compensate; kill ends it now; the calls it waits for are cancelled`,
    });
    if (what === "key") key(h, "resume-key");
    else service(h, "resume-service");
    expect(h.messages(1, "replay").at(-1)?.entries).toEqual([
      { kind: "delivery", delivery: { kind: "cancellation" } },
    ]);
  });
});

test("what is not there cannot be paused, what is not paused cannot be resumed", () => {
  const h = new CoreHarness();
  h.connect(1);
  expect(key(h, "pause-key", "a", "nope")).toMatchObject({ kind: "refused", code: 404 });
  expect(key(h, "pause-key", "a", "greeter")).toMatchObject({ kind: "refused", code: 400 });
  expect(key(h, "resume-key")).toMatchObject({ kind: "refused", code: 409 });
  expect(service(h, "pause-service", "nope")).toMatchObject({ kind: "refused", code: 404 });
  expect(service(h, "resume-service")).toMatchObject({ kind: "refused", code: 409 });
});

describe("an invocation whose code was mended under another version", () => {
  const resume = (h: CoreHarness, invocationId: InvocationId, deployment: string) =>
    h.ask((request) => ({ kind: "resume", request, invocationId, deployment }));

  /** Started on v1, paused, and a worker of v2 is there. */
  function pausedOn1(): { h: CoreHarness; id: InvocationId } {
    const h = new CoreHarness();
    h.connect(1, { version: "v1" });
    const id = send(h, "counter/a/add");
    h.ask((request) => ({ kind: "pause", request, invocationId: id }));
    h.connect(2, { version: "v2" });
    return { h, id };
  }

  test.each(["latest", "v2"])("goes on there when it is resumed on %s", (deployment) => {
    const { h, id } = pausedOn1();
    expect(resume(h, id, deployment)).toMatchObject({ kind: "controlled" });
    expect(h.starts(2).map((it) => it.invocationId)).toEqual([id]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("stays where it was when nothing, or keep, is said", () => {
    const { h, id } = pausedOn1();
    resume(h, id, "keep");
    expect(h.starts(2)).toEqual([]);
    expect(h.starts(1).length).toBe(2);
  });

  test("is not moved to what does not exist or does not serve its handler", () => {
    const { h, id } = pausedOn1();
    const services = [serviceOf("counter", "object", [handler("other", "exclusive")])];
    h.connect(3, { version: "v3", services });
    expect(resume(h, id, "nowhere")).toMatchObject({ kind: "refused", code: 400 });
    expect(resume(h, id, "v3")).toMatchObject({ kind: "refused", code: 400 });
    expect(recordOf(h, id)).toMatchObject({ status: "paused", deployment: "v1" });
  });

  test("is moved while it is suspended, backs off or waits for a worker that is gone", () => {
    const h = new CoreHarness();
    h.connect(1, { version: "v1" });
    const suspended = send(h, "counter/a/add");
    h.attempt(1).issue({ kind: "sleep", durationMs: 1_000, completionId: 1 });
    h.attempt(1).suspend();
    const backingOff = send(h, "counter/b/add");
    h.attempt(1).fail("boom");
    const ready = send(h, "counter/c/add");
    h.lose(1);
    h.connect(2, { version: "v2" });
    for (const id of [suspended, backingOff, ready]) {
      expect(resume(h, id, "latest")).toMatchObject({ kind: "controlled" });
    }
    expect(h.starts(2).map((it) => it.invocationId)).toEqual([backingOff, ready]);
    h.advance(1_000);
    expect(h.starts(2).at(-1)?.invocationId).toBe(suspended);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("is not moved while it runs", () => {
    const h = new CoreHarness();
    h.connect(1, { version: "v1" });
    const id = send(h, "counter/a/add");
    expect(resume(h, id, "latest")).toMatchObject({ kind: "refused", code: 409 });
  });
});

test("a pause says that it was asked for; a resume forgets why, and what had failed", () => {
  const h = new CoreHarness();
  h.connect(1);
  const id = send(h, "counter/a/add");
  h.attempt(1).fail("boom");
  h.ask((request) => ({ kind: "pause", request, invocationId: id }));
  expect(recordOf(h, id)).toMatchObject({ pauseReason: "asked", failures: 1 });
  h.ask((request) => ({ kind: "resume", request, invocationId: id }));
  expect(recordOf(h, id)).toMatchObject({ pauseReason: null, failures: 0, failingSinceMs: null });
});
