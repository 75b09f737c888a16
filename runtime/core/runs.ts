/**
 * Runs: closures that reach outside.
 *
 * 1. A closure starts on a go and on nothing else. A go names attempt, command and try, and leaves
 *    when that command, that try and everything delivered to the attempt so far are durable.
 * 2. A result is recorded at most once per run, from the attempt and the try that hold the go.
 * 3. Failures are counted durably, apart from tries: a try that a crash cut off is no failure.
 */
import { assert } from "../../protocol/assert.ts";
import type { Command, CompletionResult } from "../../protocol/command.ts";
import { FailureCode, type Failure } from "../../protocol/failure.ts";
import type { RunFailed, RunResult } from "../../protocol/message.ts";
import { asCompletion, deliver } from "./deliver.ts";
import type { Invocation } from "./invocation.ts";
import { grantGo } from "./gos.ts";
import { runKey } from "./keys.ts";
import { exhaust, policyOf } from "./fail.ts";
import { nextDelayMs } from "./retry.ts";
import { decodeRun, encodeRun, type Run } from "./rows.ts";
import { clearRetry, readRuns, removeRun } from "./run-rows.ts";
import { changed, type Attempt, type Step } from "./step.ts";
import { dueIn, setTimer } from "./timers.ts";

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
  };
  invocation.runs++;
  changed(step, invocation);
  attempt.openRuns++;
  grantGo(step, attempt, command.index, run);
}

export function onRunResult(step: Step, attempt: Attempt, message: RunResult): void {
  const run = closeTry(step, attempt, message);
  if (run === undefined) return;
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
  if (run.cancelled) {
    attempt.openRuns--;
    removeRun(step, invocation, message.command);
    return;
  }
  const failed: Run = { ...run, failures: run.failures + 1, lastFailure: message.failure };
  const { failure } = message;
  invocation.lastFailure = { failure, stack: "", command: message.command, atMs: step.nowMs };
  changed(step, invocation);
  const delayMs = retryDelayMs(step, invocation, failed, message);
  if (delayMs !== undefined) {
    backOff(step, invocation, message.command, { ...failed, nextTryAtMs: dueIn(step, delayMs) });
  } else if (run.retry === null) {
    step.tx.put(runKey(invocation.sequence, message.command), encodeRun(failed));
    exhaust(step, attempt, policyOf(step, invocation).onMaxAttempts, failure);
  } else {
    attempt.openRuns--;
    removeRun(step, invocation, message.command);
    const result: CompletionResult = { kind: "failure", failure: exhausted(failure) };
    deliver(step, invocation, { kind: "completion", completionId: run.completionId, result });
  }
}

/** A timer says that a run may be tried again. */
export function retryRun(step: Step, invocation: Invocation, index: number): void {
  const attempt = step.memory.attempts.get(invocation.sequence);
  // Without an attempt the next one grants the go as it starts.
  if (attempt === undefined) return;
  const row = step.tx.get(runKey(invocation.sequence, index));
  if (row === undefined) return;
  const run = decodeRun(row);
  if (run.cancelled || run.nextTryAtMs === null || attempt.executing.has(index)) return;
  grantGo(step, attempt, index, run);
}

/** A cancellation covers what was outstanding: no further go for these. */
export function cancelRuns(step: Step, invocation: Invocation): void {
  const attempt = step.memory.attempts.get(invocation.sequence);
  for (const [index, run] of readRuns(step, invocation)) {
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
  if (attempt.executing.get(message.command) !== message.try) return undefined;
  attempt.executing.delete(message.command);
  const row = step.tx.get(runKey(attempt.invocation.sequence, message.command));
  assert(row !== undefined, `run ${message.command} holds a go and has no row`);
  return decodeRun(row);
}

function retryDelayMs(
  step: Step,
  invocation: Invocation,
  run: Run,
  message: RunFailed,
): number | undefined {
  const policy = run.retry ?? policyOf(step, invocation);
  if (policy.maxAttempts !== null && run.failures >= policy.maxAttempts) return undefined;
  const delayMs =
    message.retryAfterMs ?? nextDelayMs(policy, run.failures, invocation.seed, message.command);
  const maxDurationMs = run.retry?.maxDurationMs ?? null;
  if (maxDurationMs === null || run.firstTryAtMs === null) return delayMs;
  return step.nowMs + delayMs - run.firstTryAtMs > maxDurationMs ? undefined : delayMs;
}

function backOff(step: Step, invocation: Invocation, index: number, run: Run): void {
  assert(run.nextTryAtMs !== null, "a run that backs off knows when its next try is due");
  step.tx.put(runKey(invocation.sequence, index), encodeRun(run));
  const { sequence } = invocation;
  setTimer(step, { dueAtMs: run.nextTryAtMs, sequence, kind: "run-retry", id: index });
}

function exhausted(failure: Failure): Failure {
  const { message, metadata } = failure;
  const base = { name: "TerminalError", message, code: FailureCode.internal };
  return metadata === undefined ? base : { ...base, metadata };
}
