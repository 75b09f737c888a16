/**
 * What an attempt keeps of the history of its invocation, so that sealing that reads no row and decodes
 * none: mostly the end comes soon after the beginning, and to read and take apart what was put together, or
 * read for a replay, a moment ago cost a tenth of an invocation (docs/performance.md).
 *
 * 1. The entries are all of its journal, in their order, or nothing is kept of it: an attempt whose journal
 *    has grown beyond what is sealed keeps none.
 * 2. Nothing rests on it: without it the rows are read.
 * 3. What is kept is small, and so is the memory that it is a view of.
 */
import type { Sequence } from "./keys.ts";
import type { InputRow } from "./rows.ts";

/** One entry of a journal as its row has it, and the two fields at the end of that. */
export interface KeptEntry {
  readonly row: Uint8Array;
  readonly atMs: number;
  /** Undefined of a delivery. */
  readonly child: Sequence | null | undefined;
  /** It shares the row of the one before it: see joined-rows.ts. */
  readonly joined: boolean;
}

/** The result of a run, at its place in the journal: what comes next may share its row. */
interface KeptResult {
  readonly index: number;
  readonly row: Uint8Array;
}

/** Beyond these a journal is not sealed: see seal.ts. */
export const KEPT_ENTRIES_MAX = 64;
export const KEPT_BYTES_MAX = 3_200;
/** What was read may be a view of a whole batch, which must not live as long as an attempt. */
const VIEW_BYTES_MAX = 8 * 1024;
/**
 * What an attempt appends within this time lies side by side. Later each entry would be all that is left alive
 * of a piece of memory (small-bytes.ts), at forty times its size.
 */
const TOGETHER_MS = 100;

export class KeptHistory {
  readonly input: InputRow | undefined;
  /** The last one that was recorded. */
  result: KeptResult | undefined;
  #entries: KeptEntry[] | undefined = [];
  #bytes = 0;
  /** When the attempt appended its first entry. */
  #sinceMs: number | undefined;

  constructor(input: InputRow | undefined) {
    this.input = input && keptInput(input);
  }

  /** All of them; undefined when that is not known. */
  get entries(): readonly KeptEntry[] | undefined {
    return this.#entries;
  }

  /** The attempt has appended it. */
  add(entry: KeptEntry): void {
    if (this.#entries === undefined) return;
    const { row, atMs, child, joined } = entry;
    this.#sinceMs ??= atMs;
    const alone = atMs - this.#sinceMs > TOGETHER_MS;
    this.#keep(alone ? { row: new Uint8Array(row), atMs, child, joined } : entry);
  }

  /** The next entry of the journal on which the attempt begins. */
  addRead(row: Uint8Array, { atMs, child }: Pick<KeptEntry, "atMs" | "child">): void {
    if (this.#entries === undefined) return;
    // Whether it shares a row is not known: to remove a row that is not there changes nothing.
    this.#keep({ row: ownMemory(row), atMs, child, joined: false });
  }

  #keep(entry: KeptEntry): void {
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

function keptInput({ parameter, headers }: InputRow): InputRow | undefined {
  if (parameter.length > KEPT_BYTES_MAX) return undefined;
  return { parameter: ownMemory(parameter), headers };
}

/** Of small bytes that are kept for longer than what they may be a view of. */
export function ownMemory(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength <= VIEW_BYTES_MAX ? bytes : new Uint8Array(bytes);
}
