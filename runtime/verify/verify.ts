/**
 * Checks the rows of a store that nobody writes to: each can be read, and all that refer to each other
 * agree. A sound store has no finding, at whatever batch it was left.
 *
 * Memory: a few thousand records at a time, whatever the store holds.
 */
import { checkEveryRow } from "./every-row.ts";
import type { Finding } from "./findings.ts";
import { checkInvocations } from "./invocations.ts";
import { checkKeyed } from "./keyed.ts";
import { checkOwners } from "./owners.ts";
import { checkRegistry } from "./registry.ts";
import type { Rows } from "./rows.ts";

export interface Verified {
  readonly rows: number;
  readonly invocations: number;
}

/** Hands over what it finds as it finds it. */
export function verifyRows(rows: Rows, report: (finding: Finding) => void): Verified {
  const count = checkEveryRow(rows, report);
  const invocations = checkInvocations(rows, report);
  checkOwners(rows, report);
  checkKeyed(rows, report);
  checkRegistry(rows, report);
  return { rows: count, invocations };
}
