/** `holdfast verify` on real directories: sound ones, damaged ones, and what is none. */
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { open } from "lmdb";
import { afterEach, describe, expect, test } from "vitest";
import { invocationKey, prefixEnd, INVOCATIONS } from "../../runtime/core/keys.ts";
import { encodeNumber } from "../../runtime/core/rows.ts";
import { openDirectory } from "../../runtime/store/directory.ts";
import { BatchWriter } from "../contract/store.contract.ts";
import { startRuntimeProcess, stopAll } from "../e2e/support/processes.ts";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";
import { runCli } from "./run-cli.ts";

afterEach(removeTemporaryDirectories);

async function store(): Promise<string> {
  const dataDir = await temporaryDirectory();
  const opened = await openDirectory(dataDir);
  await opened.close();
  return dataDir;
}

/** As no code of ours would write it. */
async function damage(dataDir: string, key: string, bytes: Uint8Array): Promise<void> {
  const path = join(dataDir, "partitions/0");
  const binary = { encoding: "binary", keyEncoding: "binary" } as const;
  const env = open({ path, ...binary, overlappingSync: false, maxDbs: 16, noSubdir: false });
  await env.openDB("rows", binary).put(Buffer.from(key, "latin1"), Buffer.from(bytes));
  await env.close();
}

describe("holdfast verify", () => {
  test("finds nothing in a sound directory, and says what it looked at", async () => {
    const { code, out, err } = await runCli("verify", await store());
    expect([code, err]).toEqual([0, ""]);
    expect(out).toBe("sound: 0 rows, 0 invocations, up to batch 0\n");
  });

  test("counts what only the commit log has, and names a log that lacks a batch", async () => {
    const dataDir = await temporaryDirectory();
    const opened = await openDirectory(dataDir);
    const writer = new BatchWriter(opened.store);
    for (const at of [1, 2, 3]) await writer.commit({ h: encodeNumber(at) });
    // As a kill leaves it: nothing is closed.
    const left = await temporaryDirectory();
    await cp(join(dataDir, "holdfast.json"), join(left, "holdfast.json"));
    await cp(join(dataDir, "partitions"), join(left, "partitions"), { recursive: true });
    await opened.close();
    expect((await runCli("verify", left)).out).toBe(
      "sound: 1 rows, 0 invocations, up to batch 3\n",
    );
    const log = join(left, "partitions/0/commit-log.1");
    const bytes = await readFile(log);
    bytes[4096 + 60]! ^= 1;
    await writeFile(log, bytes);
    const { code, err } = await runCli("verify", left);
    expect(code).toBe(1);
    expect(err).toContain(
      `batch 1 cannot be read from the commit log ${log}, and batch 2 is there`,
    );
  });

  test("names a row whose checksum is wrong, and ends with code 1", async () => {
    const dataDir = await store();
    await damage(dataDir, invocationKey(7), new Uint8Array([1, 0, 0, 0, 0, 5]));
    const { code, out, err } = await runCli("verify", dataDir);
    expect(code).toBe(1);
    expect(out).toContain('"I\\x00\\x00\\x00\\x00\\x00\\x07"');
    expect(out).toContain("damaged: its checksum is");
    expect(err).toContain("1 problem in 1 rows");
  });

  test("prints one document with --json, whatever it finds", async () => {
    const dataDir = await store();
    await damage(dataDir, prefixEnd(INVOCATIONS), new Uint8Array([1]));
    const { code, out } = await runCli("verify", "--json", dataDir);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ rows: 1, invocations: 0, found: [{ row: '"J"' }] });
  });

  test("refuses what is no data directory, with code 4", async () => {
    const { code, err } = await runCli("verify", await temporaryDirectory());
    expect(code).toBe(4);
    expect(err).toContain("is no data directory of Holdfast");
  });

  test("refuses a directory that a runtime has, with code 3", async () => {
    const runtime = await startRuntimeProcess();
    const { code, err } = await runCli("verify", runtime.dataDir);
    await stopAll();
    expect(code).toBe(3);
    expect(err).toContain(runtime.dataDir);
  });
});
