/** What every store must do, whatever it stands on. store.test.ts runs it for each of them. */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { Row, RowKey } from "../../runtime/core/tx.ts";
import { batchDigest, encodeBatch, type Write } from "../../runtime/store/batch.ts";
import type { Store } from "../../runtime/store/store.ts";

/** One disk. Every `open` begins another tenure on it. */
export interface StoreHarness {
  open(): Promise<Store>;
  /** Closes what was opened and removes the disk. */
  dispose(): Promise<void>;
}

/** Makes batches that follow each other. */
export class BatchWriter {
  readonly #store: Store;
  #number: number;
  #previous: string;

  constructor(store: Store) {
    this.#store = store;
    this.#number = store.batchNumber;
    this.#previous = store.batchDigest;
  }

  next(rows: Readonly<Record<RowKey, Uint8Array | string | undefined>>): Uint8Array {
    const writes = Object.entries(rows)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]): Write => [key, typeof value === "string" ? bytes(value) : value]);
    const bytesOfBatch = encodeBatch(
      {
        partition: 0,
        epoch: this.#store.epoch,
        number: ++this.#number,
        previous: this.#previous,
      },
      writes,
    );
    this.#previous = batchDigest(bytesOfBatch);
    return bytesOfBatch;
  }

  commit(rows: Readonly<Record<RowKey, Uint8Array | string | undefined>>): Promise<void> {
    return this.#store.commit(this.next(rows));
  }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array | undefined): string | undefined =>
  value && new TextDecoder().decode(value);
const names = (rows: readonly Row[]): string[] => rows.map(([key]) => key);
const readable = (rows: readonly Row[]): [string, string | undefined][] =>
  rows.map(([key, value]) => [key, text(value)]);

export function storeContract(name: string, newHarness: () => Promise<StoreHarness>): void {
  const harnesses: StoreHarness[] = [];
  const harness = async (): Promise<StoreHarness> => {
    const made = await newHarness();
    harnesses.push(made);
    return made;
  };
  const fresh = async (): Promise<{ store: Store; writer: BatchWriter; disk: StoreHarness }> => {
    const disk = await harness();
    const store = await disk.open();
    return { store, writer: new BatchWriter(store), disk };
  };

  afterEach(async () => {
    for (const it of harnesses.splice(0)) await it.dispose();
  });

  describe(name, () => {
    readsAndWrites(fresh);
    order(fresh);
    tenures(fresh);
    largeValues(fresh);
    agreesWithAMap(fresh);
  });
}

type Fresh = () => Promise<{ store: Store; writer: BatchWriter; disk: StoreHarness }>;

function readsAndWrites(fresh: Fresh): void {
  test("a new store is empty, in its first tenure", async () => {
    const { store } = await fresh();
    expect(store.epoch).toBeGreaterThanOrEqual(1);
    expect([store.batchNumber, store.batchDigest]).toEqual([0, ""]);
    expect(store.get("a")).toBeUndefined();
    expect(store.range({ from: "", to: "\xff", limit: 10 })).toEqual([]);
  });

  test("what a commit wrote is read once it has resolved", async () => {
    const { store, writer } = await fresh();
    await writer.commit({ a: "1", b: "2", empty: "" });
    expect(text(store.get("a"))).toBe("1");
    expect(text(store.get("empty"))).toBe("");
    await writer.commit({ a: undefined, b: "3" });
    expect(store.get("a")).toBeUndefined();
    expect(text(store.get("b"))).toBe("3");
  });

  test("a range has its lower end, not its upper one, and no more rows than its limit", async () => {
    const { store, writer } = await fresh();
    await writer.commit({ a: "1", b: "2", ba: "3", c: "4" });
    const range = (from: string, to: string, limit: number): string[] =>
      names(store.range({ from, to, limit }));
    expect(range("a", "c", 10)).toEqual(["a", "b", "ba"]);
    expect(range("a", "c", 2)).toEqual(["a", "b"]);
    expect(range("b\0", "d", 10)).toEqual(["ba", "c"]);
    expect(range("", "\xff", 10)).toEqual(["a", "b", "ba", "c"]);
    expect(range("b", "b", 10)).toEqual([]);
    expect(range("c", "a", 10)).toEqual([]);
    expect(range("a", "", 10)).toEqual([]);
    expect(range("a", "c", 0)).toEqual([]);
  });

  test("keys are in the order of their bytes", async () => {
    const { store, writer } = await fresh();
    const keys = ["k", "k\0", "k\0\0", "k\x01", "k\x7f", "k\x80", "k\xff", "k\xff\xff", "l"];
    await writer.commit(Object.fromEntries(keys.map((key) => [key, key])));
    expect(names(store.range({ from: "k", to: "m", limit: 100 }))).toEqual(keys);
    for (const key of keys) expect(text(store.get(key))).toBe(key);
  });

  test("the longest key works, a longer one does not", async () => {
    const { store, writer } = await fresh();
    const key = "k".repeat(1974);
    await writer.commit({ [key]: "v", [`${key.slice(1)}l`]: "w" });
    expect(text(store.get(key))).toBe("v");
    const found = names(store.range({ from: key, to: "l", limit: 5 }));
    expect(found.map((it) => it.slice(-2))).toEqual(["kk", "kl"]);
    expect(() => writer.next({ [`${key}k`]: "v" })).toThrow("1975 bytes");
  });
}

function order(fresh: Fresh): void {
  test("commits may be submitted together; they resolve in order", async () => {
    const { store, writer } = await fresh();
    const resolved: number[] = [];
    const commitOne = async (i: number): Promise<void> => {
      await writer.commit({ last: `${i}`, [`k${i}`]: "v" });
      resolved.push(i);
      expect(Number(text(store.get("last")))).toBeGreaterThanOrEqual(i);
    };
    const commits = Array.from({ length: 20 }, (_, i) => commitOne(i));
    await Promise.all(commits);
    expect(resolved).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(text(store.get("last"))).toBe("19");
  });

  test("nothing of a batch is read before it is durable", async () => {
    const { store, writer } = await fresh();
    const committed = writer.commit({ a: "1" });
    expect(store.get("a")).toBeUndefined();
    await committed;
    expect(text(store.get("a"))).toBe("1");
  });

  test("a batch of many writes is one batch", async () => {
    const { store, writer } = await fresh();
    const rows = (salt: string): Record<string, string> =>
      Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`key of row ${i}`, salt + i]));
    await writer.commit(rows("first"));
    await Promise.all([writer.commit(rows("second")), writer.commit({ z: "behind" })]);
    const found = store.range({ from: "key", to: "l", limit: 10_000 });
    expect(found.length).toBe(5_000);
    expect(found.every(([, value]) => text(value)?.startsWith("second"))).toBe(true);
  });

  test("a batch without writes is legal, and counts", async () => {
    const { store, writer, disk } = await fresh();
    const empty = writer.next({});
    await store.commit(empty);
    await store.close();
    const next = await disk.open();
    expect([next.batchNumber, next.batchDigest]).toEqual([1, batchDigest(empty)]);
  });

  test.each([
    ["of another epoch", { epoch: 7 }],
    ["that leaves a number out", { number: 3 }],
    ["that comes twice", { number: 1 }],
    ["that follows another history", { previous: "ab".repeat(16) }],
  ])("a batch %s is refused, and the store with it", async (_, wrong) => {
    const { store, writer } = await fresh();
    const first = writer.next({ a: "1" });
    await store.commit(first);
    const right = { partition: 0, epoch: store.epoch, number: 2, previous: batchDigest(first) };
    const refused = store.commit(encodeBatch({ ...right, ...wrong }, [["a", bytes("2")]]));
    await expect(refused).rejects.toThrow(/epoch|batch/);
    expect(text(store.get("a"))).toBe("1");
    await expect(store.commit(encodeBatch(right, []))).rejects.toThrow(/epoch|batch/);
  });

  test("a batch with one bit flipped is refused", async () => {
    const { store, writer } = await fresh();
    const batch = writer.next({ a: "1" });
    batch[batch.length - 1]! ^= 1;
    await expect(store.commit(batch)).rejects.toThrow("checksum");
    expect(store.get("a")).toBeUndefined();
  });
}

function tenures(fresh: Fresh): void {
  test("the next tenure finds every row, and where the batches ended", async () => {
    const { store, writer, disk } = await fresh();
    await writer.commit({ a: "1", b: "2" });
    const last = writer.next({ a: undefined, c: "3" });
    await store.commit(last);
    await store.close();
    const next = await disk.open();
    expect(next.epoch).toBe(store.epoch + 1);
    expect([next.batchNumber, next.batchDigest]).toEqual([2, batchDigest(last)]);
    expect(readable(next.range({ from: "a", to: "z", limit: 9 }))).toEqual([
      ["b", "2"],
      ["c", "3"],
    ]);
    await new BatchWriter(next).commit({ d: "4" });
    expect(text(next.get("d"))).toBe("4");
  });

  test("an epoch is spent although nothing was written in it", async () => {
    const { store, disk } = await fresh();
    await store.close();
    const next = await disk.open();
    await next.close();
    expect((await disk.open()).epoch).toBe(store.epoch + 2);
  });

  test("once another has opened, commits and confirmations of this one are refused", async () => {
    const { store, writer, disk } = await fresh();
    await writer.commit({ a: "1" });
    await store.confirm();
    const next = await disk.open();
    await expect(store.confirm()).rejects.toMatchObject({ name: "FencedError" });
    await expect(writer.commit({ a: "2" })).rejects.toMatchObject({ name: "FencedError" });
    expect(text(next.get("a"))).toBe("1");
    await new BatchWriter(next).commit({ a: "3" });
    await expect(writer.commit({ a: "4" })).rejects.toMatchObject({ name: "FencedError" });
    expect(text(next.get("a"))).toBe("3");
    await next.confirm();
  });
}

function largeValues(fresh: Fresh): void {
  const kib = 1024;
  const large = (size: number, salt: number): Uint8Array =>
    Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) + salt) & 255);

  test("a value of any size comes back as it was", async () => {
    const { store, writer, disk } = await fresh();
    const sizes = [256 * kib - 1, 256 * kib, 256 * kib + 1, 512 * kib, 512 * kib + 1];
    const rows = Object.fromEntries(sizes.map((size) => [`v${size}`, large(size, size)]));
    await writer.commit({ ...rows, w: "behind" });
    const check = (it: Store): void => {
      for (const size of sizes) {
        expect(Buffer.compare(it.get(`v${size}`) ?? bytes(""), large(size, size))).toBe(0);
      }
      const found = it.range({ from: "v", to: "x", limit: 10 });
      expect(names(found)).toEqual([...Object.keys(rows), "w"].sort());
      for (const [key, value] of found.slice(0, -1)) {
        expect(Buffer.compare(value, rows[key] ?? bytes(""))).toBe(0);
      }
    };
    check(store);
    await store.close();
    check(await disk.open());
  });

  test("a large value makes room for a smaller, a larger, and none", async () => {
    const { store, writer } = await fresh();
    for (const size of [700 * kib, 300 * kib, 10, 1100 * kib, 520 * kib]) {
      await writer.commit({ v: large(size, 1), u: "beside" });
      expect(Buffer.compare(store.get("v") ?? bytes(""), large(size, 1))).toBe(0);
    }
    await Promise.all([
      writer.commit({ v: large(900 * kib, 2) }),
      writer.commit({ v: undefined }),
      writer.commit({ v: large(600 * kib, 3) }),
    ]);
    expect(Buffer.compare(store.get("v") ?? bytes(""), large(600 * kib, 3))).toBe(0);
    await writer.commit({ v: undefined });
    expect(store.get("v")).toBeUndefined();
    expect(names(store.range({ from: "a", to: "z", limit: 10 }))).toEqual(["u"]);
  });
}

function agreesWithAMap(fresh: Fresh): void {
  const key = fc
    .array(fc.constantFrom("a", "b", "\0", "\xff"), { minLength: 0, maxLength: 3 })
    .map((it) => `k${it.join("")}`);
  const batch = fc.dictionary(key, fc.option(fc.string(), { nil: undefined }), { maxKeys: 6 });

  test("after any batches it holds what a map would", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { maxLength: 8 }), key, key, async (batches, from, to) => {
        const { store, writer } = await fresh();
        const model = new Map<string, string>();
        for (const rows of batches) {
          await writer.commit(rows);
          for (const [name, value] of Object.entries(rows)) {
            if (value === undefined) model.delete(name);
            else model.set(name, value);
          }
        }
        const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
        expect(readable(store.range({ from: "k", to: "l", limit: 1_000 }))).toEqual(sorted);
        expect(readable(store.range({ from, to, limit: 3 }))).toEqual(
          sorted.filter(([name]) => name >= from && name < to).slice(0, 3),
        );
      }),
      { numRuns: 25 },
    );
  });
}
