import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  batchDigest,
  decodeBatch,
  encodeBatch,
  type BatchHeader,
  type Write,
  writtenValue,
} from "../../runtime/store/batch.ts";
import { openRow, printableKey } from "../../runtime/store/row.ts";
import { CorruptRowError } from "../../runtime/store/store.ts";

const header: BatchHeader = { partition: 0, epoch: 1, number: 1, previous: "" };
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

const binaryString = (minLength: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 1, max: 255 }), { minLength, maxLength: 12 })
    .map((it) => String.fromCharCode(...it));
const headers: fc.Arbitrary<BatchHeader> = fc.record({
  partition: fc.integer({ min: 0, max: 65_535 }),
  epoch: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
  number: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
  previous: fc.constantFrom("", "0123456789abcdef".repeat(2)),
});
const writes: fc.Arbitrary<Write[]> = fc
  .uniqueArray(
    fc.tuple(
      binaryString(1),
      fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined }),
      fc.boolean(),
    ),
    { selector: ([key]) => key, maxLength: 8 },
  )
  .map((it) => it.sort(([a], [b]) => (a < b ? -1 : 1)))
  // Only what is there can be new.
  .map((it) => it.map(([key, value, added]) => [key, value, added && value !== undefined]));

describe("a batch", () => {
  test("comes back from its bytes as it was", () => {
    fc.assert(
      fc.property(headers, writes, (head, list) => {
        const made = encodeBatch(head, list);
        const plain = ([key, value, added]: Write): unknown => [key, value && [...value], added];
        // Also where nobody remembers how it was made.
        for (const it of [made, made.slice()]) {
          const { writes: found, ...rest } = decodeBatch(it);
          expect(rest).toEqual(head);
          const seen = found.map((write) => plain([write.key, writtenValue(write), write.added]));
          expect(seen).toEqual(list.map(plain));
        }
      }),
    );
  });

  test("has one form only: equal batches have equal bytes, others have others", () => {
    fc.assert(
      fc.property(headers, writes, writes, (head, a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        const equal = Buffer.compare(encodeBatch(head, a), encodeBatch(head, b)) === 0;
        expect(equal).toBe(same);
        expect(batchDigest(encodeBatch(head, a)) === batchDigest(encodeBatch(head, b))).toBe(same);
      }),
    );
  });

  test("has the layout that its file draws", () => {
    const previous = "00112233445566778899aabbccddeeff";
    const batch = encodeBatch({ partition: 2, epoch: 3, number: 4, previous }, [
      ["ab", bytes(7, 8), true],
      ["b", undefined],
    ]);
    const hex = Buffer.from(batch).toString("hex");
    expect(hex.slice(8, 78)).toBe(
      `02${"0002"}${"000000000003"}${"000000000004"}${previous}${"00000002"}`,
    );
    expect(hex.slice(78, 78 + 20)).toBe(`8002${"6162"}${"00000007"}${"01"}${hex.slice(96, 98)}`);
    expect(hex.slice(-18)).toBe(`0708${"0001"}${"62"}${"00000000"}`);
  });

  test("is refused if any one bit of it is flipped", () => {
    const batch = encodeBatch(header, [
      ["a", bytes(1, 2, 3)],
      ["b", undefined],
    ]);
    for (let bit = 0; bit < batch.length * 8; bit++) {
      const flipped = Uint8Array.from(batch);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeBatch(flipped)).toThrow(/batch/);
    }
  });

  test("is refused if it is cut or has something behind it", () => {
    const batch = encodeBatch(header, [["a", bytes(1, 2, 3)]]);
    for (let length = 0; length < batch.length; length++) {
      expect(() => decodeBatch(batch.subarray(0, length))).toThrow(/batch/);
    }
    expect(() => decodeBatch(Buffer.concat([batch, bytes(0)]))).toThrow(/batch/);
  });

  test("does not copy its values on the way out", () => {
    const batch = encodeBatch(header, [["a", bytes(1, 2, 3)]]);
    const [write] = decodeBatch(batch).writes;
    expect(write?.stored?.buffer).toBe(batch.buffer);
  });

  test.each<[string, Write[], string]>([
    ["in the wrong order", [["b", bytes(1)], ["a", bytes(1)]], "not in key order"], // prettier-ignore
    ["of one key twice", [["a", bytes(1)], ["a", bytes(1)]], "not in key order"], // prettier-ignore
    ["of an empty key", [["", bytes(1)]], "not in key order"],
    ["that add what they remove", [["a", undefined, true]], "no row to add"],
    ["of the store's own keys", [["\0a", bytes(1)]], "belong to the store"],
  ])("with writes %s is not made", (_, list, message) => {
    expect(() => encodeBatch(header, list)).toThrow(message);
  });
});

describe("a row", () => {
  const [write] = decodeBatch(encodeBatch(header, [["key\xff", bytes(1, 2, 3)]])).writes;
  const stored = write?.stored ?? bytes();

  test("is refused by name if any one bit of it is flipped", () => {
    for (let bit = 0; bit < stored.length * 8; bit++) {
      const flipped = Uint8Array.from(stored);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => openRow("key\xff", flipped)).toThrow(CorruptRowError);
      expect(() => openRow("key\xff", flipped)).toThrow(String.raw`"key\xff" is damaged`);
    }
  });

  test("is refused under another key", () => {
    expect([...openRow("key\xff", stored)]).toEqual([1, 2, 3]);
    expect(() => openRow("kez\xff", stored)).toThrow(CorruptRowError);
  });

  test("names its key in a form that people can read and that hides nothing", () => {
    expect(printableKey('s\0\x04cart\\"')).toBe(String.raw`"s\x00\x04cart\x5c""`);
  });
});
