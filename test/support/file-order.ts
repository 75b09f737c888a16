/**
 * In which order files are run, two at a time. A fresh clone knows no durations, and the runner goes by
 * the size of the files, which says nothing about that.
 *
 * 1. First those that take minutes: nobody waits for one of them in the end. They wait for processes and
 *    disks, and the seeded bugs compute beside them with what they leave of the cores.
 * 2. Last what only computes, on both cores: little that waits for a clock runs beside it.
 * 3. The others between, as the runner has them.
 */
import { BaseSequencer, type TestSpecification } from "vitest/node";

export const FIRST: readonly string[] = [
  "test/simulation/bugs/seeded-bugs.test.ts",
  "test/power/power-loss.test.ts",
  "test/kill/kill-loop.test.ts",
  "test/kill/failpoints.test.ts",
  "test/power/io-faults.test.ts",
];
export const LAST: readonly string[] = ["test/simulation/simulation.test.ts"];

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
