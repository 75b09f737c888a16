/** A large state value is in the journal as long as somebody may replay it, and after that in the state alone. */
import { describe, expect, test } from "vitest";
import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import { describeInvocation } from "../../runtime/admin/describe.ts";
import { readJournal } from "../../runtime/core/journal.ts";
import { invocationKey, journalKey, stateKey } from "../../runtime/core/keys.ts";
import { LARGE_VALUE_BYTES } from "../../runtime/core/large-values.ts";
import { decodeInvocation } from "../../runtime/core/rows.ts";
import { Overlay } from "../../runtime/store/overlay.ts";
import { CoreHarness, PlainTx } from "../support/core-harness.ts";
import { Retention } from "../support/retention.ts";

const LIVE = { nowMs: () => 1_000_000, workersOf: () => 1, quarantined: () => 0 };
const MIB = 1024 * 1024;
const sequenceOf = (id: InvocationId): number => parseInvocationId(id)?.sequence ?? 0;
const setState = (size: number) =>
  ({ kind: "set-state", key: "large", value: new Uint8Array(size).fill(7) }) as const;

function started(h: CoreHarness) {
  h.invoke("counter/a/add", { body: "1" });
  const attempt = h.attempt(1);
  return { attempt, id: attempt.start.invocationId };
}

function recordOf(h: CoreHarness, id: InvocationId) {
  const row = h.tx.get(invocationKey(sequenceOf(id)));
  if (row === undefined) throw new Error("it is there");
  return decodeInvocation(sequenceOf(id), row);
}

function journalView(h: CoreHarness, id: InvocationId) {
  const parts = parseInvocationId(id);
  if (parts === undefined) throw new Error("an id");
  return describeInvocation(h.tx, LIVE, parts, { from: null, limit: 1_000 })?.journal;
}

describe("a large value", () => {
  test.each([LARGE_VALUE_BYTES - 1, LARGE_VALUE_BYTES, 16_383, 16_384, 0xffff, 0x1_0000, MIB])(
    "of %i bytes counts for what its row has",
    (size) => {
      const h = new Retention();
      const { attempt, id } = started(h);
      attempt.issue(setState(size));
      const row = h.tx.get(journalKey(sequenceOf(id), 0));
      expect(recordOf(h, id).journalBytes).toBe(row?.length);
    },
  );

  test("comes with a replay, whole", () => {
    const h = new Retention();
    const { attempt, id } = started(h);
    attempt.issue(setState(20_000));
    h.restart();
    h.connect(1);
    const entries = h.messages(1, "replay").flatMap((it) => it.entries);
    expect(entries).toMatchObject([{ kind: "command", command: setState(20_000) }]);
    expect([...readJournal(h.tx, recordOf(h, id))]).toMatchObject([{ command: setState(20_000) }]);
  });

  test("is in the state alone once its invocation has ended, which still says how large it was", () => {
    const h = new Retention();
    const { attempt, id } = started(h);
    attempt.issue(setState(MIB));
    attempt.issue({ kind: "set-state", key: "small", value: new Uint8Array(3) });
    const before = journalView(h, id);
    attempt.end("8");
    expect(h.tx.get(stateKey("counter", "a", "large"))).toHaveLength(MIB);
    expect(h.tx.get(journalKey(sequenceOf(id), 0))).toBeUndefined();
    expect(h.tx.get(invocationKey(sequenceOf(id)))?.length).toBeLessThan(500);
    expect(journalView(h, id)).toEqual(before);
    h.restart();
    expect(journalView(h, id)).toEqual(before);
    h.sound();
  });

  test.each([MIB, 1_000])(
    "of %i bytes is written once, by an invocation that ends within the batch",
    (size) => {
      const overlay = new Overlay(new PlainTx(), 0);
      const h = new CoreHarness({}, { tx: overlay as unknown as PlainTx });
      h.connect(1);
      overlay.release(overlay.seal().number);
      const { attempt } = started(h);
      attempt.issue(setState(size));
      attempt.end("8");
      const { writes } = overlay.seal();
      const bytes = writes.reduce((sum, [, value]) => sum + (value?.length ?? 0), 0);
      expect(bytes).toBeLessThan(size + 600);
    },
  );

  test("that an earlier attempt set stays in its row", () => {
    const h = new Retention();
    const { attempt, id } = started(h);
    attempt.issue(setState(MIB));
    h.restart();
    h.connect(1);
    const again = h.attempt(1);
    again.issue(setState(20_000));
    const before = journalView(h, id);
    again.end("8");
    expect(h.tx.get(journalKey(sequenceOf(id), 0))?.length).toBeGreaterThan(MIB);
    expect(journalView(h, id)).toEqual(before);
    h.sound();
  });
});
