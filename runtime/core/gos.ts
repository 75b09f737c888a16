/**
 * Gos: permission for the closure of a run to start, and the rows that count them. `runs.ts` says
 * what becomes of a run; this file only starts tries.
 */
import { runKey } from "./keys.ts";
import { encodeRun, type Run } from "./rows.ts";
import { readRuns, removeRun } from "./run-rows.ts";
import { tell, type Attempt, type Step } from "./step.ts";
import { clearTimer } from "./timers.ts";

/** At the start of an attempt: every run without a result that does not back off gets its go. */
export function grantGos(step: Step, attempt: Attempt): void {
  for (const [index, run] of readRuns(step, attempt.invocation)) {
    if (run.cancelled) {
      removeRun(step, attempt.invocation, index);
      continue;
    }
    attempt.openRuns++;
    if (run.nextTryAtMs === null || run.nextTryAtMs <= step.nowMs) {
      grantGo(step, attempt, index, run);
    }
  }
}

export function grantGo(step: Step, attempt: Attempt, index: number, run: Run): void {
  const { sequence } = attempt.invocation;
  if (run.nextTryAtMs !== null) {
    clearTimer(step, { dueAtMs: run.nextTryAtMs, sequence, kind: "run-retry", id: index });
  }
  const granted: Run = {
    ...run,
    tries: run.tries + 1,
    firstTryAtMs: run.firstTryAtMs ?? step.nowMs,
    nextTryAtMs: null,
  };
  step.tx.put(runKey(sequence, index), encodeRun(granted));
  attempt.executing.set(index, granted.tries);
  const go = {
    kind: "go",
    attempt: attempt.handle,
    command: index,
    try: granted.tries,
    probe: false,
  } as const;
  tell(step, attempt, go, "durable");
}
