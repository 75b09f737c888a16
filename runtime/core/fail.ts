/**
 * Attempts that failed: whether and when there is another one.
 *
 * Counted are failures since the last progress (a command accepted, a result of a run recorded),
 * durably. A lost connection, a restart of the runtime and a resume are no failures.
 */
import { assert } from "../../protocol/assert.ts";
import { FailureCode, type Failure } from "../../protocol/failure.ts";
import type { RetryPolicy } from "../../protocol/manifest.ts";
import type { Fail } from "../../protocol/message.ts";
import { DEFAULT_RETRY_POLICY } from "../../protocol/retry.ts";
import { cutText } from "../../protocol/text.ts";
import { finish } from "./finish.ts";
import { setStatus, type Invocation } from "./invocation.ts";
import { makeReady } from "./ready.ts";
import { handlerOf } from "./registry.ts";
import { atLeastMin, isExhausted, nextDelayMs } from "./retry.ts";
import { dropAttempt } from "./start.ts";
import { changed, tell, type Attempt, type Step } from "./step.ts";
import { dueIn, setTimer } from "./timers.ts";

/** Room for a stack in a record, so that a record stays a small row. */
const STACK_CHARACTERS_MAX = 4_000;

export function policyOf(step: Step, invocation: Invocation): RetryPolicy {
  return handlerOf(step, invocation)?.retry ?? DEFAULT_RETRY_POLICY;
}

export function onFail(
  step: Step,
  attempt: Attempt,
  message: Omit<Fail, "kind" | "attempt">,
): void {
  const { invocation } = attempt;
  const { failure, command } = message;
  const policy = policyOf(step, invocation);
  invocation.failures++;
  invocation.failingSinceMs ??= step.nowMs;
  const stack = cutText(message.stack, STACK_CHARACTERS_MAX);
  invocation.lastFailure = { failure, stack, command, atMs: step.nowMs };
  changed(step, invocation);
  const { failures, failingSinceMs, seed, sequence } = invocation;
  const delayMs = atLeastMin(message.retryAfterMs ?? nextDelayMs(policy, failures, seed, 0));
  const nextAtMs = dueIn(step, delayMs);
  if (isExhausted(policy, { failures, sinceMs: failingSinceMs, nextAtMs })) {
    exhaust(step, attempt, policy.onMaxAttempts, failure);
    return;
  }
  dropAttempt(step, attempt);
  setStatus(invocation, "backing-off", step.nowMs);
  invocation.nextAttemptAtMs = nextAtMs;
  setTimer(step, { dueAtMs: nextAtMs, sequence, kind: "retry", id: 0 });
}

/** The policy allows no further try: the invocation fails, or waits for somebody to look at it. */
export function exhaust(
  step: Step,
  attempt: Attempt,
  then: RetryPolicy["onMaxAttempts"],
  failure: Failure,
): void {
  const { invocation } = attempt;
  const reason = `no further try: ${failure.message}`;
  if (then === "kill") {
    const last: Failure = { ...failure, name: "TerminalError", code: FailureCode.internal };
    finish(step, invocation, { result: { ok: false, failure: last }, abort: reason });
    return;
  }
  const message = { kind: "abort", attempt: attempt.handle, reason } as const;
  tell(step, attempt, message, "durable");
  dropAttempt(step, attempt);
  setStatus(invocation, "paused", step.nowMs);
  invocation.pauseReason = "exhausted";
  changed(step, invocation);
}

/** The back-off is over. */
export function retryAttempt(step: Step, invocation: Invocation): void {
  assert(
    invocation.status === "backing-off" || invocation.status === "suspended",
    `a retry or resume timer of a ${invocation.status} invocation`,
  );
  makeReady(step, invocation);
}
