/**
 * The seeded runner. `SEED=n` runs one seed; `SEEDS=n` that many. A failure prints its seed, the last
 * events and the line to repeat it.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countImmediates, stopCountingImmediates } from "./quiet.ts";
import { Simulation } from "./simulation.ts";

const only = process.env["SEED"];
const count = Number(process.env["SEEDS"] ?? 60);
const seeds = only === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(only)];

beforeAll(countImmediates);
afterAll(stopCountingImmediates);

describe("the world of a seed", () => {
  test.each(seeds)("%i keeps every invariant and becomes quiet", async (seed) => {
    const outcome = await new Simulation(seed).run();
    expect(outcome.invocations).toBeGreaterThan(0);
  });

  test("comes out the same a second time", async () => {
    for (const seed of seeds.slice(0, 5)) {
      const first = await new Simulation(seed).run();
      const second = await new Simulation(seed).run();
      expect(second).toEqual(first);
    }
  });
});
