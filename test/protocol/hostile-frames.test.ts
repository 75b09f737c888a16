/**
 * Whatever a peer sends, a decoder gives messages or throws ProtocolError: nothing else, and in
 * time and memory that follow the bytes which came.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CloseCode } from "../../protocol/channel.ts";
import {
  encodeFrames,
  runtimeMessageDecoder,
  workerMessageDecoder,
  type DecoderLimits,
  type FrameDecoder,
} from "../../protocol/codec.ts";
import { ProtocolError, type Plain } from "../../protocol/fields.ts";
import type { RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import { packValue } from "../../protocol/pack.ts";
import { anyRuntimeMessage, anyWorkerMessage } from "../support/arbitrary-messages.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const LIMITS = { frameBytesMax: MIB, messageBytesMax: 2 * MIB };

/** What became of a frame: how many messages, or the error that was allowed. */
function judge(decoder: FrameDecoder<unknown>, frame: Uint8Array): number | ProtocolError {
  try {
    return decoder.decode(frame).messages.length;
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
}

function refusal(...frames: readonly Uint8Array[]): ProtocolError {
  const decoder = workerMessageDecoder(LIMITS);
  const last = frames.map((frame) => judge(decoder, frame)).at(-1);
  if (!(last instanceof ProtocolError)) throw new Error(`it was taken, as ${last} messages`);
  return last;
}

type Decoder = (limits: DecoderLimits) => FrameDecoder<unknown>;
const frameOf = (...items: readonly Plain[]): Uint8Array => packValue([0, ...items]);
const bytes = (...parts: readonly (number | readonly number[] | Uint8Array)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === "number" ? [part] : [...part])));

describe("at random", () => {
  const decoders = [workerMessageDecoder, runtimeMessageDecoder];

  test("bytes are messages or a ProtocolError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (frame) => {
        for (const decoder of decoders) judge(decoder(LIMITS), frame);
      }),
      { numRuns: 2_000 },
    );
  });

  test("bytes behind a sound head are messages or a ProtocolError", () => {
    const heads = fc.tuple(fc.constantFrom(2, 3, 4), fc.nat({ max: 45 }), fc.nat({ max: 15 }));
    fc.assert(
      fc.property(heads, fc.uint8Array({ maxLength: 60 }), ([items, type, fields], rest) => {
        const frame = bytes(0x90 + items, 0, 0x90 + fields, type, rest);
        for (const decoder of decoders) judge(decoder(LIMITS), frame);
      }),
      { numRuns: 2_000 },
    );
  });

  interface Mutation {
    readonly kind: "flip" | "cut" | "insert" | "repeat";
    readonly at: number;
    readonly byte: number;
  }
  const mutations: fc.Arbitrary<Mutation[]> = fc.array(
    fc.record({
      kind: fc.constantFrom<Mutation["kind"]>("flip", "cut", "insert", "repeat"),
      at: fc.nat(),
      byte: fc.nat({ max: 255 }),
    }),
    { minLength: 1, maxLength: 3 },
  );

  function mutate(frame: Uint8Array, { kind, at: anywhere, byte }: Mutation): Uint8Array {
    const at = anywhere % Math.max(1, frame.length);
    const [before, after] = [frame.subarray(0, at), frame.subarray(at)];
    if (kind === "cut") return bytes(before);
    if (kind === "insert") return bytes(before, byte, after);
    if (kind === "repeat") return bytes(before, after.subarray(0, 20), after);
    return bytes(before, byte, after.subarray(1));
  }

  test.each<[string, fc.Arbitrary<WorkerMessage | RuntimeMessage>, Decoder]>([
    ["worker", anyWorkerMessage, workerMessageDecoder],
    ["runtime", anyRuntimeMessage, runtimeMessageDecoder],
  ])("damaged frames of a %s are messages or a ProtocolError", (_, messages, decoder) => {
    fc.assert(
      fc.property(fc.array(messages, { minLength: 1, maxLength: 3 }), mutations, (sent, damage) => {
        const [frame] = encodeFrames(0, sent, MIB);
        judge(decoder(LIMITS), damage.reduce(mutate, frame!));
      }),
      { numRuns: 500 },
    );
  });

  test("frames in any order, with pieces among them, are messages or a ProtocolError", () => {
    const value = new Uint8Array(6_000);
    const large = { kind: "end", attempt: 1, result: { ok: true, value } } as const;
    const small = { kind: "suspend", attempt: 1, deliveries: 0 } as const;
    const frames = [
      ...encodeFrames(0, [small, large], 2_048),
      ...encodeFrames(1, [large, small], 2_048),
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...frames), { maxLength: 12 }), (order) => {
        const decoder = workerMessageDecoder(LIMITS);
        order.some((frame) => judge(decoder, frame) instanceof ProtocolError);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a bomb costs no more than the bytes it came in", () => {
  const nested = (depth: number, close: readonly number[]): Uint8Array =>
    bytes(new Uint8Array(depth).fill(0x91), close);

  test.each<[string, Uint8Array]>([
    ["an array that claims four billion items", bytes(0xdd, 0xff, 0xff, 0xff, 0xff)],
    [
      "such arrays within each other",
      bytes(...Array<number[]>(99).fill([0xdd, 0x7f, 0xff, 0xff, 0xff])),
    ],
    ["an array of 16 bits that is not there", bytes(0x92, 0, 0xdc, 0xff, 0xff, 0xc0)],
    ["a map that claims four billion members", bytes(0x92, 0, 0xdf, 0xff, 0xff, 0xff, 0xff)],
    ["a text of four gigabytes", bytes(0x92, 0, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x61)],
    ["binary of four gigabytes", bytes(0x93, 0, 0xc3, 0xc6, 0xff, 0xff, 0xff, 0xff)],
    ["100,000 arrays within each other", nested(100_000, [0xc0])],
    ["1,000,000 arrays within each other, unclosed", nested(1_000_000, [])],
    [
      "a million empty arrays",
      bytes(0xdd, 0, 0x0f, 0x42, 0x40, new Uint8Array(1_000_000).fill(0x90)),
    ],
    ["half a million empty binaries", packValue(Array<Plain>(500_000).fill(new Uint8Array(0)))],
    ["a message with a hundred thousand fields", frameOf([8, ...Array<Plain>(100_000).fill(0)])],
    ["every extension type", bytes(0x92, 0, 0xd4, 0x72, 0x40)],
  ])("%s", (_, frame) => {
    expect(frame.length).toBeLessThanOrEqual(MIB);
    const before = process.memoryUsage().rss;
    const failures = Array.from({ length: 3 }, () => refusal(frame));
    expect(new Set(failures.map((it) => it.message)).size).toBe(1);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
  });

  test("all extension types and the unused byte, wherever a value may stand", () => {
    for (let type = 0; type < 256; type++) {
      for (const extension of [[0xd4, type, 0], [0xd5, type, 0, 0], [0xc7, 1, type, 0], [0xc1]]) {
        const places = [[0x92, 0], [0x91], [0x92, 0, 0x92, 7]];
        for (const before of places) {
          expect(refusal(bytes(before, extension)).message).toContain("an extension type");
        }
      }
    }
  });

  test("frames of many values are refused as too large, and at the limit they are taken", () => {
    // A frame and its partition are two values, a drain is two.
    const drains = (count: number): Uint8Array => frameOf(...Array<Plain>(count).fill([8]));
    expect(judge(workerMessageDecoder(LIMITS), drains(32 * KIB - 1))).toBe(32 * KIB - 1);
    expect(refusal(drains(32 * KIB))).toMatchObject({ closeCode: CloseCode.tooLarge });
    expect(judge(runtimeMessageDecoder(LIMITS), packValue([0, [39, 1]]))).toBe(1);
  });
});

describe("a frame", () => {
  test.each<[string, Uint8Array, string]>([
    ["is an array", packValue(1), "a frame is an array"],
    ["holds something", packValue([0]), "a frame is an array"],
    ["names a partition", packValue(["0", [8]]), "a frame is not a whole number"],
    ["names a partition of 32 bits", packValue([2 ** 32, [8]]), "a frame is not a whole number"],
    ["holds arrays", packValue([0, 8]), "a message is not an array"],
    ["holds nothing but arrays", packValue([0, [8], null]), "a message is not an array"],
    ["holds messages with a type", frameOf([]), "a message has 0 fields, too few"],
    ["holds messages of a known type", frameOf([29]), "a worker sends no message of type 29"],
    ["holds messages of its own side", frameOf([37, 1, 0, 1]), "no message of type 37"],
    ["ends where it ends", bytes(frameOf([8]), 0), "bytes after the end"],
  ])("%s", (_, frame, message) => {
    const error = refusal(frame);
    expect(error.message).toContain(message);
    expect(error.closeCode).toBe(CloseCode.protocolError);
  });

  test("is at most as large as the limit says", () => {
    const head = frameOf([5, 1, [true, new Uint8Array(1_000)]]).length - 1_000;
    const decoder = (): FrameDecoder<unknown> =>
      workerMessageDecoder({ ...LIMITS, frameBytesMax: 2_000 });
    const sized = (size: number): Uint8Array =>
      frameOf([5, 1, [true, new Uint8Array(size - head)]]);
    expect(judge(decoder(), sized(2_000))).toBe(1);
    expect(judge(decoder(), sized(2_001))).toMatchObject({ closeCode: CloseCode.tooLarge });
  });
});

describe("a field out of its range is refused", () => {
  const id = "inv_00";
  test.each<[string, Plain]>([
    ["attempt 0", [7, 0, 0]],
    ["a negative attempt", [7, -1, 0]],
    ["an attempt beyond 32 bits", [7, 2 ** 32, 0]],
    ["half an attempt", [7, 1.5, 0]],
    ["deliveries as text", [7, 1, "0"]],
    ["a field too few", [7, 1]],
    ["a field too many", [7, 1, 0, 0]],
    ["try 0", [3, 1, 0, 0, [true, new Uint8Array(0)]]],
    ["a result that is neither", [5, 1, [null, new Uint8Array(0)]]],
    ["a result as text", [5, 1, [true, "42"]]],
    ["a failure without metadata", [5, 1, [false, ["Error", "no", 500]]]],
    ["a failure with code 200", [5, 1, [false, ["Error", "no", 200, []]]]],
    [
      "a failure with the same metadata twice",
      [
        5,
        1,
        [
          false,
          [
            "Error",
            "no",
            500,
            [
              ["a", "1"],
              ["a", "2"],
            ],
          ],
        ],
      ],
    ],
    ["a wait below zero", [4, 1, 0, 1, ["Error", "no", 500, []], -1]],
    ["a wait beyond 2^53", [4, 1, 0, 1, ["Error", "no", 500, []], 2 ** 53]],
    ["a stack that is missing", [6, 1, ["Error", "no", 500, []], null, null, null]],
    ["a command of an unknown kind", [2, 1, [99, 0, 0, false, ""]]],
    ["a command without a kind", [2, 1, []]],
    ["a command with outside as a number", [2, 1, [7, 0, 0, 0, ""]]],
    ["completion id 0", [2, 1, [14, 0, 0, false, "", 0]]],
    ["an endless sleep", [2, 1, [8, 0, 0, false, "", 1e300, 1]]],
    ["a retry policy that is too short", [2, 1, [13, 0, 0, false, "", 1, [1, 2, 3, 4]]]],
    [
      "a retry policy with a negative factor",
      [2, 1, [13, 0, 0, false, "", 1, [1, -2, 3, 4, 5, 0, false], 0]],
    ],
    [
      "a call without a target",
      [2, 1, [10, 0, 0, false, "", null, new Uint8Array(0), [], null, 1]],
    ],
    [
      "a header of three parts",
      [
        2,
        1,
        [10, 0, 0, false, "", ["a", "b", null], new Uint8Array(0), [["a", "b", "c"]], null, 1],
      ],
    ],
    ["an invocation id that is none", [2, 1, [21, 0, 0, false, "", id]]],
    ["an awakeable id that is none", [2, 1, [15, 0, 0, false, "", id, [true, new Uint8Array(0)]]]],
    ["a hello of an old age without a protocol", [1]],
    ["no concurrency", [1, 1, "dev", 0, "sdk", '{"services":[]}']],
    ["no version", [1, 1, "", 1, "sdk", '{"services":[]}']],
    ["a manifest that is no JSON", [1, 1, "dev", 1, "sdk", "{"]],
  ])("%s", (_, message) => {
    const error = refusal(frameOf(message));
    expect(error.closeCode).toBe(CloseCode.protocolError);
    expect(error.message).toMatch(/^[ -~]+$/);
  });

  test("a runtime's too", () => {
    const seed = new Uint8Array(15);
    const start: Plain = [
      34,
      1,
      "inv_",
      ["s", "h", null],
      1,
      seed,
      0,
      [],
      null,
      seed,
      true,
      [],
      0,
      0,
      [],
    ];
    const decoder = (): FrameDecoder<unknown> => runtimeMessageDecoder(LIMITS);
    expect(judge(decoder(), frameOf(start))).toBeInstanceOf(ProtocolError);
    const id32 = "inv_00000000000000000000000000000000";
    const shortSeed = start.map((field) => (field === "inv_" ? id32 : field));
    expect(judge(decoder(), frameOf(shortSeed))).toMatchObject({ message: "a seed has 16 bytes" });
  });
});

describe("a hello of another protocol", () => {
  test("is read as far as its number, so that the refusal can say why", () => {
    const decoder = workerMessageDecoder(LIMITS);
    const { messages } = decoder.decode(frameOf([1, 2]));
    expect(messages).toMatchObject([{ kind: "hello", protocol: 2, manifest: { services: [] } }]);
    expect(decoder.decode(frameOf([1, 7, [], null, 3, 4, 5, 6, 7])).messages).toHaveLength(1);
  });
});

describe("pieces", () => {
  const value = Uint8Array.from({ length: 10_000 }, (_, at) => at % 256);
  const message = { kind: "end", attempt: 1, result: { ok: true, value } } as const;
  const pieces = encodeFrames(0, [message], 4 * KIB);
  const [first, second] = pieces;
  const piece = (last: boolean, size: number): Uint8Array => frameOf(last, new Uint8Array(size));

  test.each<[string, readonly Uint8Array[], string]>([
    ["with a message in between", [first!, frameOf([8])], "something between the pieces"],
    ["for two partitions", [first!, packValue([1, false, value])], "for two partitions"],
    ["of no bytes", [piece(true, 0)], "too small"],
    ["that are tiny, one after the other", [piece(false, KIB), piece(false, KIB - 1)], "too small"],
    [
      "with a message behind them in the same frame",
      [frameOf(true, value, [8])],
      "a piece has 4 fields",
    ],
    ["that are text", [frameOf(true, "text")], "not binary"],
    ["without bytes", [frameOf(true)], "too few"],
    ["of something that is no message", [piece(true, KIB)], "bytes after the end"],
    ["of a frame instead of a message", [frameOf(true, packValue([0, [8]]))], "of type 0"],
    ["of a piece, as if they could nest", [frameOf(true, frameOf(true, value))], "of type 0"],
    ["whose middle is missing", [first!, pieces.at(-1)!], "past the end"],
  ])("%s are refused", (_, frames, why) => {
    expect(refusal(...frames).message).toContain(why);
  });

  test("of a message beyond the limit are refused when they pass it, as too large", () => {
    const decoder = workerMessageDecoder({ frameBytesMax: MIB, messageBytesMax: 9_000 });
    expect(judge(decoder, first!)).toBe(0);
    expect(judge(decoder, second!)).toBe(0);
    expect(judge(decoder, pieces[2]!)).toMatchObject({ closeCode: CloseCode.tooLarge });
  });

  /**
   * A decoder that had refused a message as too large went on gathering its pieces, and the peer had
   * half a minute for more until its connection was gone: 200 MB in a second. Found by the flood of
   * test/hostile/frames.test.ts. A refusal is the decoder's last word now.
   */
  test("that come after a refusal are not looked at", () => {
    const decoder = workerMessageDecoder({ frameBytesMax: MIB, messageBytesMax: 1_500 });
    expect(judge(decoder, piece(false, KIB))).toBe(0);
    const refused = judge(decoder, piece(false, KIB));
    expect(refused).toMatchObject({ closeCode: CloseCode.tooLarge });
    for (const frame of [piece(false, KIB), frameOf([8]), bytes(0xc1)]) {
      expect(judge(decoder, frame)).toBe(refused);
    }
  });

  test("are forgotten once their message is whole", () => {
    const decoder = workerMessageDecoder({ frameBytesMax: MIB, messageBytesMax: 11_000 });
    for (let i = 0; i < 5; i++) {
      expect(pieces.map((frame) => judge(decoder, frame))).toEqual([0, 0, 1]);
    }
    expect(judge(decoder, frameOf([8]))).toBe(1);
  });
});
