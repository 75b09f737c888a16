/**
 * Attempts that went with their connection. That is no failure of theirs, and does not count towards
 * any policy: the invocation is ready again at once.
 *
 * But a handler that ends its own process takes its neighbours with it each time. So losses in a row
 * without progress are counted, durably, and from the third on the invocation waits before it is tried
 * again: its neighbours get on meanwhile, and lose their counts with their next step.
 */
import { FailureCode } from "../../protocol/failure.ts";
import { setStatus } from "./invocation.ts";
import { makeReady } from "./ready.ts";
import { nextDelayMs } from "./retry.ts";
import { dropAttempt } from "./start.ts";
import { changed, type Attempt, type Step } from "./step.ts";
import { dueIn, setTimer } from "./timers.ts";

/** A worker may die of something else, and again while it starts: these are taken as bad luck. */
const LOSSES_AT_ONCE = 2;
const BACKOFF = { initialIntervalMs: 100, factor: 2, maxIntervalMs: 10_000, jitter: 0.2 } as const;

export function loseAttempt(step: Step, attempt: Attempt): void {
  const { invocation, connection } = attempt;
  dropAttempt(step, attempt);
  // A worker that said that it goes away has ended none of its own accord.
  if (!attempt.progressed && !connection.draining) invocation.losses++;
  if (invocation.losses <= LOSSES_AT_ONCE) {
    makeReady(step, invocation);
    return;
  }
  const { losses, seed, sequence } = invocation;
  const message = `its worker was lost ${losses} times in a row while it ran, before it got any further: its handler may be what ends the worker`;
  const failure = { name: "WorkerLostError", message, code: FailureCode.internal };
  invocation.lastFailure = { failure, stack: "", command: null, atMs: step.nowMs };
  const delayMs = nextDelayMs(BACKOFF, losses - LOSSES_AT_ONCE, seed, 0);
  setStatus(invocation, "backing-off", step.nowMs);
  invocation.nextAttemptAtMs = dueIn(step, delayMs);
  setTimer(step, { dueAtMs: invocation.nextAttemptAtMs, sequence, kind: "retry", id: 0 });
  changed(step, invocation);
}
