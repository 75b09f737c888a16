/**
 * Damaged rows as reads for people meet them: what can be shown without one is shown, and each is
 * named beside it. Nothing looks for them: `holdfast verify` does.
 */
import { DamagedRowError, DamagedRow, type ReadTx, type Row, type RowKey } from "../core/tx.ts";
import { quarantined } from "../core/damage.ts";
import { INVOCATIONS, readU48 } from "../core/keys.ts";

/** The record of what was asked for by its id cannot be read. */
export class QuarantinedError extends DamagedRowError {}

/** What is wrong, as a sentence; undefined of a row that is whole. */
export function problemOf(key: RowKey, row: Uint8Array): string | undefined {
  if (!(row instanceof DamagedRow)) return undefined;
  return key.startsWith(INVOCATIONS) ? quarantined(readU48(key, 1), row.problem) : row.problem;
}

/** The same rows, and the problems of those that were read and are damaged. */
export function noting(tx: ReadTx): { readonly tx: ReadTx; readonly problems: () => string[] } {
  const found = new Set<string>();
  const note = (key: RowKey, row: Uint8Array): void => {
    const problem = problemOf(key, row);
    if (problem !== undefined) found.add(problem);
  };
  const noted: ReadTx = {
    get(key) {
      const row = tx.get(key);
      if (row !== undefined) note(key, row);
      return row;
    },
    range(range): Row[] {
      const rows = tx.range(range);
      for (const [key, row] of rows) note(key, row);
      return rows;
    },
  };
  return { tx: noted, problems: () => [...found] };
}
