/**
 * Prints `N passed, N failed` (`, N skipped` if any) as the very last line, counted from the
 * runner's own events, and fails the process when something failed or nothing passed.
 *
 * What a glance at a green summary may miss counts as failed here:
 * 1. every test below a hook or a describe that failed, also those the runner calls skipped or passed;
 * 2. a file that does not load, or that holds no test;
 * 3. an error that nobody caught;
 * 4. a test that never finished;
 * 5. a test that is left out without a reason: this file is what refuses it. The reason goes into
 *    `context.skip("because ...")`, and is printed.
 */
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from "vitest/node";

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export class CountReporter implements Reporter {
  // What an exit before the end of a run says: it was not a success.
  #counts: Counts = { passed: 0, failed: 1, skipped: 0 };
  #filtered = false;

  onInit(vitest: Vitest): void {
    this.#filtered = vitest.config.testNamePattern !== undefined;
    if (vitest.config.watch) return;
    // On exit, because the runner still prints things after the end of the run.
    process.on("exit", () => {
      if (this.#counts.failed > 0 || this.#counts.passed === 0) process.exitCode = 1;
      process.stdout.write(`${formatCounts(this.#counts)}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    this.#counts = countRun(modules, unhandledErrors.length, this.#filtered);
  }
}

export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** `filtered`: tests were chosen by name (`-t`), so those left out are nobody's business. */
export function countRun(
  modules: readonly TestModule[],
  unhandledErrors: number,
  filtered: boolean,
): Counts {
  const counts: Counts = { passed: 0, failed: unhandledErrors, skipped: 0 };
  for (const module of modules) {
    let seen = 0;
    for (const test of module.children.allTests()) {
      seen++;
      const verdict = judge(test, filtered);
      if (verdict !== "left-out") counts[verdict]++;
    }
    if (seen === 0) counts.failed++;
  }
  return counts;
}

function judge(test: TestCase, filtered: boolean): "passed" | "failed" | "skipped" | "left-out" {
  const result = test.result();
  if (hasFailedAncestor(test)) return "failed";
  if (result.state === "pending") return "failed";
  if (result.state !== "skipped") return result.state;
  if (result.note) return "skipped";
  return filtered ? "left-out" : "failed";
}

function hasFailedAncestor(test: TestCase): boolean {
  let above: TestSuite | TestModule = test.parent;
  for (;;) {
    if (above.errors().length > 0) return true;
    if (above.type === "module") return false;
    above = above.parent;
  }
}
