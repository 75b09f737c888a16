/**
 * Gos: permission for the closure of a run, or its probe, to start, and the rows that count them.
 * `runs.ts` says what becomes of a run; this file only starts tries, and refuses second ones.
 *
 * 1. A go names attempt, command and try, and leaves when what tells of that try is durable, which is
 *    the mark that the run started: of the first one its command, of each later one its row.
 * 2. An at-most-once run gets one go, ever. Found without a result by a later attempt, it fails.
 * 3. A run with a probe whose closure was let go gets a go for the probe; the closure gets another go
 *    only once the probe has said that it did not happen.
 */
import { handOver } from "./hand-over.ts";
import { interrupted } from "./interrupted.ts";
import { addPlain, firstTry, type RunCommand } from "./plain-runs.ts";
import type { Run } from "./rows.ts";
import { keepRun, removeRun } from "./run-rows.ts";
import { changed, tell, type Attempt, type Granted, type Step } from "./step.ts";
import { clearTimer } from "./timers.ts";

/** At the start of an attempt, after its replay: every run without a result gets its go, or fails. */
export function grantGos(
  step: Step,
  attempt: Attempt,
  runs: readonly (readonly [number, Run])[],
): void {
  if (runs.length === 0) return;
  const open: (readonly [number, Run])[] = [];
  const cutOff: (readonly [number, Run])[] = [];
  for (const [index, run] of runs) {
    if (run.cancelled) removeRun(step, attempt.invocation, index);
    else if (run.mode === "at-most-once" && run.tries > 0) cutOff.push([index, run]);
    else open.push([index, run]);
  }
  // Before anything is delivered: what is delivered beside an open run waits for the disk.
  for (const [index, run] of open) attempt.runs.set(index, { run, go: undefined });
  for (const [index, run] of cutOff) failInterrupted(step, attempt, index, run);
  for (const [index, run] of open) {
    if (run.nextTryAtMs === null || run.nextTryAtMs <= step.nowMs) {
      grantGo(step, attempt, index, run);
    }
  }
}

/** As its command is recorded: mostly that is all that is ever written of it. */
export function grantFirstGo(step: Step, attempt: Attempt, command: RunCommand): void {
  const { invocation, runs } = attempt;
  const { index } = command;
  const run = firstTry(command, step.nowMs);
  invocation.runs++;
  if (!addPlain(invocation, index)) {
    keepRun(step, invocation, index, run);
    changed(step, invocation);
  }
  const go = { try: run.tries, probe: false };
  runs.set(index, { run, go });
  tellGo(step, attempt, index, go);
}

export function grantGo(step: Step, attempt: Attempt, index: number, run: Run): void {
  const { sequence } = attempt.invocation;
  if (run.nextTryAtMs !== null) {
    clearTimer(step, { dueAtMs: run.nextTryAtMs, sequence, kind: "run-retry", id: index });
  }
  const probe = run.mode === "probe" && run.mayHaveHappened;
  const granted: Run = {
    ...run,
    tries: run.tries + 1,
    firstTryAtMs: run.firstTryAtMs ?? step.nowMs,
    nextTryAtMs: null,
    mayHaveHappened: true,
  };
  keepRun(step, attempt.invocation, index, granted);
  const go = { try: granted.tries, probe };
  attempt.runs.set(index, { run: granted, go });
  tellGo(step, attempt, index, go);
}

function tellGo(step: Step, attempt: Attempt, command: number, granted: Granted): void {
  const { try: number, probe } = granted;
  const go = { kind: "go", attempt: attempt.handle, command, try: number, probe } as const;
  tell(step, attempt, go, "durable");
}

function failInterrupted(step: Step, attempt: Attempt, index: number, run: Run): void {
  const { invocation } = attempt;
  removeRun(step, invocation, index);
  const { completionId } = run;
  const failure = interrupted(invocation, index, run);
  handOver(step, attempt, {
    kind: "completion",
    completionId,
    result: { kind: "failure", failure },
  });
}
