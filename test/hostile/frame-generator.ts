/**
 * Hostile frames from a seed: noise, sound frames that were damaged, bombs. A corpus of sound
 * messages is drawn once with fast-check; what is done to them costs microseconds, so that a run has
 * hundreds of thousands.
 */
import fc from "fast-check";
import { encodeFrames } from "../../protocol/codec.ts";
import type { Plain } from "../../protocol/fields.ts";
import type { RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import { packValue, unpackValue } from "../../protocol/pack.ts";
import type { Random } from "../simulation/random.ts";
import { RUNTIME_MESSAGES, WORKER_MESSAGES } from "../support/arbitrary-messages.ts";

export type Side = "worker" | "runtime";

const MIB = 1024 * 1024;
const PER_KIND = 60;
const SMALL_BYTES = 3_000;

/** Sound frames of one side: every kind of message, alone and with others. */
export function frameCorpus(side: Side, seed: number, random: Random): Uint8Array[] {
  const kinds: Readonly<Record<string, fc.Arbitrary<WorkerMessage | RuntimeMessage>>> =
    side === "worker" ? WORKER_MESSAGES : RUNTIME_MESSAGES;
  const messages = Object.values(kinds).flatMap((kind) =>
    fc.sample(kind, { seed, numRuns: PER_KIND }),
  );
  const groups = messages.map((it) =>
    random.chance(0.5) ? [it] : [it, random.pick(messages), random.pick(messages)],
  );
  return groups
    .map((group) => encodeFrames(0, group, MIB)[0])
    .filter((frame) => frame !== undefined && frame.length <= SMALL_BYTES) as Uint8Array[]; // the filter leaves no undefined
}

/** Any bytes; half of them behind the head of a frame, so that they come further. */
export function noise(random: Random): Uint8Array {
  const bytes = randomBytes(random, random.int(0, 120));
  if (random.chance(0.5)) return bytes;
  const head = [0x90 + random.int(2, 4), 0, 0x90 + random.int(0, 15), random.int(0, 45)];
  return Uint8Array.from([...head, ...bytes]);
}

/** One to three damages, of the bytes or of the values in them. */
export function damaged(random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  let frame = random.pick(corpus);
  for (let left = random.int(1, 3); left > 0; left--) {
    frame = random.chance(0.6) ? damageBytes(random, frame) : damageValues(random, frame, corpus);
  }
  return frame;
}

function damageBytes(random: Random, frame: Uint8Array): Uint8Array {
  const at = random.int(0, Math.max(0, frame.length - 1));
  const [before, after] = [frame.subarray(0, at), frame.subarray(at)];
  switch (random.int(0, 6)) {
    case 0:
      return before;
    case 1:
      return joined(before, randomBytes(random, random.int(1, 4)), after);
    case 2:
      return joined(before, after.subarray(0, random.int(1, 30)), after);
    case 3:
      return joined(before, after.subarray(random.int(1, 10)));
    case 4:
      return joined(before, lyingHead(random), after.subarray(1));
    default: {
      const changed = Uint8Array.from(frame);
      // One bit, so that a length or a type becomes its neighbour.
      if (changed.length > 0) changed[at] = (changed[at] ?? 0) ^ (1 << random.int(0, 7));
      return changed;
    }
  }
}

/** A head that claims more than there is, or what the protocol does not have. */
function lyingHead(random: Random): Uint8Array {
  const head = random.pick([
    0xc1, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcf, 0xd3, 0xd4, 0xd5, 0xd6, 0xd8, 0xd9,
    0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0x80, 0x8f, 0x9f, 0xbf,
  ]);
  const size = random.pick([0, 1, 2, 4]);
  return joined(Uint8Array.of(head), new Uint8Array(size).fill(random.pick([0, 1, 0x7f, 0xff])));
}

/** The frame is read, changed as a value and packed again: what comes out is sound MessagePack. */
function damageValues(
  random: Random,
  frame: Uint8Array,
  corpus: readonly Uint8Array[],
): Uint8Array {
  const value = readable(frame);
  if (!Array.isArray(value)) return frame;
  const messages = value.slice(1);
  const [partition = 0] = value;
  const at = random.int(0, Math.max(0, messages.length - 1));
  switch (random.int(0, 4)) {
    case 0:
      return packValue([partition, ...messages, ...messages.slice(at)]);
    case 1:
      return packValue([partition, ...messages.reverse()]);
    case 2: {
      const other = readable(random.pick(corpus));
      return packValue([partition, ...messages, ...(Array.isArray(other) ? other.slice(1) : [])]);
    }
    case 3:
      return packValue([anyPlain(random, 1), ...messages]);
    default:
      return packValue([partition, ...messages.map((it) => changedInside(random, it, 0))]);
  }
}

function readable(frame: Uint8Array): Plain {
  try {
    return unpackValue(frame);
  } catch {
    // It was damaged before: nothing in it can be read.
    return null;
  }
}

/** Somewhere within a value another one stands, or one more, or one less. */
function changedInside(random: Random, value: Plain, depth: number): Plain {
  if (!Array.isArray(value) || value.length === 0) return anyPlain(random, depth);
  const at = random.int(0, value.length - 1);
  const draw = random.int(0, 9);
  if (draw === 0) return value.filter((_, i) => i !== at);
  if (draw === 1) return [...value.slice(0, at), anyPlain(random, depth + 1), ...value.slice(at)];
  return value.map((it, i) => (i === at ? changedInside(random, it, depth + 1) : it));
}

export function anyPlain(random: Random, depth: number): Plain {
  switch (random.int(0, depth > 6 ? 5 : 6)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return random.pick([0, 1, -1, 0.5, 15, 127, 128, 255, 256, 65_535, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 1e300]); // prettier-ignore
    case 3:
      return random.pick(["", "a", "\0", "é", "\u{1f600}", "__proto__", "x".repeat(300), "{}", "inv_"]); // prettier-ignore
    case 4:
      return randomBytes(random, random.int(0, 20));
    case 5:
      return random.int(0, 40);
    default:
      return Array.from({ length: random.int(0, 4) }, () => anyPlain(random, depth + 1));
  }
}

/** Small bytes with a large claim: counts, depth, extension types, records, what is left behind. */
export function bomb(random: Random): Uint8Array {
  const claim = [0x7f, 0xff, 0xff, 0xff].map((byte) => (random.chance(0.5) ? byte : 0));
  const inFrame = (...bytes: readonly number[]): Uint8Array => Uint8Array.of(0x92, 0, ...bytes);
  switch (random.int(0, 7)) {
    case 0:
      return inFrame(random.pick([0xdd, 0xdf, 0xc6, 0xdb, 0xc9]), ...claim, random.int(0, 255));
    case 1:
      return repeated([0xdd, ...claim], random.int(1, 400));
    case 2:
      // Now and then so deep that a reader without a limit of its own runs out of stack.
      return repeated([random.pick([0x91, 0x91, 0x92, 0x81])], random.chance(0.02) ? 100_000 : random.int(1, 2_000)); // prettier-ignore
    case 3:
      // Extensions, among them the library's own: records (0x72), references, sets, errors.
      return inFrame(random.pick([0xd4, 0xd5, 0xd6, 0xd7, 0xd8]), random.int(0x62, 0x78), 0x40, 0x91, 0xa1, 0x61); // prettier-ignore
    case 4:
      return inFrame(0xc1);
    case 5:
      return joined(packValue([0, [8]]), randomBytes(random, random.int(1, 20)));
    case 6:
      return joined(Uint8Array.of(0xdc, 0xff, 0xff, 0), repeated([0x91, 0x08], random.int(1, 500)));
    default:
      return repeated([0xdd, 0, 0, 1, 0], random.int(1, 300));
  }
}

function repeated(unit: readonly number[], times: number): Uint8Array {
  const bytes = new Uint8Array(unit.length * times);
  for (let i = 0; i < times; i++) bytes.set(unit, i * unit.length);
  return bytes;
}

export function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.int(0, 255));
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
