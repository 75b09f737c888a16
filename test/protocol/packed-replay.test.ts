/** A replay that leaves as it is stored is, byte by byte, the replay of its entries. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeFrames } from "../../protocol/codec.ts";
import type { ReplayEntry } from "../../protocol/command.ts";
import type { RuntimeMessage } from "../../protocol/message.ts";
import { packValue } from "../../protocol/pack.ts";
import { PackedReplay, type PackedEntry } from "../../protocol/packed-replay.ts";
import { commandToPlain, deliveryToPlain } from "../../protocol/plain.ts";
import { skipValue } from "../../protocol/skip-value.ts";
import { WORKER_FRAME_VALUES_MAX } from "../../protocol/wire-limits.ts";
import { anyCommand, anyDelivery, anyRuntimeMessage } from "../support/arbitrary-messages.ts";

const MIB = 1024 * 1024;

const anyEntry: fc.Arbitrary<ReplayEntry> = fc.oneof(
  anyCommand.map((command) => ({ kind: "command", command }) as const),
  anyDelivery.map((delivery) => ({ kind: "delivery", delivery }) as const),
);

function packed(entry: ReplayEntry): PackedEntry {
  const { kind } = entry;
  const bytes = packValue(
    entry.kind === "command" ? commandToPlain(entry.command) : deliveryToPlain(entry.delivery),
  );
  return { kind, bytes, values: skipValue(bytes, 0).values };
}

const hexOf = (frames: readonly Uint8Array[]): string[] =>
  frames.map((it) => Buffer.from(it).toString("hex"));

describe("a packed replay", () => {
  test("makes the frames that its entries make, beside any other messages", () => {
    const parts = fc.record({
      before: fc.array(anyRuntimeMessage, { maxLength: 3 }),
      entries: fc.array(anyEntry, { maxLength: 12 }),
      after: fc.array(anyRuntimeMessage, { maxLength: 3 }),
      frameBytesMax: fc.constantFrom(8 * 1024, 64 * 1024, MIB),
    });
    fc.assert(
      fc.property(parts, ({ before, entries, after, frameBytesMax }) => {
        const framesWith = (replay: RuntimeMessage): string[] =>
          hexOf(encodeFrames(0, [...before, replay, ...after], frameBytesMax));
        const one = new PackedReplay(7, entries.map(packed));
        expect(framesWith(one)).toEqual(framesWith({ kind: "replay", attempt: 7, entries }));
      }),
    );
  });

  test("counts its values: a frame of many is split where it was", () => {
    const keys = Array.from({ length: WORKER_FRAME_VALUES_MAX / 4 }, (_, at) => `k${at}`);
    const entry = {
      kind: "delivery",
      delivery: { kind: "completion", completionId: 1, result: { kind: "state-keys", keys } },
    } as const;
    const replay = { kind: "replay", attempt: 1, entries: [entry] } as const;
    const plain = Array.from({ length: 6 }, () => replay);
    const frames = encodeFrames(0, plain, MIB);
    expect(frames.length).toBeGreaterThan(1);
    const same = plain.map(() => new PackedReplay(1, [packed(entry)]));
    expect(hexOf(encodeFrames(0, same, MIB))).toEqual(hexOf(frames));
  });

  test("shows its entries to whoever is in the same process", () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 5 }), (entries) => {
        expect(new PackedReplay(1, entries.map(packed)).entries).toEqual(entries);
      }),
    );
  });
});
