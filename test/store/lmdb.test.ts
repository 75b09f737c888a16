/** What only the store on LMDB does: rows on a disk can be damaged, and large values lie in pieces. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { open, type Database } from "lmdb";
import { afterEach, describe, expect, test } from "vitest";
import { DamagedRow } from "../../runtime/core/tx.ts";
import { openLoggedStore } from "../../runtime/store/logged-store.ts";
import type { Store } from "../../runtime/store/store.ts";
import { BatchWriter, text } from "../contract/store.contract.ts";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";

const stores: Store[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await removeTemporaryDirectories();
});

function openStore(path: string): Store {
  const store = openLoggedStore({ path });
  stores.push(store);
  return store;
}

type Table = Database<Buffer, Buffer>;

/** Looks at the bare rows of a store that is closed. */
async function inside<T>(
  path: string,
  name: "rows" | "chunks",
  look: (table: Table) => T,
): Promise<T> {
  const env = open<Buffer, Buffer>({
    path,
    encoding: "binary",
    keyEncoding: "binary",
    noSubdir: false,
  });
  try {
    return look(env.openDB({ name, encoding: "binary", keyEncoding: "binary" }));
  } finally {
    await env.close();
  }
}

const keysIn = (path: string, name: "rows" | "chunks"): Promise<string[]> =>
  inside(path, name, (table) =>
    [...table.getKeys({ start: Buffer.from([1]) })].map((key) => key.toString("latin1")),
  );

const KIB = 1024;

/**
 * Damage was thrown once, out of the middle of a step: one flipped bit ended the runtime, and every
 * later start of it. Now the store marks the row, and whoever needs its value decides.
 */
const problemOf = (value: Uint8Array | undefined): string | undefined =>
  value instanceof DamagedRow ? value.problem : undefined;

describe("a damaged row", () => {
  test.each(["its first byte", "its checksum", "its value"])(
    "is marked by the name of its key when %s was flipped, and others are read as before",
    async (what) => {
      const path = join(await temporaryDirectory(), "0");
      const store = openStore(path);
      await new BatchWriter(store).commit({ a: "1", "b\xff": "22", c: "3" });
      await store.close();
      await inside(path, "rows", (rows) => {
        const key = Buffer.from("b\xff", "latin1");
        const row = Buffer.from(rows.get(key) ?? []);
        row[what === "its first byte" ? 0 : what === "its checksum" ? 2 : row.length - 1]! ^= 4;
        rows.putSync(key, row);
      });
      const next = openStore(path);
      expect(problemOf(next.get("b\xff"))).toContain(String.raw`"b\xff" is damaged`);
      const rows = next.range({ from: "a", to: "d", limit: 9 });
      expect(rows.map(([key]) => key)).toEqual(["a", "b\xff", "c"]);
      expect(rows.map(([, value]) => value.length)).toEqual([1, 0, 1]);
      expect(rows.map(([, value]) => problemOf(value) !== undefined)).toEqual([false, true, false]);
      expect([text(next.get("a")), text(next.get("c"))]).toEqual(["1", "3"]);
      await new BatchWriter(next).commit({ "b\xff": "new" });
      expect(text(next.get("b\xff"))).toBe("new");
    },
  );

  test.each([
    ["a piece is missing", "piece 1 of 3 is missing"],
    ["a piece is too short", "bytes, not"],
    ["a piece has a flipped bit", "its checksum"],
  ])("of a large value is marked when %s", async (damage, message) => {
    const path = join(await temporaryDirectory(), "0");
    const store = openStore(path);
    await new BatchWriter(store).commit({ v: new Uint8Array(600 * KIB).fill(7) });
    await store.close();
    await inside(path, "chunks", (chunks) => {
      const key = Buffer.from("v\0\0\0\x01", "latin1");
      const piece = Buffer.from(chunks.get(key) ?? []);
      if (damage === "a piece is missing") chunks.removeSync(key);
      else if (damage === "a piece is too short") chunks.putSync(key, piece.subarray(1));
      else chunks.putSync(key, piece.fill(6, 100, 101));
    });
    const next = openStore(path);
    expect(problemOf(next.get("v"))).toContain(message);
    expect(problemOf(next.get("v"))).toContain('the row "v" is damaged');
  });
});

test("pieces of a large value go with it", async () => {
  const path = join(await temporaryDirectory(), "0");
  let store = openStore(path);
  const writer = new BatchWriter(store);
  const large = (pieces: number): Uint8Array => new Uint8Array(pieces * 256 * KIB);
  await writer.commit({ v: large(5), w: large(2), "v\0": large(2) });
  await writer.commit({ v: large(3) });
  await store.close();
  expect((await keysIn(path, "chunks")).length).toBe(3 + 2 + 2);
  store = openStore(path);
  await new BatchWriter(store).commit({ v: "small", w: undefined, "v\0": undefined });
  await store.close();
  expect(await keysIn(path, "chunks")).toEqual([]);
  expect(await keysIn(path, "rows")).toEqual(["v"]);
});

test("the file does not grow while the same rows are written over and over", async () => {
  const path = join(await temporaryDirectory(), "0");
  const store = openStore(path);
  const writer = new BatchWriter(store);
  const rows = (salt: number): Record<string, Uint8Array> =>
    Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [`k${i}`, new Uint8Array(4 * KIB).fill(salt)]),
    );
  const sizes: number[] = [];
  for (let round = 0; round < 60; round++) {
    await writer.commit(rows(round));
    store.range({ from: "k", to: "l", limit: 7 });
    const { size } = await stat(join(path, "data.mdb"));
    sizes.push(size);
  }
  expect(sizes.at(-1)).toBeLessThan(2 * (sizes[20] ?? 0));
});
