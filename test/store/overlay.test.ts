import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LateRow, Range } from "../../runtime/core/tx.ts";
import { Overlay } from "../../runtime/store/overlay.ts";
import { PlainRows } from "../support/plain-rows.ts";

interface Owned extends LateRow {
  now: Uint8Array | undefined;
}

/** Overlay and disk beside a model that has every write at once. */
class World {
  readonly disk = new PlainRows();
  readonly overlay = new Overlay(this.disk, 0);
  readonly model = new PlainRows();
  readonly #sealed: ReturnType<Overlay["seal"]>[] = [];
  readonly #owners = new Map<string, Owned>();
  #salt = 0;

  value(): Uint8Array {
    return Uint8Array.of(++this.#salt & 255, this.#salt >> 8);
  }
  put(key: string): void {
    const value = this.value();
    this.overlay.put(key, value);
    this.model.rows.set(key, value);
  }
  insert(key: string): void {
    if (this.model.rows.has(key)) return;
    const value = this.value();
    this.overlay.insert(key, value);
    this.model.rows.set(key, value);
  }
  /** The owner of a row changes it and marks it, mostly the same one, now and then another. */
  late(key: string): void {
    let row = this.#owners.get(key);
    if (row === undefined || this.#salt % 5 === 0) {
      const made: Owned = { key, now: this.value(), encode: () => made.now };
      row = made;
      this.#owners.set(key, row);
    }
    row.now = this.#salt % 7 === 0 ? undefined : this.value();
    this.overlay.putLate(row);
    if (row.now === undefined) this.model.rows.delete(key);
    else this.model.rows.set(key, row.now);
  }
  remove(key: string): void {
    this.overlay.remove(key);
    this.model.rows.delete(key);
  }
  seal(): void {
    this.#sealed.push(this.overlay.seal());
  }
  /** The oldest sealed batch reaches the disk. */
  release(): void {
    const batch = this.#sealed.shift();
    if (batch === undefined) return;
    for (const [key, value] of batch.writes) {
      if (value === undefined) this.disk.rows.delete(key);
      else this.disk.rows.set(key, value);
    }
    this.overlay.release(batch.number);
  }
  check(range: Range): void {
    expect(this.overlay.range(range)).toEqual(this.model.range(range));
    for (const key of KEYS) expect(this.overlay.get(key)).toBe(this.model.get(key));
  }
}

const KEYS = ["a", "b", "c", "ca", "cb", "d", "e", "f", "g", "h"];
const key = fc.constantFrom(...KEYS);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant("put" as const), key) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("insert" as const), key) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("late" as const), key) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("remove" as const), key) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("seal" as const), key) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("release" as const), key) },
);
const range = fc.record({
  from: fc.constantFrom("", ...KEYS),
  to: fc.constantFrom("z", ...KEYS),
  limit: fc.integer({ min: 0, max: 12 }),
});

describe("the overlay", () => {
  test("shows all writes at once, however far each of them is on its way to the disk", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(step, range), { maxLength: 60 }),
        fc.constantFrom(1, 7, 100),
        (steps, lookEach) => {
          const world = new World();
          // Looking makes the bytes of late rows: without it they stay unmade until the batch is sealed.
          for (const [at, [[act, name], look]] of steps.entries()) {
            world[act](name);
            if (lookEach === 1 || at % lookEach === 0) world.check(look);
          }
          world.check(ALL);
          world.seal();
          for (let i = 0; i <= steps.length; i++) world.release();
          expect(world.disk.range(ALL)).toEqual(world.model.range(ALL));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("finds few live rows behind many removed ones", () => {
    const world = new World();
    for (let i = 0; i < 500; i++) world.put(`k${String(i).padStart(3, "0")}`);
    world.seal();
    world.release();
    for (let i = 0; i < 499; i++) world.remove(`k${String(i).padStart(3, "0")}`);
    for (const limit of [1, 2, 7, 600]) world.check({ from: "", to: "z", limit });
    world.check({ from: "k100", to: "k499", limit: 1 });
  });

  test("writes nothing for what was inserted and removed in one batch", () => {
    const { overlay } = new World();
    overlay.insert("a", Uint8Array.of(1));
    overlay.put("a", Uint8Array.of(1, 2));
    overlay.remove("a");
    expect(overlay.openWrites).toBe(0);
    expect(overlay.openBytes).toBe(0);
    expect(overlay.seal().writes).toEqual([]);
  });

  test("says of a row that it is added when an insert of its batch made it, over no removal there", () => {
    const { overlay } = new World();
    overlay.put("put", Uint8Array.of(1));
    overlay.insert("inserted", Uint8Array.of(1));
    overlay.insert("changed", Uint8Array.of(1));
    overlay.put("changed", Uint8Array.of(2));
    overlay.remove("again");
    overlay.insert("again", Uint8Array.of(1));
    const added = overlay.seal().writes.filter(([, , it]) => it);
    expect(added.map(([key]) => key)).toEqual(["changed", "inserted"]);
  });

  test("writes a removal for what was put and removed in one batch: something may stand below", () => {
    const { overlay } = new World();
    overlay.put("a", Uint8Array.of(1));
    overlay.remove("a");
    expect(overlay.seal().writes).toEqual([["a", undefined, false]]);
  });

  test.each(["one batch", "two batches"])(
    "keeps the removal that an insert followed, if the insert is removed too, in %s",
    (batches) => {
      const world = new World();
      world.put("a");
      world.seal();
      world.release();
      world.remove("a");
      if (batches === "two batches") world.seal();
      world.insert("a");
      world.remove("a");
      world.check(ALL);
      world.seal();
      for (let i = 0; i < 2; i++) {
        world.release();
        world.check(ALL);
      }
      expect(world.disk.rows.size).toBe(0);
    },
  );

  test("makes the bytes of a late row once, when its batch is sealed, and anew for the next batch", () => {
    const { overlay } = new World();
    let made = 0;
    let value = 1;
    const row = { key: "a", encode: () => Uint8Array.of(value, ++made) };
    overlay.putLate(row);
    value = 2;
    overlay.putLate(row);
    expect(overlay.seal().writes).toEqual([["a", Uint8Array.of(2, 1), false]]);
    value = 3;
    expect(overlay.get("a")).toEqual(Uint8Array.of(2, 1));
    overlay.putLate(row);
    expect(overlay.seal().writes).toEqual([["a", Uint8Array.of(3, 2), false]]);
  });

  test("makes no bytes of a late row that a put or a removal replaced", () => {
    const { overlay } = new World();
    const encode = (): never => {
      throw new Error("nobody asked");
    };
    overlay.putLate({ key: "a", encode });
    overlay.put("a", Uint8Array.of(1));
    overlay.putLate({ key: "b", encode });
    overlay.remove("b");
    const { writes } = overlay.seal();
    expect(writes).toEqual([
      ["a", Uint8Array.of(1), false],
      ["b", undefined, false],
    ]);
  });

  test("keeps no memory of what comes and goes, read or not", () => {
    const { overlay } = new World();
    for (let i = 0; i < 20_000; i++) {
      overlay.insert(`k${i}`, Uint8Array.of(1));
      if (i % 1_000 === 0) overlay.range(ALL);
      overlay.remove(`k${i}`);
    }
    overlay.insert("z", Uint8Array.of(1));
    expect(overlay.range(ALL).map(([key]) => key)).toEqual(["z"]);
  });

  test("counts the bytes that the open batch will take, give or take its header", () => {
    const { overlay } = new World();
    overlay.put("a", new Uint8Array(1_000));
    overlay.put("a", new Uint8Array(10_000));
    overlay.put("b", new Uint8Array(500));
    expect(overlay.openBytes).toBeGreaterThan(10_500);
    expect(overlay.openBytes).toBeLessThan(10_600);
    overlay.remove("b");
    expect(overlay.openBytes).toBeLessThan(10_100);
    overlay.seal();
    expect(overlay.openBytes).toBe(0);
  });
});

const ALL: Range = { from: "", to: "\xff", limit: 1_000 };
