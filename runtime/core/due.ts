/** What happens when a timer is due, one line per kind; then what has expired, a piece at a time. */
import { assert } from "../../protocol/assert.ts";
import { complete } from "./deliver.ts";
import { retryAttempt } from "./fail.ts";
import { enqueue } from "./inbox.ts";
import type { Invocation } from "./invocation.ts";
import type { Timer } from "./keys.ts";
import { removeExpired } from "./purge.ts";
import { makeReady } from "./ready.ts";
import { retryRun } from "./runs.ts";
import { load, type Step } from "./step.ts";
import { takeDueTimers } from "./timers.ts";

export function onTimersDue(step: Step): void {
  for (const timer of takeDueTimers(step)) {
    const invocation = load(step, timer.sequence);
    assert(invocation !== undefined, `a ${timer.kind} timer of an invocation that is not there`);
    onTimer(step, invocation, timer);
  }
  removeExpired(step);
}

function onTimer(step: Step, invocation: Invocation, timer: Timer): void {
  switch (timer.kind) {
    case "start":
      enqueue(step, invocation);
      return;
    case "sleep":
      complete(step, invocation, timer.id, { kind: "void" });
      return;
    case "retry":
    case "resume":
      retryAttempt(step, invocation);
      return;
    case "run-retry":
      if (invocation.status === "suspended") makeReady(step, invocation);
      else retryRun(step, invocation, timer.id);
      return;
  }
}
