/**
 * Signals that are awaited. There is no row for them: the journal says what was asked for and what
 * has come. It is read from a bounded distance before its end.
 */
import type { Invocation } from "../core/invocation.ts";
import { readLastEntries, type SizedEntry } from "./journal-view.ts";
import type { MeteredTx } from "./metered-tx.ts";
import { iso } from "./summary.ts";
import type { WaitView } from "./views.ts";

export interface SignalWaits {
  readonly waits: readonly WaitView[];
  /** First entry that was looked at: what was awaited before it is not known. */
  readonly from: number;
}

export function signalWaits(
  tx: MeteredTx,
  invocation: Invocation,
  entriesMax: number,
): SignalWaits {
  if (invocation.status === "completed") return { waits: [], from: 0 };
  const { entries, from } = readLastEntries(tx, invocation, entriesMax);
  return { waits: openWaits(entries), from };
}

/** Signals of a name answer their waits in order: a wait is open if fewer have come than were asked for. */
function openWaits(journal: readonly SizedEntry[]): WaitView[] {
  const open = new Map<string, WaitView[]>();
  const spare = new Map<string, number>();
  for (const { entry } of journal) {
    if (entry.kind === "command" && entry.command.kind === "await-signal") {
      const { signal, index: command, name } = entry.command;
      const kept = spare.get(signal) ?? 0;
      const wait = { kind: "signal", signal, command, name, since: iso(entry.atMs) } as const;
      const waits = open.get(signal);
      if (kept > 0) spare.set(signal, kept - 1);
      else if (waits) waits.push(wait);
      else open.set(signal, [wait]);
    } else if (entry.kind === "delivery" && entry.delivery.kind === "signal") {
      const { signal } = entry.delivery;
      const answered = open.get(signal)?.shift();
      if (answered === undefined) spare.set(signal, (spare.get(signal) ?? 0) + 1);
    }
  }
  return [...open.values()].flat();
}
