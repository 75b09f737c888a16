/** Pauses that keep an invocation from going on, and what to do about each. */
import type { Invocation } from "../core/invocation.ts";
import type { ReadTx } from "../core/tx.ts";
import { iso } from "./summary.ts";
import type { WaitView } from "./views.ts";

const HINTS = {
  asked: "somebody asked for it: resume it when it may go on",
  exhausted:
    "its policy allows no further try: mend what failed and resume it, cancel it (its code may compensate) or kill it",
} as const;

/** That of the invocation itself; those of its key and of its service are rows of their own. */
export function pauseWaits(_tx: ReadTx, invocation: Invocation): WaitView[] {
  if (invocation.status !== "paused") return [];
  const reason = invocation.pauseReason;
  const hint = HINTS[reason ?? "asked"];
  const since = iso(invocation.statusSinceMs);
  return [{ kind: "pause", scope: "invocation", reason, hint, since }];
}
