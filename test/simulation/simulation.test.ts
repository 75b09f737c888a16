/**
 * The seeded simulation: at least 10,000 worlds and 250,000 crashes per commit, each world with faults
 * of its own, healed in the end, and held against the reference model.
 *
 * `SIMULATION_SEEDS=n` sets how many, `SIMULATION_FROM=n` where to begin; `npm run simulate` runs one
 * and prints everything that happened.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildSimulation, removeFolder } from "./build.ts";
import { emptyCells } from "./cells.ts";
import { describeFailure } from "./describe-failure.ts";
import { runMany } from "./run-process.ts";

const COUNT = Number(process.env["SIMULATION_SEEDS"] ?? 10_000);
const FROM = Number(process.env["SIMULATION_FROM"] ?? 1);
const CRASHES_PER_SEED = 25;
/** Chained starts that come to their end: about twice as many as this do. */
const FOLLOWED_PER_SEED = 0.3;
/** Below this many seeds the table of faults by status has holes by chance. */
const SEEDS_FOR_ALL_CELLS = 10_000;
/** On two cores of our own it takes about 4 minutes; not everybody has them. */
const TIMEOUT_MS = 1_200_000;

let folder = "";
beforeAll(() => {
  folder = buildSimulation();
});
afterAll(() => removeFolder(folder));

describe("the simulation", () => {
  test(
    `${COUNT} seeds keep every invariant, become quiet, and come out the same a second time`,
    async ({ signal }) => {
      const seeds = { from: FROM, count: COUNT, twice: 10, signal };
      const { tally, failure } = await runMany(folder, seeds);
      if (failure) throw new Error(describeFailure(failure));
      const { cells, ...counts } = tally;
      process.stderr.write(`simulation: ${JSON.stringify(counts)}\n`);
      expect(tally.seeds).toBe(COUNT);
      expect(tally.steps).toBeGreaterThanOrEqual(COUNT * 300);
      expect(tally.crashes).toBeGreaterThanOrEqual(COUNT * CRASHES_PER_SEED);
      if (COUNT < SEEDS_FOR_ALL_CELLS) return;
      expect(emptyCells(cells)).toEqual([]);
      expect(tally.followed).toBeGreaterThanOrEqual(COUNT * FOLLOWED_PER_SEED);
    },
    TIMEOUT_MS,
  );
});
