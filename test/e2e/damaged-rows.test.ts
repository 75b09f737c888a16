/**
 * Bits of stored rows flip while nobody looks. One such bit ended the runtime at the first read, and
 * every later start at the same row. Now the one that it belongs to is quarantined or paused, and named
 * by the log, the admin API and `holdfast verify`; everybody else is served. Real processes, LMDB on disk.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { parseInvocationId } from "../../protocol/ids.ts";
import { inputKey, invocationKey, journalKey, OPEN_COUNT } from "../../runtime/core/keys.ts";
import { openDirectory } from "../../runtime/store/directory.ts";
import { printableKey } from "../../runtime/store/row.ts";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";
import { get, post, send, until } from "./support/ingress.ts";
import {
  failToStart,
  startRuntimeProcess,
  startWorkerProcess,
  stopAll,
  type RuntimeProcess,
} from "./support/processes.ts";

const run = promisify(execFile);
const FLIP_ROWS = fileURLToPath(new URL("./processes/flip-rows.mjs", import.meta.url));
const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const LIMIT_MS = 60_000;

afterEach(async () => {
  await stopAll();
  await removeTemporaryDirectories();
});

async function flip(dataDir: string, keys: readonly string[]): Promise<void> {
  // What only the commit log has goes to the rows.
  await (await openDirectory(dataDir)).close();
  const hex = keys.map((key) => Buffer.from(key, "latin1").toString("hex"));
  await run(process.execPath, [FLIP_ROWS, join(dataDir, "partitions/0"), ...hex]);
}

function sequenceOf(id: string): number {
  const parts = parseInvocationId(id);
  if (parts === undefined) throw new Error(`${id} is no id`);
  return parts.sequence;
}

const describe = async (runtime: RuntimeProcess, id: string) =>
  (await get(`${runtime.adminUrl}/invocations/${id}`)) as {
    readonly status: number;
    readonly body: {
      readonly message?: string;
      readonly status?: string;
      readonly journalLength?: number;
      readonly waitsFor?: readonly object[];
      readonly damaged?: readonly string[];
    };
  };

test(
  "the invocations of damaged rows are named and kept, and all others are served",
  { timeout: LIMIT_MS },
  async () => {
    const dataDir = await temporaryDirectory();
    let runtime = await startRuntimeProcess({ dataDir });
    const env = () => ({ HOLDFAST_URL: runtime.workerUrl, HOLDFAST_VERSION: "v1" });
    const worker = await startWorkerProcess("versioned-worker.mjs", env());
    const hold = await send(`${runtime.ingressUrl}/account/a/hold`, {});
    const other = await send(`${runtime.ingressUrl}/account/b/hold`, {});
    const order = await send(`${runtime.ingressUrl}/order/place`, {});
    for (const id of [hold, other, order]) {
      await until(
        () => describe(runtime, id),
        ({ body }) => body.journalLength === 1,
      );
    }
    const behind = await send(`${runtime.ingressUrl}/account/a/touch`, {});
    // They run until the end: the next start begins with them.
    await runtime.kill();
    await worker.kill();
    const record = invocationKey(sequenceOf(hold));
    const input = inputKey(sequenceOf(other));
    const entry = journalKey(sequenceOf(order), 0);
    await flip(dataDir, [record, input, entry]);

    runtime = await startRuntimeProcess({ dataDir });
    await startWorkerProcess("versioned-worker.mjs", env());
    const call = async (path: string) => await post(`${runtime.ingressUrl}/${path}`, {});
    expect(await call("order/charge")).toEqual({ status: 200, body: "v1" });
    expect(await call("account/c/touch")).toEqual({ status: 200, body: "v1" });

    const quarantined = await describe(runtime, hold);
    expect(quarantined.status).toBe(500);
    expect(quarantined.body.message).toContain(printableKey(record));
    expect(await get(`${runtime.adminUrl}/invocations`)).toMatchObject({
      body: { quarantined: [{ sequence: sequenceOf(hold) }] },
    });
    const attached = await get(`${runtime.ingressUrl}/restate/invocation/${hold}/attach`);
    expect(attached.status).toBe(500);
    expect(JSON.stringify(attached.body)).toContain("is quarantined");
    // Told of once, however often it is met.
    const warnings = runtime.log.filter((line) => line.includes("everything else goes on"));
    expect(warnings).toEqual([
      expect.stringContaining(`number ${sequenceOf(hold)} is quarantined`),
    ]);
    expect(await get(`${runtime.adminUrl}/invocations/counts`)).toMatchObject({
      body: { quarantined: 1 },
    });
    const waiting = await describe(runtime, behind);
    expect(waiting.body.status).toBe("inboxed");
    expect(waiting.body.damaged?.join()).toContain(printableKey(record));

    for (const [id, row] of [
      [other, input],
      [order, entry],
    ] as const) {
      const { body } = await describe(runtime, id);
      expect(body.status).toBe("paused");
      expect(body.waitsFor?.[0]).toMatchObject({ kind: "pause", reason: "damaged" });
      expect(body.damaged?.join()).toContain(printableKey(row));
    }
    // Whoever has looked at it ends it, and its key goes on.
    const { status } = await fetch(`${runtime.adminUrl}/invocations/${other}/kill`, {
      method: "PATCH",
    });
    expect(status).toBe(200);
    expect(await call("account/b/touch")).toEqual({ status: 200, body: "v1" });

    expect(await runtime.terminate()).toBe(0);
    const verified = run(process.execPath, [CLI, "verify", dataDir]);
    await expect(verified).rejects.toMatchObject({ code: 1 });
    const said = await verified.catch((error: unknown) => (error as { stdout: string }).stdout);
    for (const row of [record, entry]) expect(said).toContain(`${printableKey(row)}: the row`);
  },
);

test(
  "without a number that nothing can do without the start ends, and says what to do",
  { timeout: LIMIT_MS },
  async () => {
    const dataDir = await temporaryDirectory();
    const runtime = await startRuntimeProcess({ dataDir });
    await startWorkerProcess("versioned-worker.mjs", {
      HOLDFAST_URL: runtime.workerUrl,
      HOLDFAST_VERSION: "v1",
    });
    expect((await post(`${runtime.ingressUrl}/order/charge`, {})).status).toBe(200);
    expect(await runtime.terminate()).toBe(0);
    await flip(dataDir, [OPEN_COUNT]);
    const { code, said } = await failToStart(dataDir);
    expect(code).not.toBe(0);
    expect(said).toContain(`the row ${JSON.stringify(printableKey(OPEN_COUNT)).slice(1, -1)} is`);
    expect(said).toContain("holdfast verify");
  },
);
