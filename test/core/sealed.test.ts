/** What has ended stands in one row, and everybody who reads it finds there what its rows said. */
import { describe, expect, test } from "vitest";
import { listInvocations } from "../../runtime/admin/list.ts";
import { byCompletion, byIndex, findCommand, readJournal } from "../../runtime/core/journal.ts";
import { inputKey, invocationKey, journalKey } from "../../runtime/core/keys.ts";
import { SEALED_BYTES_MAX } from "../../runtime/core/seal.ts";
import { Overlay } from "../../runtime/store/overlay.ts";
import { DamagedTx } from "../support/damaged-tx.ts";
import { bytes, CoreHarness, PlainTx, type ScriptedAttempt } from "../support/core-harness.ts";
import { recordOf, rowsOf, sequenceOf, view } from "../support/one-record.ts";
import { Retention } from "../support/retention.ts";

/** One that sleeps, and ends with its first argument. */
function started(h: CoreHarness, options: Parameters<CoreHarness["invoke"]>[1] = {}) {
  const request = h.invoke("counter/a/add", { body: "1", ...options });
  const attempt = h.attempt(1);
  attempt.issue({ kind: "set-state", key: "total", value: bytes("7") });
  attempt.issue({ kind: "date", completionId: 1 }, { name: "when" });
  return { request, attempt, id: attempt.start.invocationId };
}

function long(attempt: ScriptedAttempt): void {
  for (let id = 2; id < 100; id++) attempt.issue({ kind: "date", completionId: id });
}

describe("what has ended", () => {
  test("is its record and its expiry, and nothing else", () => {
    const h = new Retention();
    const { attempt, id } = started(h);
    expect(rowsOf(h, id)).toContain("i");
    attempt.end("8");
    expect(rowsOf(h, id)).toBe("I");
    expect(h.left()).toHaveLength(2);
    h.sound();
  });

  test("never wrote its rows, when it came and went within one batch", () => {
    const overlay = new Overlay(new PlainTx(), 0);
    const h = new CoreHarness({}, { tx: overlay as unknown as PlainTx });
    h.connect(1);
    overlay.release(overlay.seal().number);
    started(h).attempt.end("8");
    const kinds = overlay.seal().writes.map(([key]) => key.charAt(0));
    expect(kinds.filter((kind) => !"nhCc".includes(kind))).toEqual(["I", "e", "s"]);
  });

  test("answers again, for its id, its idempotency key and its payload", () => {
    const h = new Retention();
    const keyed = { idempotencyKey: "once" };
    const { attempt, id } = started(h, keyed);
    attempt.end("8");
    h.restart();
    const answer = { kind: "completed", result: { ok: true, value: bytes("8") } };
    const json = { ...answer, contentType: "application/json", invocationId: id };
    expect(h.output({ kind: "id", invocationId: id })).toMatchObject(json);
    expect(h.attach({ kind: "id", invocationId: id })).toMatchObject(json);
    expect(h.responses.get(h.invoke("counter/a/add", { body: "1", ...keyed }))).toMatchObject(json);
    const other = h.responses.get(h.invoke("counter/a/add", { body: "2", ...keyed }));
    expect(other).toMatchObject({ kind: "refused", code: 422 });
  });

  test("is described as its rows would be", async () => {
    const [sealed, apart] = [new Retention(), new Retention()];
    const views = [sealed, apart].map((h) => {
      const headers = [
        ["content-type", "application/json"],
        ["x-restate-ingress-path", "/counter/a/add"],
        ["x-other", "application/json"],
      ] as const;
      const { attempt, id } = started(h, { headers });
      // The outcome takes all of the room of the other one.
      attempt.end(h === sealed ? "8" : JSON.stringify("8".repeat(SEALED_BYTES_MAX)));
      return view(h, id);
    });
    const [one, two] = views.map((it) => ({ ...it, outcome: null, expiresAt: null }));
    expect(one).toEqual(two);
    expect(one).toMatchObject({ status: "completed", inputBytes: 1, journalLength: 3 });
    expect(views[0]?.journal).toMatchObject([
      { kind: "set-state", about: "total" },
      { kind: "date", name: "when" },
      { kind: "completion", command: 1, name: "when" },
    ]);
    expect(views[0]?.outcome).toEqual({ ok: true, sizeBytes: 1, contentType: "application/json" });
    const listed = await listInvocations(
      sealed.tx,
      { statuses: ["completed"] },
      { limit: 9, after: null },
    );
    expect(listed.invocations).toMatchObject([{ id: one?.id, status: "completed", attempts: 1 }]);
  });

  test("keeps its journal in order, entry by entry", () => {
    const h = new Retention();
    const { attempt, id } = started(h);
    const before = [...readJournal(h.tx, recordOf(h, id))];
    attempt.end("8");
    const record = recordOf(h, id);
    expect([...readJournal(h.tx, record)]).toEqual(before);
    expect(findCommand(h.tx, record, byIndex(1))?.command.name).toBe("when");
    expect(findCommand(h.tx, record, byCompletion(1))?.entry).toBe(1);
    expect(findCommand(h.tx, record, byIndex(7))).toBeUndefined();
  });
});

describe("what is too large for a record", () => {
  const large = JSON.stringify("x".repeat(SEALED_BYTES_MAX));

  test.each([
    ["an input", large, "8", false, "Ii"],
    ["an outcome", "1", large, false, "Io"],
    ["a journal", "1", "8", true, "Ij"],
    ["all", large, large, true, "Iijo"],
  ])("stays in rows of its own: %s", (_what, body, result, isLong, kinds) => {
    const h = new Retention();
    const { attempt, id } = started(h, { body });
    if (isLong) long(attempt);
    attempt.end(result);
    const kept = [...new Set(rowsOf(h, id))].sort().join("");
    expect(kept).toBe(kinds);
    h.sound();
    const row = h.tx.get(invocationKey(sequenceOf(id))) ?? bytes("");
    expect(row.length).toBeLessThan(SEALED_BYTES_MAX + 300);
    expect(view(h, id)).toMatchObject({
      journalLength: isLong ? 199 : 3,
      inputBytes: body.length,
      outcome: { ok: true, sizeBytes: result.length },
    });
    h.advance(11_000);
    expect(h.left()).toEqual([]);
    h.sound();
  });

  test("an end reads no long journal", () => {
    const h = new Retention();
    const { attempt, id } = started(h);
    long(attempt);
    const get = h.tx.get.bind(h.tx);
    const read: string[] = [];
    h.tx.get = (key) => {
      read.push(key.charAt(0));
      return get(key);
    };
    attempt.end("8");
    expect(read).not.toContain("j");
    expect(rowsOf(h, id)).toContain("j");
  });
});

describe("damage", () => {
  test("of a sealed record costs that invocation", () => {
    const tx = new DamagedTx(new Map(), []);
    const h = new CoreHarness({}, { tx });
    h.connect(1);
    const ids = ["1", "2"].map((result) => {
      const { attempt, id } = started(h);
      attempt.end(result);
      return id;
    });
    tx.damage(invocationKey(sequenceOf(ids[0]!)));
    h.restart();
    const answers = ids.map((invocationId) =>
      h.ask((request) => ({ kind: "output", request, ref: { kind: "id", invocationId } }) as const),
    );
    expect(answers).toMatchObject([{ kind: "refused", code: 500 }, { kind: "completed" }]);
  });

  test("of a row is not sealed over when nobody kept it: it stays, and is told", () => {
    const tx = new DamagedTx(new Map(), []);
    const h = new CoreHarness({}, { tx });
    h.connect(1);
    const { id } = started(h);
    h.lose(1);
    h.connect(2);
    const again = h.attempt(2);
    again.issue({ kind: "set-state", key: "large", value: new Uint8Array(300) }, { after: 1 });
    const entry = journalKey(sequenceOf(id), 1);
    tx.damage(entry);
    again.end("8");
    expect(rowsOf(h, id)).toBe("Ijjjj");
    expect(view(h, id)?.journal).toHaveLength(3);
  });

  test("of rows that the attempt has replayed is gone with them: they are not read again", () => {
    const tx = new DamagedTx(new Map(), []);
    const h = new CoreHarness({}, { tx });
    h.connect(1);
    const { id } = started(h);
    h.lose(1);
    h.connect(2);
    for (const index of [0, 1, 2]) tx.damage(journalKey(sequenceOf(id), index));
    h.attempt(2).end("8");
    expect(rowsOf(h, id)).toBe("I");
    expect(view(h, id)?.journal).toHaveLength(3);
  });

  test("of rows that the attempt has kept is gone with them: they are not read", () => {
    const tx = new DamagedTx(new Map(), []);
    const h = new CoreHarness({}, { tx });
    h.connect(1);
    const { attempt, id } = started(h);
    tx.damage(journalKey(sequenceOf(id), 1));
    tx.damage(inputKey(sequenceOf(id)));
    attempt.end("8");
    expect(rowsOf(h, id)).toBe("I");
    expect(view(h, id)?.journal).toHaveLength(3);
  });
});
