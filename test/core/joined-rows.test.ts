/** A run shares the row of the result before it: what is read of a journal is the same, whatever shares a row. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packValue } from "../../protocol/pack.ts";
import { LAG_MAX, readRecord } from "../../runtime/core/catch-up.ts";
import {
  entriesIn,
  JOINED_BYTES_MAX,
  joinRows,
  readEntries,
  readEntry,
} from "../../runtime/core/joined-rows.ts";
import { invocationKey, journalKey } from "../../runtime/core/keys.ts";
import { decodeInvocation } from "../../runtime/core/rows.ts";
import { DamagedRow } from "../../runtime/core/tx.ts";
import { Overlay } from "../../runtime/store/overlay.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { CoreHarness, PlainTx, type ScriptedAttempt } from "../support/core-harness.ts";
import { DamagedTx } from "../support/damaged-tx.ts";

const SEQUENCE = 7;

/** For each row of a journal whether it holds two entries. */
const anyShape = fc.array(fc.boolean(), { minLength: 1, maxLength: 20 });

interface Written {
  readonly tx: DamagedTx;
  readonly entries: readonly Uint8Array[];
  /** Of each row the place of its first entry. */
  readonly places: readonly number[];
}

function write(shape: readonly boolean[]): Written {
  const rows = new Map<string, Uint8Array>();
  const entries: Uint8Array[] = [];
  const places: number[] = [];
  for (const holdsTwo of shape) {
    const [first, second] = [0, 1].map((at) => packValue([1, [3], entries.length + at]));
    if (first === undefined || second === undefined) continue;
    places.push(entries.length);
    rows.set(journalKey(SEQUENCE, entries.length), holdsTwo ? joinRows(first, second) : first);
    entries.push(...(holdsTwo ? [first, second] : [first]));
  }
  return { tx: new DamagedTx(rows, []), entries, places };
}

describe("a journal is read", () => {
  test("from any place up to any other, and one by one", () => {
    fc.assert(
      fc.property(anyShape, fc.nat(40), fc.nat(40), (shape, a, b) => {
        const { tx, entries } = write(shape);
        const [from, to] = [a, b].map((it) => it % (entries.length + 1)).sort((x, y) => x - y);
        expect(readEntries(tx, SEQUENCE, from ?? 0, to ?? 0)).toEqual(entries.slice(from, to));
        expect(readEntry(tx, SEQUENCE, from ?? 0)).toEqual(entries[from ?? 0]);
      }),
    );
  });

  test("as long as it is where a row is damaged: nobody knows what either of its entries says", () => {
    fc.assert(
      fc.property(anyShape, fc.nat(19), fc.nat(40), (shape, row, a) => {
        const { tx, entries, places } = write(shape);
        const at = row % places.length;
        const place = places[at] ?? 0;
        tx.damage(journalKey(SEQUENCE, place));
        const from = a % entries.length;
        const read = readEntries(tx, SEQUENCE, from, entries.length);
        expect(read).toHaveLength(entries.length - from);
        const lost = shape[at] ? [place, place + 1] : [place];
        const damaged = read.flatMap((it, i) => (it instanceof DamagedRow ? [i + from] : []));
        expect(damaged).toEqual(lost.filter((it) => it >= from));
      }),
    );
  });

  test("short of what is missing", () => {
    const { tx, entries } = write([false, false, true]);
    tx.remove(journalKey(SEQUENCE, 1));
    expect(readEntries(tx, SEQUENCE, 0, 4)).toEqual([entries[0], entries[2], entries[3]]);
    expect(readEntry(tx, SEQUENCE, 1)).toBeUndefined();
    expect(readEntry(tx, SEQUENCE, 4)).toBeUndefined();
  });
});

const run = (completionId: number) =>
  ({ kind: "run", mode: "at-least-once", retry: null, completionId }) as const;

/** As a store has it whose batch is closed after each input. */
class OneBatchEach extends PlainTx {
  override replaceInserted(): boolean {
    return false;
  }
}

function begin(tx: PlainTx): { readonly h: CoreHarness; readonly attempt: ScriptedAttempt } {
  const h = new CoreHarness({}, { tx });
  h.connect(1);
  h.invoke("counter/a/add");
  return { h, attempt: h.attempt(1) };
}

function twoSteps(attempt: ScriptedAttempt, value = "1"): void {
  const first = attempt.issue(run(1));
  attempt.report(first, { value, deliveries: 0 });
  attempt.issue(run(2), { after: 1 });
}

const journalOf = (h: CoreHarness): number[] =>
  [...h.tx.rows].filter(([key]) => key.startsWith("j")).map(([, row]) => entriesIn(row).length);

describe("a result and the run behind it", () => {
  test("share a row, and are in the record for whoever reads that", () => {
    const { h, attempt } = begin(new PlainTx());
    twoSteps(attempt);
    expect(journalOf(h)).toEqual([1, 2]);
    const row = h.tx.get(invocationKey(1)) ?? new Uint8Array(0);
    expect(readRecord(h.tx, 1, row)).toMatchObject({ commands: 2, deliveries: 1, runs: 1 });
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("have a row each when the result is on its way to the disk", () => {
    const { h, attempt } = begin(new OneBatchEach());
    twoSteps(attempt);
    expect(journalOf(h)).toEqual([1, 1, 1]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("have a row each when the result is large", () => {
    const { h, attempt } = begin(new PlainTx());
    twoSteps(attempt, "x".repeat(JOINED_BYTES_MAX));
    expect(journalOf(h)).toEqual([1, 1, 1]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("have a row each when the record tells of the result", () => {
    const { h, attempt } = begin(new PlainTx());
    // Then it lags so far that it is written.
    const results = LAG_MAX / 2;
    let command = attempt.issue(run(1));
    for (let made = 0; made < results; made++) {
      attempt.report(command, { value: "1", deliveries: made });
      command = attempt.issue(run(made + 2), { after: made + 1 });
    }
    const stored = decodeInvocation(1, h.tx.get(invocationKey(1)) ?? new Uint8Array(0));
    expect(stored).toMatchObject({ commands: results, deliveries: results });
    expect(journalOf(h)).toEqual([1, ...Array<number>(results - 1).fill(2), 1, 1]);
    h.restart();
    h.connect(2);
    const { start } = h.attempt(2);
    expect(start).toMatchObject({ commandCount: results + 1, deliveryCount: results });
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("come again in a replay, and leave no row behind when they are sealed", () => {
    for (const restarts of [true, false]) {
      const { h, attempt } = begin(new PlainTx());
      twoSteps(attempt);
      let last = attempt;
      if (restarts) {
        h.restart();
        h.connect(2);
        last = h.attempt(2);
        expect(last.start).toMatchObject({ commandCount: 2, deliveryCount: 1 });
      }
      last.report(1, { value: "2", deliveries: 1 });
      last.end("done");
      expect(journalOf(h)).toEqual([]);
      expect(brokenReferences(h.tx)).toEqual([]);
    }
  });
});

describe("a row that was inserted takes another value", () => {
  const tx = (): Overlay => new Overlay(new PlainTx(), 0);
  const [one, two] = [Uint8Array.of(1), Uint8Array.of(2, 2)];

  test("as long as its batch is open, and leaves no trace when it goes", () => {
    const overlay = tx();
    overlay.insert("a", one);
    const before = overlay.openBytes;
    expect(overlay.replaceInserted("a", two)).toBe(true);
    expect([overlay.get("a"), overlay.openBytes]).toEqual([two, before + 1]);
    overlay.remove("a");
    expect([overlay.openBytes, overlay.seal().writes]).toEqual([0, []]);
  });

  test("not when its batch is closed, nor when it was put or is not there", () => {
    const overlay = tx();
    overlay.insert("a", one);
    overlay.seal();
    overlay.put("b", one);
    for (const key of ["a", "b", "c"]) expect(overlay.replaceInserted(key, two)).toBe(false);
    expect([overlay.get("a"), overlay.get("b"), overlay.get("c")]).toEqual([one, one, undefined]);
    overlay.release(1);
    expect(overlay.replaceInserted("a", two)).toBe(false);
  });
});
