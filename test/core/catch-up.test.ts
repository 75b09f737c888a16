/** What a step of a journal writes, and what a restart makes of it: catch-up.ts and plain-runs.ts. */
import { describe, expect, test } from "vitest";
import type { Invocation } from "../../runtime/core/invocation.ts";
import { LAG_MAX, readRecord } from "../../runtime/core/catch-up.ts";
import { invocationKey, journalKey, runKey } from "../../runtime/core/keys.ts";
import { decodeInvocation, encodeInvocation } from "../../runtime/core/rows.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { CoreHarness, type ScriptedAttempt } from "../support/core-harness.ts";
import { DamagedTx } from "../support/damaged-tx.ts";

const run = (completionId: number) =>
  ({ kind: "run", mode: "at-least-once", retry: null, completionId }) as const;

function start(): {
  readonly h: CoreHarness;
  readonly tx: DamagedTx;
  readonly attempt: ScriptedAttempt;
} {
  const tx = new DamagedTx(new Map(), []);
  const h = new CoreHarness({}, { tx });
  h.connect(1);
  h.invoke("counter/a/add");
  return { h, tx, attempt: h.attempt(1) };
}

/** So many steps, the last of them outstanding. */
function steps(attempt: ScriptedAttempt, count: number): void {
  let command = attempt.issue(run(1));
  for (let step = 1; step < count; step++) {
    attempt.report(command, { value: "1", deliveries: step - 1 });
    command = attempt.issue(run(step + 1), { after: step });
  }
}

const row = (h: CoreHarness): Uint8Array => h.tx.get(invocationKey(1)) ?? new Uint8Array(0);
const stored = (h: CoreHarness): Invocation => decodeInvocation(1, row(h));
const caughtUp = (h: CoreHarness): Invocation => readRecord(h.tx, 1, row(h));

describe("a step that only gets on", () => {
  test("writes the result and the next command into one row, and nothing else", () => {
    const { h, attempt } = start();
    const first = attempt.issue(run(1));
    const before = new Map(h.tx.rows);
    attempt.report(first, { value: "1", deliveries: 0 });
    attempt.issue(run(2), { after: 1 });
    const written = [...h.tx.rows].filter(([key, value]) => before.get(key) !== value);
    expect(written.map(([key]) => key)).toEqual([journalKey(1, 1)]);
    expect(h.tx.rows.size).toBe(before.size + 1);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("has put behind what failed before: a record that lags and counts failures is named", () => {
    const { h, attempt } = start();
    steps(attempt, 2);
    expect(brokenReferences(h.tx)).toEqual([]);
    for (const counts of [
      { failures: 1 },
      { losses: 1 },
      { idleResumes: 1 },
      { failingSinceMs: 1 },
    ]) {
      const whole = stored(h);
      h.tx.put(invocationKey(1), encodeInvocation({ ...whole, ...counts }));
      const named = expect.stringContaining("got on, and what failed before that still counts");
      expect(brokenReferences(h.tx)).toEqual([named]);
      h.tx.put(invocationKey(1), encodeInvocation(whole));
    }
  });

  test("is in the record for whoever reads that", () => {
    const { h, attempt } = start();
    steps(attempt, 5);
    expect(stored(h)).toMatchObject({ commands: 0, deliveries: 0, runs: 0 });
    const counts = { commands: 5, deliveries: 4, completionIdMax: 5, runs: 1 };
    const plainRuns = [{ command: 4, entry: 8 }];
    expect(caughtUp(h)).toMatchObject({ ...counts, plainRuns });
    const { journalBytes } = caughtUp(h);
    // What writes the record knows the same.
    attempt.issue({ kind: "sleep", durationMs: 1_000, completionId: 6 }, { after: 4 });
    const sleep = h.tx.get(journalKey(1, 9))?.length ?? 0;
    expect(stored(h)).toMatchObject({ ...counts, plainRuns, commands: 6, completionIdMax: 6 });
    expect(stored(h).journalBytes).toBe(journalBytes + sleep);
  });

  test("writes the record once in a while, so that it never lags far behind", () => {
    const { h, attempt } = start();
    steps(attempt, 3 * LAG_MAX);
    const { commands, deliveries } = stored(h);
    const entries = 2 * 3 * LAG_MAX - 1;
    expect(commands + deliveries).toBeGreaterThan(entries - LAG_MAX);
    expect(caughtUp(h)).toMatchObject({ commands: 3 * LAG_MAX, runs: 1 });
  });
});

describe("after a restart", () => {
  test("the journal goes on behind all that was recorded, and the run gets its second go", () => {
    const { h, attempt } = start();
    steps(attempt, 5);
    h.restart();
    h.connect(2);
    const next = h.attempt(2);
    expect(next.start).toMatchObject({ commandCount: 5, deliveryCount: 4 });
    expect(next.gos()).toMatchObject([{ command: 4, try: 2 }]);
    // More than one try has a row.
    expect(h.tx.get(runKey(1, 4))).toBeDefined();
    next.report(4, { value: "1", deliveries: 4 });
    next.end("done");
    expect(h.tx.get(runKey(1, 4))).toBeUndefined();
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("an entry that is damaged, behind a record that does not tell of it, is damage of the record", () => {
    const { h, tx, attempt } = start();
    steps(attempt, 5);
    tx.damage(journalKey(1, 7));
    h.restart();
    h.connect(2);
    expect(h.starts(2)).toEqual([]);
    expect(h.warnings.join()).toContain("invocation number 1 is quarantined");
  });
});

describe("many runs at once", () => {
  test("have rows but for some, and all get their go again", () => {
    const { h, attempt } = start();
    for (let id = 1; id <= 40; id++) attempt.issue(run(id));
    const rows = [...h.tx.rows.keys()].filter((key) => key.startsWith("r")).length;
    expect(caughtUp(h)).toMatchObject({ runs: 40 });
    expect(caughtUp(h).plainRuns.length + rows).toBe(40);
    expect(caughtUp(h).plainRuns.length).toBeLessThan(20);
    attempt.report(3, { value: "1" });
    h.restart();
    h.connect(2);
    const commands = h
      .attempt(2)
      .gos()
      .map((go) => go.command);
    expect(commands).toEqual([0, 1, 2, ...Array.from({ length: 36 }, (_, at) => at + 4)]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });
});
