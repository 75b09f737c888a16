/** The demo tells the truth about itself: it passes, and each sabotage is found. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const DEMO = fileURLToPath(new URL("../../dist/examples/demo/demo.js", import.meta.url));

async function runDemo(
  ...args: string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [DEMO, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  await once(child, "close");
  return { code: child.exitCode, out, err };
}

test("kills two workers and two runtimes, and everything is exact", async () => {
  const { code, out, err } = await runDemo();
  expect(err).toBe("");
  expect(code).toBe(0);
  const last = out.trimEnd().split("\n").at(-1);
  expect(last).toMatch(/^demo ok worker_kills=2 runtime_kills=2 replays=\d+ arrivals=8 repeats=4$/);
});

test.each([
  ["token", "under 2 tokens"],
  ["ledger", "arrived 1 times"],
  ["state", "the balance is 39, not 40"],
])("finds the sabotage of %s", async (sabotage, found) => {
  const { code, out, err } = await runDemo("--sabotage", sabotage);
  expect(code).toBe(1);
  expect(err).toContain(found);
  expect(out).not.toContain("demo ok");
});
