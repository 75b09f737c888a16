import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checksum, checksumOfText } from "../../runtime/store/checksum.ts";

const bytes = fc.uint8Array({ maxLength: 600, size: "max" });

test("a checksum is that of zlib, for short and long, whole and in parts", () => {
  fc.assert(
    fc.property(bytes, fc.nat(600), (all, cut) => {
      const at = Math.min(cut, all.length);
      expect(checksum(all, 0, all.length)).toBe(crc32(all));
      expect(checksum(all, at, all.length, checksum(all, 0, at))).toBe(crc32(all));
      expect(checksum(all, at, all.length)).toBe(crc32(all.subarray(at)));
      expect(checksumOfText(Buffer.from(all).toString("latin1"))).toBe(crc32(all));
    }),
  );
});
