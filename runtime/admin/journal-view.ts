/** Journal entries as people read them: names, subjects, sizes and times, never payloads. */
import type { Command, Delivery } from "../../protocol/command.ts";
import type { Failure } from "../../protocol/failure.ts";
import { invocationIdOf } from "../core/invocation.ts";
import type { JournalEntry } from "../core/rows.ts";
import type { ReadTx } from "../core/tx.ts";
import { iso, loadInvocation } from "./summary.ts";
import type { JournalEntryView } from "./views.ts";
import { commandsByCompletion } from "./waits.ts";

export interface SizedEntry {
  readonly entry: JournalEntry;
  readonly sizeBytes: number;
}

export function viewJournal(
  tx: ReadTx,
  journal: readonly SizedEntry[],
  { from, limit }: { readonly from: number; readonly limit: number },
): JournalEntryView[] {
  const commands = commandsByCompletion(journal.map((it) => it.entry));
  return journal.slice(from, from + limit).map(({ entry, sizeBytes }, offset) => {
    const at = { index: from + offset, sizeBytes, at: iso(entry.atMs) };
    if (entry.kind === "command") return { ...at, ...viewCommand(tx, entry) };
    const { delivery } = entry;
    const answered =
      delivery.kind === "completion" ? commands.get(delivery.completionId)?.command : undefined;
    return {
      ...at,
      entry: "delivery",
      kind: delivery.kind,
      command: answered?.index ?? null,
      name: answered?.name ?? "",
      about: delivery.kind === "signal" ? delivery.signal : (answered?.kind ?? ""),
      invocation: null,
      failure: failureOf(delivery),
    };
  });
}

type CommandFields = Omit<JournalEntryView, "index" | "sizeBytes" | "at">;

function viewCommand(
  tx: ReadTx,
  entry: JournalEntry & { readonly kind: "command" },
): CommandFields {
  const { command, child } = entry;
  const other = child === null ? undefined : loadInvocation(tx, child);
  const named = "invocationId" in command ? command.invocationId : null;
  return {
    entry: "command",
    kind: command.kind,
    command: command.index,
    name: command.name,
    about: aboutCommand(command, entry.atMs),
    invocation: other ? invocationIdOf(other) : named,
    failure: null,
  };
}

function aboutCommand(command: Command, atMs: number): string {
  switch (command.kind) {
    case "get-state":
    case "get-state-here":
    case "set-state":
    case "clear-state":
      return command.key;
    case "sleep":
      return iso(atMs + command.durationMs);
    case "call":
    case "send": {
      const { service, key, handler } = command.target;
      return key === null ? `${service}/${handler}` : `${service}/${key}/${handler}`;
    }
    case "get-promise":
    case "peek-promise":
    case "complete-promise":
      return command.promise;
    case "await-signal":
    case "send-signal":
      return command.signal;
    case "complete-awakeable":
      return command.awakeableId;
    case "date-here":
      return iso(command.timeMs);
    case "run":
      return command.mode;
    case "patched":
      return command.patch;
    default:
      return "";
  }
}

function failureOf(delivery: Delivery): Failure | null {
  if (delivery.kind === "cancellation") return null;
  const { result } = delivery;
  if ("kind" in result) return result.kind === "failure" ? result.failure : null;
  return result.ok ? null : result.failure;
}
