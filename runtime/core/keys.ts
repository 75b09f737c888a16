/**
 * The key space, all of it. A key is a binary string: one character per byte.
 *
 *     I seq                          invocation record          j seq index        journal entry, or two
 *     i seq                          its input                  p seq completion   outstanding completion
 *     o seq                          its outcome                r seq command      outstanding run
 *     (of one that has ended, i, o and j stand in its record when they are small: see seal.ts)
 *     w seq waiter completion        an invocation that attaches to `seq`
 *
 *     k service key                  who holds the key          q service key order   inbox, in order
 *     s service key stateKey         state                      W service key         the run of a workflow
 *     P service key promise          durable promise            Q service key promise seq completion   who waits for it
 *     y service key? handler idempotencyKey                     which invocation an idempotency key names
 *
 *     t dueMs seq kind id            timers, in order of time
 *     e dueMs seq kind               what is removed when its retention is over, in order of time
 *     b service key                  bytes of a large state
 *     R version service handler seq  ready, and no worker had room    a seq    has an attempt
 *     z service key                  a paused key       Z service         a paused service
 *     x service key seq              ready, and kept back because its key is paused
 *     d version                      deployment                 v service          service
 *     c version                      open invocations pinned    C                  open invocations in all
 *     n                              next sequence number (a bound, moved in blocks)
 *     h                              clock high-water, written by the loop
 *
 * 1. A prefix, once given, never changes its meaning.
 * 2. Every kind is injective: variable parts carry their length in front.
 * 3. Rows of an invocation hang on its sequence number, so that new rows land at the right edge of
 *    their kind's range: scattered keys cost four to seven times as much.
 */
import { assert, broken } from "../../protocol/assert.ts";
import type { RowKey } from "./tx.ts";

/** Partition-local number of an invocation. */
export type Sequence = number;

export type TimerKind = "start" | "sleep" | "retry" | "run-retry" | "resume" | "cancel" | "kill";
/** As they stand in keys on the disk: a code, and no count of anything. */
const TIMER_CODES: Readonly<Record<TimerKind, number>> = {
  start: 1,
  sleep: 2,
  retry: 3, // the code of the timer after whose end an attempt is made again
  "run-retry": 4,
  // 5 is not given again.
  resume: 6,
  cancel: 7,
  kill: 8,
};
const TIMER_KINDS = new Map(
  Object.entries(TIMER_CODES).map(([kind, code]) => [code, kind as TimerKind]), // Object.entries loses the key type
);

export interface Timer {
  readonly dueAtMs: number;
  readonly sequence: Sequence;
  readonly kind: TimerKind;
  /**
   * Completion id of a sleep, command index of a run. Of a cancellation: 0 when the invocation is to
   * be cancelled, else the highest completion id that one which it had covers. 0 otherwise.
   */
  readonly id: number;
}

export type ExpiryKind = "journal" | "purge";
const EXPIRY_CODES: Readonly<Record<ExpiryKind, number>> = { journal: 1, purge: 2 };

/** "journal": its journal goes, the rest stays. "purge": all that is left of it goes. */
export interface Expiry {
  readonly dueAtMs: number;
  readonly sequence: Sequence;
  readonly kind: ExpiryKind;
}

export const invocationKey = (sequence: Sequence): RowKey => `I${numberOf(sequence)}`;
export const inputKey = (sequence: Sequence): RowKey => `i${numberOf(sequence)}`;
export const outcomeKey = (sequence: Sequence): RowKey => `o${numberOf(sequence)}`;
export const journalPrefix = (sequence: Sequence): RowKey => `j${numberOf(sequence)}`;
export const journalKey = (sequence: Sequence, index: number): RowKey =>
  journalPrefix(sequence) + u32(index);
export const pendingPrefix = (sequence: Sequence): RowKey => `p${numberOf(sequence)}`;
export const pendingKey = (sequence: Sequence, completionId: number): RowKey =>
  pendingPrefix(sequence) + u32(completionId);
export const runPrefix = (sequence: Sequence): RowKey => `r${numberOf(sequence)}`;
export const runKey = (sequence: Sequence, command: number): RowKey =>
  runPrefix(sequence) + u32(command);
export const waiterPrefix = (target: Sequence): RowKey => `w${u48(target)}`;
export const waiterKey = (target: Sequence, waiter: Sequence, completionId: number): RowKey =>
  waiterPrefix(target) + u48(waiter) + u32(completionId);

export const lockKey = (service: string, key: string): RowKey => addressOf(service, key).lock;
export const inboxPrefix = (service: string, key: string): RowKey =>
  `q${addressOf(service, key).text}`;
export const inboxKey = (service: string, key: string, order: number): RowKey =>
  inboxPrefix(service, key) + u48(order);
export const statePrefix = (service: string, key: string): RowKey =>
  `s${addressOf(service, key).text}`;
export const stateBytesKey = (service: string, key: string): RowKey =>
  `b${addressOf(service, key).text}`;
export const stateKey = (service: string, key: string, name: string): RowKey => {
  const address = addressOf(service, key);
  if (address.stateName !== name || address.state === undefined) {
    address.stateName = name;
    address.state = statePrefix(service, key) + utf8(name);
  }
  return address.state;
};
export const workflowKey = (service: string, key: string): RowKey =>
  `W${text(service)}${text(key)}`;
export const promisePrefix = (service: string, key: string): RowKey =>
  `P${text(service)}${text(key)}`;
export const promiseKey = (service: string, key: string, name: string): RowKey =>
  promisePrefix(service, key) + utf8(name);
export const promiseWaiterPrefix = (service: string, key: string, name: string): RowKey =>
  `Q${text(service)}${text(key)}${text(name)}`;
export const promiseWaiterKey = (
  at: { readonly service: string; readonly key: string; readonly name: string },
  waiter: Sequence,
  completionId: number,
): RowKey => promiseWaiterPrefix(at.service, at.key, at.name) + u48(waiter) + u32(completionId);
export const idempotencyKey = (
  target: { readonly service: string; readonly key: string | null; readonly handler: string },
  key: string,
): RowKey =>
  `y${text(target.service)}${target.key === null ? "\0" : `\x01${text(target.key)}`}${text(target.handler)}${utf8(key)}`;

export const timerKey = (timer: Timer): RowKey =>
  `t${u48(timer.dueAtMs)}${u48(timer.sequence)}${String.fromCharCode(TIMER_CODES[timer.kind])}${u32(timer.id)}`;
export const TIMERS = "t";
export const expiryKey = ({ dueAtMs, sequence, kind }: Expiry): RowKey =>
  `e${u48(dueAtMs)}${u48(sequence)}${String.fromCharCode(EXPIRY_CODES[kind])}`;
export const EXPIRIES = "e";
/** Above the keys of everything that is due by then, and below all others. */
export const expiriesAfter = (dueAtMs: number): RowKey => `e${u48(dueAtMs + 1)}`;
/** The queue of those that wait for a worker. `version` is "" for what has not started. */
export const readyPrefix = (version: string, service: string, handler: string): RowKey =>
  `R${text(version)}${text(service)}${text(handler)}`;
export const readyKey = (
  at: { readonly version: string; readonly service: string; readonly handler: string },
  sequence: Sequence,
): RowKey => readyPrefix(at.version, at.service, at.handler) + u48(sequence);
export const PAUSED_KEYS = "z";
export const pausedKeyKey = (service: string, key: string): RowKey =>
  `${PAUSED_KEYS}${text(service)}${text(key)}`;
export const PAUSED_SERVICES = "Z";
export const pausedServiceKey = (service: string): RowKey => PAUSED_SERVICES + text(service);
export const parkedPrefix = (service: string, key: string): RowKey =>
  `x${text(service)}${text(key)}`;
export const parkedKey = (service: string, key: string, sequence: Sequence): RowKey =>
  parkedPrefix(service, key) + u48(sequence);
export const ACTIVE = "a";
export const activeKey = (sequence: Sequence): RowKey => `a${numberOf(sequence)}`;
export const INVOCATIONS = "I";
export const DEPLOYMENTS = "d";
export const deploymentKey = (version: string): RowKey => `d${utf8(version)}`;
export const SERVICES = "v";
export const serviceKey = (name: string): RowKey => `v${utf8(name)}`;
export const PINNED_COUNTS = "c";
export const pinnedCountKey = (version: string): RowKey => PINNED_COUNTS + utf8(version);
export const OPEN_COUNT: RowKey = "C";
export const NEXT_SEQUENCE: RowKey = "n";
/** Highest time that a batch has seen; written by the loop with each batch. */
export const CLOCK_HIGH_WATER: RowKey = "h";

/** Of an object. */
interface Address {
  readonly service: string;
  readonly key: string;
  readonly text: string;
  readonly lock: RowKey;
  /** The state row that was asked for last. */
  stateName: string;
  state: RowKey | undefined;
}

/**
 * One step asks for the rows of one object a dozen times: it gets the same strings, which are put together
 * and hashed once (docs/performance.md).
 */
let lastAddress: Address | undefined;

function addressOf(service: string, key: string): Address {
  if (lastAddress?.key === key && lastAddress.service === service) return lastAddress;
  const both = text(service) + text(key);
  const address = {
    service,
    key,
    text: both,
    lock: `k${both}`,
    stateName: "",
    state: undefined,
  };
  lastAddress = address;
  return address;
}

/** In the same way, of an invocation. */
let lastSequence: Sequence = 0;
let lastNumber = u48(0);

function numberOf(sequence: Sequence): string {
  if (sequence !== lastSequence) {
    lastNumber = u48(sequence);
    lastSequence = sequence;
  }
  return lastNumber;
}

/** The smallest key above every key that starts with `prefix`. */
export function prefixEnd(prefix: RowKey): RowKey {
  let end = prefix.length;
  while (end > 0 && prefix.charCodeAt(end - 1) === 0xff) end--;
  assert(end > 0, "a prefix of only 0xff bytes has no end");
  return prefix.slice(0, end - 1) + String.fromCharCode(prefix.charCodeAt(end - 1) + 1);
}

export function parseTimerKey(key: RowKey): Timer {
  assert(key.length === 18 && key.startsWith("t"), `not a timer key: ${key.length} bytes`);
  const kind = TIMER_KINDS.get(key.charCodeAt(13));
  assert(kind !== undefined, `unknown kind of timer: ${key.charCodeAt(13)}`);
  return { dueAtMs: readU48(key, 1), sequence: readU48(key, 7), kind, id: readU32(key, 14) };
}

export function parseExpiryKey(key: RowKey): Expiry {
  assert(key.length === 14 && key.startsWith("e"), `not an expiry key: ${key.length} bytes`);
  const code = key.charCodeAt(13);
  assert(code === 1 || code === 2, `unknown kind of expiry: ${code}`);
  const kind = code === EXPIRY_CODES.journal ? "journal" : "purge";
  return { dueAtMs: readU48(key, 1), sequence: readU48(key, 7), kind };
}

/** Of a paused key, or of a paused service. */
export function parsePauseKey(row: RowKey): {
  readonly service: string;
  readonly key: string | null;
} {
  const serviceEnd = textEnd(row, 1);
  const service = fromUtf8(row.slice(3, serviceEnd));
  if (row.startsWith(PAUSED_SERVICES)) return { service, key: null };
  return { service, key: fromUtf8(row.slice(serviceEnd + 2, textEnd(row, serviceEnd))) };
}

/** Where the text ends whose length stands at `at`. */
function textEnd(row: RowKey, at: number): number {
  return at + 2 + row.charCodeAt(at) * 256 + row.charCodeAt(at + 1);
}

/** The name at the end of a state, promise or deployment key whose prefix has this length. */
export function parseName(key: RowKey, prefixLength: number): string {
  return fromUtf8(key.slice(prefixLength));
}

export function readU48(key: RowKey, at: number): number {
  let value = 0;
  for (let i = 0; i < 6; i++) value = value * 256 + key.charCodeAt(at + i);
  return value;
}

export function readU32(key: RowKey, at: number): number {
  let value = 0;
  for (let i = 0; i < 4; i++) value = value * 256 + key.charCodeAt(at + i);
  return value;
}

export function u48(value: number): string {
  if (!(Number.isSafeInteger(value) && value >= 0 && value < 2 ** 48)) {
    broken(`${value} does not fit 48 bits`);
  }
  const high = Math.floor(value / 2 ** 32);
  return String.fromCharCode(high >>> 8, high & 255) + u32(value % 2 ** 32);
}

function u32(value: number): string {
  if (!(Number.isInteger(value) && value >= 0 && value < 2 ** 32)) {
    broken(`${value} does not fit 32 bits`);
  }
  return String.fromCharCode(
    (value >>> 24) & 255,
    (value >>> 16) & 255,
    (value >>> 8) & 255,
    value & 255,
  );
}

function text(value: string): string {
  const bytes = utf8(value);
  assert(bytes.length < 65_536, `a name of ${bytes.length} bytes does not fit a key`);
  return String.fromCharCode(bytes.length >>> 8, bytes.length & 255) + bytes;
}

/** A binary string as bytes. */
export function bytesOf(binary: string): Uint8Array {
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** UTF-8 as a binary string. Names are checked for lone surrogates where they enter. */
export function utf8(value: string): string {
  return isAscii(value) ? value : unescape(encodeURIComponent(value));
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

function fromUtf8(bytes: string): string {
  if (isAscii(bytes)) return bytes;
  return decodeURIComponent(escape(bytes));
}
