import { spreadOf } from "../harness/numbers.ts";
import { expectEqual, workload, type World } from "./workload.ts";

const MB = 1_000_000;
const NAMES = 1_000;
const BYTES = 1_000;

export const state = workload({
  id: 16,
  title: "state: set 1 MB; get all of 1,000 x 1 KB; an empty handler beside 1 MB of state",
  peers: ["holdfast", "restate"],
  metrics: [
    { name: "set 1 MB ms", better: "lower", must: { value: 10 }, aim: { value: 5 } },
    { name: "get all ms", better: "lower", must: { value: 60 }, aim: { value: 25 } },
    { name: "beside / without", better: "lower", must: { value: 1.1 }, aim: { value: 1 } },
  ],
  setup: async (world) => {
    await world.call("/holder/many/fill", { names: NAMES, bytes: BYTES });
    await times(world, 3, "/holder/large/set", MB);
    await times(world, 3, "/holder/many/readAll", null);
    await times(world, 50, "/holder/large/nothing", null);
  },
  run: async (world) => {
    const { stateTries } = world.scale;
    const set = await times(world, stateTries, "/holder/large/set", MB);
    const all = await times(world, stateTries, "/holder/many/readAll", null);
    const beside: number[] = [];
    const without: number[] = [];
    for (let count = 0; count < stateTries * 5; count++) {
      beside.push(await timed(world, "/holder/large/nothing", null));
      without.push(await timed(world, "/holder/none/nothing", null));
    }
    const median = (values: readonly number[]): number => spreadOf(values).median;
    return {
      figures: {
        "set 1 MB ms": median(set),
        "get all ms": median(all),
        "beside / without": median(beside) / median(without),
      },
      details: { "beside ms": median(beside), "without ms": median(without) },
      evidence: null,
    };
  },
  check: async (world) => {
    const read = await world.call("/holder/many/readAll", null);
    expectEqual("the state that was read", Number(read), NAMES * BYTES);
    const large = await world.call("/holder/large/readAll", null);
    expectEqual("the large state that was read", Number(large), MB);
  },
});

async function times(world: World, count: number, path: string, body: unknown): Promise<number[]> {
  const results: number[] = [];
  for (let done = 0; done < count; done++) results.push(await timed(world, path, body));
  return results;
}

async function timed(world: World, path: string, body: unknown): Promise<number> {
  const startedAt = performance.now();
  await world.call(path, body);
  return performance.now() - startedAt;
}
