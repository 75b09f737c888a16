/** What waits stands in one row, as far as it is small; everybody who reads it finds there what its rows said. */
import { describe, expect, test } from "vitest";
import type { InvocationId } from "../../protocol/ids.ts";
import { FOLDED_BYTES_MAX } from "../../runtime/core/fold.ts";
import { entriesInRecord } from "../../runtime/core/history.ts";
import { byIndex, findCommand, readJournal } from "../../runtime/core/journal.ts";
import { journalKey } from "../../runtime/core/keys.ts";
import { SEALED_BYTES_MAX } from "../../runtime/core/seal.ts";
import { Overlay } from "../../runtime/store/overlay.ts";
import { bytes, CoreHarness, PlainTx, type ScriptedAttempt } from "../support/core-harness.ts";
import { recordOf, rowsOf, sequenceOf, view } from "../support/one-record.ts";
import { Retention } from "../support/retention.ts";

const SLEEP_MS = 60_000;
/** Its row is larger than all that is folded. */
const LARGE_TEXT = "x".repeat(FOLDED_BYTES_MAX);

/** The kinds of the rows that are its own. */
function kindsOf(h: CoreHarness, id: InvocationId): string {
  return [...new Set(rowsOf(h, id))].sort().join("");
}

const journalOf = (h: CoreHarness, id: InvocationId) => [...readJournal(h.tx, recordOf(h, id))];

/** Asks for the time, and sleeps. */
function startSleeper(h: CoreHarness, body = "1") {
  const request = h.invoke("greeter/greet", { body });
  const attempt = h.attempt(1);
  attempt.issue({ kind: "date", completionId: 1 }, { name: "when" });
  attempt.issue({ kind: "sleep", durationMs: SLEEP_MS, completionId: 2 }, { name: "a minute" });
  return { request, attempt, id: attempt.start.invocationId };
}

/** Sleeps `name` and suspends: one more command and, later, one more delivery. */
function sleepAgain(attempt: ScriptedAttempt, completionId: number, name: string): void {
  attempt.issue({ kind: "sleep", durationMs: SLEEP_MS, completionId }, { name });
  attempt.suspend();
}

/** Is woken by its sleep, and gives its next attempt. */
function woken(h: CoreHarness): ScriptedAttempt {
  h.advance(SLEEP_MS);
  return h.attempt(1);
}

describe("what is suspended", () => {
  test("is its record and what it waits for, and nothing else", () => {
    const h = new Retention();
    const { attempt, id } = startSleeper(h);
    expect(kindsOf(h, id)).toBe("Iaijp");
    attempt.suspend();
    expect(kindsOf(h, id)).toBe("Ip");
    h.sound();
  });

  test("never wrote its input and its journal, when it began within the same batch", () => {
    const overlay = new Overlay(new PlainTx(), 0);
    const h = new CoreHarness({}, { tx: overlay as unknown as PlainTx });
    h.connect(1);
    overlay.release(overlay.seal().number);
    startSleeper(h).attempt.suspend();
    const kinds = overlay.seal().writes.map(([key]) => key.charAt(0));
    expect(kinds.filter((kind) => "Iijpt".includes(kind))).toEqual(["I", "p", "t"]);
  });

  test("is described as its rows were, entry by entry, with what it waits for", () => {
    const h = new Retention();
    const { attempt, id } = startSleeper(h);
    const before = { journal: journalOf(h, id), view: view(h, id) };
    attempt.suspend();
    const after = view(h, id);
    expect(journalOf(h, id)).toEqual(before.journal);
    expect(after?.journal).toEqual(before.view?.journal);
    expect(after).toMatchObject({ status: "suspended", inputBytes: 1, journalLength: 3 });
    expect(after?.waitsFor).toMatchObject([{ kind: "sleep", command: 1, name: "a minute" }]);
    expect(findCommand(h.tx, recordOf(h, id), byIndex(1))?.command.name).toBe("a minute");
  });

  test("goes on from there after a restart, with all that was recorded, and ends in one row", () => {
    const h = new Retention();
    const { attempt, id } = startSleeper(h);
    attempt.suspend();
    h.restart();
    h.connect(1);
    const again = woken(h);
    expect(again.start).toMatchObject({ commandCount: 2, deliveryCount: 2, input: bytes("1") });
    const completion = (completionId: number) => ({ kind: "completion", completionId });
    expect(h.messages(1, "replay").at(-1)?.entries).toMatchObject([
      { kind: "command", command: { index: 0, kind: "date", name: "when" } },
      { kind: "delivery", delivery: completion(1) },
      { kind: "command", command: { index: 1, kind: "sleep", name: "a minute" } },
      { kind: "delivery", delivery: completion(2) },
    ]);
    again.end("2");
    expect(kindsOf(h, id)).toBe("I");
    expect(journalOf(h, id)).toHaveLength(4);
    expect(view(h, id)).toMatchObject({ inputBytes: 1, outcome: { ok: true } });
    h.sound();
  });

  test("is killed like any other, and its history stays what it was", () => {
    const h = new Retention();
    const { attempt, id } = startSleeper(h);
    attempt.suspend();
    const before = journalOf(h, id);
    h.ask((request) => ({ kind: "kill", request, invocationId: id }));
    expect(kindsOf(h, id)).toBe("I");
    expect(journalOf(h, id)).toEqual(before);
    h.sound();
  });

  test("folds nothing while a run is outstanding, which is told from the row of its command", () => {
    const h = new Retention();
    const { attempt, id } = startSleeper(h);
    const run = { kind: "run", mode: "at-least-once", retry: null, completionId: 3 } as const;
    const command = attempt.issue(run, { name: "pay" });
    attempt.report(command, { error: "not now", retryAfterMs: 2 * SLEEP_MS });
    attempt.suspend();
    expect(recordOf(h, id)).toMatchObject({ status: "suspended", runs: 1 });
    expect(entriesInRecord(recordOf(h, id))).toBe(0);
    h.sound();
  });
});

describe("what is too large to be folded", () => {
  test("stays in rows of its own: an input", () => {
    const h = new Retention();
    const { attempt, id } = startSleeper(h, JSON.stringify(LARGE_TEXT));
    attempt.suspend();
    expect(kindsOf(h, id)).toBe("Iip");
    h.sound();
    const again = woken(h);
    expect(again.start.input).toEqual(bytes(JSON.stringify(LARGE_TEXT)));
    again.end("2");
    expect(kindsOf(h, id)).toBe("I");
    h.sound();
  });

  test("stays in rows of its own: a journal", () => {
    const h = new Retention();
    const { attempt, id } = startSleeper(h);
    attempt.issue({ kind: "date", completionId: 3 }, { name: LARGE_TEXT });
    attempt.suspend();
    expect(kindsOf(h, id)).toBe("Ijp");
    h.sound();
    woken(h).end("2");
    expect(kindsOf(h, id)).toBe("I");
    expect(journalOf(h, id)).toHaveLength(6);
    h.sound();
  });
});

describe("a journal that grows after it was folded", () => {
  test("is folded again as a whole, as long as it is small", () => {
    const h = new Retention();
    const { attempt, id } = startSleeper(h);
    attempt.suspend();
    sleepAgain(woken(h), 3, "again");
    expect(kindsOf(h, id)).toBe("Ip");
    expect(entriesInRecord(recordOf(h, id))).toBe(5);
    h.sound();
  });

  /** Woken twice: its record has the first three entries, and rows the others. */
  function grown(h: Retention, name = LARGE_TEXT) {
    const { attempt, id } = startSleeper(h);
    attempt.suspend();
    sleepAgain(woken(h), 3, name);
    return { id, again: woken(h) };
  }

  test("keeps its beginning in the record and the rest in rows, and is read as one", () => {
    const h = new Retention();
    const { id, again } = grown(h);
    const names = journalOf(h, id).map((it) => (it.kind === "command" ? it.command.name : ""));
    expect(entriesInRecord(recordOf(h, id))).toBe(3);
    expect(names).toEqual(["when", "", "a minute", "", LARGE_TEXT, ""]);
    expect(again.start).toMatchObject({ commandCount: 3, deliveryCount: 3 });
    expect(h.messages(1, "replay").at(-1)?.entries).toHaveLength(6);
    expect(view(h, id)?.journal.map((it) => it.index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(h.tx.get(journalKey(sequenceOf(id), 2))).toBeUndefined();
    expect(h.tx.get(journalKey(sequenceOf(id), 3))).toBeDefined();
    h.sound();
  });

  test("is sealed as a whole, when all of it has room", () => {
    const h = new Retention();
    const { id, again } = grown(h);
    const before = journalOf(h, id);
    again.end("2");
    expect(kindsOf(h, id)).toBe("I");
    expect(journalOf(h, id)).toEqual(before);
    h.sound();
  });

  test("keeps its beginning there when it ends without room for the rest, and goes with its retention", () => {
    const h = new Retention();
    const { id, again } = grown(h);
    const before = journalOf(h, id);
    again.end(JSON.stringify("x".repeat(SEALED_BYTES_MAX - 300)));
    expect(kindsOf(h, id)).toBe("Ij");
    expect(journalOf(h, id)).toEqual(before);
    expect(view(h, id)).toMatchObject({ journalLength: 6, inputBytes: 1 });
    h.sound();
    h.advance(100_000_000);
    expect(h.left()).toEqual([]);
  });
});

describe("an input that comes to be known after the journal was folded", () => {
  test("stays in its row when both together would be too much for the record", () => {
    const h = new Retention();
    const text = "x".repeat(FOLDED_BYTES_MAX - 150);
    // The second one begins as a follower: its first attempt does not know its input.
    h.invoke("counter/a/add", { mode: "send" });
    h.invoke("counter/a/add", { mode: "send", body: JSON.stringify(text) });
    h.attempt(1).end("1");
    const follower = h.attempt(1);
    const id = follower.start.invocationId;
    follower.issue({ kind: "sleep", durationMs: SLEEP_MS, completionId: 1 }, { name: text });
    follower.suspend();
    sleepAgain(woken(h), 2, "again");
    const { inRecord } = recordOf(h, id);
    const folded = (inRecord?.input?.length ?? 0) + (inRecord?.journal?.length ?? 0);
    expect(folded).toBeGreaterThan(text.length);
    expect(folded).toBeLessThanOrEqual(FOLDED_BYTES_MAX);
    expect(woken(h).start.input).toEqual(bytes(JSON.stringify(text)));
    h.sound();
  });
});
