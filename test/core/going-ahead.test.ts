/** Code that waits for a run and for nothing else goes ahead with its result: runs.ts, number 4. */
import { expect, test } from "vitest";
import { bytes, CoreHarness, text, type ScriptedAttempt } from "../support/core-harness.ts";

const run = (completionId: number) =>
  ({ kind: "run", mode: "at-least-once", retry: null, completionId }) as const;

function start(): { readonly h: CoreHarness; readonly attempt: ScriptedAttempt } {
  const h = new CoreHarness();
  h.connect(1);
  h.invoke("counter/a/add");
  return { h, attempt: h.attempt(1) };
}

test("what it went ahead with is recorded, and is not delivered again", () => {
  const { h, attempt } = start();
  attempt.report(attempt.issue(run(1)), { value: "1", deliveries: 0 });
  const second = attempt.issue(run(2), { after: 1 });
  expect(attempt.deliveries()).toEqual([]);
  expect(attempt.gos().map(({ command }) => command)).toEqual([0, second]);
  h.lose(1);
  h.connect(2);
  const value = { kind: "value", value: bytes("1") };
  expect(h.told.get(2)).toContainEqual(
    expect.objectContaining({
      kind: "replay",
      entries: expect.arrayContaining([
        { kind: "delivery", delivery: { kind: "completion", completionId: 1, result: value } },
      ]),
    }),
  );
  expect(h.attempt(2).gos()).toMatchObject([{ command: second, try: 2 }]);
});

test("if something else was delivered before, the attempt is void, and the result is kept", () => {
  const { h, attempt } = start();
  attempt.issue({ kind: "sleep", durationMs: 10, completionId: 1 });
  const command = attempt.issue(run(2));
  h.advance(10);
  expect(attempt.deliveries()).toHaveLength(1);
  attempt.report(command, { value: "1", deliveries: 0 });
  expect(attempt.aborts()).toHaveLength(1);
  // What the code did ahead of the journal is taken by nobody.
  attempt.issue(run(3), { after: 1 });
  attempt.end("wrong");
  const next = h.attempt(1);
  expect(next.handle).not.toBe(attempt.handle);
  expect(next.start).toMatchObject({ commandCount: 2, deliveryCount: 2 });
  expect(next.gos()).toEqual([]);
  next.end("right");
  const [response] = [...h.responses.values()];
  expect(response?.kind === "completed" && response.result.ok && text(response.result.value)).toBe(
    "right",
  );
});

test("code that goes ahead of the journal again and again is given time", () => {
  const { h, attempt } = start();
  attempt.issue(run(1));
  attempt.issue({ kind: "sleep", durationMs: 1, completionId: 2 });
  h.advance(1);
  let attempts = 0;
  for (; attempts < 10 && h.attempt(1, -1).aborts().length === 0; attempts++) {
    const { handle } = h.attempt(1);
    // A result of a try that nobody has: nothing comes of it.
    const result = { ok: true, value: bytes("1") } as const;
    h.say(1, { kind: "run-result", attempt: handle, command: 0, try: 99, result, deliveries: 0 });
  }
  expect(attempts).toBeLessThan(5);
});

test.each([
  ["beside another run", (it: ScriptedAttempt) => void it.issue(run(2)), 0],
  ["after more than there was", () => undefined, 1],
] as const)("an honest worker never goes ahead %s", (_, before, deliveries) => {
  const { h, attempt } = start();
  const command = attempt.issue(run(1));
  before(attempt);
  attempt.report(command, { value: "1", deliveries });
  expect(h.closed.get(1)).toContain("gone ahead");
});
