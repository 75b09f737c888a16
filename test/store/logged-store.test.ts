/** What the store that ships does between its commit log and its rows. The contract has the rest. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { CommitLog } from "../../runtime/store/commit-log.ts";
import { inspectStore } from "../../runtime/store/inspect-store.ts";
import { openLoggedStore, type LoggedStoreOptions } from "../../runtime/store/logged-store.ts";
import type { Store } from "../../runtime/store/store.ts";
import { BatchWriter, text } from "../contract/store.contract.ts";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";

const stores: Store[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close().catch(() => undefined);
  await removeTemporaryDirectories();
});

function openStore(options: LoggedStoreOptions): Store {
  const store = openLoggedStore(options);
  stores.push(store);
  return store;
}

const newPath = async (): Promise<string> => join(await temporaryDirectory(), "0");
const logsIn = (path: string): string[] =>
  readdirSync(path).filter((it) => it.startsWith("commit-log"));
/** Nothing goes to the rows by itself. */
const HELD = { groupBytes: Number.POSITIVE_INFINITY } as const;

describe("a batch", () => {
  test("is in the log and not in the rows when it is durable, and reads show it", async () => {
    const path = await newPath();
    const store = openStore({ path, ...HELD });
    const writer = new BatchWriter(store);
    await writer.commit({ a: "1", b: "2" });
    await writer.commit({ a: undefined, c: "3" });
    const seen = await inspectStore(path);
    expect([seen.batchNumber, seen.batchesInLog]).toEqual([2, 2]);
    for (const it of [store, seen]) {
      expect(it.range({ from: "a", to: "z", limit: 9 }).map(([key]) => key)).toEqual(["b", "c"]);
      expect([text(it.get("a")), text(it.get("c"))]).toEqual([undefined, "3"]);
    }
    await seen.close();
  });

  test("is on its way to the disk as soon as it is committed, unless another one is", async () => {
    const writer = new BatchWriter(openStore({ path: await newPath(), ...HELD }));
    const append = vi.spyOn(CommitLog.prototype, "append");
    try {
      const commits = [writer.commit({ a: "1" }), writer.commit({ a: "2" })];
      expect(append).toHaveBeenCalledTimes(1);
      await Promise.all(commits);
      const third = writer.commit({ a: "3" });
      expect(append).toHaveBeenCalledTimes(3);
      await third;
    } finally {
      append.mockRestore();
    }
  });

  test("that is too large for the log goes to the rows, after all before it", async () => {
    const path = await newPath();
    const store = openStore({ path, logBytes: 16 * 4096, ...HELD });
    const writer = new BatchWriter(store);
    await Promise.all([
      writer.commit({ a: "1", b: "kept", v: "small" }),
      writer.commit({ a: "2", v: new Uint8Array(100_000) }),
      writer.commit({ a: "3" }),
    ]);
    const seen = await inspectStore(path);
    expect([seen.batchNumber, seen.batchesInLog]).toEqual([3, 1]);
    for (const it of [store, seen]) {
      expect([text(it.get("a")), text(it.get("b"))]).toEqual(["3", "kept"]);
      expect(it.get("v")?.length).toBe(100_000);
    }
    await seen.close();
  });
});

describe("closing", () => {
  test("writes all to the rows, and leaves no log", async () => {
    const path = await newPath();
    const store = openStore({ path, ...HELD });
    await new BatchWriter(store).commit({ a: "1" });
    expect(logsIn(path)).toEqual(["commit-log.1"]);
    await store.close();
    expect(logsIn(path)).toEqual([]);
    const seen = await inspectStore(path);
    expect([seen.batchNumber, seen.batchesInLog, text(seen.get("a"))]).toEqual([1, 0, "1"]);
    await seen.close();
  });

  test("of a store that failed leaves the log to the next tenure", async () => {
    const path = await newPath();
    const store = openStore({ path, ...HELD });
    const writer = new BatchWriter(store);
    await writer.commit({ a: "1" });
    await expect(store.commit(new Uint8Array(50))).rejects.toThrow("checksum");
    await store.close();
    expect(logsIn(path)).toEqual(["commit-log.1"]);
    const next = openStore({ path });
    expect([next.batchNumber, text(next.get("a"))]).toEqual([1, "1"]);
    expect(logsIn(path)).toEqual(["commit-log.2"]);
  });
});

/** Sizes of values: some go past the log, which has 4 pages, or 15. */
const sizes = fc.array(fc.constantFrom(1, 1, 3_000, 3_000, 9_000, 40_000), {
  minLength: 1,
  maxLength: 40,
});

test("whoever opens it next, at any moment, finds every batch that was acknowledged, and a prefix", async () => {
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.nat(39),
      fc.nat(4),
      fc.constantFrom(5, 16),
      fc.constantFrom(1, 20_000, Number.POSITIVE_INFINITY),
      async (given, after, turns, pages, groupBytes) => {
        const path = await newPath();
        const store = openStore({ path, logBytes: pages * 4096, groupBytes });
        const writer = new BatchWriter(store);
        let acknowledged = 0;
        const commits = given.map(async (size, i) => {
          await writer.commit({ last: `${i + 1}`, [`k${i % 5}`]: new Uint8Array(size).fill(i) });
          acknowledged = i + 1;
        });
        const settled = Promise.allSettled(commits);
        await commits[after % given.length];
        for (let turn = 0; turn < turns; turn++) await new Promise((go) => setImmediate(go));
        // As if this process had died here, but that it goes on: nothing it does counts any more.
        const next = openStore({ path });
        await settled;
        expect(next.batchNumber).toBeGreaterThanOrEqual(acknowledged);
        expect(Number(text(next.get("last")) ?? 0)).toBe(next.batchNumber);
        for (let i = Math.max(0, next.batchNumber - 5); i < next.batchNumber; i++) {
          expect(Buffer.from(next.get(`k${i % 5}`) ?? [])).toEqual(Buffer.alloc(given[i] ?? 0, i));
        }
        await next.close();
      },
    ),
    { numRuns: 100 },
  );
});

/**
 * Found by a failpoint that was never passed: a timer that fired while a group was on its way counted as
 * running for ever, and what came after that group stayed in the log until there was enough of it.
 */
test("what came while a group was on its way goes to the rows by itself too", async () => {
  const path = await newPath();
  const store = openStore({ path, groupMsMax: 0 });
  const writer = new BatchWriter(store);
  const looks = async (): Promise<number> => {
    const seen = await inspectStore(path);
    await seen.close();
    return seen.batchesInLog;
  };
  for (let i = 0; i < 30; i++) {
    await Promise.all(["a", "b", "c"].map((key) => writer.commit({ [key]: `${i}` })));
    // That this ends is the claim.
    while ((await looks()) > 0) await new Promise((go) => setImmediate(go));
    expect(await looks()).toBe(0);
  }
});

test("a group that cannot go to the rows is told, although nobody waits for it", async () => {
  const path = await newPath();
  const store = openStore({ path, ...HELD });
  await new BatchWriter(store).commit({ a: "1" });
  openStore({ path });
  expect(await store.failed).toMatchObject({ name: "FencedError" });
  await expect(store.confirm()).rejects.toMatchObject({ name: "FencedError" });
});
