import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Range, Row } from "../../runtime/core/tx.ts";
import { decodeBatch, encodeBatch, type StoredWrite } from "../../runtime/store/batch.ts";
import { HeldRows } from "../../runtime/store/held-rows.ts";
import { PlainRows } from "../support/plain-rows.ts";

const KEYS = ["a1", "a2", "a3", "b1", "b2"] as const;
const ALL: Range = { from: "", to: "z", limit: 100 };

/** Held rows over those that arrived, beside a model that has all writes at once. */
class World {
  readonly rows = new PlainRows();
  readonly held = new HeldRows(this.rows);
  readonly model = new PlainRows();
  #leaving: readonly StoredWrite[] | undefined;
  #salt = 0;

  /** A batch of one write: a new row where there is none, else the row changes. */
  put(key: string): void {
    const value = Uint8Array.of(++this.#salt);
    this.#hold(key, value, !this.model.rows.has(key));
    this.model.rows.set(key, value);
  }
  /** Who does not say that a row is new loses nothing but the net effect. */
  putUnsaid(key: string): void {
    const value = Uint8Array.of(++this.#salt);
    this.#hold(key, value, false);
    this.model.rows.set(key, value);
  }
  remove(key: string): void {
    this.#hold(key, undefined, false);
    this.model.rows.delete(key);
  }
  leave(): readonly string[] {
    if (this.#leaving !== undefined) this.arrive();
    this.#leaving = this.held.leave();
    return this.#leaving.map((it) => it.key);
  }
  arrive(): void {
    for (const { key, value } of this.#leaving ?? []) {
      if (value === undefined) this.rows.rows.delete(key);
      else this.rows.rows.set(key, value);
    }
    if (this.#leaving !== undefined) this.held.arrived();
    this.#leaving = undefined;
  }
  check(range: Range): void {
    const plain = (rows: Row[]): unknown => rows.map(([key, value]) => [key, ...value]);
    expect(plain(this.held.range(range))).toEqual(plain(this.model.range(range)));
    for (const key of KEYS) expect(this.held.get(key)?.[0]).toBe(this.model.get(key)?.[0]);
  }
  #hold(key: string, value: Uint8Array | undefined, added: boolean): void {
    const header = { partition: 0, epoch: 1, number: 1, previous: "" };
    this.held.hold(decodeBatch(encodeBatch(header, [[key, value, added]])).writes);
  }
}

const step = fc.tuple(
  fc.constantFrom("put", "put", "put", "putUnsaid", "remove", "remove", "leave", "arrive"),
  fc.constantFrom(...KEYS),
);
const range = fc.record({
  from: fc.constantFrom("", ...KEYS),
  to: fc.constantFrom("z", ...KEYS),
  limit: fc.integer({ min: 0, max: 6 }),
});

describe("held rows", () => {
  test("show all that is durable, wherever it is, and bring all of it to the rows", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(step, range), { maxLength: 60 }), (steps) => {
        const world = new World();
        for (const [[act, key], look] of steps) {
          world[act as "put"](key);
          world.check(look);
        }
        for (let i = 0; i < 2; i++) world.leave();
        world.arrive();
        world.check(ALL);
        expect([...world.rows.rows.keys()].sort()).toEqual([...world.model.rows.keys()].sort());
      }),
      { numRuns: 500 },
    );
  });

  test("tell the rows nothing of what came and went in one group", () => {
    const world = new World();
    world.put("a1");
    world.put("a1");
    world.remove("a1");
    world.put("b1");
    expect(world.leave()).toEqual(["b1"]);
  });

  test("tell the rows that a row went which they have, although another came and went there since", () => {
    const world = new World();
    world.put("a1");
    world.leave();
    world.arrive();
    world.remove("a1");
    world.put("a1");
    world.remove("a1");
    expect(world.leave()).toEqual(["a1"]);
    world.arrive();
    expect(world.rows.rows.size).toBe(0);
  });

  test("take one group at a time to the rows", () => {
    const world = new World();
    world.put("a1");
    world.leave();
    expect(() => world.held.leave()).toThrow("one group at a time");
  });
});
