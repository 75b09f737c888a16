/** Curves over what is connected: workers and services. */
import type { SystemOptions } from "../peers/peer.ts";
import type { Curve, Point } from "./curve.ts";
import { addCost } from "./curve-world.ts";

const KEYS = 1_000;

export const workersCurve: Curve = around({
  name: "workers",
  title: "Workers of one deployment",
  sizeName: "workers",
  sizes: { full: [1, 2, 5, 10, 20, 50], quick: [1, 2, 5] },
  system: (workers) => ({ workers }),
});

export const servicesCurve: Curve = around({
  name: "services",
  // A worker announces 1,000 at most.
  title: "Services of one worker",
  sizeName: "services",
  sizes: { full: [1, 10, 100, 900], quick: [1, 100] },
  system: (moreServices) => ({ moreServices }),
});

interface Around extends Pick<Curve, "name" | "title" | "sizeName" | "sizes"> {
  readonly system: (size: number) => Omit<SystemOptions, "dataDir">;
}

function around({ system, ...rest }: Around): Curve {
  return {
    ...rest,
    costName: "µs per add, c=64",
    measure: async (sizes, { fresh }) => {
      const points: Point[] = [];
      for (const size of sizes) {
        const cost = await fresh(system(size), (world) => addCost(world, KEYS));
        points.push({ size, cost });
      }
      return points;
    },
  };
}
