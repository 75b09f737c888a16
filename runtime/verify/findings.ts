import type { RowKey } from "../core/tx.ts";

/** Something that does not hold. */
export interface Finding {
  /** The row that it is about. */
  readonly row: RowKey;
  /** A sentence that names the invocation, if there is one. */
  readonly problem: string;
}

/** Takes what is found, one by one. */
export type Report = (finding: Finding) => void;

export function expectIn(report: Report, row: RowKey) {
  return (holds: boolean, problem: string): void => {
    if (!holds) report({ row, problem });
  };
}
