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

test.each([-1, Number.NaN, Infinity, 1.5])("a limit of %d is refused", (value) => {
  expect(() => checkOptions({ dataDir, limits: { pendingMax: value } })).toThrow(
    /the limit pendingMax is a whole number that is not negative/,
  );
});

test("a limit that there is not is refused, with its name", () => {
  const limits = { pendingMaximum: 5 } as object;
  expect(() => checkOptions({ dataDir, limits })).toThrow(/there is no limit pendingMaximum/);
});

// Each of these was taken, and then no worker could register or no request was let in, and only the one
// who was refused heard of it.
test.each([
  [
    { frameBytesMax: 64 * 1024 - 1 },
    /the limit frameBytesMax is from 65536 to 16777216, not 65535/,
  ],
  [{ frameBytesMax: 16 * 2 ** 20 + 1 }, /the limit frameBytesMax is from 65536 to 16777216/],
  [{ frameBytesMax: 64 * 1024 }, undefined],
  [{ frameBytesMax: 16 * 2 ** 20 }, undefined],
  [{ payloadBytesMax: 2 ** 30 + 1 }, /the limit payloadBytesMax is at most 1073741824/],
  [{ workerTimeoutMs: 0 }, /the limit workerTimeoutMs is at least 3, not 0/],
  [{ headBytesMax: 0 }, /the limit headBytesMax is at least 1, not 0/],
  [{ headersMax: 0 }, /the limit headersMax is at least 1/],
  [{ connectionsMax: 0 }, /the limit connectionsMax is at least 1/],
  [{ requestsMax: 0 }, /the limit requestsMax is at least 1/],
  [{ checkIntervalMs: 0 }, /the limit checkIntervalMs is at least 1/],
  [{ diskFreeBytesMin: 0, inactivityTimeoutMs: 0, journalRetentionMs: 0 }, undefined],
])("limits %j with which nobody could work are refused", (limits, message) => {
  const check = () => checkOptions({ dataDir, limits });
  if (message === undefined) expect(check).not.toThrow();
  else expect(check).toThrow(message);
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

// Browsers send an origin without a path: "https://app.example/" was taken and never matched.
test.each([
  ["https://app.example", true],
  ["http://localhost:5173", true],
  ["capacitor://localhost", true],
  ["*", true],
  ["https://app.example/", false],
  ["https://app.example/path", false],
  ["app.example", false],
  ["", false],
])("the origin %j: %s", (origin, fits) => {
  const check = () => checkOptions({ dataDir, corsOrigins: [origin] });
  if (fits) expect(check().corsOrigins).toEqual([origin]);
  else expect(check).toThrow(/an origin in corsOrigins is/);
});

test("the payload of an idempotency key is checked unless it is switched off", () => {
  expect(checkOptions({ dataDir }).idempotencyPayloadCheck).toBe(true);
  const off = checkOptions({ dataDir, idempotencyPayloadCheck: false });
  expect(off.idempotencyPayloadCheck).toBe(false);
});
