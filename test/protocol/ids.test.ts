import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AssertionError } from "../../protocol/assert.ts";
import {
  formatAwakeableId,
  formatInvocationId,
  parseAwakeableId,
  parseInvocationId,
  SLOT_COUNT,
  slotOf,
  type InvocationIdParts,
} from "../../protocol/ids.ts";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const U32_MAX = 2 ** 32 - 1;

const anyInvocation: fc.Arbitrary<InvocationIdParts> = fc.record({
  slot: fc.integer({ min: 0, max: SLOT_COUNT - 1 }),
  epoch: fc.integer({ min: 0, max: U32_MAX }),
  sequence: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  tag: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => String.fromCharCode(...bytes)),
});
const anyAwakeable = fc.record({
  invocation: anyInvocation,
  completionId: fc.integer({ min: 0, max: U32_MAX }),
});
const GIVEN: InvocationIdParts = {
  slot: 660,
  epoch: 7,
  sequence: 2 ** 40 + 5,
  tag: "\x00\x01\x02\x7f\x80\xfd\xfe\xff",
};

// Computed by hand from the layout, and not by the code under test.
const GOLDEN_INVOCATION = "inv_0aa000000w0g0000002g0082fy0fvzqz";
const GOLDEN_AWAKEABLE = "sign_0aa000000w0g0000002g0082fy0fvzqz000000r";
const GOLDEN_SLOTS = [3359, 660, 3832, 3430, 2076, 68, 2607];

describe("an id", () => {
  test("holds its parts", () => {
    fc.assert(
      fc.property(anyAwakeable, (parts) => {
        expect(parseInvocationId(formatInvocationId(parts.invocation))).toEqual(parts.invocation);
        expect(parseAwakeableId(formatAwakeableId(parts))).toEqual(parts);
      }),
    );
  });

  test("keeps to its alphabet and its length", () => {
    fc.assert(
      fc.property(anyAwakeable, (parts) => {
        expect(formatInvocationId(parts.invocation)).toMatch(/^inv_[0-9a-hj-km-np-tv-z]{32}$/);
        expect(formatAwakeableId(parts)).toMatch(/^sign_[0-9a-hj-km-np-tv-z]{39}$/);
      }),
    );
  });

  test("differs when any part differs", () => {
    fc.assert(
      fc.property(anyInvocation, anyInvocation, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        expect(formatInvocationId(one) === formatInvocationId(other)).toBe(same);
      }),
    );
    const id = formatInvocationId(GIVEN);
    const neighbours = [
      { ...GIVEN, slot: 661 },
      { ...GIVEN, epoch: 8 },
      { ...GIVEN, sequence: 2 ** 40 + 6 },
      { ...GIVEN, sequence: 5 },
      { ...GIVEN, tag: "\x00\x01\x02\x7f\x80\xfd\xff\xfe" },
    ].map(formatInvocationId);
    expect(new Set([id, ...neighbours]).size).toBe(6);
  });

  test("is written the same for ever", () => {
    expect(formatInvocationId(GIVEN)).toBe(GOLDEN_INVOCATION);
    expect(formatAwakeableId({ invocation: GIVEN, completionId: 3 })).toBe(GOLDEN_AWAKEABLE);
  });

  test("has one text: no other one means the same", () => {
    const id = formatInvocationId(GIVEN);
    const awakeable = formatAwakeableId({ invocation: GIVEN, completionId: 3 });
    const others = (text: string): string[] => [
      text.toUpperCase(),
      text.replace(/0(?=.)/, "O"),
      ` ${text}`,
      `${text} `,
      `${text}0`,
      text.slice(0, -1),
      text.replace("_", "-"),
      text.replace(/0/g, "o"),
      `${text.slice(0, -1)}=`,
      `${text.slice(0, -1)}💡`,
    ];
    const readAs = <T>(
      texts: readonly string[],
      parse: (text: string) => T | undefined,
    ): string[] => texts.filter((text) => parse(text) !== undefined);
    expect(readAs([...others(id), awakeable], parseInvocationId)).toEqual([]);
    expect(readAs([...others(awakeable), id], parseAwakeableId)).toEqual([]);
  });

  test("of an awakeable ends in bits that are zero, and no others are read", () => {
    const awakeable = formatAwakeableId({ invocation: GIVEN, completionId: 3 });
    // 24 bytes are 192 bits, 39 characters are 195: three are left over.
    const last = ALPHABET.indexOf(awakeable.slice(-1));
    const spellings = Array.from({ length: 8 }, (_, bits) => (last & ~7) | bits)
      .map((digit) => awakeable.slice(0, -1) + ALPHABET[digit])
      .filter((text) => parseAwakeableId(text) !== undefined);
    expect(spellings).toEqual([awakeable]);
  });

  test("is not read from text at random", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom(...ALPHABET), minLength: 30, maxLength: 40 }),
    );
    fc.assert(
      fc.property(text, fc.constantFrom("", "inv_", "sign_"), (body, prefix) => {
        const id = prefix + body;
        const invocation = parseInvocationId(id);
        const awakeable = parseAwakeableId(id);
        expect(invocation === undefined || formatInvocationId(invocation) === id).toBe(true);
        expect(awakeable === undefined || formatAwakeableId(awakeable) === id).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each<[string, Partial<InvocationIdParts>]>([
    ["a slot that does not exist", { slot: SLOT_COUNT }],
    ["a negative sequence", { sequence: -1 }],
    ["a fractional sequence", { sequence: 0.5 }],
    ["a sequence of more than 48 bits", { sequence: 2 ** 48 }],
    ["an epoch of more than 32 bits", { epoch: 2 ** 32 }],
    ["a fractional slot", { slot: 1.5 }],
    ["a tag that is too short", { tag: "1234567" }],
    ["a tag of more than bytes", { tag: "1234567\u0100" }],
  ])("is not made from %s", (_, wrong) => {
    expect(() => formatInvocationId({ ...GIVEN, ...wrong })).toThrow(AssertionError);
  });

  test.each([-1, 0.5, 2 ** 32])("is not made for the completion id %d", (completionId) => {
    expect(() => formatAwakeableId({ invocation: GIVEN, completionId })).toThrow(AssertionError);
  });
});

describe("a slot", () => {
  test("of a key is the same for ever", () => {
    const slots = [
      ["", ""],
      ["counter", "ann"],
      ["counter", "bob"],
      ["counterann", ""],
      ["", "counterann"],
      ["agentSession", "session-1"],
      ["ü", "💡"],
    ] as const;
    expect(slots.map(([service, key]) => slotOf(service, key))).toEqual(GOLDEN_SLOTS);
  });

  test("is one of 4096, and keys spread over all of them", () => {
    const counts = new Map<number, number>();
    for (let i = 0; i < 40_960; i++) {
      const slot = slotOf("counter", `key-${i}`);
      counts.set(slot, (counts.get(slot) ?? 0) + 1);
    }
    expect(Math.min(...counts.keys())).toBeGreaterThanOrEqual(0);
    expect(Math.max(...counts.keys())).toBeLessThan(SLOT_COUNT);
    expect(counts.size).toBeGreaterThan(4_000);
    expect(Math.max(...counts.values())).toBeLessThan(50);
  });
});
