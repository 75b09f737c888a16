/**
 * The table of fault by status: every fault is to meet invocations in every status. What cannot be
 * reached is named here, with the reason.
 */
import type { Status } from "../../runtime/core/invocation.ts";
import { FAULTS, type Fault } from "./faults.ts";

const STATUSES: readonly Status[] = [
  "scheduled",
  "inboxed",
  "ready",
  "running",
  "suspended",
  "backing-off",
  "paused",
  "completed",
];

const UNREACHABLE: readonly (readonly [fault: Fault, status: Status, why: string])[] = [
  [
    "purge",
    "inboxed",
    "only what is of no key is purged by hand: of the rest the end is looked at",
  ],
];

/** Cells that no seed has tried, and that could have been. */
export function emptyCells(cells: Readonly<Record<string, number>>): string[] {
  return FAULTS.flatMap((fault) => STATUSES.map((status) => [fault, status] as const))
    .filter(([fault, status]) => !UNREACHABLE.some(([f, s]) => f === fault && s === status))
    .map(([fault, status]) => `${fault} / ${status}`)
    .filter((cell) => (cells[cell] ?? 0) === 0);
}
