/** Limits that a store or a clock could not keep are refused when the runtime starts, not when they are reached. */
import type { Limits } from "./core/limits.ts";
import { ROW_KEY_BYTES_MAX } from "./store/row.ts";

/** Lengths in front of the parts of a key, numbers behind them, and its prefix: more than any key has. */
const KEY_OVERHEAD_BYTES = 24;
/** Times are kept in 48 bits: this leaves room for the clock. */
const DELAY_MS_CEILING = 2 ** 47;

/** Throws RangeError with what is wrong and what would be right. */
export function checkLimits(limits: Limits): void {
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
