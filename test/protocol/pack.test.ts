import fc from "fast-check";
import { Packr, Unpackr } from "msgpackr/index-no-eval";
import { describe, expect, test } from "vitest";
import { AssertionError } from "../../protocol/assert.ts";
import { ProtocolError, type Plain } from "../../protocol/fields.ts";
import { packItems, packValue, unpackValue } from "../../protocol/pack.ts";
import { Packer } from "../../protocol/packer.ts";

const MIB = 1024 * 1024;
const library = new Packr({ useRecords: false });

const anyPlain: fc.Arbitrary<Plain> = fc
  .letrec<{ value: Plain }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom<Plain>(null, true, false),
      fc
        .oneof(
          fc.integer(),
          fc.maxSafeInteger(),
          fc.double({ noNaN: true, noDefaultInfinity: true }),
        )
        .map((it) => it + 0),
      fc.string({ unit: "binary" }),
      fc.string({ unit: "binary", minLength: 250, maxLength: 300 }),
      fc.uint8Array({ size: "medium" }),
      fc.array(tie("value"), { maxLength: 20, depthIdentifier: "plain" }),
    ),
  }))
  .value.filter((it) => depthOf(it) <= 16);

function depthOf(value: Plain): number {
  return Array.isArray(value) ? 1 + Math.max(0, ...value.map(depthOf)) : 0;
}

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

describe("a plain value", () => {
  test("reads back as it was written", () => {
    fc.assert(
      fc.property(anyPlain, (value) => {
        expect(unpackValue(packValue(value))).toEqual(value);
      }),
    );
  });

  test("is read as an independent reader reads it", () => {
    const reader = new Unpackr({ useRecords: false });
    fc.assert(
      fc.property(anyPlain, (value) => {
        const bytes = packValue(value);
        // That one drops the mark at the start of a long text.
        fc.pre(!JSON.stringify(value).includes("\ufeff"));
        expect(unpackValue(bytes)).toEqual(plainBytes(reader.unpack(bytes) as Plain));
      }),
    );
  });

  test.each([65_535, 65_536, 3 * MIB])("of %i bytes, items or characters arrives", (length) => {
    const bytes = new Uint8Array(length).fill(7);
    expect(Buffer.from(bytes).equals(unpackValue(packValue(bytes)) as Uint8Array)).toBe(true);
    const text = "ü".repeat(length);
    expect(unpackValue(packValue(text)) === text).toBe(true);
    const items = unpackValue(packValue(Array<Plain>(length).fill(true))) as Plain[];
    expect([items.length, items.every((it) => it === true)]).toEqual([length, true]);
  });

  test("keeps a byte order mark, at the start of a short text and of a long one", () => {
    for (const text of ["\ufeff", "\ufeffkey", `\ufeff${"x".repeat(100)}`]) {
      expect(unpackValue(packValue([text]))).toEqual([text]);
    }
  });

  test("has one form of zero", () => {
    expect(packValue(-0)).toEqual(packValue(0));
    expect(Object.is(unpackValue(hex("cb8000000000000000")), 0)).toBe(true);
  });

  test("beyond a kilobyte is packed into exactly its own memory; a small one keeps 4 KiB at most", () => {
    const values = [["a"], new Uint8Array(5 * MIB), ["b", 1], new Uint8Array(2_000)];
    const memory = values.map((value) => {
      const { buffer, length } = packValue(value);
      return buffer.byteLength === length ? "its own" : buffer.byteLength;
    });
    expect(memory).toEqual([4_096, "its own", 4_096, "its own"]);
  });

  test("stays as it was packed, whatever is packed after it", () => {
    const values = fc.array(anyPlain, { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(values, (list) => {
        const packed = list.map((value) => packValue(value));
        expect(packed.map((bytes) => unpackValue(bytes))).toEqual(list);
      }),
    );
  });

  test("has the same bytes when its first items were packed before", () => {
    const items = fc.array(anyPlain, { maxLength: 40 });
    fc.assert(
      fc.property(items, items, (first, rest) => {
        const packed = packItems(first);
        const packer = new Packer();
        packer.addArrayHead(first.length + rest.length);
        packer.addPacked(packed);
        for (const item of rest) packer.add(item);
        expect(packer.copy(0, packer.length)).toEqual(packValue([...first, ...rest]));
      }),
    );
  });

  test("counts its items and itself", () => {
    const packer = new Packer();
    packer.add(null);
    expect(packer.values).toBe(1);
    packer.add([1, [2, "three"], []]);
    expect(packer.values).toBe(1 + 6);
  });

  test("has the bytes that the library writes", () => {
    fc.assert(
      fc.property(anyPlain, (value) => {
        expect(Buffer.from(packValue(value))).toEqual(Buffer.from(library.pack(value)));
      }),
    );
  });

  test.each<Plain>([
    ...[0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 1.5, 2 ** 53 - 1],
    ...[-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, -1e300],
    ...[31, 32, 40, 41, 255, 256, 65_535, 65_536].map((length) => "a".repeat(length)),
    ...[10, 15, 16, 31, 32, 40, 41, 127, 128].map((length) => "ü".repeat(length)),
    ...[0, 255, 256, 65_535, 65_536].map((length) => new Uint8Array(length)),
    ...[15, 16, 65_535, 65_536].map((length) => Array<Plain>(length).fill(null)),
  ])("at the border of two forms has the bytes that the library writes (%#)", (value) => {
    expect(Buffer.from(packValue(value)).equals(library.pack(value))).toBe(true);
  });

  test("is packed as ever after one that was refused", () => {
    expect(() => packValue(["a", Number.NaN])).toThrow(AssertionError);
    expect(packValue(["a"])).toEqual(hex("91a161"));
  });
});

describe("what MessagePack would change in silence is refused before", () => {
  test.each<[string, unknown]>([
    ["half of a surrogate pair", "a\ud800"],
    ["the other half, deep inside", [1, ["\udc00x"]]],
    ["NaN", Number.NaN],
    ["infinity", [Number.POSITIVE_INFINITY]],
    ["undefined", [undefined]],
    ["an object", {}],
    ["a map", [new Map()]],
    ["a date", new Date(0)],
    ["a bigint", 1n],
    ["a function", [() => 1]],
  ])("%s", (_, value) => {
    expect(() => packValue(value as Plain)).toThrow(AssertionError);
  });
});

describe("every form of a number is read", () => {
  test.each<[string, number]>([
    ["00", 0],
    ["7f", 127],
    ["ff", -1],
    ["e0", -32],
    ["ccff", 255],
    ["cdffff", 65_535],
    ["ceffffffff", 2 ** 32 - 1],
    ["cf0000000000000001", 1],
    ["cf001fffffffffffff", Number.MAX_SAFE_INTEGER],
    ["d080", -128],
    ["d18000", -32_768],
    ["d280000000", -(2 ** 31)],
    ["d3ffffffffffffffff", -1],
    ["d3ffe0000000000001", Number.MIN_SAFE_INTEGER],
    ["ca3fc00000", 1.5],
    ["cb3ff8000000000000", 1.5],
  ])("%s", (bytes, value) => {
    expect(unpackValue(hex(bytes))).toBe(value);
  });

  test.each(["cf0020000000000000", "cfffffffffffffffff", "d38000000000000000"])(
    "%s is beyond 2^53 and refused",
    (bytes) => {
      expect(() => unpackValue(hex(bytes))).toThrow("an integer beyond 2^53");
    },
  );
});

describe("what the protocol does not use is refused", () => {
  test.each<[string, string, string]>([
    ["nothing at all", "", "past the end"],
    ["bytes after the end", "c0c0", "after the end"],
    ["the byte that is never used", "c1", "an extension type"],
    ["an empty map", "80", "a map"],
    ["a map of 16 bits", "de0000", "a map"],
    ["a map of 32 bits", "df00000000", "a map"],
    ["a date", "d6ff00000000", "an extension type"],
    ["a record definition", "d4720091a161", "an extension type"],
    ["a reference", "d6690000000091c0", "an extension type"],
    ["bundled strings", "c7016205", "an extension type"],
    ["an extension of 8 bits", "c7000100", "an extension type"],
    ["an extension of 32 bits", "c9ffffffff00", "an extension type"],
    ["NaN", "cb7ff8000000000000", "not finite"],
    ["infinity in 32 bits", "ca7f800000", "not finite"],
    ["text that is cut off", "a2c3", "past the end"],
    ["text that is not UTF-8", "a1ff", "not UTF-8"],
    ["half of a surrogate pair in UTF-8", "a3eda080", "not UTF-8"],
    ["an overlong slash", "a2c0af", "not UTF-8"],
    ["binary that is cut off", "c403aabb", "past the end"],
    ["an array that is cut off", "92c0", "longer than the rest"],
    ["a number that is cut off", "ce0000", "past the end"],
  ])("%s", (_, bytes, message) => {
    expect(() => unpackValue(hex(bytes))).toThrow(ProtocolError);
    expect(() => unpackValue(hex(bytes))).toThrow(message);
  });

  test("long text that is not UTF-8", () => {
    const bytes = packValue("a".repeat(200));
    bytes[150] = 0xff;
    expect(() => unpackValue(bytes)).toThrow("not UTF-8");
  });

  test("text is refused wherever the library would put a replacement character", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 31 }), (bytes) => {
        const packed = Uint8Array.of(0xa0 + bytes.length, ...bytes);
        const text = Buffer.from(bytes).toString("utf8");
        const wellFormed = Buffer.from(text, "utf8").equals(bytes);
        let read: Plain = null;
        try {
          read = unpackValue(packed);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
        expect(read).toBe(wellFormed ? text : null);
      }),
    );
  });
});

test("the library drops a byte order mark and forgives what is no UTF-8: why reading is ours", () => {
  const marked = `\ufeff${"x".repeat(100)}`;
  expect(library.unpack(library.pack(marked))).toHaveLength(100);
  expect(library.unpack(hex("a1ff"))).toBe("\ufffd");
});

/** The library hands out Buffers. */
function plainBytes(value: Plain): Plain {
  if (Array.isArray(value)) return value.map(plainBytes);
  return value instanceof Uint8Array ? Uint8Array.from(value) : value;
}
