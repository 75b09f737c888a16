import fc from "fast-check";
import { expect, test } from "vitest";
import { packValue } from "../../protocol/pack.ts";
import { cutText } from "../../protocol/text.ts";

test("a text is cut where it is too long, and never within a character", () => {
  expect(cutText("abc", 3)).toBe("abc");
  expect(cutText("abcd", 3)).toBe("abc");
  expect(cutText("ab💡", 3)).toBe("ab");
  expect(cutText("ab💡", 4)).toBe("ab💡");
  expect(cutText("💡", 1)).toBe("");
});

test("what was cut can be packed", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.nat({ max: 20 }), (text, lengthMax) => {
      const cut = cutText(text, lengthMax + 1);
      expect(text.startsWith(cut)).toBe(true);
      expect(cut.length).toBeLessThanOrEqual(lengthMax + 1);
      expect(packValue(cut)).toBeInstanceOf(Uint8Array);
    }),
  );
});
