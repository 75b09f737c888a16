/**
 * T5: a timer that is lost, or not noticed because it was due already as it was set (temporal#11869,
 * restate#5093). Every kind of timer rings once: on time, when it came due while the runtime was down,
 * when the restart falls on its very moment, when it is due as it is set.
 */
import { describe, expect, test } from "vitest";
import { TIMERS, prefixEnd } from "../../runtime/core/keys.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { CoreHarness } from "../support/core-harness.ts";

const DUE_MS = 5_000;

interface Story {
  /** Sets the timer, due `dueMs` from now at the latest; gives what tells that it has rung. */
  readonly set: (h: CoreHarness, dueMs: number) => () => number;
}

const deliveriesSeen = (h: CoreHarness): number =>
  h.starts(1).reduce((sum, it) => sum + it.deliveryCount, 0) + h.messages(1, "deliver").length;

const STORIES: Readonly<Record<string, Story>> = {
  "the start of a delayed send": {
    set: (h, dueMs) => {
      h.invoke("greeter/greet", { mode: "send", delayMs: dueMs });
      return () => h.starts(1).length;
    },
  },
  "a sleep": {
    set: (h, dueMs) => {
      h.invoke("greeter/greet", { mode: "send" });
      const attempt = h.attempt(1);
      attempt.issue({ kind: "sleep", durationMs: dueMs, completionId: 1 });
      attempt.suspend();
      h.told.clear();
      return () => deliveriesSeen(h);
    },
  },
  "the back-off of an attempt": {
    set: (h, dueMs) => {
      h.invoke("greeter/greet", { mode: "send" });
      const failure = { name: "Error", message: "boom", code: 500 };
      const { handle } = h.attempt(1);
      const more = { stack: "", command: null, retryAfterMs: dueMs };
      h.say(1, { kind: "fail", attempt: handle, failure, ...more });
      h.told.clear();
      return () => h.starts(1).length;
    },
  },
  "the back-off of a run": {
    set: (h, dueMs) => {
      h.invoke("greeter/greet", { mode: "send" });
      const attempt = h.attempt(1);
      const run = { kind: "run", mode: "at-least-once", retry: null, completionId: 1 } as const;
      const command = attempt.issue(run);
      const failure = { name: "Error", message: "boom", code: 500 };
      const failed = { kind: "run-failed", attempt: attempt.handle, command, try: 1 } as const;
      h.say(1, { ...failed, failure, retryAfterMs: dueMs });
      attempt.suspend();
      h.told.clear();
      return () => h.messages(1, "go").length;
    },
  },
};

/** What happens between the moment at which it is set and a long time after it is due. */
const WAYS: Readonly<Record<string, (h: CoreHarness) => void>> = {
  "while all is well": (h) => h.advance(DUE_MS),
  "although the runtime was down as it came due": (h) => {
    h.advance(DUE_MS - 1_000);
    h.nowMs += 60_000;
    h.restart();
    h.connect(1);
    h.advance(0);
  },
  "when the runtime comes back at its very moment": (h) => {
    h.nowMs += DUE_MS;
    h.restart();
    h.connect(1);
    h.advance(0);
  },
  "across any number of restarts": (h) => {
    for (let i = 0; i < 10; i++) {
      h.advance(DUE_MS / 10);
      h.restart();
      h.connect(1);
    }
    h.advance(0);
  },
};

describe.each(Object.keys(STORIES))("%s", (title) => {
  test.each(Object.keys(WAYS))("rings once %s", (way) => {
    const h = new CoreHarness();
    h.connect(1);
    const rung = STORIES[title]!.set(h, DUE_MS);
    h.advance(DUE_MS - 1);
    expect(rung()).toBe(0);
    h.nowMs -= DUE_MS - 1;
    WAYS[way]!(h);
    expect(rung()).toBe(1);
    h.advance(60 * DUE_MS);
    expect(rung()).toBe(1);
    const left = h.tx.range({ from: TIMERS, to: prefixEnd(TIMERS), limit: 10 });
    expect(left).toEqual([]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("rings at once when it is due as it is set", () => {
    const h = new CoreHarness();
    h.connect(1);
    const rung = STORIES[title]!.set(h, 0);
    // No retry comes sooner than after 10 ms.
    h.advance(10);
    expect(rung()).toBe(1);
  });
});
