import fc from "fast-check";
import { expect, test } from "vitest";
import { KNOWN_TEXT_BYTES_MAX, knownText } from "../../protocol/known-texts.ts";

const encoder = new TextEncoder();
const read = (text: string): string | undefined => {
  const bytes = encoder.encode(`<${text}>`);
  return knownText(bytes, 1, bytes.length - 1);
};

/** Few enough letters that texts come twice, and that many more texts than places come by. */
const short = fc.string({ unit: fc.constantFrom("a", "b", "\0", "\x7f"), maxLength: 14 });

test("a short text is the one that its bytes are, however many others came by in its place", () => {
  fc.assert(
    fc.property(fc.array(short, { maxLength: 100 }), (texts) => {
      expect(texts.map(read)).toEqual(texts);
    }),
    { numRuns: 200 },
  );
});

test("a text of every length is told from those that begin like it", () => {
  for (let length = 0; length <= KNOWN_TEXT_BYTES_MAX; length++) {
    const text = "x".repeat(length);
    expect([read(text), read(text)]).toEqual([text, text]);
  }
});

test("what is not ASCII is for the decoder", () => {
  expect(["é", "aé", "日本"].map(read)).toEqual([undefined, undefined, undefined]);
});
