/** A command is found by halving, in a journal of any mixture, by its number or by what it completes. */
import { describe, expect, test } from "vitest";
import { byCompletion, byIndex, findCommand, readJournal } from "../../runtime/core/journal.ts";
import { INVOCATIONS, prefixEnd, readU48 } from "../../runtime/core/keys.ts";
import { decodeInvocation } from "../../runtime/core/rows.ts";
import { bytes, CoreHarness } from "../support/core-harness.ts";

/** Commands with and without completions, completions at once and late, and long stretches of each. */
function mixedJournal() {
  const h = new CoreHarness();
  h.connect(1);
  h.invoke("counter/a/add");
  const attempt = h.attempt(1);
  let completionId = 0;
  const sleep = (): number =>
    attempt.issue({ kind: "sleep", durationMs: 1_000, completionId: ++completionId });
  for (let i = 0; i < 40; i++) sleep();
  attempt.issue({ kind: "withdraw", completionId: 7 });
  for (let i = 0; i < 30; i++) {
    attempt.issue({ kind: "date", completionId: ++completionId });
    if (i % 3 === 0) attempt.issue({ kind: "set-state", key: "x", value: bytes("1") });
  }
  h.advance(1_000);
  for (let i = 0; i < 25; i++) attempt.issue({ kind: "set-state", key: "x", value: bytes("1") });
  sleep();
  h.advance(1_000);
  const [row] = h.tx.range({ from: INVOCATIONS, to: prefixEnd(INVOCATIONS), limit: 1 });
  if (row === undefined) throw new Error("no invocation");
  return { h, invocation: decodeInvocation(readU48(row[0], 1), row[1]), completionId };
}

describe("in a mixed journal", () => {
  const { h, invocation, completionId } = mixedJournal();
  const journal = [...readJournal(h.tx, invocation)];

  test("every command is found by its number, at its place", () => {
    expect(journal.length).toBeGreaterThan(170);
    journal.forEach((entry, place) => {
      if (entry.kind !== "command") return;
      const found = findCommand(h.tx, invocation, byIndex(entry.command.index));
      expect(found).toMatchObject({ entry: place, command: entry.command });
    });
  });

  test("every completion id is found at the command that made it, not at one that withdraws it", () => {
    for (let id = 1; id <= completionId; id++) {
      const found = findCommand(h.tx, invocation, byCompletion(id));
      expect(found?.command).toMatchObject({ completionId: id });
      expect(found?.command.kind).not.toBe("withdraw");
    }
  });

  test("what is not there is not found", () => {
    for (const order of [byIndex(-1), byIndex(invocation.commands), byCompletion(0)]) {
      expect(findCommand(h.tx, invocation, order)).toBeUndefined();
    }
    expect(findCommand(h.tx, invocation, byCompletion(completionId + 1))).toBeUndefined();
  });

  test("a search with too few rows gives up", () => {
    expect(findCommand(h.tx, invocation, byIndex(0), 1)).toBeUndefined();
  });
});
