import fc from "fast-check";
import { expect, test } from "vitest";
import { NumberMap } from "../../protocol/number-map.ts";

const keys = [0, 1, 2, 3, 16, 17, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 48 - 1, 2 ** 53 - 1, -1];
const act = fc.record({
  act: fc.oneof(
    { weight: 60, arbitrary: fc.constantFrom("set" as const, "set" as const, "delete" as const) },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
  ),
  key: fc.oneof(fc.constantFrom(...keys), fc.nat(200)),
});

test("a map of numbers holds what JavaScript's own map would", () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 400, size: "max" }), (acts) => {
      const map = new NumberMap<object>();
      const model = new Map<number, object>();
      for (const { act: what, key } of acts) {
        const value = {};
        if (what === "set") {
          map.set(key, value);
          model.set(key, value);
        } else if (what === "clear") {
          map.clear();
          model.clear();
        } else {
          expect(map.delete(key)).toBe(model.get(key));
          model.delete(key);
        }
        expect(map.size).toBe(model.size);
        expect(map.get(key)).toBe(model.get(key));
      }
      const sorted = [...model].sort(([a], [b]) => a - b);
      expect(map.keys()).toEqual(sorted.map(([key]) => key));
      expect(map.values()).toEqual(sorted.map(([, value]) => value));
      expect(map.some(() => true)).toBe(sorted.length > 0);
      for (const [, value] of sorted) expect(map.some((it) => it === value)).toBe(true);
      expect(map.some((it) => !sorted.some(([, value]) => value === it))).toBe(false);
      for (const [key, value] of sorted) expect(map.get(key) === value).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test("numbers in a row come and go, a hundred thousand of them, a thousand at a time", () => {
  const map = new NumberMap<{ readonly key: number }>();
  for (let key = 0; key < 100_000; key++) {
    map.set(key, { key });
    if (key >= 1_000) expect(map.delete(key - 1_000)?.key).toBe(key - 1_000);
  }
  expect(map.size).toBe(1_000);
  for (let key = 99_000; key < 100_000; key++) expect(map.delete(key)?.key).toBe(key);
  expect([map.size, map.values()]).toEqual([0, []]);
});

test("a key that is no whole number is refused", () => {
  expect(() => new NumberMap<object>().set(1.5, {})).toThrow("no whole number");
});
