import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyCache, type StateEntry } from "../../runtime/core/key-cache.ts";
import { lockKey } from "../../runtime/core/keys.ts";

const NAMES = ["a", "b", "ba", "c", ""] as const;
const name = fc.constantFrom(...NAMES);
const step = fc.oneof(
  fc.record({ act: fc.constant("read" as const), key: fc.nat(3) }),
  fc.record({
    act: fc.constant("set" as const),
    key: fc.nat(3),
    name,
    size: fc.constantFrom(0, 1, 60, 100, 9_000, 20_000),
  }),
  fc.record({ act: fc.constant("clear" as const), key: fc.nat(3), name }),
  fc.record({ act: fc.constant("clear-all" as const), key: fc.nat(3) }),
  fc.record({ act: fc.constant("flood" as const), key: fc.nat(3) }),
);

const sizeOf = (entries: readonly StateEntry[]): number =>
  entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0);

/** The rows, and the cache beside them, written as the machine does. */
class World {
  readonly cache = new KeyCache();
  readonly rows = Array.from({ length: 4 }, () => new Map<string, Uint8Array>());
  #flooded = 0;

  entries(key: number): StateEntry[] {
    return [...(this.rows[key] ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  }
  read(key: number): void {
    const entries = this.entries(key);
    this.cache.keepState("s", `${key}`, { entries, bytes: sizeOf(entries) });
  }
  set(key: number, stateName: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.rows[key]?.delete(stateName);
    else this.rows[key]?.set(stateName, value);
    this.cache.setState("s", `${key}`, stateName, value);
  }
  clearAll(key: number): void {
    this.rows[key]?.clear();
    this.cache.forgetState("s", `${key}`);
  }
  /** Other keys, so many that what is in there grows old. */
  flood(): void {
    const entries = [["x", new Uint8Array(15_000)]] as const;
    for (let i = 0; i < 150; i++) {
      this.cache.keepState("s", `other ${this.#flooded++}`, { entries, bytes: 15_001 });
    }
  }
}

test("what is remembered of a key's state is what its rows hold, or nothing", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World();
      for (const it of steps) {
        if (it.act === "read") world.read(it.key);
        else if (it.act === "set") world.set(it.key, it.name, new Uint8Array(it.size).fill(7));
        else if (it.act === "clear") world.set(it.key, it.name, undefined);
        else if (it.act === "clear-all") world.clearAll(it.key);
        else world.flood();
        for (let key = 0; key < 4; key++) {
          const known = world.cache.stateOf("s", `${key}`);
          const entries = world.entries(key);
          if (known) expect(known).toEqual({ entries, bytes: sizeOf(entries) });
          for (const it of NAMES) {
            const bytes = world.cache.largeBytesOf("s", `${key}`, it);
            if (bytes !== undefined) expect(bytes).toBe(world.rows[key]?.get(it)?.length);
          }
        }
      }
    }),
  );
});

test("a value that is a view into a frame is copied, so that the frame can go", () => {
  const frame = new Uint8Array(1_000).fill(1);
  const cache = new KeyCache();
  cache.keepState("s", "k", { entries: [["a", frame.subarray(0, 200)]], bytes: 201 });
  cache.setState("s", "k", "b", frame.subarray(200, 300));
  frame.fill(2);
  const known = cache.stateOf("s", "k")?.entries ?? [];
  expect(known.map(([, value]) => [value.buffer.byteLength, value[0]])).toEqual([
    [200, 1],
    [100, 1],
  ]);
});

test("that a key is free is remembered until somebody takes it, or it is long ago", () => {
  const cache = new KeyCache();
  const lock = lockKey("s", "k");
  expect(cache.isFree(lock)).toBe(false);
  cache.setFree(lock, true);
  expect(cache.isFree(lock)).toBe(true);
  cache.setFree(lock, false);
  expect(cache.isFree(lock)).toBe(false);
  cache.setFree(lock, true);
  for (let i = 0; i < 50_000; i++) cache.setFree(lockKey("s", `${i}`), true);
  expect(cache.isFree(lock)).toBe(false);
});

test.each([
  ["a small one", (cache: KeyCache) => cache.setState("s", "k", "a", new Uint8Array(3))],
  ["none", (cache: KeyCache) => cache.setState("s", "k", "a", undefined)],
  ["another large one", (cache: KeyCache) => cache.setState("s", "k", "b", new Uint8Array(20_000))],
  ["nothing, with all of the state", (cache: KeyCache) => cache.forgetState("s", "k")],
])("the size of a large value is remembered until it is replaced by %s", (_, replace) => {
  const cache = new KeyCache();
  cache.setState("s", "k", "a", new Uint8Array(30_000));
  cache.setState("s", "k", "other", new Uint8Array(3));
  expect(cache.largeBytesOf("s", "k", "a")).toBe(30_000);
  replace(cache);
  expect(cache.largeBytesOf("s", "k", "a")).toBeUndefined();
});
