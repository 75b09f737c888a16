/** One runtime per data directory; data of another format is refused, not guessed at. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { get } from "./support/ingress.ts";
import { failToStart, newDirectory, startRuntimeProcess, stopAll } from "./support/processes.ts";

afterEach(stopAll);

describe("a data directory", () => {
  test("that is in use refuses a second runtime by name, and the first serves on", async () => {
    const first = await startRuntimeProcess();
    const second = await failToStart(first.dataDir);
    expect(second.code).toBe(3);
    expect(second.said).toContain(first.dataDir);
    expect((await get(`${first.ingressUrl}/restate/health`)).status).toBe(200);
  });

  test("is free at once after a SIGKILL", async () => {
    const first = await startRuntimeProcess();
    const second = await first.killAndRestart();
    expect((await get(`${second.adminUrl}/health`)).status).toBe(200);
  });

  test("is closed properly on SIGTERM, with exit code 0", async () => {
    const first = await startRuntimeProcess();
    expect(await first.terminate()).toBe(0);
    const second = await startRuntimeProcess({ dataDir: first.dataDir });
    expect(await second.terminate()).toBe(0);
  });
});

test.each([
  [0, "an older version"],
  [99, "a newer version"],
])("data of format %i is refused as written by %s, with exit code 4", async (format, whose) => {
  const dataDir = await newDirectory();
  await writeFile(join(dataDir, "holdfast.json"), JSON.stringify({ format, slots: 4096 }));
  const refused = await failToStart(dataDir);
  expect(refused.code).toBe(4);
  expect(refused.said).toContain(`format ${format}`);
  expect(refused.said).toContain(whose);
});

test("a port in use names its flag", async () => {
  const first = await startRuntimeProcess();
  const { port } = new URL(first.ingressUrl);
  const other = await startRuntimeProcess();
  await other.kill();
  const second = await failToStart(other.dataDir, ["--ingress-port", port]);
  expect(second.code).toBe(1);
  expect(second.said).toContain(`--ingress-port`);
  expect(second.said).toContain(port);
});
