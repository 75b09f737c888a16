/** What a replay takes of a journal's row is what the row says. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packValue } from "../../protocol/pack.ts";
import { commandToPlain, deliveryToPlain } from "../../protocol/plain.ts";
import { encodeJournalEntry, type JournalEntry } from "../../runtime/core/rows.ts";
import { openEntry } from "../../runtime/core/stored-entry.ts";
import { DamagedRow, DamagedRowError } from "../../runtime/core/tx.ts";
import { anyCommand, anyDelivery, anyWhole } from "../support/arbitrary-messages.ts";

const anyEntry: fc.Arbitrary<JournalEntry> = fc.oneof(
  fc.record({
    kind: fc.constant("command" as const),
    command: anyCommand,
    atMs: anyWhole,
    child: fc.option(fc.integer({ min: 1, max: 2 ** 48 - 1 }), { nil: null }),
  }),
  fc.record({ kind: fc.constant("delivery" as const), delivery: anyDelivery, atMs: anyWhole }),
);

describe("a stored entry", () => {
  test("has what was recorded, still packed, its time and its child", () => {
    fc.assert(
      fc.property(anyEntry, (entry) => {
        const { bytes, ...rest } = openEntry(encodeJournalEntry(entry));
        const { kind, atMs } = entry;
        const recorded =
          entry.kind === "command"
            ? commandToPlain(entry.command)
            : deliveryToPlain(entry.delivery);
        expect(Buffer.from(bytes).equals(packValue(recorded))).toBe(true);
        const child = entry.kind === "command" ? entry.child : undefined;
        expect(rest).toMatchObject({ kind, atMs, child });
      }),
    );
  });

  test("that is damaged says so, before anything is sent", () => {
    expect(() => openEntry(new DamagedRow("the row is damaged"))).toThrow(DamagedRowError);
  });
});
