import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  encodeFrames,
  runtimeMessageDecoder,
  workerMessageDecoder,
  type DecoderLimits,
} from "../../protocol/codec.ts";
import type { Replay, RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import {
  commandFromPlain,
  commandToPlain,
  deliveryFromPlain,
  deliveryToPlain,
  failureFromPlain,
  failureToPlain,
  resultFromPlain,
  resultToPlain,
} from "../../protocol/plain.ts";
import { packValue, unpackValue } from "../../protocol/pack.ts";
import {
  anyCommandOf,
  anyDelivery,
  anyFailure,
  anyResult,
  anyRuntimeMessage,
  anyWorkerMessage,
  COMMAND_KINDS,
  RUNTIME_MESSAGES,
  WORKER_MESSAGES,
} from "../support/arbitrary-messages.ts";

const MIB = 1024 * 1024;
const LIMITS: DecoderLimits = { frameBytesMax: MIB, messageBytesMax: 4 * MIB };
const SMALL = 2_048;

function receive(frames: readonly Uint8Array[], frameBytesMax = MIB): unknown[] {
  const decoder = runtimeMessageDecoder({ ...LIMITS, frameBytesMax });
  return frames.flatMap((frame) => decoder.decode(frame).messages);
}

describe("a message arrives as it was sent", () => {
  test.each(Object.entries(WORKER_MESSAGES))("%s, from a worker", (_, messages) => {
    fc.assert(
      fc.property(messages as fc.Arbitrary<WorkerMessage>, (message) => {
        const [frame] = encodeFrames(0, [message], MIB);
        expect(workerMessageDecoder(LIMITS).decode(frame!).messages).toEqual([message]);
      }),
    );
  });

  test.each(Object.entries(RUNTIME_MESSAGES))("%s, from a runtime", (_, messages) => {
    fc.assert(
      fc.property(messages as fc.Arbitrary<RuntimeMessage>, (message) => {
        const [frame] = encodeFrames(0, [message], MIB);
        expect(runtimeMessageDecoder(LIMITS).decode(frame!).messages).toEqual([message]);
      }),
    );
  });
});

describe("what the journal keeps reads back as it was", () => {
  const roundTrip = <T>(
    values: fc.Arbitrary<T>,
    toPlain: (value: T) => Parameters<typeof packValue>[0],
    fromPlain: (plain: Parameters<typeof packValue>[0]) => T,
  ): void => {
    fc.assert(
      fc.property(values, (value) => {
        expect(fromPlain(unpackValue(packValue(toPlain(value))))).toEqual(value);
      }),
    );
  };

  test.each(COMMAND_KINDS)("command %s", (kind) => {
    roundTrip(anyCommandOf(kind), commandToPlain, commandFromPlain);
  });
  test("deliveries", () => roundTrip(anyDelivery, deliveryToPlain, deliveryFromPlain));
  test("results", () => roundTrip(anyResult, resultToPlain, resultFromPlain));
  test("failures", () => roundTrip(anyFailure, failureToPlain, failureFromPlain));

  test("metadata named like a member of Object is only metadata", () => {
    const metadata = JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>;
    const failure = { name: "TerminalError", message: "", code: 500, metadata };
    const read = failureFromPlain(failureToPlain(failure));
    expect(Object.entries(read.metadata ?? {})).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
    ]);
    expect(Object.getPrototypeOf(read.metadata)).toBe(Object.prototype);
  });
});

describe("frames", () => {
  test("carry any messages in order, none larger than the limit", () => {
    const partitions = fc.constantFrom(0, 1, 127, 128, 70_000, 2 ** 32 - 1);
    const sizes = fc.integer({ min: SMALL, max: 3 * SMALL });
    fc.assert(
      fc.property(
        partitions,
        sizes,
        fc.array(anyWorkerMessage, { maxLength: 30 }),
        (partition, frameBytesMax, messages) => {
          const frames = encodeFrames(partition, messages, frameBytesMax);
          const decoder = workerMessageDecoder({ ...LIMITS, frameBytesMax });
          const decoded = frames.map((frame) => decoder.decode(frame));
          expect(decoded.flatMap((it) => it.messages)).toEqual(messages);
          expect(new Set(decoded.map((it) => it.partition))).toEqual(
            new Set(frames.length > 0 ? [partition] : []),
          );
        },
      ),
    );
  });

  test("are as few as fit", () => {
    const drain = { kind: "drain" } as const;
    expect(encodeFrames(0, [], MIB)).toEqual([]);
    expect(encodeFrames(0, Array<WorkerMessage>(10_000).fill(drain), MIB)).toHaveLength(1);
  });

  test("hold a welcome alone: from it a worker learns how large the next one may be", () => {
    const welcome: RuntimeMessage = {
      kind: "welcome",
      protocol: 1,
      epoch: 1,
      connection: 1,
      inactivityTimeoutMs: 1,
      frameBytesMax: MIB,
      payloadBytesMax: MIB,
    };
    const abort: RuntimeMessage = { kind: "abort", attempt: 1, reason: "" };
    const sent = [abort, welcome, abort, abort];
    const decoder = runtimeMessageDecoder(LIMITS);
    const kinds = encodeFrames(0, sent, MIB).map((frame) =>
      decoder.decode(frame).messages.map((it) => it.kind),
    );
    expect(kinds).toEqual([["abort"], ["welcome"], ["abort", "abort"]]);
  });

  test("hold no more values than a runtime takes, and no more messages than an array of 16 bits", () => {
    const drains = Array<WorkerMessage>(100_000).fill({ kind: "drain" });
    const decoder = workerMessageDecoder(LIMITS);
    const frames = encodeFrames(0, drains, MIB);
    expect(frames.flatMap((frame) => decoder.decode(frame).messages)).toHaveLength(100_000);
  });

  test.each([SMALL - 40, SMALL, SMALL + 1, 5 * SMALL, MIB])(
    "a payload of %i bytes arrives whole through frames of 2,048",
    (sizeBytes) => {
      const value = Uint8Array.from({ length: sizeBytes }, (_, at) => at % 251);
      const message = { kind: "end", attempt: 1, result: { ok: true, value } } as const;
      const frames = encodeFrames(3, [{ kind: "drain" }, message, { kind: "drain" }], SMALL);
      expect(Math.max(...frames.map((frame) => frame.length))).toBeLessThanOrEqual(SMALL);
      const decoder = workerMessageDecoder({ ...LIMITS, frameBytesMax: SMALL });
      const messages = frames.flatMap((frame) => decoder.decode(frame).messages);
      expect(messages.map((it) => it.kind)).toEqual(["drain", "end", "drain"]);
      const [, end] = messages;
      const arrived = end?.kind === "end" && end.result.ok ? end.result.value : undefined;
      expect(Buffer.from(value).equals(arrived!)).toBe(true);
    },
  );

  test("a replay that is too large for a frame comes in several, entry by entry the same", () => {
    const replays = fc.array(anyRuntimeMessage, { maxLength: 5 }).chain((others) =>
      fc.record({
        others: fc.constant(others),
        replay: RUNTIME_MESSAGES.replay.map((it) => ({
          ...it,
          entries: Array.from({ length: 6 }, () => it.entries).flat(),
        })),
      }),
    );
    const entriesOf = (messages: readonly unknown[]): unknown[] =>
      (messages as Replay[]).filter((it) => it.kind === "replay").flatMap((it) => it.entries);
    fc.assert(
      fc.property(replays, ({ others, replay }) => {
        const sent = [...others, replay];
        expect(entriesOf(receive(encodeFrames(0, sent, SMALL), SMALL))).toEqual(entriesOf(sent));
      }),
    );
  });

  test("a replay of large entries never makes a message larger than one of them needs", () => {
    const value = new Uint8Array(100_000);
    const entry = {
      kind: "delivery",
      delivery: { kind: "completion", completionId: 1, result: { kind: "value", value } },
    } as const;
    const replay: Replay = { kind: "replay", attempt: 1, entries: Array(20).fill(entry) };
    const decoder = runtimeMessageDecoder({ frameBytesMax: SMALL, messageBytesMax: 101_000 });
    const messages = encodeFrames(0, [replay], SMALL).flatMap((it) => decoder.decode(it).messages);
    expect(messages.map((it) => (it as Replay).entries.length)).toEqual(Array(20).fill(1));
  });

  test("payloads do not hold on to the memory that a small frame came in", () => {
    const value = Uint8Array.of(1, 2, 3);
    const [frame] = encodeFrames(
      0,
      [{ kind: "end", attempt: 1, result: { ok: true, value } }],
      MIB,
    );
    const slab = new Uint8Array(65_536);
    slab.set(frame!, 100);
    const { messages } = workerMessageDecoder(LIMITS).decode(
      slab.subarray(100, 100 + frame!.length),
    );
    const [end] = messages;
    expect(end).toEqual({ kind: "end", attempt: 1, result: { ok: true, value } });
    const held = end?.kind === "end" && end.result.ok ? end.result.value.buffer.byteLength : NaN;
    expect(held).toBe(frame!.length);
  });
});
