/** Runs whose outcome is unknown, in each mode: cut off at every point, by everything that cuts off. */
import { describe, expect, test } from "vitest";
import type { RunMode, RunRetryPolicy } from "../../protocol/command.ts";
import { readRecord } from "../../runtime/core/catch-up.ts";
import { invocationKey } from "../../runtime/core/keys.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { CoreHarness, type ScriptedAttempt } from "../support/core-harness.ts";

interface Started {
  readonly h: CoreHarness;
  readonly request: number;
  readonly attempt: ScriptedAttempt;
  readonly command: number;
}

function started(mode: RunMode, retry: RunRetryPolicy | null = null): Started {
  const h = new CoreHarness();
  h.connect(1);
  const request = h.invoke("greeter/greet", { mode: "send" });
  const attempt = h.attempt(1);
  const command = attempt.issue({ kind: "run", mode, retry, completionId: 1 }, { name: "pay" });
  return { h, request, attempt, command };
}

const idOf = ({ h, request }: Started) => h.admittedId(request);
const gosOf = (attempt: ScriptedAttempt) =>
  attempt.gos().map((it) => `${it.probe ? "probe" : "closure"} ${it.try}`);
const runRows = (h: CoreHarness) => [...h.tx.rows.keys()].filter((key) => key.startsWith("r"));
const interruptions = (attempt: ScriptedAttempt) =>
  attempt
    .deliveries()
    .flatMap((it) =>
      it.kind === "completion" && it.result.kind === "failure" ? [it.result.failure] : [],
    );

/** All that ends an attempt without its run's result. Afterwards a new attempt runs on connection 2. */
const CUTS: Readonly<Record<string, (it: Started) => void>> = {
  "a crash of the runtime": ({ h }) => {
    h.restart();
    h.connect(2);
  },
  "a lost worker": ({ h }) => {
    h.lose(1);
    h.connect(2);
  },
  "a pause and a resume": (it) => {
    const invocationId = idOf(it);
    it.h.ask((request) => ({ kind: "pause", request, invocationId }));
    it.h.lose(1);
    it.h.connect(2);
    it.h.ask((request) => ({ kind: "resume", request, invocationId }));
  },
  "a failure of the attempt": ({ h, attempt }) => {
    attempt.fail("boom");
    h.lose(1);
    h.connect(2);
    h.advance(1_000);
  },
  "a suspension that ought not to be": ({ h, attempt }) => {
    h.connect(2);
    h.apply({ kind: "worker-drain", connection: 1, ordinal: 3 });
    attempt.suspend();
  },
};

describe.each(Object.keys(CUTS))("after %s", (cut) => {
  test("an at-least-once run runs again, with the next try", () => {
    const it = started("at-least-once");
    CUTS[cut]?.(it);
    expect(gosOf(it.h.attempt(2))).toEqual(["closure 2"]);
  });

  test("an at-most-once run fails as interrupted, and its closure never goes again", () => {
    const it = started("at-most-once");
    CUTS[cut]?.(it);
    const next = it.h.attempt(2);
    expect(gosOf(next)).toEqual([]);
    const token = `${idOf(it)}-0`;
    expect(interruptions(next)).toEqual([
      {
        name: "RunInterruptedError",
        code: 500,
        message: expect.stringMatching(/run "pay".*may or may not have happened/) as string,
        metadata: { run: "pay", idempotencyToken: token },
      },
    ]);
    expect(interruptions(next)[0]?.message).toContain(token);
    expect(runRows(it.h)).toEqual([]);
    expect(brokenReferences(it.h.tx)).toEqual([]);
  });

  test("a run with a probe is asked about first; what had happened is its result", () => {
    const it = started("probe");
    CUTS[cut]?.(it);
    const next = it.h.attempt(2);
    expect(gosOf(next)).toEqual(["probe 2"]);
    next.report(it.command, { value: '"paid"' });
    expect(next.deliveries()).toEqual([
      { kind: "completion", completionId: 1, result: { kind: "proposed" } },
    ]);
    expect(runRows(it.h)).toEqual([]);
    expect(brokenReferences(it.h.tx)).toEqual([]);
  });
});

describe("an at-most-once run", () => {
  test("is marked as started by the very command that its go waits for, and has no row", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const run = { kind: "run", mode: "at-most-once", retry: null, completionId: 1 } as const;
    const command = { ...run, index: 0, after: 0, outside: false, name: "pay" };
    const message = { kind: "command", attempt: 1, command } as const;
    const effects = h.apply({ kind: "worker-message", connection: 1, ordinal: 2, message });
    // One input is one batch: whoever sees the go finds the command, and its place.
    expect(effects).toContainEqual(
      expect.objectContaining({
        when: "durable",
        message: expect.objectContaining({ kind: "go" }),
      }),
    );
    expect(runRows(h)).toEqual([]);
    const row = h.tx.get(invocationKey(1)) ?? new Uint8Array(0);
    expect(readRecord(h.tx, 1, row)).toMatchObject({
      runs: 1,
      plainRuns: [{ command: 0, entry: 0 }],
    });
  });

  test("that throws fails with what it threw, at once, whatever the policy of its invocation", () => {
    const { h, attempt, command } = started("at-most-once");
    attempt.report(command, { error: "timed out" });
    expect(interruptions(attempt)).toEqual([
      { name: "TerminalError", message: "timed out", code: 500 },
    ]);
    h.advance(60_000);
    expect(gosOf(attempt)).toEqual(["closure 1"]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("with a result is replayed like any other", () => {
    const it = started("at-most-once");
    it.attempt.report(it.command, { value: '"paid"' });
    it.h.restart();
    it.h.connect(2);
    const next = it.h.attempt(2);
    expect(gosOf(next)).toEqual([]);
    expect(next.start.deliveryCount).toBe(1);
    expect(interruptions(next)).toEqual([]);
  });

  test("that a cancellation covers is neither started again nor reported as interrupted", () => {
    const it = started("at-most-once");
    const invocationId = idOf(it);
    it.h.ask((request) => ({ kind: "cancel", request, invocationId }));
    it.h.restart();
    it.h.connect(2);
    expect(gosOf(it.h.attempt(2))).toEqual([]);
    expect(interruptions(it.h.attempt(2))).toEqual([]);
    expect(runRows(it.h)).toEqual([]);
  });

  test("beside others: its failure comes after the replay, waits for the disk, and they get their gos", () => {
    const { h, attempt } = started("at-most-once");
    attempt.issue({ kind: "run", mode: "at-least-once", retry: null, completionId: 2 });
    h.lose(1);
    h.connect(2);
    const kinds = (h.told.get(2) ?? []).map((it) => it.kind);
    expect(kinds.filter((it) => it !== "ack")).toEqual([
      "welcome",
      "start",
      "replay",
      "deliver",
      "go",
    ]);
    const next = h.attempt(2);
    next.report(1, { value: "1" });
    next.end("done");
    expect(runRows(h)).toEqual([]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });
});

describe("a run with a probe", () => {
  test("starts with its closure: nothing can have happened yet", () => {
    expect(gosOf(started("probe").attempt)).toEqual(["closure 1"]);
  });

  test("whose closure threw is asked about before it goes again", () => {
    const { h, attempt, command } = started("probe");
    attempt.report(command, { error: "connection reset" });
    h.advance(1_000);
    expect(gosOf(attempt)).toEqual(["closure 1", "probe 2"]);
  });

  test("that did not happen gets a go for its closure, which waits for the disk again", () => {
    const { h, attempt, command } = started("probe");
    h.lose(1);
    h.connect(2);
    const next = h.attempt(2);
    const { handle } = next;
    const message = { kind: "run-not-done", attempt: handle, command, try: 2 } as const;
    const effects = h.apply({ kind: "worker-message", connection: 2, ordinal: 2, message });
    expect(effects).toContainEqual(
      expect.objectContaining({
        when: "durable",
        message: { kind: "go", attempt: handle, command, try: 3, probe: false },
      }),
    );
    // From here on it may have happened again.
    h.restart();
    h.connect(3);
    expect(gosOf(h.attempt(3))).toEqual(["probe 4"]);
    expect(attempt.handle).toBe(1);
  });

  test("whose probe throws is asked about again, by its policy, and not run", () => {
    const { h, command } = started("probe", {
      initialIntervalMs: 50,
      factor: 2,
      maxIntervalMs: 1_000,
      maxAttempts: 3,
      maxDurationMs: null,
      jitter: 0,
      onMaxAttempts: "fail",
    });
    h.lose(1);
    h.connect(2);
    const next = h.attempt(2);
    for (let i = 0; i < 3; i++) {
      next.report(command, { error: "unreachable" });
      h.advance(1_000);
    }
    expect(gosOf(next)).toEqual(["probe 2", "probe 3", "probe 4"]);
    expect(interruptions(next)).toMatchObject([{ name: "TerminalError", message: "unreachable" }]);
    expect(runRows(h)).toEqual([]);
  });

  test("whose probe is cut off is asked about again", () => {
    const { h } = started("probe");
    for (const connection of [2, 3]) {
      h.lose(connection - 1);
      h.connect(connection);
      expect(gosOf(h.attempt(connection))).toEqual([`probe ${connection}`]);
    }
  });

  test("nobody may say of a closure that it did not happen: that breaks the protocol", () => {
    const { h, attempt, command } = started("probe");
    attempt.report(command, { notDone: true });
    expect(h.closed.get(1)).toContain("nobody had asked");
  });

  test("an answer to an old go changes nothing", () => {
    const { h, command } = started("probe");
    h.lose(1);
    h.connect(2);
    const next = h.attempt(2);
    h.say(2, { kind: "run-not-done", attempt: next.handle, command, try: 1 });
    h.say(2, { kind: "run-not-done", attempt: next.handle, command: 7, try: 2 });
    expect(gosOf(next)).toEqual(["probe 2"]);
    expect(h.closed.size).toBe(0);
  });

  test("that a cancellation covers gets no go after its probe", () => {
    const it = started("probe");
    it.h.lose(1);
    it.h.connect(2);
    const invocationId = idOf(it);
    const next = it.h.attempt(2);
    it.h.ask((request) => ({ kind: "cancel", request, invocationId }));
    next.report(it.command, { notDone: true });
    expect(gosOf(next)).toEqual(["probe 2"]);
    expect(runRows(it.h)).toEqual([]);
    expect(brokenReferences(it.h.tx)).toEqual([]);
  });
});

describe("T18: of a run no row and no timer is left", () => {
  const modes: readonly RunMode[] = ["at-least-once", "at-most-once", "probe"];
  const ends: Readonly<Record<string, (it: Started) => void>> = {
    "its result": ({ attempt, command }) => attempt.report(command, { value: "1" }),
    "a kill": (it) => {
      const invocationId = idOf(it);
      it.h.ask((request) => ({ kind: "kill", request, invocationId }));
    },
    "a kill while it backs off": (it) => {
      it.attempt.report(it.command, { error: "boom" });
      const invocationId = idOf(it);
      it.h.ask((request) => ({ kind: "kill", request, invocationId }));
    },
    "a kill of what is paused": (it) => {
      const invocationId = idOf(it);
      it.h.ask((request) => ({ kind: "pause", request, invocationId }));
      it.h.ask((request) => ({ kind: "kill", request, invocationId }));
    },
    "the end of its handler, which had not awaited it": ({ attempt }) => attempt.end("done"),
  };
  test.each(modes.flatMap((mode) => Object.keys(ends).map((end) => [mode, end] as const)))(
    "%s, after %s",
    (mode, end) => {
      const it = started(mode);
      ends[end]?.(it);
      expect(runRows(it.h)).toEqual([]);
      expect(brokenReferences(it.h.tx)).toEqual([]);
    },
  );
});
