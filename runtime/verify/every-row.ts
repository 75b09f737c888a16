/** Every row alone: its kind is known, it can be read, its value is what its kind holds. */
import { decodePause } from "../core/pause-rows.ts";
import {
  decodeDeployment,
  decodeInput,
  decodeInvocation,
  decodeJournalEntry,
  decodeLock,
  decodeNumber,
  decodeOutcome,
  decodePending,
  decodeResult,
  decodeRun,
  decodeService,
} from "../core/rows.ts";
import type { Invocation } from "../core/invocation.ts";
import { unpackInput, unpackJournal, unpackOutcome } from "../core/sealed-history.ts";
import { entriesIn } from "../core/joined-rows.ts";
import { parseExpiryKey, parseTimerKey, readU48 } from "../core/keys.ts";
import type { RowKey } from "../core/tx.ts";
import type { Report } from "./findings.ts";
import type { Rows } from "./rows.ts";

type Check = (value: Uint8Array, key: RowKey) => unknown;

const isEmpty: Check = (value) => {
  if (value.length > 0) throw new Error(`it holds ${value.length} bytes where none belong`);
};
const anything: Check = () => undefined;

/** With the parts of its history that stand in it. */
function checkRecord(it: Invocation): void {
  const { inRecord } = it;
  if (inRecord?.input != null) unpackInput(inRecord.input, it.target);
  if (inRecord?.outcome != null) unpackOutcome(inRecord.outcome);
  if (inRecord?.journal != null) unpackJournal(inRecord.journal, it).forEach(decodeJournalEntry);
}

/** By the letter that a key begins with; keys.ts says what each holds. */
const KINDS: Readonly<Record<string, Check>> = {
  I: (value, key) => checkRecord(decodeInvocation(readU48(key, 1), value)),
  i: decodeInput,
  o: decodeOutcome,
  j: (value) => entriesIn(value).forEach(decodeJournalEntry),
  p: decodePending,
  r: decodeRun,
  w: decodeNumber,
  k: decodeLock,
  q: decodeNumber,
  s: anything,
  b: decodeNumber,
  W: decodeNumber,
  P: decodeResult,
  Q: isEmpty,
  y: decodeNumber,
  t: (value, key) => {
    parseTimerKey(key);
    isEmpty(value, key);
  },
  e: (value, key) => {
    parseExpiryKey(key);
    isEmpty(value, key);
  },
  R: isEmpty,
  a: isEmpty,
  x: isEmpty,
  z: decodePause,
  Z: decodePause,
  d: decodeDeployment,
  v: decodeService,
  c: decodeNumber,
  C: decodeNumber,
  n: decodeNumber,
  h: decodeNumber,
};

/** Gives how many there are. */
export function checkEveryRow(rows: Rows, report: Report): number {
  let count = 0;
  for (const [key, stored] of rows.everything()) {
    count++;
    const problem = "damage" in stored ? stored.damage : problemOf(key, stored.value);
    if (problem !== undefined) report({ row: key, problem });
  }
  return count;
}

function problemOf(key: RowKey, value: Uint8Array): string | undefined {
  const check = KINDS[key.charAt(0)];
  if (check === undefined) return "a row of a kind that this version does not know";
  try {
    check(value, key);
    return undefined;
  } catch (error) {
    return `a row that cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}
