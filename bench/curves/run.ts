/** Measures the curves, in rounds, and writes them as JSON and as charts. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Machine } from "../harness/machine.ts";
import { short, spreadOf } from "../harness/numbers.ts";
import type { BenchOptions } from "../harness/options.ts";
import { FULL, QUICK } from "../harness/scale.ts";
import { servicesCurve, workersCurve } from "./around.ts";
import { chartOf, type ChartPoint } from "./chart.ts";
import { curveWorld } from "./curve-world.ts";
import type { Curve, Point } from "./curve.ts";
import { inboxCurve } from "./one-inbox.ts";
import { journalCurve } from "./one-journal.ts";
import { heldCurve, keysCurve, retainedCurve } from "./what-lies-there.ts";

const CURVES: readonly Curve[] = [
  keysCurve,
  heldCurve,
  journalCurve,
  inboxCurve,
  retainedCurve,
  workersCurve,
  servicesCurve,
];

export async function runCurves(
  { curveNames, quick, rounds }: BenchOptions,
  machine: Machine,
  out: string,
): Promise<void> {
  const curves = CURVES.filter(({ name }) => curveNames.includes(name));
  const measured = new Map<Curve, Point[]>(curves.map((it) => [it, []]));
  const failures: string[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const curve of curves) {
      try {
        const world = curveWorld(quick ? QUICK : FULL);
        const sizes = quick ? curve.sizes.quick : curve.sizes.full;
        const points = await curve.measure(sizes, world);
        measured.get(curve)?.push(...points);
        console.error(`round ${round}, ${curve.name}: ${textOf(points)}`);
      } catch (error) {
        failures.push(`${curve.name}: ${error instanceof Error ? error.message : String(error)}`);
        console.error(`round ${round}, ${failures.at(-1)}`);
      }
    }
  }
  const charts = join(out, "charts");
  await mkdir(charts, { recursive: true });
  const results = [];
  for (const [curve, all] of measured) {
    const points = chartPoints(all);
    if (points.length === 0) continue;
    const { name, title, sizeName, costName } = curve;
    results.push({ name, title, sizeName, costName, points });
    await writeFile(join(charts, `${name}.svg`), chartOf({ title, sizeName, costName, points }));
    console.log(`${title}, ${costName}: ${points.map(pointText).join(", ")}`);
  }
  const file = join(out, `curves-${machine.startedAt.replaceAll(":", "-").slice(0, 19)}.json`);
  const run = { machine, rounds, quick, curves: results, failures };
  await writeFile(file, `${JSON.stringify(run, null, 2)}\n`);
  console.error(`written to ${file} and ${charts}`);
  if (failures.length > 0) process.exitCode = 1;
}

function chartPoints(all: readonly Point[]): ChartPoint[] {
  const sizes = [...new Set(all.map((it) => it.size))].sort((a, b) => a - b);
  return sizes.map((size) => ({
    size,
    ...spreadOf(all.filter((it) => it.size === size).map((it) => it.cost)),
  }));
}

function pointText({ size, median, min, max }: ChartPoint): string {
  return `${size.toLocaleString("en")}: ${short(median)} (${short(min)}-${short(max)})`;
}

function textOf(points: readonly Point[]): string {
  return points.map(({ size, cost }) => `${size}: ${short(cost)}`).join(", ");
}
