/**
 * What must hold at the moment at which something happens, whatever happened before. Named as in the
 * list of invariants in docs/testing-simulation.md. Each looks at the disk, not at memory: what is not
 * there does not count.
 */
import type { Effect } from "../../runtime/core/effect.ts";
import { CLOCK_HIGH_WATER, runKey } from "../../runtime/core/keys.ts";
import type { Limits } from "../../runtime/core/limits.ts";
import { createMachine } from "../../runtime/core/machine.ts";
import { decodeRun, encodeNumber } from "../../runtime/core/rows.ts";
import type { Write } from "../../runtime/store/batch.ts";
import { Overlay } from "../../runtime/store/overlay.ts";
import { brokenReferences } from "../support/check-rows.ts";
import type { Durable, Journal } from "./durable.ts";
import type { LinkWatch } from "./link-watch.ts";
import { must } from "./violation.ts";
import { canonical, type Execution, type Observation } from "./world.ts";

/** Rule 2: a closure starts when its command and its try are durable. I8: never after its result is. */
export function checkExecution(durable: Durable, execution: Execution): void {
  const { step } = execution;
  const invocation = durable.find(execution.invocationId);
  // Killed and purged, while the go was on its way.
  if (invocation === undefined && durable.isForgotten(execution.invocationId)) return;
  must(invocation !== undefined, `rule 2: a go for ${step} of an invocation that is not on disk`);
  const journal = durable.journal(invocation.sequence);
  const command = journal?.byName.get(step);
  must(
    journal !== undefined && command?.kind === "run",
    `rule 2: a go for ${step} whose command is not on disk`,
  );
  const recorded = journal.completions.get(command.completionId);
  must(
    recorded === undefined || execution.zombie,
    `I8: ${step} ran again although its result was on disk`,
  );
  must(
    execution.token === `${execution.invocationId}-${command.index}`,
    `rule 3: the token of ${step} is ${execution.token}`,
  );
  const row = durable.disk.rows.get(runKey(invocation.sequence, command.index));
  if (row !== undefined)
    must(decodeRun(row).tries > 0, `rule 2: the try of ${step} is not on disk`);
  checkSeen(durable, execution);
}

/** Rule 2: while a closure is at work, its code is given only what is durable. */
export function checkSeen(durable: Durable, { invocationId, step, saw }: Execution): void {
  const invocation = durable.find(invocationId);
  const journal = invocation && durable.journal(invocation.sequence);
  if (journal === undefined) return;
  for (const earlier of saw) {
    const durably = hasSeen(journal, earlier);
    must(durably, `rule 2: ${step} runs, and its code saw ${earlier}, which is not on disk`);
  }
}

function hasSeen({ byName, completions }: Journal, step: string): boolean {
  const command = byName.get(step);
  if (command === undefined) return false;
  return !("completionId" in command) || completions.has(command.completionId);
}

/** I9: what user code is given is what is recorded, unless it may have been given what was lost. */
export function checkObservation(
  durable: Durable,
  observation: Observation,
  mayBeUndurable: LinkWatch["mayBeUndurable"],
): void {
  const { invocationId, step, value, link } = observation;
  const invocation = durable.find(invocationId);
  const journal = invocation && durable.journal(invocation.sequence);
  const command = journal?.byName.get(step);
  if (command?.kind !== "run") return;
  const result = journal?.completions.get(command.completionId)?.result;
  if (result === undefined) return;
  const recorded = result.kind === "value" ? canonical(decode(result.value)) : result.kind;
  must(
    recorded === canonical(value) || mayBeUndurable(link, invocationId, command),
    `I9: ${step} gave ${canonical(value)}, recorded is ${recorded}`,
  );
}

/** I19, I20: no lock without a holder, no timer without an owner, no orphan. */
export function checkRows(durable: Durable): void {
  const broken = brokenReferences(durable.disk.rows, durable.seen);
  must(broken.length === 0, `I19/I20: ${broken.join("; ")}`);
}

/** I23: a recovery does the same twice, leaves sound rows, and a second one finds nothing left to do. */
export function checkRecovery(durable: Durable, limits: Limits, nowMs: number): void {
  const { rows, number, epoch } = durable.disk;
  const recover = (tx: Overlay): Recovered => {
    const effects = createMachine({ epoch: epoch + 1, limits }).recover(tx, nowMs);
    return { effects, writes: tx.seal().writes };
  };
  const first = new Overlay(rows, number);
  const once = recover(first);
  const again = recover(new Overlay(rows, number));
  must(textOf(once) === textOf(again), "I23: the same recovery came out in another way");
  const { writes } = recover(first);
  must(writes.length === 0, `I23: a second recovery writes ${writes.map(([key]) => key).join()}`);
  // As the loop does with every batch.
  first.put(CLOCK_HIGH_WATER, encodeNumber(nowMs));
  const broken = brokenReferences(first, durable.seen);
  must(broken.length === 0, `I23: a recovery leaves broken rows: ${broken.join("; ")}`);
}

interface Recovered {
  readonly effects: readonly Effect[];
  readonly writes: readonly Write[];
}

function textOf(recovered: Recovered): string {
  const plain = (_: string, value: unknown): unknown =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
  return JSON.stringify(recovered, plain);
}

export function decode(bytes: Uint8Array): unknown {
  return bytes.length === 0 ? undefined : JSON.parse(new TextDecoder().decode(bytes));
}
