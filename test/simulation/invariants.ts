/**
 * What must hold, whatever happened. Named as in the list of invariants that docs/testing.md gives.
 * Each looks at the disk, not at memory: what is not there does not count.
 */
import type { Response } from "../../runtime/core/effect.ts";
import type { Invocation } from "../../runtime/core/invocation.ts";
import { invocationIdOf } from "../../runtime/core/invocation.ts";
import { readJournal } from "../../runtime/core/journal.ts";
import {
  INVOCATIONS,
  inputKey,
  invocationKey,
  journalPrefix,
  outcomeKey,
  prefixEnd,
  readU48,
  stateKey,
} from "../../runtime/core/keys.ts";
import { decodeInput, decodeInvocation, decodeOutcome } from "../../runtime/core/rows.ts";
import type { ReadTx } from "../../runtime/core/tx.ts";
import { parseInvocationId } from "../../protocol/ids.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { KEYS, ownAppends, type Program } from "./program.ts";
import type { Execution, Observation } from "./world.ts";

export class Violation extends Error {
  override readonly name = "Violation";
}

function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Violation(otherwise);
}

const ALL = 1_000_000;
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));

export function allInvocations(disk: ReadTx): Invocation[] {
  const range = { from: INVOCATIONS, to: prefixEnd(INVOCATIONS), limit: ALL };
  return disk.range(range).map(([key, row]) => decodeInvocation(readU48(key, 1), row));
}

function findOnDisk(disk: ReadTx, id: string): Invocation | undefined {
  const sequence = parseInvocationId(id)?.sequence;
  const row = sequence === undefined ? undefined : disk.get(invocationKey(sequence));
  if (sequence === undefined || row === undefined) return undefined;
  const invocation = decodeInvocation(sequence, row);
  return invocationIdOf(invocation) === id ? invocation : undefined;
}

/** I1 acknowledged means durable; I13 everybody gets the same outcome. */
export function checkResponse(disk: ReadTx, response: Response): void {
  if (!("invocationId" in response) || response.invocationId === null) return;
  const invocation = findOnDisk(disk, response.invocationId);
  must(
    invocation !== undefined,
    `I1: ${response.invocationId} was answered for and is not on disk`,
  );
  if (response.kind !== "completed") return;
  const row = disk.get(outcomeKey(invocation.sequence));
  must(
    row !== undefined,
    `I1: the outcome of ${response.invocationId} was told and is not on disk`,
  );
  const stored = JSON.stringify(decodeOutcome(row).result);
  must(
    stored === JSON.stringify(response.result),
    "I13: an outcome was told that is not the stored one",
  );
}

/** Rule 2: a closure starts when its command and its try are durable. I8: never after its result is. */
export function checkExecution(disk: ReadTx, execution: Execution): void {
  const invocation = findOnDisk(disk, execution.invocationId);
  const { step } = execution;
  must(invocation !== undefined, `a go for ${step} of an invocation that is not on disk`);
  const recorded = recordedRun(disk, invocation, step);
  must(recorded.command, `a go for ${step} whose command is not on disk`);
  must(recorded.value === undefined, `I8: ${step} ran again although its result was on disk`);
}

/** I9: what user code is given is what is recorded. */
export function checkObservation(disk: ReadTx, { invocationId, step, value }: Observation): void {
  const invocation = findOnDisk(disk, invocationId);
  if (invocation === undefined) return;
  const recorded = recordedRun(disk, invocation, step).value;
  must(
    recorded === undefined || recorded === value,
    `I9: ${step} gave ${value}, recorded is ${String(recorded)}`,
  );
}

function recordedRun(
  disk: ReadTx,
  invocation: Invocation,
  step: string,
): { readonly command: boolean; readonly value: unknown } {
  let completionId: number | undefined;
  for (const entry of readJournal(disk, invocation)) {
    if (entry.kind === "command") {
      if (entry.command.kind === "run" && entry.command.name === step) {
        completionId = entry.command.completionId;
      }
    } else if (
      entry.delivery.kind === "completion" &&
      entry.delivery.completionId === completionId
    ) {
      const { result } = entry.delivery;
      return { command: true, value: result.kind === "value" ? decode(result.value) : result.kind };
    }
  }
  return { command: completionId !== undefined, value: undefined };
}

/** I7: for any two images of the disk, a journal in the earlier is a prefix of it in the later. */
export class JournalHistory {
  readonly #seen = new Map<number, string[]>();

  check(disk: ReadTx): void {
    for (const invocation of allInvocations(disk)) {
      const prefix = journalPrefix(invocation.sequence);
      const rows = disk.range({ from: prefix, to: prefixEnd(prefix), limit: ALL });
      const now = rows.map(([, row]) => Buffer.from(row).toString("base64"));
      const before = this.#seen.get(invocation.sequence) ?? [];
      const grown = before.every((row, at) => now[at] === row);
      must(grown, `I7: the journal of ${invocationIdOf(invocation)} was rewritten`);
      this.#seen.set(invocation.sequence, now);
    }
  }
}

/** I19, I20: no lock without a holder, no timer without an owner, no orphan. */
export function checkRows(disk: ReadTx): void {
  const broken = brokenReferences(disk);
  must(broken.length === 0, `I19/I20: ${broken.join("; ")}`);
}

/** I2, I5, I6, I16 at the end, when everything is healed and quiet. */
export function checkEnd(disk: ReadTx): void {
  const invocations = allInvocations(disk);
  const open = invocations.filter((it) => it.status !== "completed");
  must(
    open.length === 0,
    `I2: never ended: ${open.map((it) => `${it.target.key} ${it.status} ${it.lastFailure?.failure.message ?? ""}`).join(", ")}`,
  );
  for (const key of KEYS)
    checkKey(
      disk,
      key,
      invocations.filter((it) => it.target.key === key),
    );
  checkRows(disk);
}

/** The list of a key: every append of every invocation once, those of one together, in order of acceptance. */
function checkKey(disk: ReadTx, key: string, invocations: readonly Invocation[]): void {
  const stored = disk.get(stateKey("cell", key, "entries"));
  const entries = stored === undefined ? [] : (decode(stored) as string[]); // written by the handler
  const owners = new Map<string, Invocation>();
  for (const invocation of invocations) {
    for (const id of ownAppends(programOf(disk, invocation))) owners.set(id, invocation);
  }
  must(
    entries.length === owners.size,
    `I6: key ${key} holds ${entries.join()}, owners are ${[...owners.keys()].join()}`,
  );
  must(new Set(entries).size === entries.length, `I6: key ${key} holds an entry twice`);
  const order: Invocation[] = [];
  for (const id of entries) {
    const owner = owners.get(id);
    must(owner !== undefined, `I6: ${id} in key ${key} belongs to nobody`);
    if (order.at(-1) !== owner) order.push(owner);
  }
  must(new Set(order).size === order.length, `I4: two invocations of key ${key} were mixed`);
  const prompt = order.filter((it) => it.scheduledForMs === null).map((it) => it.sequence);
  const sorted = [...prompt].sort((a, b) => a - b);
  must(prompt.join() === sorted.join(), `I5: key ${key} was served in the order ${prompt.join()}`);
}

function programOf(disk: ReadTx, invocation: Invocation): Program {
  const row = disk.get(inputKey(invocation.sequence));
  must(row !== undefined, `${invocationIdOf(invocation)} has no input`);
  return decode(decodeInput(row).parameter) as Program; // written by the simulation
}
