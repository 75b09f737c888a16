/**
 * The golden vectors of protocol/vectors.json: a frame in hex for every kind of message. A change of
 * the format fails here. What another version of the protocol may say differently belongs under a new
 * version number, not into this file.
 */
import { describe, expect, test } from "vitest";
import { encodeFrames, runtimeMessageDecoder, workerMessageDecoder } from "../../protocol/codec.ts";
import {
  formatAwakeableId,
  formatInvocationId,
  parseAwakeableId,
  parseInvocationId,
} from "../../protocol/ids.ts";
import { slotOf } from "../../protocol/ids.ts";
import {
  AWAKEABLE_ID,
  INVOCATION_ID,
  RUNTIME_SAMPLES,
  WORKER_SAMPLES,
} from "../support/sample-messages.ts";

const LIMITS = { frameBytesMax: 1_048_576, messageBytesMax: 11_534_336 };
const hexOf = (message: Parameters<typeof encodeFrames>[1][number]): string =>
  encodeFrames(0, [message], LIMITS.frameBytesMax)
    .map((frame) => Buffer.from(frame).toString("hex"))
    .join();

/** Bytes as hex, so that the file can be read by any language. */
const readable = (_: string, value: unknown): unknown =>
  value instanceof Uint8Array ? { bytes: Buffer.from(value).toString("hex") } : value;

test("every message is encoded as the golden vectors say", async () => {
  const vectors = [...WORKER_SAMPLES, ...RUNTIME_SAMPLES].map((message) => ({
    message,
    frame: hexOf(message),
  }));
  const text = `${JSON.stringify(vectors, readable, 2)}\n`;
  await expect(text).toMatchFileSnapshot("../../protocol/vectors.json");
});

describe("every golden frame is decoded to its message", () => {
  test.each(WORKER_SAMPLES)("worker: $kind", (message) => {
    const frame = Buffer.from(hexOf(message), "hex");
    expect(workerMessageDecoder(LIMITS).decode(frame)).toEqual({
      partition: 0,
      messages: [message],
    });
  });
  test.each(RUNTIME_SAMPLES)("runtime: $kind", (message) => {
    const frame = Buffer.from(hexOf(message), "hex");
    expect(runtimeMessageDecoder(LIMITS).decode(frame)).toEqual({
      partition: 0,
      messages: [message],
    });
  });
});

test("a message that is too large for a frame travels in pieces", () => {
  const result = { ok: true, value: new Uint8Array(300_000).fill(7) } as const;
  const message = { kind: "end", attempt: 1, result } as const;
  const frames = encodeFrames(0, [message], 65_536);
  expect(frames.length).toBeGreaterThan(4);
  const decoder = workerMessageDecoder({ ...LIMITS, frameBytesMax: 65_536 });
  const decoded = frames.flatMap((frame) => decoder.decode(frame).messages);
  expect(decoded.length).toBe(1);
  const [end] = decoded;
  const value = end?.kind === "end" && end.result.ok ? end.result.value : new Uint8Array(0);
  expect(Buffer.compare(value, result.value)).toBe(0);
});

test("ids come back as they were, and no other text is one", () => {
  const invocation = parseInvocationId(INVOCATION_ID);
  const awakeable = parseAwakeableId(AWAKEABLE_ID);
  expect(invocation && formatInvocationId(invocation)).toBe(INVOCATION_ID);
  expect(awakeable && formatAwakeableId(awakeable)).toBe(AWAKEABLE_ID);
  for (const text of [
    "",
    "inv_",
    INVOCATION_ID.toUpperCase(),
    `${INVOCATION_ID}0`,
    INVOCATION_ID.replace("0", "u"),
    AWAKEABLE_ID,
  ]) {
    expect(parseInvocationId(text)).toBeUndefined();
  }
});

test("the slot of a key never changes", () => {
  expect([slotOf("counter", "ann"), slotOf("counter", "bob"), slotOf("", ""), slotOf("ü", "💡")])
    .toMatchInlineSnapshot(`
    [
      660,
      3832,
      3359,
      2607,
    ]
  `);
});

test.each([
  ["garbage", "c1"],
  ["no array", "01"],
  ["an empty frame", "90"],
  ["a partition alone", "9100"],
  ["an unknown type", "920091cc7f"],
  ["a message of the other side", "920092272a"],
  ["a field too few", "92009107"],
  ["a field too many", "9200940701020304"],
  ["a map", "920080"],
  ["an extension", "9200d40101"],
  ["trailing bytes", "92009108ff"],
  ["an array that claims a billion items", "92009207dd3b9aca00"],
])("%s breaks the protocol", (_, hex) => {
  const decode = (): unknown => workerMessageDecoder(LIMITS).decode(Buffer.from(hex, "hex"));
  expect(decode).toThrow(expect.objectContaining({ name: "ProtocolError" }) as Error);
});
