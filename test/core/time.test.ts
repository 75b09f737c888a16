/**
 * T6: delays at the ends of their range, and clocks that jump. A due time is fixed once, stored as an
 * absolute time, and the same after every restart. (Others panicked on a delay above 2.1 years, failed
 * on none at all, and slept anew when the duration was computed differently on replay.)
 */
import { describe, expect, test } from "vitest";
import { commandFromPlain, commandToPlain } from "../../protocol/plain.ts";
import { parseTimerKey, TIMERS } from "../../runtime/core/keys.ts";
import { durationToMs } from "../../sdk/duration.ts";
import { bytes, CoreHarness } from "../support/core-harness.ts";
import { expectRefused, harness } from "../support/refusals.ts";
import { brokenReferences } from "../support/check-rows.ts";

const YEAR_MS = 366 * 86_400_000;
/** Asked for, and what becomes of it. */
const DELAYS: readonly (readonly [askedMs: number, takenMs: number])[] = [
  [0, 0],
  [1, 1],
  [2 ** 31 - 1, 2 ** 31 - 1],
  [2 ** 31, 2 ** 31],
  [2 ** 32, 2 ** 32],
  [100 * YEAR_MS, 100 * YEAR_MS],
];
/** No SDK asks for these and no message carries them; whoever hands them to the machine stops nothing. */
const ODD_DELAYS: typeof DELAYS = [
  [-0, 0],
  [-1, 0],
  [0.25, 1],
  [100 * YEAR_MS + 1, 100 * YEAR_MS],
  [2 ** 53, 100 * YEAR_MS],
  [1e300, 100 * YEAR_MS],
  [Infinity, 100 * YEAR_MS],
  [-Infinity, 0],
  [Number.NaN, 0],
];

function dueTimes(h: CoreHarness): number[] {
  return [...h.tx.rows.keys()]
    .filter((key) => key.startsWith(TIMERS))
    .map((key) => parseTimerKey(key).dueAtMs);
}

const target = { service: "greeter", key: null, handler: "greet" };
const send = {
  kind: "send",
  target,
  parameter: bytes(""),
  headers: [],
  idempotencyKey: null,
} as const;

describe("T6: a delay", () => {
  test.each(DELAYS)("of %d ms is %d ms: a sleep", (askedMs, takenMs) => {
    const h = new CoreHarness();
    h.connect(1);
    const startedAtMs = h.nowMs;
    h.invoke("counter/a/add");
    h.attempt(1).issue({ kind: "sleep", durationMs: askedMs, completionId: 1 });
    expect(dueTimes(h)).toEqual([startedAtMs + takenMs]);
    // A restart later nothing of it has changed, however often.
    for (let i = 0; i < 3; i++) {
      h.nowMs += Math.floor(takenMs / 8);
      h.restart();
      expect(dueTimes(h)).toEqual([startedAtMs + takenMs]);
      expect(h.machine.nextDueAtMs(h.tx)).toBe(startedAtMs + takenMs);
    }
    h.connect(2);
    h.attempt(2).suspend();
    h.advance(startedAtMs + takenMs - 1 - h.nowMs);
    if (takenMs > 0) expect(h.starts(2).length).toBe(1);
    h.advance(1);
    expect(h.attempt(2).start.deliveryCount).toBe(1);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test.each(DELAYS)("of %d ms is %d ms: a send of a handler", (askedMs, takenMs) => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("counter/a/add");
    h.attempt(1).issue({ ...send, delayMs: askedMs });
    expectStartAt(h, h.nowMs + takenMs, askedMs > 0);
  });

  test.each([...DELAYS, ...ODD_DELAYS])(
    "of %d ms is %d ms: a send from outside",
    (asked, taken) => {
      const h = new CoreHarness();
      h.connect(1);
      const request = h.invoke("greeter/greet", { mode: "send", delayMs: asked });
      const executionTimeMs = asked > 0 ? h.nowMs + taken : null;
      expect(h.responses.get(request)).toMatchObject({ kind: "accepted", executionTimeMs });
      expectStartAt(h, h.nowMs + taken, asked > 0);
    },
  );

  test("T22: beyond the limit is refused, not shortened: a sleep and a send of a handler", () => {
    for (const [delayMs, fits] of [
      [999, true],
      [1_000, true],
      [1_001, false],
      [Number.MAX_SAFE_INTEGER, false],
    ] as const) {
      const sleep = { kind: "sleep", durationMs: delayMs, completionId: 1 } as const;
      for (const command of [sleep, { ...send, delayMs }]) {
        const h = harness({ delayMsMax: 1_000 });
        h.invoke("counter/a/add");
        const attempt = h.attempt(1);
        const act = (): void => void attempt.issue(command);
        const message = new RegExp(`of ${delayMs} ms, the limit delayMsMax is 1000`);
        if (fits) act();
        else expectRefused(h, attempt, act, message);
        expect(dueTimes(h).length).toBe(fits ? 1 : 0);
      }
    }
  });

  test.each([-1, Infinity, -Infinity, Number.NaN, 101 * YEAR_MS])(
    "of %d ms is refused by the SDK, where the mistake is",
    (askedMs) => {
      expect(() => durationToMs(askedMs, "the duration of ctx.sleep")).toThrow(
        /^the duration of ctx.sleep must (be a finite length|not be)/,
      );
    },
  );

  test.each([-1, 0.5, Infinity, Number.NaN, 2 ** 53])(
    "of %d ms in a message is refused when the message is read",
    (durationMs) => {
      const command = { index: 0, after: 0, outside: false, name: "" } as const;
      const sleep = { kind: "sleep", ...command, completionId: 1, durationMs } as const;
      expect(() => commandFromPlain(commandToPlain(sleep))).toThrow(/not a whole number/);
    },
  );
});

/** The start is due then, stored as that time, the same after a restart, and comes exactly then. */
function expectStartAt(h: CoreHarness, dueAtMs: number, delayed: boolean): void {
  expect(dueTimes(h)).toEqual(delayed ? [dueAtMs] : []);
  h.restart();
  h.connect(2);
  const starts = (): number => h.starts(2).filter((it) => it.target.service === "greeter").length;
  h.advance(dueAtMs - 1 - h.nowMs);
  expect(starts()).toBe(dueAtMs > h.nowMs && delayed ? 0 : 1);
  h.advance(1);
  expect(starts()).toBe(1);
  expect(brokenReferences(h.tx)).toEqual([]);
}

describe("T6: a clock that jumps", () => {
  test("forward: everything that is due comes, in the order of its time", () => {
    const h = new CoreHarness();
    h.connect(1);
    for (const [key, durationMs] of [
      ["c", 30_000],
      ["a", 10_000],
      ["b", 20_000],
      ["later", 10 * YEAR_MS],
    ] as const) {
      h.invoke(`counter/${key}/add`);
      h.attempt(1).issue({ kind: "sleep", durationMs, completionId: 1 });
      h.attempt(1).suspend();
    }
    h.nowMs += YEAR_MS;
    h.apply({ kind: "timers-due" });
    expect(
      h
        .starts(1)
        .slice(4)
        .map((it) => it.target.key),
    ).toEqual(["a", "b", "c"]);
    expect(dueTimes(h).length).toBe(1);
  });

  test("a due time that is past when it is set fires at once", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("counter/a/add");
    const attempt = h.attempt(1);
    attempt.issue({ kind: "sleep", durationMs: 0, completionId: 1 });
    expect(h.machine.nextDueAtMs(h.tx)).toBe(h.nowMs);
    h.apply({ kind: "timers-due" });
    expect(attempt.deliveries()).toMatchObject([{ completionId: 1, result: { kind: "void" } }]);
  });

  test("a timer belongs to its completion, not to its duration: two alike are two", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("counter/a/add");
    const attempt = h.attempt(1);
    for (const completionId of [1, 2, 3]) {
      attempt.issue({ kind: "sleep", durationMs: 5, completionId });
    }
    h.advance(5);
    const delivered = attempt.deliveries().map((it) => it.kind === "completion" && it.completionId);
    expect(delivered).toEqual([1, 2, 3]);
  });
});
