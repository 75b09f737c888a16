/** Curves over what the store holds: keys, held invocations, retained invocations. */
import { sendLater } from "../workloads/hold.ts";
import { ADD } from "../workloads/counter-load.ts";
import type { World } from "../workloads/workload.ts";
import type { Curve } from "./curve.ts";
import { addCost } from "./curve-world.ts";

const FULL = [1_000, 10_000, 100_000, 1_000_000];
const QUICK = [100, 1_000, 10_000];
const FEW_KEYS = 1_000;

export const keysCurve: Curve = growing({
  name: "keys",
  title: "Keys with state",
  sizeName: "keys",
  grow: (world, from, to) =>
    world.load({ ...ADD, ...sequence(from, to), requests: to - from, concurrency: 64 }),
  keysFor: (size) => size,
});

export const heldCurve: Curve = growing({
  name: "held",
  title: "Held invocations (delayed sends)",
  sizeName: "held invocations",
  grow: (world, from, to) => sendLater(world, { requests: to - from }, 1_000_000 + from),
  keysFor: () => FEW_KEYS,
});

export const retainedCurve: Curve = growing({
  name: "retained",
  title: "Retained invocations that ended",
  sizeName: "retained invocations",
  // The adds of the measurement are retained too; they are few beside these.
  grow: (world, from, to) =>
    world.load({ ...ADD, keys: FEW_KEYS, requests: to - from, concurrency: 64 }),
  keysFor: () => FEW_KEYS,
});

interface Growing extends Pick<Curve, "name" | "title" | "sizeName"> {
  readonly grow: (world: World, from: number, to: number) => Promise<unknown>;
  readonly keysFor: (size: number) => number;
}

/** One system that grows from size to size, and what an add takes at each. */
function growing({ grow, keysFor, ...rest }: Growing): Curve {
  return {
    ...rest,
    costName: "µs per add, c=64",
    sizes: { full: FULL, quick: QUICK },
    measure: (sizes, { fresh }) =>
      fresh({}, async (world) => {
        const points = [];
        let grown = 0;
        for (const size of sizes) {
          await grow(world, grown, size);
          grown = size;
          points.push({ size, cost: await addCost(world, keysFor(size)) });
        }
        return points;
      }),
  };
}

function sequence(
  from: number,
  to: number,
): { readonly order: "sequence"; readonly firstKey: number; readonly keys: number } {
  return { order: "sequence", firstKey: from, keys: to - from };
}
