/**
 * What has ended is kept for its retention and then removed in small steps, and nothing of it is left
 * behind (T18), whatever comes in between: an attach, the same idempotency key, a late completion, a
 * restart (F18).
 */
import { describe, expect, test } from "vitest";
import { formatAwakeableId, parseInvocationId } from "../../protocol/ids.ts";
import {
  idempotencyKey,
  invocationKey,
  journalPrefix,
  prefixEnd,
} from "../../runtime/core/keys.ts";
import { PURGE_ROWS_PER_STEP, PURGE_STEP_MS } from "../../runtime/core/purge.ts";
import { decodeInvocation, decodeNumber } from "../../runtime/core/rows.ts";
import { bytes, type ScriptedAttempt } from "../support/core-harness.ts";
import { fill, LONG, NOT_FOUND, Retention, YES } from "../support/retention.ts";
import { Random } from "../simulation/random.ts";

describe("removal in small steps", () => {
  test("a long journal goes in pieces, and to the outside is gone with the first", () => {
    const h = new Retention();
    const id = h.admittedId(h.invoke("counter/a/add", { mode: "send", idempotencyKey: "k" }));
    const attempt = h.attempt(1);
    fill(attempt, LONG);
    attempt.end("1");
    h.nowMs += 10_000;
    const counts = [h.count("j")];
    while (h.left().length > 0) {
      h.purgeStep();
      counts.push(h.count("j"));
      const target = { service: "counter", key: "a", handler: "add" };
      const refs = [
        { kind: "id", invocationId: id },
        { kind: "idempotency-key", target, idempotencyKey: "k" },
      ] as const;
      for (const ref of refs) {
        expect(h.output(ref)).toMatchObject(NOT_FOUND);
        expect(h.attach(ref)).toMatchObject(NOT_FOUND);
      }
      for (const kind of ["cancel", "kill", "pause", "resume", "purge"] as const) {
        const refused = h.ask((request) => ({ kind, request, invocationId: id }));
        expect(refused).toMatchObject(NOT_FOUND);
      }
    }
    expect(counts).toEqual([LONG, LONG - 512, LONG - 1_024, 0]);
    expect(h.left("P")).toEqual([]);
  });

  test("a step removes a bounded number of rows and the next one comes after a pause", () => {
    const h = new Retention();
    for (let i = 0; i < 1_000; i++) {
      h.invoke("greeter/greet");
      h.attempt(1).end("1");
    }
    h.nowMs += 10_000;
    let rows = h.tx.rows.size;
    while (h.left().length > 0) {
      h.apply({ kind: "timers-due" });
      // The last invocation of a step may pass the budget by its own few rows.
      expect(rows - h.tx.rows.size).toBeLessThanOrEqual(PURGE_ROWS_PER_STEP + 4);
      rows = h.tx.rows.size;
      // Nothing more in the same moment, however often it is asked.
      h.apply({ kind: "timers-due" });
      expect(h.tx.rows.size).toBe(rows);
      const next = h.machine.nextDueAtMs(h.tx);
      expect(next === undefined || next === h.nowMs + PURGE_STEP_MS).toBe(true);
      h.nowMs += PURGE_STEP_MS;
    }
    h.sound();
  });

  test("a step that is full leaves the next ones as they are", () => {
    const h = new Retention();
    for (let i = 0; i < 100; i++) {
      h.invoke("greeter/greet");
      fill(h.attempt(1), 20);
      h.attempt(1).end("1");
    }
    h.nowMs += 10_000;
    const rows = h.tx.rows.size;
    h.apply({ kind: "timers-due" });
    expect(rows - h.tx.rows.size).toBeLessThanOrEqual(PURGE_ROWS_PER_STEP + 4);
    const records = h.left("I").map((key) => {
      const row = h.tx.get(key);
      return row !== undefined && decodeInvocation(0, row).purging;
    });
    // The one in the middle of which the step ended.
    expect(records.filter(Boolean).length).toBeLessThanOrEqual(1);
    h.sound();
  });

  test("a thousand that expire at once delay no sleep that is due", () => {
    const h = new Retention();
    h.invoke("counter/sleeper/add");
    const sleeper = h.attempt(1);
    for (let i = 0; i < 1_000; i++) {
      h.invoke("greeter/greet");
      h.attempt(1).end("1");
    }
    // Due later than every one of the purges.
    sleeper.issue({ kind: "sleep", durationMs: 10_001, completionId: 1 });
    h.nowMs += 10_001;
    h.apply({ kind: "timers-due" });
    expect(sleeper.deliveries()).toEqual([
      { kind: "completion", completionId: 1, result: { kind: "void" } },
    ]);
    expect(h.count("e")).toBeGreaterThan(0);
  });

  test("a restart between any two steps goes on where it was", () => {
    const h = new Retention({ journalRetentionMs: 5_000 });
    h.invoke("signup/a/run", { mode: "send" });
    const attempt = h.attempt(1);
    fill(attempt, LONG);
    for (let i = 0; i < LONG; i++) {
      attempt.issue({ kind: "set-state", key: `s${i}`, value: bytes("1") });
    }
    attempt.issue({ kind: "complete-promise", promise: "p", result: YES, completionId: LONG });
    attempt.end("1");
    h.nowMs += 5_000;
    let steps = 0;
    while (h.count("I") > 0) {
      h.restart();
      h.purgeStep();
      steps++;
      if (h.count("j") === 0) h.nowMs = Math.max(h.nowMs, 1_000_000 + 10_000);
    }
    expect(steps).toBeGreaterThan(6);
    expect(h.left(`${"Iijoprwaeyt"}sPWb`)).toEqual([]);
  });
});

describe("names", () => {
  test("the key is free with the first step, and the new holder keeps it", () => {
    const h = new Retention();
    h.invoke("counter/a/add", { idempotencyKey: "k", body: "1" });
    const attempt = h.attempt(1);
    fill(attempt, LONG);
    attempt.end("1");
    h.nowMs += 10_000;
    h.purgeStep();
    // Another payload: it is another invocation, and compared with nobody.
    const again = h.invoke("counter/a/add", { idempotencyKey: "k", body: "2", mode: "send" });
    expect(h.responses.get(again)).toMatchObject({ status: "Accepted" });
    h.attempt(1).end("2");
    h.sound();
    for (let i = 0; i < 5; i++) h.purgeStep();
    const target = { service: "counter", key: "a", handler: "add" };
    const row = h.tx.get(idempotencyKey(target, "k"));
    const sequence = parseInvocationId(h.admittedId(again))?.sequence;
    expect(row && decodeNumber(row)).toBe(sequence);
    expect(h.count("I")).toBe(1);
    const ref = { kind: "idempotency-key", target, idempotencyKey: "k" } as const;
    expect(h.output(ref)).toMatchObject({ kind: "completed", result: { value: bytes("2") } });
  });

  test("another run of a workflow's key finds nothing of the state and promises before", () => {
    const h = new Retention();
    h.invoke("signup/a/run", { mode: "send" });
    const run = h.attempt(1);
    for (let i = 0; i < 300; i++) {
      run.issue({ kind: "set-state", key: `s${i}`, value: bytes("old") });
      run.issue({ kind: "complete-promise", promise: `p${i}`, result: YES, completionId: i + 1 });
    }
    run.end("1");
    h.nowMs += 10_000;
    h.purgeStep();
    h.purgeStep();
    expect(h.count("P") + h.count("s")).toBeGreaterThan(0);
    const again = h.invoke("signup/a/run", { mode: "send" });
    expect(h.responses.get(again)).toMatchObject({ status: "Accepted" });
    expect([h.count("s"), h.count("P")]).toEqual([0, 0]);
    h.attempt(1).issue({ kind: "set-state", key: "s", value: bytes("new") });
    for (let i = 0; i < 5; i++) h.purgeStep();
    expect(h.count("s")).toBe(1);
  });

  test("a run whose predecessor's state is too large to go at once is told to come again", () => {
    const h = new Retention();
    h.invoke("signup/a/run", { mode: "send" });
    const run = h.attempt(1);
    for (let i = 0; i < 2_000; i++) {
      run.issue({ kind: "set-state", key: `s${i}`, value: bytes("old") });
    }
    run.end("1");
    h.nowMs += 10_000;
    h.purgeStep();
    expect(h.responses.get(h.invoke("signup/a/run"))).toMatchObject({
      kind: "refused",
      code: 503,
      message: expect.stringContaining("still being removed") as string,
    });
    for (let i = 0; i < 10; i++) h.purgeStep();
    const again = h.invoke("signup/a/run", { mode: "send" });
    expect(h.responses.get(again)).toMatchObject({ status: "Accepted" });
  });
});

describe("what races with the end of a retention", () => {
  test("a late completion, a signal and an attach of another find nobody and leave nothing", () => {
    const h = new Retention();
    const id = h.admittedId(h.invoke("counter/a/add", { mode: "send" }));
    const attempt = h.attempt(1);
    attempt.issue({ kind: "awakeable", completionId: 1 });
    for (let i = 2; i <= LONG; i++) attempt.issue({ kind: "date", completionId: i });
    attempt.end("1");
    h.invoke("greeter/greet");
    const other = h.attempt(1);
    h.nowMs += 10_000;
    for (;;) {
      const invocation = parseInvocationId(id);
      if (invocation === undefined) throw new Error("an id that was given out parses");
      const awakeableId = formatAwakeableId({ invocation, completionId: 1 });
      const late = h.ask((request) => ({
        kind: "complete-awakeable",
        request,
        awakeableId,
        result: YES,
      }));
      const gone = h.count("j") < 2 * LONG - 1;
      expect(late).toMatchObject(gone ? { kind: "refused", code: 404 } : { kind: "done" });
      other.issue({ kind: "send-signal", invocationId: id, signal: "s", result: YES });
      h.sound();
      if (h.count("I") === 1) break;
      h.purgeStep();
    }
    other.issue({ kind: "attach", invocationId: id, completionId: 1 });
    expect(other.deliveries()).toMatchObject([{ result: { kind: "failure" } }]);
    expect(h.count("w")).toBe(0);
  });

  test("who attached before the end was answered with it; who comes after is told that it is gone", () => {
    const h = new Retention({ journalRetentionMs: 0 });
    const id = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
    const ref = { kind: "id", invocationId: id } as const;
    expect(h.attach(ref)).toBeUndefined();
    h.attempt(1).end("1");
    expect([...h.responses.values()].at(-1)).toMatchObject({ kind: "completed" });
    h.apply({ kind: "timers-due" });
    expect(h.attach(ref)).toMatchObject(NOT_FOUND);
    expect(h.left()).toEqual([]);
  });

  test("a parent that expired is not told of the end of a call that it did not await", () => {
    const h = new Retention({ journalRetentionMs: 0 });
    h.invoke("counter/a/add", { mode: "send" });
    const parent = h.attempt(1);
    const target = { service: "counter", key: "b", handler: "add" };
    const call = { target, parameter: bytes("1"), headers: [], idempotencyKey: null };
    parent.issue({ kind: "call", ...call, completionId: 1 });
    const child = h.attempt(1);
    parent.end("1");
    h.advance(100);
    expect(h.count("I")).toBe(1);
    child.end("1");
    h.advance(100);
    expect(h.left()).toEqual([]);
  });

  test("an operator's purge is the end for the outside at once, while the rows go in steps", () => {
    const h = new Retention({ journalRetentionMs: 2_000 });
    const id = h.admittedId(h.invoke("counter/a/add", { mode: "send", idempotencyKey: "k" }));
    const attempt = h.attempt(1);
    fill(attempt, LONG);
    attempt.end("1");
    expect(h.purge(id)).toMatchObject({ kind: "controlled", applied: "now" });
    h.sound();
    expect(h.purge(id)).toMatchObject(NOT_FOUND);
    expect(h.output({ kind: "id", invocationId: id })).toMatchObject(NOT_FOUND);
    for (let i = 0; i < 4; i++) h.purgeStep();
    expect(h.left()).toEqual([]);
  });

  test("a purge while the journal goes, and after it went", () => {
    for (const waitMs of [2_000, 2_500]) {
      const h = new Retention({ journalRetentionMs: 2_000 });
      const id = h.admittedId(h.invoke("counter/a/add", { mode: "send", idempotencyKey: "k" }));
      const attempt = h.attempt(1);
      fill(attempt, LONG);
      attempt.end("1");
      h.advance(waitMs);
      h.sound();
      expect(h.purge(id)).toMatchObject({ kind: "controlled" });
      h.sound();
      for (let i = 0; i < 5; i++) h.purgeStep();
      expect(h.left()).toEqual([]);
    }
  });
});

test("T18: after thousands of invocations that expire among traffic and restarts, no row is left", () => {
  const h = new Retention({
    idempotencyRetentionMs: 700,
    workflowRetentionMs: 500,
    journalRetentionMs: 300,
  });
  const random = new Random(18, "retention");
  let live: ScriptedAttempt[] = [];
  let connection = 1;
  let worst = 0;
  for (let i = 0; i < 6_000; i++) {
    const path = random.pick(["greeter/greet", `counter/k${i % 50}/add`, `signup/w${i % 40}/run`]);
    const keyed = !path.startsWith("signup") && random.chance(0.4);
    const before = h.starts(connection).length;
    h.invoke(path, { mode: "send", idempotencyKey: keyed ? `i${i % 100}` : null });
    const starts = h.starts(connection).length;
    if (starts > before) live.push(h.attempt(connection));
    if (random.chance(0.8) && live.length > 0) {
      const attempt = live.splice(random.int(0, live.length - 1), 1)[0];
      if (attempt === undefined) continue;
      if (random.chance(0.5)) fill(attempt, random.pick([2, 20]));
      if (attempt.start.target.service === "signup") {
        attempt.issue({ kind: "set-state", key: "x", value: bytes("1") });
      }
      attempt.end("1");
      // Whoever waited for the key has started.
      if (h.starts(connection).length > starts) live.push(h.attempt(connection));
    }
    h.advance(random.int(0, 4));
    worst = Math.max(worst, h.count("e"));
    if (i % 1_000 === 999) {
      h.sound();
      h.restart();
      h.connect(++connection);
      live = h.starts(connection).map((_, nth) => h.attempt(connection, nth));
    }
  }
  while (h.count("I") - h.count("e") > 0) {
    for (const [nth] of h.starts(connection).entries()) h.attempt(connection, nth).end("1");
    h.advance(100);
  }
  h.advance(2_000);
  // Retention bounds what is held: an invocation lives for some 0.7 s of 12.
  expect(worst).toBeLessThan(2_000);
  expect(h.left("Iijoprwaeytq" + "PWskRb")).toEqual([]);
  h.sound();
});

test("T18: a journal is removed by its own prefix, and its neighbours' stay", () => {
  const h = new Retention();
  h.invoke("greeter/greet");
  const first = h.attempt(1);
  h.invoke("greeter/greet");
  const second = h.attempt(1);
  fill(first, 10);
  fill(second, 10);
  first.end("1");
  h.advance(10_000);
  expect(h.count("I")).toBe(1);
  const [key] = h.left("I");
  const row = key === undefined ? undefined : h.tx.get(key);
  if (key === undefined || row === undefined) throw new Error("the second is there");
  const { sequence, commands } = decodeInvocation(2, row);
  expect([commands, invocationKey(sequence)]).toEqual([5, key]);
  const prefix = journalPrefix(sequence);
  expect(h.tx.range({ from: prefix, to: prefixEnd(prefix), limit: 100 }).length).toBe(10);
});
