/**
 * The counts of failures and losses of an invocation and its runs: what sets them back.
 *
 * 1. Progress (a command accepted, a result of a run recorded) puts behind what failed before it.
 * 2. Who is taken out of a pause has been looked at: invocation and runs get all their tries anew.
 *    The numbers of tries go on: they say which go a result belongs to.
 */
import { clearRetry, findRuns, keepRun } from "./run-rows.ts";
import { changed, type Attempt, type Step } from "./step.ts";
import type { Invocation } from "./invocation.ts";

export function noteProgress(step: Step, attempt: Attempt): void {
  const { invocation } = attempt;
  attempt.progressed = true;
  // Mostly nothing is behind it, and nothing to be written.
  const { idleResumes, failures, failingSinceMs, losses } = invocation;
  if (idleResumes + failures + losses === 0 && failingSinceMs === null) return;
  invocation.idleResumes = 0;
  invocation.failures = 0;
  invocation.failingSinceMs = null;
  invocation.losses = 0;
  changed(step, invocation);
}

export function renewTries(step: Step, invocation: Invocation): void {
  invocation.failures = 0;
  invocation.failingSinceMs = null;
  invocation.losses = 0;
  invocation.pauseReason = null;
  changed(step, invocation);
  for (const [index, run] of findRuns(step, invocation)) {
    if (run === undefined) continue;
    clearRetry(step, invocation, index, run);
    const renewed = { failures: 0, firstTryAtMs: null, failingSinceMs: null, nextTryAtMs: null };
    keepRun(step, invocation, index, { ...run, ...renewed });
  }
}
