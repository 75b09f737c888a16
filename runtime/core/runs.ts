/**
 * Runs: closures that reach outside.
 *
 * 1. A closure starts on a go and on nothing else. A go names attempt, command and try, and leaves
 *    when that command, that try and everything delivered to the attempt so far are durable.
 * 2. A result is recorded at most once per run, from the attempt and the try that hold the go.
 * 3. Failures are counted durably, apart from tries: a try that a crash cut off is no failure.
 * 4. What an unknown outcome means is the run's own choice, its mode: gos.ts says who gets another go.
 */
import { assert } from "../../protocol/assert.ts";
import type { Command, CompletionResult } from "../../protocol/command.ts";
import { FailureCode, type Failure } from "../../protocol/failure.ts";
import type { RunFailed, RunNotDone, RunResult } from "../../protocol/message.ts";
import { pauseDamaged, tryRead } from "./damage.ts";
import { asCompletion, deliver } from "./deliver.ts";
import type { Invocation } from "./invocation.ts";
import { grantGo } from "./gos.ts";
import { runKey } from "./keys.ts";
import { exhaust, policyOf } from "./fail.ts";
import { leaveStatus } from "./leave-status.ts";
import { atLeastMin, isExhausted, nextDelayMs } from "./retry.ts";
import { decodeRun, encodeRun, type Run } from "./rows.ts";
import { clearRetry, findRuns, removeRun } from "./run-rows.ts";
import { changed, type Attempt, type Step } from "./step.ts";
import { dueIn, setTimer } from "./timers.ts";
import { DamagedRowError } from "./tx.ts";
import { noteProgress } from "./tries.ts";

export function recordRun(
  step: Step,
  attempt: Attempt,
  command: Command & { readonly kind: "run" },
  covered: boolean,
): void {
  if (covered) return;
  const { invocation } = attempt;
  const run: Run = {
    completionId: command.completionId,
    name: command.name,
    retry: command.retry,
    tries: 0,
    failures: 0,
    firstTryAtMs: null,
    nextTryAtMs: null,
    lastFailure: null,
    cancelled: false,
    mode: command.mode,
    mayHaveHappened: false,
    failingSinceMs: null,
  };
  invocation.runs++;
  changed(step, invocation);
  attempt.openRuns++;
  grantGo(step, attempt, command.index, run);
}

export function onRunResult(step: Step, attempt: Attempt, message: RunResult): void {
  const run = closeTry(step, attempt, message);
  if (run === undefined) return;
  noteProgress(step, attempt);
  attempt.openRuns--;
  removeRun(step, attempt.invocation, message.command);
  if (run.cancelled) return;
  const completion = { kind: "completion", completionId: run.completionId } as const;
  deliver(
    step,
    attempt.invocation,
    { ...completion, result: asCompletion(message.result) },
    // The worker holds what it proposed: it need not travel back.
    { ...completion, result: { kind: "proposed" } },
  );
}

export function onRunFailed(step: Step, attempt: Attempt, message: RunFailed): void {
  const run = closeTry(step, attempt, message);
  if (run === undefined) return;
  const { invocation } = attempt;
  const { failure, command } = message;
  if (run.cancelled) {
    attempt.openRuns--;
    removeRun(step, invocation, command);
    return;
  }
  const failures = run.failures + 1;
  const failingSinceMs = run.failingSinceMs ?? step.nowMs;
  const failed: Run = { ...run, failures, failingSinceMs, lastFailure: failure };
  invocation.lastFailure = { failure, stack: "", command, atMs: step.nowMs };
  changed(step, invocation);
  const nextTryAtMs = nextTryOf(step, invocation, failed, message);
  if (nextTryAtMs !== undefined) {
    backOff(step, invocation, command, { ...failed, nextTryAtMs });
    return;
  }
  const then = afterLastTry(step, invocation, run);
  if (then !== "fail") {
    step.tx.put(runKey(invocation.sequence, command), encodeRun(failed));
    exhaust(step, attempt, then, failure);
    return;
  }
  attempt.openRuns--;
  removeRun(step, invocation, command);
  const result: CompletionResult = { kind: "failure", failure: exhausted(failure) };
  deliver(step, invocation, { kind: "completion", completionId: run.completionId, result });
}

/** A probe says that the run did not happen: its closure may go. Gives what is wrong with that, if it is. */
export function onRunNotDone(
  step: Step,
  attempt: Attempt,
  message: RunNotDone,
): string | undefined {
  const granted = attempt.executing.get(message.command);
  if (granted?.try === message.try && !granted.probe) {
    return `run ${message.command} is said not to have happened, and nobody had asked`;
  }
  const run = closeTry(step, attempt, message);
  if (run === undefined) return undefined;
  if (run.cancelled) {
    attempt.openRuns--;
    removeRun(step, attempt.invocation, message.command);
  } else grantGo(step, attempt, message.command, { ...run, mayHaveHappened: false });
  return undefined;
}

/** A timer says that a run may be tried again. */
export function retryRun(step: Step, invocation: Invocation, index: number): void {
  const attempt = step.memory.attempts.get(invocation.sequence);
  // Without an attempt the next one grants the go as it starts.
  if (attempt === undefined) return;
  const row = step.tx.get(runKey(invocation.sequence, index));
  if (row === undefined) return;
  const run = tryRead(() => decodeRun(row));
  if (run instanceof DamagedRowError) return stopDamaged(step, invocation, run);
  if (run.cancelled || run.nextTryAtMs === null || attempt.executing.has(index)) return;
  grantGo(step, attempt, index, run);
}

/** A cancellation covers what was outstanding: no further go for these. */
export function cancelRuns(step: Step, invocation: Invocation): void {
  const attempt = step.memory.attempts.get(invocation.sequence);
  for (const [index, run] of findRuns(step, invocation)) {
    if (run === undefined) {
      // Of a closure that may still be at work nothing more is wanted.
      if (attempt && !attempt.executing.delete(index)) attempt.openRuns--;
      removeRun(step, invocation, index);
      continue;
    }
    if (run.cancelled) continue;
    clearRetry(step, invocation, index, run);
    if (attempt?.executing.has(index)) {
      // The closure may still be at work, so the attempt still gets only durable deliveries.
      const cancelled: Run = { ...run, cancelled: true, nextTryAtMs: null };
      step.tx.put(runKey(invocation.sequence, index), encodeRun(cancelled));
      continue;
    }
    if (attempt) attempt.openRuns--;
    removeRun(step, invocation, index);
  }
}

/** The run whose current try this message ends; undefined when it is not the try that holds the go. */
function closeTry(
  step: Step,
  attempt: Attempt,
  message: { readonly command: number; readonly try: number },
): Run | undefined {
  if (attempt.executing.get(message.command)?.try !== message.try) return undefined;
  attempt.executing.delete(message.command);
  const row = step.tx.get(runKey(attempt.invocation.sequence, message.command));
  assert(row !== undefined, `run ${message.command} holds a go and has no row`);
  const run = tryRead(() => decodeRun(row));
  if (!(run instanceof DamagedRowError)) return run;
  stopDamaged(step, attempt.invocation, run);
  return undefined;
}

/** The row of a run is damaged while its attempt is live: that ends, as it could not begin. */
function stopDamaged(step: Step, invocation: Invocation, damage: DamagedRowError): void {
  leaveStatus(step, invocation, damage.message);
  pauseDamaged(step, invocation, damage);
}

/** When the next try is due; undefined when there is none. */
function nextTryOf(
  step: Step,
  invocation: Invocation,
  run: Run,
  message: RunFailed,
): number | undefined {
  // Its closure threw: whether it had reached the outside before is not known, and it is at-most-once.
  if (run.mode === "at-most-once") return undefined;
  const policy = run.retry ?? policyOf(step, invocation);
  const { failures } = run;
  const delayMs =
    message.retryAfterMs ?? nextDelayMs(policy, failures, invocation.seed, message.command);
  const nextAtMs = dueIn(step, atLeastMin(delayMs));
  // A run's own duration counts from its first try, that of its invocation from the first failure.
  const sinceMs = run.retry === null ? run.failingSinceMs : run.firstTryAtMs;
  return isExhausted(policy, { failures, sinceMs, nextAtMs }) ? undefined : nextAtMs;
}

/** What happens when no try is left: to the run ("fail"), or to its invocation. */
function afterLastTry(step: Step, invocation: Invocation, run: Run): "fail" | "pause" | "kill" {
  if (run.mode === "at-most-once") return "fail";
  return run.retry === null ? policyOf(step, invocation).onMaxAttempts : run.retry.onMaxAttempts;
}

function backOff(step: Step, invocation: Invocation, index: number, run: Run): void {
  assert(run.nextTryAtMs !== null, "a run that backs off knows when its next try is due");
  step.tx.put(runKey(invocation.sequence, index), encodeRun(run));
  invocation.spentMs["runs-backing-off"] += run.nextTryAtMs - step.nowMs;
  changed(step, invocation);
  const { sequence } = invocation;
  setTimer(step, { dueAtMs: run.nextTryAtMs, sequence, kind: "run-retry", id: index });
}

function exhausted(failure: Failure): Failure {
  const { message, metadata } = failure;
  const base = { name: "TerminalError", message, code: FailureCode.internal };
  return metadata === undefined ? base : { ...base, metadata };
}
