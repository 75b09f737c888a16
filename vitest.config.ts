import { defineConfig } from "vitest/config";
import { CountReporter } from "./test/support/count-reporter.ts";
import { FileOrder } from "./test/support/file-order.ts";

/**
 * Tests of values in and values out: nothing of one file is left for the next, so that they share a
 * process, and what they import is loaded and compiled once: a third less of their time.
 */
const VALUES = "core ingress loop protocol sdk store transcripts verify"
  .split(" ")
  .map((folder) => `test/${folder}/**/*.test.ts`);

/**
 * Unit tests import our sources; tests of the whole import `holdfast`, `holdfast/client` and
 * `holdfast/runtime` by name, which Node resolves through `exports` in package.json to the built
 * package. So `npm test` builds first, and the map of the package is exercised daily.
 */
export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: "values", include: VALUES, isolate: false } },
      {
        extends: true,
        test: { name: "all else", include: ["test/**/*.test.ts"], exclude: VALUES },
      },
    ],
    reporters: ["default", new CountReporter()],
    // Tests that start processes wait for events, on machines that may be busy with other things.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Many tests wait for processes and clocks: two files at once fill two cores.
    maxWorkers: 2,
    sequence: { sequencer: FileOrder },
    // Tests of one file that run beside each other are processes that only compute (the seeded bugs).
    maxConcurrency: 2,
    // A forgotten `.only` would leave out the rest of its file.
    allowOnly: false,
  },
});
