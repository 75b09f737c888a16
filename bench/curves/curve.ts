/** The shape that all growth curves share: one measure of cost at several sizes. */
import type { CurveName } from "./names.ts";
import type { CurveWorld } from "./curve-world.ts";

export interface Point {
  readonly size: number;
  readonly cost: number;
}

export interface Curve {
  readonly name: CurveName;
  readonly title: string;
  /** What grows: "keys". */
  readonly sizeName: string;
  /** What is measured at each size: "µs per add". Flat is good. */
  readonly costName: string;
  readonly sizes: { readonly full: readonly number[]; readonly quick: readonly number[] };
  /** Costs at these sizes, in this order. */
  measure(sizes: readonly number[], world: CurveWorld): Promise<Point[]>;
}
