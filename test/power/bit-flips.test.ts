/**
 * A byte of a stored row is not what it was. Nobody is ever given what such a row says: whoever needs
 * it is told its name, and what does not need it goes on as before. Only without the few numbers that
 * everything hangs on a runtime does not start, and says which.
 */
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { open, type Database, type RootDatabaseOptionsWithPath } from "lmdb";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InvocationId } from "../../protocol/ids.ts";
import { invocationIdOf, type Invocation } from "../../runtime/core/invocation.ts";
import { invocationKey, prefixEnd } from "../../runtime/core/keys.ts";
import { openDirectory } from "../../runtime/store/directory.ts";
import { printableKey } from "../../runtime/store/row.ts";
import type { Store } from "../../runtime/store/store.ts";
import { Random } from "../simulation/random.ts";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";
import { allInvocations } from "./support/check-image.ts";
import { Client } from "./support/http.ts";
import { makePackage } from "./support/compile.ts";
import { Load, type Observed } from "./support/load.ts";
import { recoverAndServe } from "./support/recovered.ts";
import { Snapshot } from "./support/snapshot.ts";
import { startEmbedded } from "./support/start-embedded.ts";

const SEED = Number(process.env["HOLDFAST_POWER_SEED"] ?? Date.now() % 1_000_000);
/** Of each kind of row. */
const ROWS = 4;
const LIMIT_MS = 300_000;
/** The counts, the next number, the clock. */
const VITAL = ["C", "c", "n", "h"];

let dataDir: string;
let told: readonly Observed[];
let keys: readonly string[];

/** A runtime that was killed in the middle of its work: rows of every kind. */
beforeAll(async () => {
  dataDir = join(await temporaryDirectory(), "data");
  const runtime = await startEmbedded(await makePackage(), { dataDir });
  const load = new Load(SEED);
  const enough = load.answered(40);
  const ended = load.run(runtime.ingressUrl ?? "");
  await enough;
  runtime.child.kill("SIGKILL");
  load.stop();
  await Promise.all([ended, runtime.ended]);
  told = load.observed.filter((it) => it.status === 200);
  const opened = await openDirectory(dataDir);
  keys = new Snapshot(opened.store).rows.map(([key]) => key);
  await opened.close();
}, LIMIT_MS);
afterAll(removeTemporaryDirectories);

test(
  "a flipped byte in a row of any kind is found and named, and never served",
  async () => {
    const random = new Random(SEED, "flips");
    const kinds = [...new Set(keys.map((it) => it.charAt(0)))];
    const wrong: string[] = [];
    let stopped = 0;
    let flipped = 0;
    for (const kind of kinds) {
      const its = keys.filter((it) => it.startsWith(kind));
      for (let i = 0; i < Math.min(ROWS, its.length); i++) {
        const key = random.pick(its);
        const damaged = await copyWithFlip(key, random);
        const opened = await openDirectory(damaged);
        flipped++;
        if (naming(key, () => new Snapshot(opened.store)) !== "named")
          wrong.push(`${printableKey(key)} reads`);
        const complaints = await serve(opened.store, key);
        if (complaints === "stopped" && VITAL.includes(kind)) stopped++;
        else if (complaints === "stopped") wrong.push(`${printableKey(key)} stopped the runtime`);
        else wrong.push(...complaints.map((it) => `${printableKey(key)}: ${it}`));
        await opened.close();
      }
    }
    process.stdout.write(
      `bit flips, seed ${SEED}: ${flipped} rows of ${kinds.length} kinds, ${stopped} stopped the runtime\n`,
    );
    expect(wrong).toEqual([]);
    expect(flipped).toBeGreaterThan(20);
  },
  LIMIT_MS,
);

test.each(["I", "i", "j"])(
  "an invocation with a damaged row %s is kept and named, and the rest serves on",
  async (kind) => {
    const random = new Random(SEED, kind);
    const opened = await openDirectory(dataDir);
    const snapshot = new Snapshot(opened.store);
    await opened.close();
    const open = allInvocations(snapshot).filter((it) => it.status !== "completed");
    const withRow = open.filter((it) => rowsOf(snapshot, kind, it).length > 0);
    const victim = random.pick(withRow);
    const damaged = await copyWithFlip(random.pick(rowsOf(snapshot, kind, victim)), random);
    const runtime = await startEmbedded(await makePackage(), { dataDir: damaged });
    const client = new Client(runtime.ingressUrl ?? "");
    const asked = { path: "/list/fresh/append", asked: '"fresh"', idempotencyKey: "" };
    expect(await client.post(asked)).toMatchObject({ status: 200 });
    for (const { path, asked, idempotencyKey, id, body } of told) {
      expect(await client.post({ path, asked, idempotencyKey })).toMatchObject({ id, body });
    }
    const description = await fetch(`${runtime.adminUrl}/invocations/${invocationIdOf(victim)}`);
    expect(await description.text()).toContain("damaged");
    client.close();
    runtime.child.kill("SIGKILL");
    await runtime.ended;
  },
  LIMIT_MS,
);

function rowsOf(snapshot: Snapshot, kind: string, { sequence }: Invocation): string[] {
  const prefix = kind + invocationKey(sequence).slice(1);
  return snapshot.range({ from: prefix, to: prefixEnd(prefix), limit: 100 }).map(([key]) => key);
}

/** A copy of the data directory with one flipped bit in this row. */
async function copyWithFlip(key: string, random: Random): Promise<string> {
  const damaged = join(await temporaryDirectory(), "data");
  await cp(join(dataDir, "holdfast.json"), join(damaged, "holdfast.json"), { recursive: true });
  await cp(join(dataDir, "partitions"), join(damaged, "partitions"), { recursive: true });
  await flipByte(damaged, key, random);
  return damaged;
}

/** Starts on it and asks for what was told before: "stopped" if that ended with the row's name. */
async function serve(store: Store, damaged: string): Promise<string[] | "stopped"> {
  const wrong: string[] = [];
  try {
    const runtime = await recoverAndServe(store);
    const { signal } = new AbortController();
    for (const { id, body } of told) {
      const ref = { kind: "id", invocationId: id as InvocationId } as const;
      const response = await runtime.ask({ kind: "output", ref }, signal);
      const same =
        response.kind === "completed" &&
        response.result.ok &&
        new TextDecoder().decode(response.result.value) === body;
      const named = response.kind === "refused" && response.code === 500;
      if (named && response.message.includes(printableKey(damaged))) continue;
      if (!same) wrong.push(`${id} was told ${body}, and now ${JSON.stringify(response)}`);
    }
    await runtime.close();
    return wrong;
  } catch (error) {
    if (isNaming(damaged, error)) return "stopped";
    return [String(error)];
  }
}

function naming(key: string, read: () => unknown): "named" | "read" {
  try {
    read();
    return "read";
  } catch (error) {
    if (!isNaming(key, error)) throw error;
    return "named";
  }
}

function isNaming(key: string, error: unknown): boolean {
  const named = error instanceof Error && error.name === "DamagedRowError";
  return named && error.message.includes(printableKey(key));
}

/** Behind the back of the store: what it has written, with one byte changed. */
async function flipByte(directory: string, key: string, random: Random): Promise<void> {
  const binary = { encoding: "binary", keyEncoding: "binary" } as const;
  const options = { path: join(directory, "partitions/0"), ...binary, noSubdir: false, maxDbs: 16 };
  const env = open<Buffer, Buffer>(options satisfies RootDatabaseOptionsWithPath);
  const rows: Database<Buffer, Buffer> = env.openDB("rows", binary);
  const stored = Buffer.from(rows.getBinary(Buffer.from(key, "latin1")) ?? Buffer.alloc(0));
  const at = random.int(0, stored.length - 1);
  stored[at] = (stored[at] ?? 0) ^ (1 << random.int(0, 7));
  await rows.put(Buffer.from(key, "latin1"), stored);
  await env.close();
}
