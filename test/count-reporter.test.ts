import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const fixtures = join(import.meta.dirname, "support/fixtures");
const vitestBin = join(
  dirname(createRequire(import.meta.url).resolve("vitest/package.json")),
  "vitest.mjs",
);

test("a run of only good tests ends with its counts and exit code 0", async () => {
  expect(await run("passes")).toEqual({ code: 0, lastLine: "1 passed, 0 failed, 1 skipped" });
});

test("tests under a failed hook count as failed, whatever the runner calls them", async () => {
  expect(await run("failed-hooks")).toEqual({ code: 1, lastLine: "0 passed, 3 failed" });
});

test("a file that does not load counts as one failed test", async () => {
  expect(await run("passes", "does-not-load")).toEqual({
    code: 1,
    lastLine: "1 passed, 1 failed, 1 skipped",
  });
});

test("an error that nobody caught counts as failed", async () => {
  expect(await run("unhandled")).toEqual({ code: 1, lastLine: "1 passed, 1 failed" });
});

test("a skip without a reason counts as failed", async () => {
  expect(await run("no-reason")).toEqual({ code: 1, lastLine: "0 passed, 2 failed" });
});

test("a run that finds no file is not a success", async () => {
  expect(await run("no-such-file")).toMatchObject({ code: 1 });
});

function run(...names: string[]): Promise<{ code: number; lastLine: string }> {
  const args = [vitestBin, "run", "--config", join(fixtures, "counts.config.ts"), ...names];
  // Without VITEST*: the child is a runner of its own, not a worker of this one.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")),
  );
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { env }, (_error, stdout) => {
      const lastLine = stdout.trimEnd().split("\n").at(-1) ?? "";
      resolve({ code: child.exitCode ?? -1, lastLine });
    });
  });
}
