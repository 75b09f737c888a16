import { leaveInbox } from "./inbox.ts";
import type { Invocation } from "./invocation.ts";
import { removeFromReady } from "./ready.ts";
import { dropAttempt } from "./start.ts";
import { tell, type Step } from "./step.ts";
import { clearTimer } from "./timers.ts";

/**
 * Undoes what the present status has in rows and memory, before another one takes its place.
 * `abort`: what an attempt that still runs is told; null when it ended itself.
 */
export function leaveStatus(step: Step, invocation: Invocation, abort: string | null): void {
  const { sequence, nextAttemptAtMs, scheduledForMs } = invocation;
  switch (invocation.status) {
    case "scheduled":
      if (scheduledForMs !== null) {
        clearTimer(step, { dueAtMs: scheduledForMs, sequence, kind: "start", id: 0 });
      }
      return;
    case "inboxed":
      leaveInbox(step, invocation);
      return;
    case "ready":
      removeFromReady(step, invocation);
      return;
    case "backing-off":
    case "suspended":
      if (nextAttemptAtMs !== null) {
        const kind = invocation.status === "suspended" ? "resume" : "retry";
        clearTimer(step, { dueAtMs: nextAttemptAtMs, sequence, kind, id: 0 });
      }
      return;
    case "running": {
      const attempt = step.memory.attempts.get(sequence);
      if (attempt === undefined) return;
      if (abort !== null) {
        const message = { kind: "abort", attempt: attempt.handle, reason: abort } as const;
        tell(step, attempt, message, "durable");
      }
      dropAttempt(step, attempt);
      return;
    }
    case "paused":
    case "completed":
      return;
  }
}
