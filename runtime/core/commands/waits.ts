/** What an invocation waits for by itself: time, an outsider, the clock. */
import { addPending, answer, removePending } from "../deliver.ts";
import { forgetSource } from "../finish.ts";
import { dueIn, setTimer } from "../timers.ts";
import type { CommandStep } from "./apply-command.ts";

/** The due time is fixed here and stored absolute, so that a restart changes nothing about it. */
export function sleep({ step, invocation, command, covered }: CommandStep<"sleep">): void {
  if (covered) return;
  const { completionId, durationMs } = command;
  const dueAtMs = dueIn(step, durationMs);
  addPending(step, invocation, completionId, { kind: "sleep", dueAtMs });
  const { sequence } = invocation;
  setTimer(step, { dueAtMs, sequence, kind: "sleep", id: completionId });
}

export function withdraw({ step, invocation, command }: CommandStep<"withdraw">): void {
  const { completionId } = command;
  const pending = removePending(step, invocation, completionId);
  // An SDK withdraws sleeps only; whatever it was, nothing is left that would complete it.
  if (pending) forgetSource(step, invocation, completionId, pending);
}

export function awakeable({ step, invocation, command, covered }: CommandStep<"awakeable">): void {
  if (!covered) addPending(step, invocation, command.completionId, { kind: "awakeable" });
}

export function date({ step, invocation, command }: CommandStep<"date">): void {
  answer(step, invocation, command.completionId, { kind: "time", timeMs: step.nowMs });
}
