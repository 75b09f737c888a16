/** What an attempt keeps of its journal is small, and so is the memory that it keeps alive. */
import { expect, test } from "vitest";
import { packValue } from "../../protocol/pack.ts";
import { KeptHistory } from "../../runtime/core/kept-history.ts";

const STEPS = 30;

/** A row of a hundred bytes, as the packer makes it: a place in a piece that others share. */
const row = (): Uint8Array => packValue(["x".repeat(97)]);

/** All that lives as long as the attempt, where others come and go between its steps. */
function bytesHeld(msBetween: number): number {
  const kept = new KeptHistory(undefined);
  for (let step = 0; step < STEPS; step++) {
    kept.add({ row: row(), atMs: 1_000_000 + step * msBetween, child: null, joined: false });
    for (let other = 0; other < 100; other++) row();
  }
  const pieces = new Set(kept.entries?.map((it) => it.row.buffer));
  expect(kept.entries).toHaveLength(STEPS);
  return [...pieces].reduce((bytes, it) => bytes + it.byteLength, 0);
}

test("the rows of an attempt that takes its time hold no memory of others alive", () => {
  expect(bytesHeld(1_000)).toBeLessThan(10_000);
});
