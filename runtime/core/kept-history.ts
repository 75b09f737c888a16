/**
 * What an attempt keeps of the history of its invocation, so that sealing that reads no row and decodes
 * none: mostly the end comes soon after the beginning, and to read and take apart what was put together a
 * moment ago cost a tenth of an invocation (docs/performance.md).
 *
 * 1. The entries are all of its journal, or nothing is kept of it: an attempt that began on a journal, or
 *    whose journal has grown beyond what is sealed, keeps none.
 * 2. Nothing rests on it: without it the rows are read.
 */
import type { Sequence } from "./keys.ts";
import type { InputRow } from "./rows.ts";

/** One entry of a journal as its row has it, and the two fields at the end of that. */
export interface KeptEntry {
  readonly row: Uint8Array;
  readonly atMs: number;
  /** Undefined of a delivery. */
  readonly child: Sequence | null | undefined;
}

/** Beyond these a journal is not sealed: see seal.ts. */
export const KEPT_ENTRIES_MAX = 64;
export const KEPT_BYTES_MAX = 3_200;

export class KeptHistory {
  readonly input: InputRow | undefined;
  #entries: KeptEntry[] | undefined;
  #bytes = 0;

  /** `entries`: how many its journal has as the attempt begins. */
  constructor(input: InputRow | undefined, entries: number) {
    this.input = input && input.parameter.length <= KEPT_BYTES_MAX ? input : undefined;
    this.#entries = entries === 0 ? [] : undefined;
  }

  /** All of them; undefined when that is not known. */
  get entries(): readonly KeptEntry[] | undefined {
    return this.#entries;
  }

  add(entry: KeptEntry): void {
    if (this.#entries === undefined) return;
    this.#bytes += entry.row.length;
    this.#entries.push(entry);
    if (this.#bytes > KEPT_BYTES_MAX || this.#entries.length > KEPT_ENTRIES_MAX) this.giveUp();
  }

  /** An entry was appended that is not kept: a large value (large-values.ts). */
  giveUp(): void {
    this.#entries = undefined;
  }
}
