import { describe, expect, test } from "vitest";
import { bytes, CoreHarness } from "../support/core-harness.ts";
import type { InvocationId } from "../../protocol/ids.ts";

const callOf = (key: string, completionId: number) =>
  ({
    kind: "call",
    target: { service: "counter", key, handler: "add" },
    parameter: bytes(""),
    headers: [],
    idempotencyKey: null,
    completionId,
  }) as const;

function control(h: CoreHarness, kind: "cancel" | "kill", invocationId: InvocationId) {
  return h.ask((request) => ({ kind, request, invocationId }));
}

const timersOf = (h: CoreHarness) => [...h.tx.rows.keys()].filter((it) => it.startsWith("t"));

function outcome(h: CoreHarness, invocationId: InvocationId) {
  const ref = { kind: "id", invocationId } as const;
  return h.ask((request) => ({ kind: "output", request, ref }));
}

/** Brings an invocation of counter/a into a status, and gives its id. */
const INTO: Readonly<Record<string, (h: CoreHarness) => InvocationId>> = {
  scheduled: (h) => h.admittedId(h.invoke("counter/a/add", { mode: "send", delayMs: 1_000 })),
  inboxed: (h) => {
    h.invoke("counter/a/add", { mode: "send" });
    return h.admittedId(h.invoke("counter/a/add", { mode: "send" }));
  },
  ready: (h) => {
    h.lose(1);
    return h.admittedId(h.invoke("counter/a/add", { mode: "send" }));
  },
  running: (h) => h.admittedId(h.invoke("counter/a/add", { mode: "send" })),
  suspended: (h) => {
    const id = h.admittedId(h.invoke("counter/a/add", { mode: "send" }));
    const attempt = h.attempt(1);
    attempt.issue({ kind: "awakeable", completionId: 1 });
    attempt.suspend();
    return id;
  },
  "backing-off": (h) => {
    const id = h.admittedId(h.invoke("counter/a/add", { mode: "send" }));
    h.attempt(1).fail("boom");
    return id;
  },
};

describe.each(Object.keys(INTO))("what is %s", (status) => {
  test("ends when killed; its key is free and nothing of it stays armed", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = INTO[status]!(h);
    expect(control(h, "kill", id)).toMatchObject({ kind: "controlled", applied: "now" });
    expect(outcome(h, id)).toMatchObject({
      result: { ok: false, failure: { message: "killed", code: 409 } },
    });
    expect(control(h, "kill", id)).toMatchObject({ kind: "refused", code: 409 });
    if (status === "inboxed") h.attempt(1, 0).end("first");
    h.connect(2);
    const next = h.invoke("counter/a/add", { body: "next" });
    const connection = h.starts(2).length > 0 ? 2 : 1;
    h.attempt(connection).end("done");
    expect(h.responses.get(next)).toMatchObject({ kind: "completed" });
    h.advance(5_000);
    const armed = [...h.tx.rows.keys()].filter((key) => /^[kqRa]/.test(key));
    expect(armed).toEqual([]);
  });

  test("takes a cancellation: it ends if it never started, else its code is told", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = INTO[status]!(h);
    const answer = control(h, "cancel", id);
    if (["scheduled", "inboxed", "ready"].includes(status)) {
      expect(answer).toMatchObject({ applied: "now" });
      expect(outcome(h, id)).toMatchObject({
        result: { failure: { message: "Cancelled", code: 409 } },
      });
      return;
    }
    expect(answer).toMatchObject({ applied: "appended" });
    const seen = [
      ...h.messages(1, "deliver").map((it) => it.delivery.kind),
      ...h
        .messages(1, "replay")
        .flatMap((it) => it.entries.map((e) => e.kind === "delivery" && e.delivery.kind)),
    ];
    expect(seen).toContain("cancellation");
  });
});

describe("a cancellation", () => {
  test("cancels the calls that wait, and leaves sends alone", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
    const parent = h.attempt(1);
    parent.issue(callOf("called", 1));
    parent.issue({
      kind: "send",
      target: { service: "counter", key: "sent", handler: "add" },
      parameter: bytes(""),
      headers: [],
      idempotencyKey: null,
      delayMs: 0,
    });
    control(h, "cancel", id);
    h.advance(0);
    const cancelled = h.messages(1, "deliver").filter((it) => it.delivery.kind === "cancellation");
    const handles = h.starts(1).map((it) => [it.target.key, it.attempt] as const);
    expect(cancelled.map((it) => handles.find(([, handle]) => handle === it.attempt)?.[0])).toEqual(
      [null, "called"],
    );
  });

  test("covers what was issued before it was seen: no child, no go, also on replay", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
    const attempt = h.attempt(1);
    control(h, "cancel", id);
    attempt.issue(callOf("late", 1), { after: 0 });
    attempt.issue(
      { kind: "run", mode: "at-least-once", retry: null, completionId: 2 },
      { after: 0 },
    );
    expect(h.starts(1).length).toBe(1);
    expect(attempt.gos()).toEqual([]);
    h.restart();
    h.connect(1);
    expect(h.attempt(1).gos()).toEqual([]);
    const after = h.attempt(1);
    after.issue({ kind: "run", mode: "at-least-once", retry: null, completionId: 3 }, { after: 1 });
    expect(after.gos().length).toBe(1);
  });

  test("gives a run that backs off no further go", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
    const attempt = h.attempt(1);
    const command = attempt.issue({
      kind: "run",
      mode: "at-least-once",
      retry: null,
      completionId: 1,
    });
    const failure = { name: "Error", message: "boom", code: 500 };
    h.say(1, {
      kind: "run-failed",
      attempt: attempt.handle,
      command,
      try: 1,
      failure,
      retryAfterMs: null,
    });
    control(h, "cancel", id);
    h.advance(60_000);
    expect(attempt.gos().length).toBe(1);
  });

  test("can come again while the handler compensates", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
    control(h, "cancel", id);
    h.attempt(1).issue({ kind: "sleep", durationMs: 1_000, completionId: 1 });
    control(h, "cancel", id);
    const kinds = h.attempt(1).deliveries().map((it) => it.kind); // prettier-ignore
    expect(kinds).toEqual(["cancellation", "cancellation"]);
    expect(timersOf(h)).toEqual([]);
  });

  test("that comes again before the code has asked for anything is the same one", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
    h.attempt(1).issue({ kind: "sleep", durationMs: 1_000, completionId: 1 });
    control(h, "cancel", id);
    expect(control(h, "cancel", id)).toMatchObject({
      applied: "appended",
      effect: "it is cancelled already, and its code has asked for nothing since; kill ends it now",
    });
    expect(h.attempt(1).deliveries().length).toBe(1);
    // But it always wakes: what backs off with it, what is paused with it, is told at once.
    for (const into of ["backing-off", "paused"]) {
      if (into === "paused") h.ask((request) => ({ kind: "pause", request, invocationId: id }));
      else h.attempt(1).fail("boom");
      expect(control(h, "cancel", id)).toMatchObject({
        effect: expect.stringMatching(`it was ${into}: its handler sees the cancellation`),
      });
      expect(h.attempt(1).start.deliveryCount).toBe(1);
    }
    expect([h.starts(1).length, timersOf(h)]).toEqual([3, []]);
    h.lose(1);
    control(h, "cancel", id);
    h.restart();
    h.connect(2);
    expect(h.attempt(2).start.deliveryCount).toBe(1);
  });

  /** Each one appended a delivery, and nobody looked at the limit. */
  test("adds one entry to a full journal at most, however often it comes", () => {
    const h = new CoreHarness({ journalEntriesMax: 10 });
    h.connect(1);
    const id = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
    let attempt = h.attempt(1);
    for (let i = 1; i <= 100; i++) {
      // Code that will not stop; at the end each of its attempts fails, since the journal is full.
      if (attempt.handle !== h.attempt(1).handle) attempt = h.attempt(1);
      attempt.issue({ kind: "awakeable", completionId: i });
      control(h, "cancel", id);
      control(h, "cancel", id);
    }
    expect(h.starts(1).length).toBeGreaterThan(50);
    const { commandCount, deliveryCount } = h.attempt(1).start;
    expect(commandCount + deliveryCount).toBe(10);
    expect(control(h, "kill", id)).toMatchObject({ applied: "now" });
  });
});

describe("a pause", () => {
  test.each(Object.keys(INTO))(
    "takes effect on what is %s, and a resume lets it go on",
    (status) => {
      const h = new CoreHarness();
      h.connect(1);
      const id = INTO[status]!(h);
      h.ask((request) => ({ kind: "pause", request, invocationId: id }));
      if (status === "inboxed") h.attempt(1, 0).end("first");
      h.connect(2);
      h.advance(10_000);
      const startedBefore = h.starts(1).length + h.starts(2).length;
      const behind = h.invoke("counter/a/add", { body: "behind" });
      expect(h.starts(1).length + h.starts(2).length).toBe(startedBefore);
      const resumed = h.ask((request) => ({ kind: "resume", request, invocationId: id }));
      expect(resumed).toMatchObject({ kind: "controlled", applied: "now" });
      const last = [1, 2]
        .map((c) => [c, h.starts(c).at(-1)] as const)
        .find(([, it]) => it?.invocationId === id);
      expect(last).toBeDefined();
      h.attempt(last![0]).end("done");
      expect(outcome(h, id)).toMatchObject({ kind: "completed", result: { ok: true } });
      expect(h.responses.get(behind)).toBeUndefined();
      expect(h.starts(1).length + h.starts(2).length).toBe(startedBefore + 2);
    },
  );

  test("keeps what comes meanwhile for the replay", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = h.admittedId(h.invoke("counter/a/add", { mode: "send" }));
    h.attempt(1).issue({ kind: "sleep", durationMs: 1_000, completionId: 1 });
    h.ask((request) => ({ kind: "pause", request, invocationId: id }));
    h.advance(5_000);
    h.ask((request) => ({ kind: "resume", request, invocationId: id }));
    expect(h.attempt(1).start).toMatchObject({ commandCount: 1, deliveryCount: 1 });
  });

  test("of what is running aborts its attempt and refuses what it still says", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = h.admittedId(h.invoke("counter/a/add", { mode: "send" }));
    const attempt = h.attempt(1);
    h.ask((request) => ({ kind: "pause", request, invocationId: id }));
    expect(attempt.aborts().length).toBe(1);
    attempt.end("zombie");
    expect(outcome(h, id)).toMatchObject({ code: 470 });
  });
});

test("what has completed can be purged at once, nothing else can", () => {
  const h = new CoreHarness();
  h.connect(1);
  const id = h.admittedId(h.invoke("counter/a/add", { mode: "send", idempotencyKey: "k" }));
  expect(h.ask((request) => ({ kind: "purge", request, invocationId: id }))).toMatchObject({
    code: 409,
  });
  h.attempt(1).end("1");
  expect(h.ask((request) => ({ kind: "purge", request, invocationId: id }))).toMatchObject({
    applied: "now",
  });
  expect(outcome(h, id)).toMatchObject({ code: 404 });
  h.advance(0);
  expect([...h.tx.rows.keys()].filter((key) => /^[Iijotye]/.test(key))).toEqual([]);
});

test("a kill takes the tree of calls with it", () => {
  const h = new CoreHarness();
  h.connect(1);
  const id = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
  h.attempt(1).issue(callOf("a", 1));
  h.attempt(1).issue(callOf("b", 1));
  h.attempt(1).issue(callOf("c", 1));
  control(h, "kill", id);
  h.advance(0);
  expect(h.messages(1, "abort").length).toBe(4);
  for (const key of ["a", "b", "c"]) {
    const started = h.starts(1).length;
    h.invoke(`counter/${key}/add`);
    expect(h.starts(1).length).toBe(started + 1);
  }
});

test("signals reach an invocation in every status and are kept in its journal", () => {
  const h = new CoreHarness();
  h.connect(1);
  const sleeping = INTO["suspended"]!(h);
  h.invoke("greeter/greet", { mode: "send" });
  const sender = h.attempt(1);
  const result = { ok: true, value: bytes("1") } as const;
  sender.issue({ kind: "send-signal", invocationId: sleeping, signal: "go", result });
  const replayed = h.messages(1, "replay").flatMap((it) => it.entries);
  expect(replayed.at(-1)).toEqual({
    kind: "delivery",
    delivery: { kind: "signal", signal: "go", result },
  });
});
