/**
 * In which order files are run, two at a time. A fresh clone knows no durations, and the runner goes by
 * the size of the files, which says nothing about that.
 *
 * 1. First those that start many processes and take minutes: nobody waits for one of them in the end.
 * 2. Last those that only compute, on both cores: little that waits for a clock runs beside them.
 * 3. The others between, as the runner has them.
 */
import { BaseSequencer, type TestSpecification } from "vitest/node";

export const FIRST: readonly string[] = [
  "test/power/power-loss.test.ts",
  "test/kill/kill-loop.test.ts",
  "test/kill/failpoints.test.ts",
  "test/power/io-faults.test.ts",
];
export const LAST: readonly string[] = [
  "test/simulation/simulation.test.ts",
  "test/simulation/bugs/seeded-bugs.test.ts",
];

export class FileOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return inOrder(await super.sort(files));
  }
}

export function inOrder<T extends { readonly moduleId: string }>(files: readonly T[]): T[] {
  return files.toSorted((a, b) => placeOf(a.moduleId) - placeOf(b.moduleId));
}

function placeOf(path: string): number {
  const first = FIRST.findIndex((it) => path.endsWith(it));
  if (first >= 0) return first - FIRST.length;
  return 1 + LAST.findIndex((it) => path.endsWith(it));
}
