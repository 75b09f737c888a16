import { defineConfig } from "vitest/config";
import { CountReporter } from "./test/support/count-reporter.ts";
import { FileOrder } from "./test/support/file-order.ts";

/**
 * Unit tests import our sources; tests of the whole import `holdfast`, `holdfast/client` and
 * `holdfast/runtime` by name, which Node resolves through `exports` in package.json to the built
 * package. So `npm test` builds first, and the map of the package is exercised daily.
 */
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
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
