import { expect, test } from "vitest";
import { checkOptions } from "../runtime/options.ts";

const dataDir = "data";

test("every limit has its default, and takes what it is given", () => {
  expect(checkOptions({ dataDir }).limits.pendingMax).toBe(10_000_000);
  const { limits, httpLimits } = checkOptions({
    dataDir,
    limits: { pendingMax: 5, headersMax: 7 },
  });
  expect([limits.pendingMax, httpLimits.headersMax]).toEqual([5, 7]);
});

test.each([-1, Number.NaN, Infinity])("a limit of %d is refused", (value) => {
  expect(() => checkOptions({ dataDir, limits: { pendingMax: value } })).toThrow(
    /the limit pendingMax is a number that is not negative/,
  );
});

// LMDB takes keys of 1978 bytes: larger limits were accepted, and the first long key stopped the runtime.
test.each([
  [{ keyBytesMax: 1_310 }, undefined],
  [{ keyBytesMax: 1_311 }, /serviceNameBytesMax \+ keyBytesMax \+ stateKeyBytesMax are 1950/],
  [{ stateKeyBytesMax: 1_310 }, undefined],
  [{ stateKeyBytesMax: 1_311 }, /not 128 \+ 512 \+ 1311; lower one of them/],
  [{ idempotencyKeyBytesMax: 1_182 }, undefined],
  [{ idempotencyKeyBytesMax: 1_183 }, /handlerNameBytesMax \+ idempotencyKeyBytesMax are 1950/],
  [{ delayMsMax: 2 ** 47 }, undefined],
  [{ delayMsMax: 2 ** 47 + 1 }, /the limit delayMsMax is at most/],
])("limits %j together fit what the store can keep, or are refused", (limits, message) => {
  const check = () => checkOptions({ dataDir, limits });
  if (message === undefined) expect(check).not.toThrow();
  else expect(check).toThrow(message);
});

test("the payload of an idempotency key is checked unless it is switched off", () => {
  expect(checkOptions({ dataDir }).idempotencyPayloadCheck).toBe(true);
  const off = checkOptions({ dataDir, idempotencyPayloadCheck: false });
  expect(off.idempotencyPayloadCheck).toBe(false);
});
