/**
 * Bugs that other durable engines had in control and dispatch, each under its number in the list that
 * the project keeps of them.
 */
import { describe, expect, test } from "vitest";
import type { InvocationId } from "../../protocol/ids.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { bytes, CoreHarness, handler, serviceOf } from "../support/core-harness.ts";
import { SortedTx } from "../support/sorted-tx.ts";
import { Random } from "../simulation/random.ts";

const send = (h: CoreHarness, path: string, delayMs = 0): InvocationId =>
  h.admittedId(h.invoke(path, { mode: "send", delayMs }));
const control = (h: CoreHarness, kind: "cancel" | "kill" | "pause", invocationId: InvocationId) =>
  h.ask((request) => ({ kind, request, invocationId }));
const timersOf = (h: CoreHarness) => [...h.tx.rows.keys()].filter((it) => it.startsWith("t"));

describe("T14: what was killed is never tried again", () => {
  const INTO: Readonly<Record<string, (h: CoreHarness) => InvocationId>> = {
    scheduled: (h) => send(h, "counter/a/add", 1_000),
    inboxed: (h) => {
      send(h, "counter/a/add");
      return send(h, "counter/a/add");
    },
    ready: (h) => {
      h.lose(1);
      return send(h, "counter/a/add");
    },
    running: (h) => send(h, "counter/a/add"),
    "running, with a run that backs off": (h) => {
      const id = send(h, "counter/a/add");
      const { handle } = h.attempt(1);
      const run = { kind: "run", mode: "at-least-once", retry: null, completionId: 1 } as const;
      const command = h.attempt(1).issue(run);
      const failure = { name: "Error", message: "boom", code: 500 };
      const failed = { kind: "run-failed", attempt: handle, command, try: 1 } as const;
      h.say(1, { ...failed, failure, retryAfterMs: null });
      return id;
    },
    "suspended, with a sleep": (h) => {
      const id = send(h, "counter/a/add");
      h.attempt(1).issue({ kind: "sleep", durationMs: 1_000, completionId: 1 });
      h.attempt(1).suspend();
      return id;
    },
    "backing-off": (h) => {
      const id = send(h, "counter/a/add");
      h.attempt(1).fail("boom");
      return id;
    },
    paused: (h) => {
      const id = send(h, "counter/a/add");
      h.attempt(1).fail("boom");
      control(h, "pause", id);
      return id;
    },
  };

  test.each(Object.keys(INTO))("%s", (status) => {
    const h = new CoreHarness();
    h.connect(1);
    const id = INTO[status]!(h);
    control(h, "kill", id);
    if (status !== "inboxed") expect(timersOf(h)).toEqual([]);
    const startsOf = () =>
      [1, 2].flatMap((it) => h.starts(it)).filter((it) => it.invocationId === id).length;
    const before = startsOf();
    h.restart();
    h.connect(2);
    h.advance(3_600_000);
    expect(h.starts(2).filter((it) => it.invocationId === id)).toEqual([]);
    expect(before).toBeLessThanOrEqual(1);
    expect(brokenReferences(h.tx)).toEqual([]);
  });
});

describe("T17: no lock outlives what held it", () => {
  test.each(Array.from({ length: 20 }, (_, i) => i + 1))("seed %i", (seed) => {
    const random = new Random(seed, "locks");
    const h = new CoreHarness();
    h.connect(1);
    const ids: InvocationId[] = [];
    for (let step = 0; step < 150; step++) {
      const draw = random.int(0, 9);
      if (draw < 4) ids.push(send(h, `counter/${random.pick(["a", "b", "c"])}/add`));
      else if (draw < 7)
        control(
          h,
          random.pick(["kill", "cancel"]),
          random.pick(ids.length > 0 ? ids : [send(h, "counter/a/add")]),
        );
      else if (draw === 7 && h.starts(1).length > 0) {
        const attempt = h.attempt(1, random.int(0, h.starts(1).length - 1));
        if (random.chance(0.5)) attempt.end("1");
        else attempt.fail("boom");
      } else if (draw === 8) h.advance(random.int(0, 500));
      else if (random.chance(0.2)) {
        h.restart();
        h.connect(1);
      }
      expect(brokenReferences(h.tx)).toEqual([]);
    }
    for (const id of ids) control(h, "kill", id);
    h.advance(0);
    for (let nth = 0; nth < h.starts(1).length; nth++) h.attempt(1, nth).end("1");
    expect([...h.tx.rows.keys()].filter((it) => /^[kqRa]/.test(it))).toEqual([]);
  });
});

describe("T19: nobody stands in the way of those who could run", () => {
  const services = [
    serviceOf("counter", "object", [handler("add", "exclusive"), handler("read", "shared")]),
    serviceOf("greeter", "service", [handler("greet", "stateless")]),
  ];
  const FLOOD = 10_000;

  test("10,000 calls of one hot key: another key starts at once", () => {
    const h = new CoreHarness({}, { tx: new SortedTx() });
    h.connect(1, { services, concurrency: 2 });
    for (let i = 0; i < FLOOD; i++) send(h, "counter/hot/add");
    send(h, "counter/other/add");
    expect(h.starts(1).map((it) => it.target.key)).toEqual(["hot", "other"]);
  });

  test("10,000 ready calls of one service: another service starts next", () => {
    const h = new CoreHarness({}, { tx: new SortedTx() });
    h.connect(1, { services });
    h.lose(1);
    for (let i = 0; i < FLOOD; i++) send(h, "greeter/greet");
    send(h, "counter/other/add");
    h.connect(2, { services, concurrency: 1 });
    for (let i = 0; i < 2; i++) h.attempt(2).end("1");
    const started = h.starts(2).map((it) => it.target.service);
    expect(started.length).toBe(3);
    expect(started.slice(0, 2).sort()).toEqual(["counter", "greeter"]);
  });

  test("10,000 ready calls of a handler that a worker does not serve: it takes the others", () => {
    const h = new CoreHarness({}, { tx: new SortedTx() });
    h.connect(1, { services });
    h.lose(1);
    for (let i = 0; i < FLOOD; i++) send(h, "counter/hot/read");
    send(h, "counter/other/add");
    const only = [serviceOf("counter", "object", [handler("add", "exclusive")])];
    h.connect(2, { services: only });
    expect(h.starts(2).map((it) => it.target.key)).toEqual(["other"]);
  });

  test.each([
    ["greeter/greet", "counter/a/read"],
    ["counter/a/read", "greeter/greet"],
  ])("a flood of %s takes its turn with %s, again and again", (flood, other) => {
    const h = new CoreHarness({}, { tx: new SortedTx() });
    h.connect(1, { services });
    h.lose(1);
    for (let i = 0; i < 100; i++) send(h, flood);
    for (let i = 0; i < 10; i++) send(h, other);
    h.connect(2, { services, concurrency: 1 });
    for (let i = 0; i < 20; i++) h.attempt(2).end("1");
    const others = h.starts(2).filter((it) => other.endsWith(it.target.handler));
    expect(others.length).toBe(10);
  });
});

// Queues were remembered from the deployments that were there as the runtime came back: what waited for
// a handler that none of them had was found by no worker that had it later.
test("what waits for a handler that no deployment has any more starts when a worker has it again", () => {
  const withOld = [
    serviceOf("greeter", "service", [handler("greet", "stateless"), handler("old", "stateless")]),
  ];
  const without = [serviceOf("greeter", "service", [handler("greet", "stateless")])];
  const h = new CoreHarness();
  h.connect(1, { version: "v1", services: withOld });
  h.lose(1);
  const id = send(h, "greeter/old");
  h.connect(2, { version: "v2", services: without });
  const removed = h.ask((request) => ({ kind: "remove-deployment", request, version: "v1" }));
  expect(removed).toMatchObject({ kind: "controlled" });
  h.restart();
  h.connect(3, { version: "v3", services: withOld });
  expect(h.starts(3).map((it) => it.invocationId)).toEqual([id]);
});

describe("T20: a cancellation is not lost between attempts", () => {
  const cancellations = (h: CoreHarness, connection: number) =>
    [
      ...h.messages(connection, "replay").flatMap((it) => it.entries),
      ...h.messages(connection, "deliver"),
    ].filter((it) => "delivery" in it && it.delivery.kind === "cancellation").length;

  test("asked for while the worker is down, it is in the journal of the next attempt", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = send(h, "counter/a/add");
    h.attempt(1).issue({ kind: "sleep", durationMs: 60_000, completionId: 1 });
    h.lose(1);
    expect(control(h, "cancel", id)).toMatchObject({
      effect: expect.stringContaining(
        "when a worker of deployment dev that serves counter/add is connected",
      ),
    });
    // The timer of the sleep has gone with it: nothing but the end is left to come.
    expect(timersOf(h)).toEqual([]);
    h.restart();
    h.connect(2);
    expect(cancellations(h, 2)).toBe(1);
    h.advance(120_000);
    expect(h.attempt(2).deliveries()).toEqual([]);
  });

  test("asked for while a timer of a suspended one is due, it comes once", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = send(h, "counter/a/add");
    h.attempt(1).issue({ kind: "sleep", durationMs: 1_000, completionId: 1 });
    h.attempt(1).suspend();
    h.nowMs += 1_000;
    control(h, "cancel", id);
    h.advance(0);
    expect(cancellations(h, 1)).toBe(1);
    expect(h.messages(1, "replay").flatMap((it) => it.entries).length).toBe(2);
  });

  test("asked for while an attempt replays, it comes after the journal, and what the replay issues is covered", () => {
    const h = new CoreHarness();
    h.connect(1);
    const id = send(h, "counter/a/add");
    h.attempt(1).issue({ kind: "run", mode: "at-least-once", retry: null, completionId: 1 });
    h.lose(1);
    h.connect(2);
    const replaying = h.attempt(2);
    expect(replaying.gos().length).toBe(1);
    control(h, "cancel", id);
    expect(replaying.deliveries()).toEqual([{ kind: "cancellation" }]);
    // The closure may be at work: its result is taken, and recorded nowhere.
    const result = { ok: true, value: bytes("1") } as const;
    h.say(2, {
      kind: "run-result",
      attempt: replaying.handle,
      command: 0,
      try: 2,
      result,
      deliveries: null,
    });
    const late = { kind: "run", mode: "at-least-once", retry: null, completionId: 2 } as const;
    replaying.issue(late, { after: 0 });
    expect(replaying.gos().length).toBe(1);
    h.lose(2);
    h.connect(3);
    expect(h.attempt(3).gos()).toEqual([]);
    expect(cancellations(h, 3)).toBe(1);
    expect(brokenReferences(h.tx)).toEqual([]);
  });
});
