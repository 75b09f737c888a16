/**
 * Hundreds of thousands of hostile frames for both decoders. What is taken is a value that packs
 * again to equal bytes; what is not is a ProtocolError. `FUZZ_FRAMES` sets how many.
 */
import { isDeepStrictEqual } from "node:util";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import {
  encodeFrames,
  runtimeMessageDecoder,
  workerMessageDecoder,
  type DecoderLimits,
  type FrameDecoder,
} from "../../protocol/codec.ts";
import { ProtocolError } from "../../protocol/fields.ts";
import type { RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import type { Plain } from "../../protocol/fields.ts";
import { packValue, unpackValue } from "../../protocol/pack.ts";
import { Random } from "../simulation/random.ts";
import { startChild, stopChildren } from "../support/child.ts";
import { effort, report, SEED } from "./effort.ts";
import { bomb, damaged, frameCorpus, joined, noise, randomBytes } from "./frame-generator.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const LIMITS = { frameBytesMax: MIB, messageBytesMax: 2 * MIB };
const FRAMES = effort("FUZZ_FRAMES", 420_000);
const SIDES = ["worker", "runtime"] as const;
type Message = RuntimeMessage | WorkerMessage;
type Decoder = (limits: DecoderLimits) => FrameDecoder<Message>;
const DECODERS: Readonly<Record<(typeof SIDES)[number], Decoder>> = {
  worker: workerMessageDecoder,
  runtime: runtimeMessageDecoder,
};

const counts = { frames: 0, taken: 0, refused: 0 };

afterEach(stopChildren);
afterAll(() => report("frames", counts));

/** Decodes; anything but messages or a ProtocolError fails, with the bytes to repeat it. */
function judge(decoder: FrameDecoder<Message>, frame: Uint8Array): readonly Message[] | undefined {
  counts.frames++;
  try {
    const { messages } = decoder.decode(frame);
    counts.taken++;
    return messages;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw failure(frame, String(error));
    // The reason becomes part of a close frame: plain text, and never the peer's own.
    if (!/^[ -~]+$/.test(error.message)) throw failure(frame, `it says ${error.message}`);
    counts.refused++;
    return undefined;
  }
}

function failure(frame: Uint8Array, what: string): Error {
  return new Error(`seed ${SEED}, ${Buffer.from(frame).toString("hex")}: ${what}`);
}

/** What was taken means the same when it is packed and read again. */
function checkTaken(side: (typeof SIDES)[number], frame: Uint8Array): void {
  const messages = judge(DECODERS[side](LIMITS), frame);
  if (messages === undefined || messages.length === 0) return;
  const again = encodeFrames(0, messages, MIB);
  const decoder = DECODERS[side](LIMITS);
  const read = again.flatMap((it) => decoder.decode(it).messages);
  if (!isDeepStrictEqual(read, messages)) throw failure(frame, "it reads otherwise");
  const twice = joined(...encodeFrames(0, read, MIB));
  if (!Buffer.from(twice).equals(joined(...again))) throw failure(frame, "it packs otherwise");
}

describe.each(SIDES)("frames of a %s", (side) => {
  const share = (part: number): number => Math.ceil((FRAMES * part) / SIDES.length);

  test("noise is messages or a ProtocolError", () => {
    const random = new Random(SEED, `noise ${side}`);
    for (let left = share(0.3); left > 0; left--) checkTaken(side, noise(random));
    expect(counts.frames).toBeGreaterThan(0);
  });

  test("sound frames that were damaged are messages or a ProtocolError", () => {
    const random = new Random(SEED, `damage ${side}`);
    const corpus = frameCorpus(side, SEED, random);
    expect(corpus.length).toBeGreaterThan(200);
    const before = counts.taken;
    for (let left = share(0.6); left > 0; left--) checkTaken(side, damaged(random, corpus));
    // Damage that nothing survives would test the first few bytes only.
    if (FRAMES > 1_000) expect(counts.taken - before).toBeGreaterThan(share(0.6) / 50);
  });

  test("bombs are refused", () => {
    const random = new Random(SEED, `bombs ${side}`);
    for (let left = share(0.08); left > 0; left--) {
      const frame = bomb(random);
      if (judge(DECODERS[side](LIMITS), frame) !== undefined) throw failure(frame, "it was taken");
    }
    expect(counts.refused).toBeGreaterThan(0);
  });
});

describe("pieces", () => {
  const value = new Uint8Array(6 * KIB);
  const large = { kind: "end", attempt: 1, result: { ok: true, value } } as const;
  const small = { kind: "suspend", attempt: 1, deliveries: 0 } as const;

  test("in any order, of any size, damaged or not, are whole messages or a ProtocolError", () => {
    const random = new Random(SEED, "pieces");
    const sound = [0, 1].flatMap((partition) => encodeFrames(partition, [small, large], 2 * KIB));
    for (let left = effort("FUZZ_FRAMES", FRAMES) * 0.02; left > 0;) {
      const messageBytesMax = random.pick([5 * KIB, 6 * KIB + 20, 64 * KIB]);
      const decoder = workerMessageDecoder({ frameBytesMax: 2 * KIB, messageBytesMax });
      for (let i = random.int(1, 12); i > 0; i--) {
        left--;
        const frame = random.chance(0.8) ? random.pick(sound) : anyPiece(random);
        if (judge(decoder, frame) === undefined) break;
      }
    }
    expect(counts.frames).toBeGreaterThan(0);
  });

  function anyPiece(random: Random): Uint8Array {
    const size = random.pick([0, 1, KIB - 1, KIB, KIB + 1, 2 * KIB - 16]);
    return packValue([random.int(0, 1), random.chance(0.3), randomBytes(random, size)]);
  }

  test.each([-1, 0, 1])("of a message of the limit and %i bytes", (more) => {
    const frames = encodeFrames(0, [large], 2 * KIB);
    const bytes = packValue([5, 1, [true, value]]).length;
    const decoder = workerMessageDecoder({ frameBytesMax: 2 * KIB, messageBytesMax: bytes - more });
    const last = frames.map((frame) => judge(decoder, frame)).at(-1);
    if (more > 0) expect(last).toBeUndefined();
    else expect(last).toHaveLength(1);
  });

  test.each([-1, 0, 1])("of a frame of the limit and %i bytes", (more) => {
    const frame = packValue([0, [5, 1, [true, value]]]);
    const limits = { ...LIMITS, frameBytesMax: frame.length - more };
    const taken = judge(workerMessageDecoder(limits), frame);
    if (more > 0) expect(taken).toBeUndefined();
    else expect(taken).toHaveLength(1);
  });
});

function countValues(value: Plain): number {
  if (!Array.isArray(value)) return 1;
  return value.reduce<number>((sum, item) => sum + countValues(item), 1);
}

describe("the work that a frame makes", () => {
  test("is bounded by its bytes and by the number of values that it may hold", () => {
    const random = new Random(SEED, "work");
    const corpus = frameCorpus("runtime", SEED, random);
    for (let left = 20_000; left > 0; left--) {
      const frame = random.chance(0.5) ? damaged(random, corpus) : bomb(random);
      const valuesMax = random.pick([1, 10, 100, 100_000]);
      counts.frames++;
      let values = 0;
      try {
        values = countValues(unpackValue(frame, valuesMax));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw failure(frame, String(error));
      }
      if (values > Math.min(frame.length, valuesMax)) throw failure(frame, `${values} values`);
    }
    expect(counts.frames).toBeGreaterThan(0);
  });

  /** In a process of its own, since what a test runner holds moves by more than this. */
  test("leaves no more memory behind than a few frames' worth", async () => {
    const script = new URL("./processes/decode-bombs.mjs", import.meta.url);
    const child = startChild(script, String(SEED));
    const { frames, grownBytes } = JSON.parse((await child.nextLine()) ?? "{}") as {
      frames: number;
      grownBytes: number;
    };
    counts.frames += frames;
    expect(frames).toBeGreaterThan(1_000);
    expect(grownBytes).toBeLessThan(64 * MIB);
  });
});
