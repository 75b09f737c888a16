/**
 * Runs: closures that reach outside.
 *
 * 1. A closure starts on a go and on nothing else. A go names attempt, command and try, and leaves
 *    when that command, that try and everything delivered to the attempt so far are durable.
 * 2. A result is recorded at most once per run, from the attempt and the try that hold the go.
 * 3. Failures are counted durably, apart from tries: a try that a crash cut off is no failure.
 * 4. Code that waits for a run and for nothing else may go ahead with its result as it reports it.
 *    If the runtime has delivered something else before, that attempt is void: another one goes by
 *    the journal.
 * 5. What an unknown outcome means is the run's own choice, its mode: gos.ts says who gets another go.
 */
import { assert } from "../../protocol/assert.ts";
import type { CompletionResult } from "../../protocol/command.ts";
import { FailureCode, type Failure } from "../../protocol/failure.ts";
import type { RunFailed, RunNotDone, RunResult } from "../../protocol/message.ts";
import { asCompletion, deliver } from "./deliver.ts";
import type { Invocation } from "./invocation.ts";
import { grantFirstGo, grantGo } from "./gos.ts";
import { appendDelivery, appendResult } from "./journal.ts";
import { exhaust, policyOf } from "./fail.ts";
import type { RunCommand } from "./plain-runs.ts";
import { atLeastMin, isExhausted, nextDelayMs } from "./retry.ts";
import type { Run } from "./rows.ts";
import { clearRetry, findRuns, keepRun, removeRun, takePlain } from "./run-rows.ts";
import { changed, type Attempt, type Step } from "./step.ts";
import { dueIn, setTimer } from "./timers.ts";
import { noteProgress } from "./tries.ts";

export function recordRun(
  step: Step,
  attempt: Attempt,
  command: RunCommand,
  covered: boolean,
): void {
  // Nobody waits for its result: its record says that it is no run to be let go.
  if (covered) changed(step, attempt.invocation);
  else grantFirstGo(step, attempt, command);
}

/**
 * Records the result. If the code has gone ahead with it, tells whether it may have: "taken"; "void"
 * when something that it has not seen was delivered before; else what an honest worker never does.
 */
export function onRunResult(
  step: Step,
  attempt: Attempt,
  message: RunResult,
): "taken" | "void" | { readonly wrong: string } {
  const { invocation } = attempt;
  const { command, deliveries: made } = message;
  const seen = invocation.deliveries;
  const run = closeTry(attempt, message);
  if (run !== undefined) {
    noteProgress(step, attempt);
    const plain = takePlain(step, invocation, command);
    if (!plain) removeRun(step, invocation, command);
    if (!run.cancelled) record(step, attempt, { completionId: run.completionId, plain }, message);
  }
  if (made === null) return "taken";
  if (made < seen) return "void";
  if (made === seen && run?.cancelled === false && attempt.runs.size === 0) return "taken";
  return { wrong: `run ${command} was gone ahead with where it was not all that was outstanding` };
}

function record(
  step: Step,
  attempt: Attempt,
  { completionId, plain }: { readonly completionId: number; readonly plain: boolean },
  message: RunResult,
): void {
  const result = asCompletion(message.result);
  const recorded = { kind: "completion", completionId, result } as const;
  if (message.deliveries === null) {
    // The worker holds what it proposed: it need not travel back.
    const proposed = { kind: "completion", completionId, result: { kind: "proposed" } } as const;
    deliver(step, attempt.invocation, recorded, proposed);
  } else {
    attempt.idle = false;
    const append = plain ? appendResult : appendDelivery;
    append(step, attempt.invocation, recorded);
  }
}

export function onRunFailed(step: Step, attempt: Attempt, message: RunFailed): void {
  const run = closeTry(attempt, message);
  if (run === undefined) return;
  const { invocation } = attempt;
  const { failure, command } = message;
  if (run.cancelled) {
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
    keepRun(step, invocation, command, failed);
    exhaust(step, attempt, then, failure);
    return;
  }
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
  const granted = attempt.runs.get(message.command)?.go;
  if (granted?.try === message.try && !granted.probe) {
    return `run ${message.command} is said not to have happened, and nobody had asked`;
  }
  const run = closeTry(attempt, message);
  if (run === undefined) return undefined;
  if (run.cancelled) removeRun(step, attempt.invocation, message.command);
  else grantGo(step, attempt, message.command, { ...run, mayHaveHappened: false });
  return undefined;
}

/** A timer says that a run may be tried again. */
export function retryRun(step: Step, invocation: Invocation, index: number): void {
  const attempt = step.memory.attempts.get(invocation.sequence);
  // Without an attempt the next one grants the go as it starts.
  const open = attempt?.runs.get(index);
  if (attempt === undefined || open === undefined) return;
  const { run, go } = open;
  if (run.cancelled || run.nextTryAtMs === null || go !== undefined) return;
  grantGo(step, attempt, index, run);
}

/** A person does not want to wait: each that backs off is tried now. False when none does. */
export function retryRuns(step: Step, invocation: Invocation): boolean {
  const attempt = step.memory.attempts.get(invocation.sequence);
  let some = false;
  for (const [index, run] of findRuns(step, invocation)) {
    if (run === undefined || run.nextTryAtMs === null) continue;
    clearRetry(step, invocation, index, run);
    const due: Run = { ...run, nextTryAtMs: null };
    // Without an attempt the next one grants the go as it starts.
    if (attempt) grantGo(step, attempt, index, due);
    else keepRun(step, invocation, index, due);
    some = true;
  }
  return some;
}

/** A cancellation covers what was outstanding: no further go for these. */
export function cancelRuns(step: Step, invocation: Invocation): void {
  const attempt = step.memory.attempts.get(invocation.sequence);
  for (const [index, run] of findRuns(step, invocation)) {
    if (run?.cancelled) continue;
    if (run) clearRetry(step, invocation, index, run);
    if (run && attempt?.runs.get(index)?.go) {
      // The closure may still be at work, so the attempt still gets only durable deliveries.
      keepRun(step, invocation, index, { ...run, cancelled: true, nextTryAtMs: null });
    } else removeRun(step, invocation, index);
  }
}

/** The run whose current try this message ends; undefined when it is not the try that holds the go. */
function closeTry(
  attempt: Attempt,
  message: { readonly command: number; readonly try: number },
): Run | undefined {
  const open = attempt.runs.get(message.command);
  if (open?.go?.try !== message.try) return undefined;
  open.go = undefined;
  return open.run;
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
  keepRun(step, invocation, index, run);
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
