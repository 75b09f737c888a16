/** What happens when a timer is due, one line per kind; then what has expired, a piece at a time. */
import { isQuarantined, warnDamage } from "./damage.ts";
import { breakDeadlockBehind } from "./deadlock.ts";
import { complete } from "./deliver.ts";
import { retryAttempt } from "./fail.ts";
import { enqueue } from "./inbox.ts";
import type { Invocation } from "./invocation.ts";
import { continueHeld } from "./hold.ts";
import type { Timer, TimerKind } from "./keys.ts";
import { cancel, dropCovered, kill } from "./control.ts";
import { leaveStatus } from "./leave-status.ts";
import { removeExpired } from "./purge.ts";
import { makeReady } from "./ready.ts";
import { retryRun } from "./runs.ts";
import { load, type Step } from "./step.ts";
import { takeDueTimers } from "./timers.ts";

export function onTimersDue(step: Step): void {
  continueHeld(step);
  for (const timer of takeDueTimers(step)) {
    const invocation = load(step, timer.sequence);
    // What the cancellation or kill of a caller was to reach may have ended, and been purged.
    if (timer.kind === "cancel" || timer.kind === "kill") {
      if (invocation && !invocation.purging) reach(step, invocation, timer);
      continue;
    }
    // Only damage leaves one behind: of its invocation's record, or of the row that it belonged to.
    if (invocation === undefined) dropTimer(step, timer);
    else onTimer(step, invocation, timer.kind, timer.id);
  }
  removeExpired(step);
}

function dropTimer(step: Step, { kind, sequence }: Timer): void {
  if (isQuarantined(step, sequence)) return;
  warnDamage(step, `a ${kind} timer names invocation number ${sequence}`, "it is not there");
}

/** A cancellation or kill goes on to where it has to. */
function reach(step: Step, invocation: Invocation, { kind, id }: Timer): void {
  if (kind === "kill") kill(step, invocation);
  else if (id === 0) cancel(step, invocation);
  else dropCovered(step, invocation, id);
}

function onTimer(
  step: Step,
  invocation: Invocation,
  kind: Exclude<TimerKind, "cancel" | "kill">,
  id: Timer["id"],
): void {
  switch (kind) {
    case "start":
      enqueue(step, invocation);
      if (invocation.status === "inboxed") breakDeadlockBehind(step, invocation);
      return;
    case "sleep":
      complete(step, invocation, id, { kind: "void" });
      return;
    case "retry":
    case "resume":
      retryAttempt(step, invocation);
      return;
    case "run-retry":
      if (invocation.status !== "suspended") {
        retryRun(step, invocation, id);
        return;
      }
      // It may have had an attempt coming, later.
      leaveStatus(step, invocation, null);
      makeReady(step, invocation);
      return;
  }
}
