import { packValue } from "../../protocol/pack.ts";
import { commandToPlain } from "../../protocol/plain.ts";
import { LARGE_VALUE_BYTES } from "../../runtime/core/large-values.ts";
import { decodeJournalEntry } from "../../runtime/core/rows.ts";

/** What a row of a journal may become once its invocation has ended well; undefined when it may not change. */
export function shortenedRow(row: Uint8Array): Uint8Array | undefined {
  const entry = decodeJournalEntry(row);
  if (entry.kind !== "command" || entry.command.kind !== "set-state") return undefined;
  if (entry.command.value.length < LARGE_VALUE_BYTES) return undefined;
  const command = commandToPlain({ ...entry.command, value: new Uint8Array(0) });
  return packValue([0, command, entry.atMs, entry.child, row.length]);
}
