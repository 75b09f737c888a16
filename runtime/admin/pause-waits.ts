/** Pauses that keep an invocation from going on, and what to do about each. */
import type { Invocation } from "../core/invocation.ts";
import { keyPausedSince, servicePausedSince } from "../core/pauses.ts";
import type { ReadTx } from "../core/tx.ts";
import { iso } from "./summary.ts";
import type { WaitView } from "./views.ts";

type PauseWaitView = WaitView & { readonly kind: "pause" };

const HINTS = {
  asked: "somebody paused it: resume it when it may go on",
  exhausted:
    "its policy allows no further try: mend what failed and resume it, cancel it (its code may compensate) or kill it",
  damaged:
    "a stored row that it needs is damaged; its last failure names the row: restore the data directory from a backup, or kill it",
} as const;

/** Of the invocation itself, of its key and of its service: all of them have to end. */
export function pauseWaits(tx: ReadTx, invocation: Invocation): PauseWaitView[] {
  const { status, target, statusSinceMs, pauseReason } = invocation;
  if (status === "completed") return [];
  const { service, key } = target;
  const waits: PauseWaitView[] = [];
  if (status === "paused") {
    const hint = HINTS[pauseReason ?? "asked"];
    const since = iso(statusSinceMs);
    waits.push({ kind: "pause", scope: "invocation", reason: pauseReason, hint, since });
  }
  const keySinceMs = key === null ? undefined : keyPausedSince(tx, service, key);
  if (keySinceMs !== undefined) {
    const hint = `somebody paused the key: holdfast keys resume ${service} ${key}`;
    waits.push({ kind: "pause", scope: "key", reason: "asked", hint, since: iso(keySinceMs) });
  }
  const sinceMs = servicePausedSince(tx, service);
  if (sinceMs !== undefined) {
    const hint = `somebody paused the service: holdfast services resume ${service}`;
    waits.push({ kind: "pause", scope: "service", reason: "asked", hint, since: iso(sinceMs) });
  }
  return waits;
}
