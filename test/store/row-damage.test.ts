/**
 * Every row that a runtime under hostile workers wrote, with every byte changed once, cut at every
 * length, and under every other key: a CorruptRowError, never another value.
 */
import { afterAll, expect, test } from "vitest";
import { openRow, sealedRow } from "../../runtime/store/row.ts";
import { CorruptRowError } from "../../runtime/store/store.ts";
import { effort, report, SEED } from "../hostile/effort.ts";
import { messageCorpus } from "../hostile/hostile-worker.ts";
import { HostileWorld } from "../hostile/hostile-world.ts";
import { Random } from "../simulation/random.ts";
import { world as fullWorld } from "../support/full-world.ts";

const ROWS_MAX = effort("FUZZ_ROWS", 1_500);
const counts = { rows: 0, "damaged rows": 0 };
afterAll(() => report("row damage", counts));

function rowsOfWorlds(): [key: string, value: Uint8Array][] {
  const corpus = messageCorpus(SEED);
  // Outcomes are small there, and stand in the records; only large ones have rows.
  const rows = [...fullWorld().tx.rows].filter(([key]) => key.startsWith("o"));
  for (let seed = SEED; rows.length < ROWS_MAX; seed++) {
    const world = new HostileWorld(seed, corpus);
    for (let step = 0; step < 200; step++) world.step();
    rows.push(...world.h.tx.rows);
  }
  return rows.slice(0, ROWS_MAX);
}

/** The value of a damaged row is refused, or it is what it was. */
function expectRefused(key: string, value: Uint8Array, damaged: Uint8Array, what: string): void {
  counts["damaged rows"]++;
  try {
    const read = openRow(key, damaged);
    if (Buffer.compare(read, value) !== 0) throw new Error(`${what} of ${key} reads otherwise`);
  } catch (error) {
    if (!(error instanceof CorruptRowError)) throw error;
  }
}

test("no damage of a stored row gives another value", () => {
  const random = new Random(SEED, "damage");
  const rows = rowsOfWorlds();
  const kinds = new Set(rows.map(([key]) => key[0]));
  for (const kind of "IijoprkstdvWnw") expect(kinds).toContain(kind);
  for (const [key, value] of rows) {
    counts.rows++;
    const stored = sealedRow(key, value);
    expect(Buffer.compare(openRow(key, stored), value)).toBe(0);
    for (let at = 0; at < stored.length; at++) {
      const damaged = Buffer.from(stored);
      damaged[at] = (damaged[at] ?? 0) ^ random.int(1, 255);
      expectRefused(key, value, damaged, `byte ${at} changed`);
      expectRefused(key, value, stored.subarray(0, at), `the first ${at} bytes`);
    }
    const [otherKey] = random.pick(rows);
    if (otherKey !== key) expect(() => openRow(otherKey, stored)).toThrow(CorruptRowError);
  }
});
