import { describe, expect, test } from "vitest";
import { CoreHarness, text } from "../support/core-harness.ts";

const counterKeys = (h: CoreHarness): (string | null)[] =>
  h.starts(1).map((it) => `${it.target.key}:${text(it.input)}`);

describe("exclusive handlers of a key", () => {
  test("a second call to the same key waits until the first ends", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("counter/a/add", { body: "1" });
    h.invoke("counter/a/add", { body: "2" });
    expect(counterKeys(h)).toEqual(["a:1"]);
    h.attempt(1).end("1");
    expect(counterKeys(h)).toEqual(["a:1", "a:2"]);
  });

  test("calls of a key start in the order in which they were accepted", () => {
    const h = new CoreHarness();
    h.connect(1);
    for (let i = 0; i < 20; i++) h.invoke("counter/a/add", { body: `${i}` });
    for (let i = 0; i < 20; i++) h.attempt(1).end("done");
    expect(counterKeys(h)).toEqual(Array.from({ length: 20 }, (_, i) => `a:${i}`));
  });

  test("another key does not wait", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("counter/a/add", { body: "1" });
    h.invoke("counter/b/add", { body: "2" });
    expect(counterKeys(h)).toEqual(["a:1", "b:2"]);
  });

  test("a shared handler runs beside the exclusive one", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("counter/a/add", { body: "1" });
    h.invoke("counter/a/read", { body: "2" });
    expect(counterKeys(h)).toEqual(["a:1", "a:2"]);
  });

  test("the key is held through a suspension, a back-off and a restart", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("counter/a/add", { body: "1" });
    h.invoke("counter/a/add", { body: "2" });
    const first = h.attempt(1);
    first.issue({ kind: "sleep", durationMs: 5_000, completionId: 1 });
    first.suspend();
    expect(counterKeys(h)).toEqual(["a:1"]);
    h.advance(5_000);
    h.attempt(1).fail("boom");
    expect(counterKeys(h)).toEqual(["a:1", "a:1"]);
    h.restart();
    h.connect(1);
    h.advance(10_000);
    expect(counterKeys(h)).toEqual(["a:1"]);
    h.attempt(1).end("done");
    expect(counterKeys(h)).toEqual(["a:1", "a:2"]);
  });

  test("a delayed send enters its key's inbox when it is due", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("counter/a/add", { body: "late", mode: "send", delayMs: 1_000 });
    h.invoke("counter/a/add", { body: "1" });
    h.advance(1_000);
    h.invoke("counter/a/add", { body: "2" });
    h.attempt(1).end("1");
    h.attempt(1).end("late");
    expect(counterKeys(h)).toEqual(["a:1", "a:late", "a:2"]);
  });

  test("what finished leaves no row behind once its retention is over", () => {
    const h = new CoreHarness({ journalRetentionMs: 1_000 });
    h.connect(1);
    const rowsBefore = [...h.tx.rows.keys()];
    for (let i = 0; i < 3; i++) h.invoke("counter/a/add", { body: `${i}`, mode: "send" });
    for (let i = 0; i < 3; i++) {
      const attempt = h.attempt(1);
      attempt.issue({ kind: "sleep", durationMs: 60_000, completionId: 1 });
      attempt.issue({ kind: "run", mode: "at-least-once", retry: null, completionId: 2 });
      attempt.issue({ kind: "awakeable", completionId: 3 });
      attempt.end("done");
    }
    h.advance(60_000);
    const left = [...h.tx.rows.keys()].filter((key) => !rowsBefore.includes(key));
    expect(left).toEqual(["n", "C"]);
  });
});

describe("capacity", () => {
  test("what finds no room waits in a row and starts when room appears", () => {
    const h = new CoreHarness();
    h.connect(1, { concurrency: 1 });
    h.invoke("greeter/greet", { body: "1" });
    h.invoke("greeter/greet", { body: "2" });
    h.invoke("greeter/greet", { body: "3" });
    expect(h.starts(1).map((it) => text(it.input))).toEqual(["1"]);
    expect(h.messages(1, "make-room").length).toBeGreaterThan(0);
    h.attempt(1).end("1");
    h.attempt(1).end("2");
    expect(h.starts(1).map((it) => text(it.input))).toEqual(["1", "2", "3"]);
  });

  test("a parent that waits for its child makes room for it by suspending", () => {
    const h = new CoreHarness();
    h.connect(1, { concurrency: 1 });
    h.invoke("greeter/greet", { body: "parent" });
    const parent = h.attempt(1);
    parent.issue({
      kind: "call",
      target: { service: "counter", key: "a", handler: "add" },
      parameter: new Uint8Array(0),
      headers: [],
      idempotencyKey: null,
      completionId: 1,
    });
    parent.suspend();
    expect(h.starts(1).map((it) => it.target.service)).toEqual(["greeter", "counter"]);
    h.attempt(1).end("7");
    const resumed = h.attempt(1);
    expect(resumed.start.target.service).toBe("greeter");
    expect(resumed.start.deliveryCount).toBe(1);
  });

  test("two workers of one version share the work", () => {
    const h = new CoreHarness();
    h.connect(1, { concurrency: 2 });
    h.connect(2, { concurrency: 2 });
    for (let i = 0; i < 4; i++) h.invoke("greeter/greet");
    expect([h.starts(1).length, h.starts(2).length]).toEqual([2, 2]);
  });

  test("a draining worker gets nothing new", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.apply({ kind: "worker-drain", connection: 1, ordinal: 2 });
    h.invoke("greeter/greet");
    expect(h.starts(1)).toEqual([]);
    h.connect(2);
    expect(h.starts(2).length).toBe(1);
  });
});
