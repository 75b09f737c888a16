/**
 * Limits that a store, a clock or the wire could not keep, and those with which nobody could work, are
 * refused when the runtime starts, not when they are reached.
 */
import { FIRST_FRAME_BYTES_MAX, FRAME_BYTES_CEILING } from "../protocol/wire-limits.ts";
import type { Limits } from "./core/limits.ts";
import type { HttpLimits } from "./http/http-limits.ts";
import { ROW_KEY_BYTES_MAX } from "./store/row.ts";

/** Lengths in front of the parts of a key, numbers behind them, and its prefix: more than any key has. */
const KEY_OVERHEAD_BYTES = 24;
/** Times are kept in 48 bits: this leaves room for the clock. */
const DELAY_MS_CEILING = 2 ** 47;

/** What a worker and a frame of the store can hold, with much to spare. */
const PAYLOAD_BYTES_CEILING = 2 ** 30;

/** Below these nothing is let in, or no worker stays: there are three pings in a worker timeout. */
const LEAST: Readonly<Partial<Limits & HttpLimits>> = {
  workerTimeoutMs: 3,
  headBytesMax: 1,
  headersMax: 1,
  connectionsMax: 1,
  requestsMax: 1,
  checkIntervalMs: 1,
};

/** Throws RangeError with what is wrong and what would be right. */
export function checkLimits(limits: Limits & HttpLimits): void {
  for (const [name, value] of Object.entries(limits)) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new RangeError(`the limit ${name} is a whole number that is not negative, not ${value}`);
  }
  for (const [name, least] of Object.entries(LEAST)) {
    const value = limits[name as keyof typeof limits]; // Object.entries loses the names
    if (value < least) throw new RangeError(`the limit ${name} is at least ${least}, not ${value}`);
  }
  checkWire(limits);
  checkKeys(limits);
}

function checkWire({ frameBytesMax, payloadBytesMax }: Limits): void {
  if (frameBytesMax < FIRST_FRAME_BYTES_MAX || frameBytesMax > FRAME_BYTES_CEILING) {
    throw new RangeError(
      `the limit frameBytesMax is from ${FIRST_FRAME_BYTES_MAX} to ${FRAME_BYTES_CEILING}, not ${frameBytesMax}`,
    );
  }
  if (payloadBytesMax > PAYLOAD_BYTES_CEILING) {
    throw new RangeError(
      `the limit payloadBytesMax is at most ${PAYLOAD_BYTES_CEILING}, not ${payloadBytesMax}`,
    );
  }
}

function checkKeys(limits: Limits): void {
  const { serviceNameBytesMax, handlerNameBytesMax, keyBytesMax } = limits;
  const { stateKeyBytesMax, idempotencyKeyBytesMax, delayMsMax } = limits;
  checkSum({ serviceNameBytesMax, keyBytesMax, stateKeyBytesMax });
  checkSum({ serviceNameBytesMax, keyBytesMax, handlerNameBytesMax, idempotencyKeyBytesMax });
  if (delayMsMax > DELAY_MS_CEILING) {
    throw new RangeError(`the limit delayMsMax is at most ${DELAY_MS_CEILING}, not ${delayMsMax}`);
  }
}

function checkSum(parts: Readonly<Record<string, number>>): void {
  const sum = Object.values(parts).reduce((total, bytes) => total + bytes, KEY_OVERHEAD_BYTES);
  if (sum <= ROW_KEY_BYTES_MAX) return;
  const room = ROW_KEY_BYTES_MAX - KEY_OVERHEAD_BYTES;
  const names = Object.keys(parts).join(" + ");
  const given = Object.values(parts).join(" + ");
  throw new RangeError(
    `the limits ${names} are ${room} together at most, since they make up one key of the store, not ${given}; lower one of them`,
  );
}
