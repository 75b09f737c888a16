/**
 * Removes what has expired, a piece at a time, beside the traffic.
 *
 * 1. A step removes a bounded number of rows and the next one comes after a pause, so that a million
 *    invocations that expire together, or a journal of any length, hold nobody up.
 * 2. What does not go in one step is marked as purging first: from then on nobody outside sees it.
 *    Its expiry row is the last to go, so that a restart in between goes on where it was.
 * 3. A name goes only if it still names this invocation: it may have been given away meanwhile.
 * 4. State and promises of a workflow go before its name, so that the next run finds none of them.
 */
import { forget } from "./changed.ts";
import { assert } from "../../protocol/assert.ts";
import { isQuarantined, readOr } from "./damage.ts";
import { entriesInRecord } from "./history.ts";
import { isWorkflowRun, type Invocation } from "./invocation.ts";
import {
  EXPIRIES,
  expiriesAfter,
  expiryKey,
  idempotencyKey,
  inputKey,
  invocationKey,
  journalKey,
  journalPrefix,
  outcomeKey,
  parseExpiryKey,
  prefixEnd,
  promisePrefix,
  readU32,
  stateBytesKey,
  statePrefix,
  workflowKey,
  type Expiry,
} from "./keys.ts";
import { decodeNumber } from "./rows.ts";
import { expireNow, nextExpiryAtMs, purgeOf, setExpiry } from "./retention.ts";
import { changed, load, type Memory, type Step } from "./step.ts";
import type { ReadTx, RowKey } from "./tx.ts";

/** What one step removes, and the pause before the next one: some 25,000 rows a second at most. */
export const PURGE_ROWS_PER_STEP = 512;
export const PURGE_STEP_MS = 20;

/** An invocation has its record and its expiry row, or more. */
const EXPIRIES_PER_STEP = PURGE_ROWS_PER_STEP / 2;
/** Rows whose names are not known are read with their values, which may be large. */
const READ_AT_ONCE = 16;
const READ_BYTES_PER_STEP = 16 * 1024 * 1024;

/** What a step may still do. */
interface Budget {
  rows: number;
  readBytes: number;
}

const fullBudget = (): Budget => ({ rows: PURGE_ROWS_PER_STEP, readBytes: READ_BYTES_PER_STEP });

/** When the next piece is to be removed; undefined when nothing ever expires. */
export function nextPurgeAtMs(tx: ReadTx, memory: Memory): number | undefined {
  const dueAtMs = nextExpiryAtMs(tx, memory);
  return dueAtMs === undefined ? undefined : Math.max(dueAtMs, memory.purgeNotBeforeMs);
}

export function removeExpired(step: Step): void {
  const { memory, nowMs, tx } = step;
  const dueAtMs = nextPurgeAtMs(tx, memory);
  if (dueAtMs === undefined || dueAtMs > nowMs) return;
  memory.purgeNotBeforeMs = nowMs + PURGE_STEP_MS;
  const budget = fullBudget();
  const due = { from: EXPIRIES, to: expiriesAfter(nowMs), limit: EXPIRIES_PER_STEP };
  for (const [key] of tx.range(due)) {
    if (spent(budget)) break;
    onExpired(step, parseExpiryKey(key), budget);
  }
  memory.nextExpiryAtMs = "unknown";
}

/** Before its time: to the outside it is gone at once, its rows follow. */
export function purgeNow(step: Step, invocation: Invocation): void {
  assert(invocation.status === "completed", `a ${invocation.status} invocation cannot be purged`);
  expireNow(step, invocation);
  invocation.purging = true;
  changed(step, invocation);
}

/** Whether what is left of a purging invocation went with one step's budget, as its name is wanted. */
export function purgeInOneGo(step: Step, invocation: Invocation): boolean {
  return removeAll(step, invocation, purgeOf(invocation), fullBudget());
}

function onExpired(step: Step, expiry: Expiry, budget: Budget): void {
  const invocation = load(step, expiry.sequence);
  if (invocation === undefined && isQuarantined(step, expiry.sequence)) {
    // Which rows are its own says its record: they stay.
    removeRow(step, expiryKey(expiry), budget);
    return;
  }
  assert(
    invocation?.status === "completed",
    `what expires has ended: ${invocation?.status ?? "it is not there"}`,
  );
  if (expiry.kind === "purge") {
    if (removeAll(step, invocation, expiry, budget) || invocation.purging) return;
    invocation.purging = true;
    changed(step, invocation);
  } else if (removeJournal(step, invocation, budget)) {
    removeRow(step, expiryKey(expiry), budget);
    setExpiry(step, purgeOf(invocation));
  }
}

function removeAll(step: Step, invocation: Invocation, expiry: Expiry, budget: Budget): boolean {
  const { sequence } = invocation;
  if (!removeJournal(step, invocation, budget)) return false;
  if (isWorkflowRun(invocation) && !removeWorkflow(step, invocation, budget)) return false;
  removeName(step, invocation);
  if (invocation.inRecord?.input == null) removeRow(step, inputKey(sequence), budget);
  if (invocation.inRecord?.outcome == null) removeRow(step, outcomeKey(sequence), budget);
  removeRow(step, invocationKey(sequence), budget);
  forget(step, invocation);
  removeRow(step, expiryKey(expiry), budget);
  return true;
}

function removeRow({ tx }: Step, key: RowKey, budget: Budget): void {
  tx.remove(key);
  budget.rows--;
}

/** From its first entry to its last; the keys are known, so that no entry is read but one. */
function removeJournal(step: Step, invocation: Invocation, budget: Budget): boolean {
  const { sequence, inRecord } = invocation;
  const entries = invocation.commands + invocation.deliveries;
  let index = entries === 0 ? 0 : firstRow(step, invocation, entries);
  if (inRecord?.journal != null) {
    invocation.inRecord = { ...inRecord, journal: null };
    changed(step, invocation);
  }
  for (; index < entries && budget.rows > 0; index++, budget.rows--) {
    step.tx.remove(journalKey(sequence, index));
  }
  return index === entries;
}

/** Index of the first entry that still has a row; `entries` when none has. */
function firstRow({ tx }: Step, invocation: Invocation, entries: number): number {
  if (invocation.inRecord?.journal != null) return entriesInRecord(invocation);
  const untouched = !invocation.purging && invocation.journalExpiresAtMs === null;
  if (untouched) return 0;
  const prefix = journalPrefix(invocation.sequence);
  const [first] = tx.range({ from: prefix, to: prefixEnd(prefix), limit: 1 });
  return first === undefined ? entries : readU32(first[0], prefix.length);
}

function removeWorkflow(step: Step, { target }: Invocation, budget: Budget): boolean {
  const key = target.key ?? "";
  step.memory.keys.forgetState(target.service, key);
  if (!removeRows(step, statePrefix(target.service, key), budget)) return false;
  if (!removeRows(step, promisePrefix(target.service, key), budget)) return false;
  step.tx.remove(stateBytesKey(target.service, key));
  return true;
}

function removeRows({ tx }: Step, prefix: string, budget: Budget): boolean {
  const to = prefixEnd(prefix);
  while (!spent(budget)) {
    const rows = tx.range({ from: prefix, to, limit: READ_AT_ONCE });
    for (const [key, value] of rows) {
      tx.remove(key);
      budget.rows--;
      budget.readBytes -= value.length;
    }
    if (rows.length < READ_AT_ONCE) return true;
  }
  return false;
}

function spent({ rows, readBytes }: Budget): boolean {
  return rows <= 0 || readBytes <= 0;
}

function removeName({ tx }: Step, invocation: Invocation): void {
  const { target, sequence } = invocation;
  const name = isWorkflowRun(invocation)
    ? workflowKey(target.service, target.key ?? "")
    : invocation.idempotencyKey === null
      ? undefined
      : idempotencyKey(target, invocation.idempotencyKey);
  if (name === undefined) return;
  const row = tx.get(name);
  if (row === undefined) return;
  // A name that cannot be read is its own as long as nobody could have taken it.
  if (readOr(() => decodeNumber(row), invocation.purging ? null : sequence) === sequence) {
    tx.remove(name);
  }
}
