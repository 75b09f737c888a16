/**
 * What the state machine reads and writes through. Keys are binary strings (one character per byte,
 * so that string order is byte order); values are bytes that `rows.ts` encodes.
 */
export type RowKey = string;

export interface Range {
  /** Inclusive. */
  readonly from: RowKey;
  /** Exclusive. */
  readonly to: RowKey;
  readonly limit: number;
}

export type Row = readonly [key: RowKey, value: Uint8Array];

export interface ReadTx {
  get(key: RowKey): Uint8Array | undefined;
  /** Rows in key order. Bounded: never an iterator that stays open. */
  range(range: Range): Row[];
}

/**
 * A stored row that is there and is not what was written. A store hands it out in the place of the
 * value, so that whoever only looks at keys is not held up by it; `DamagedRowError` is what a decoder
 * makes of it. It is never written back.
 */
export class DamagedRow extends Uint8Array {
  // What is cut from it is plain bytes, of which there are none.
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Uint8Array;
  }
  /** "the row ... is damaged: its checksum ..." */
  readonly problem: string;

  constructor(problem: string) {
    super(0);
    this.problem = problem;
  }
}

/** Somebody needed what a damaged row says. */
export class DamagedRowError extends Error {
  override readonly name = "DamagedRowError";
}

/**
 * A row whose value is made late: when it is read, or when its batch is closed. What changes several
 * times within a batch is encoded once.
 */
export interface LateRow {
  readonly key: RowKey;
  /** The value as it is now; undefined when there is no such row. */
  encode(): Uint8Array | undefined;
}

export interface Tx extends ReadTx {
  put(key: RowKey, value: Uint8Array): void;
  /** A put, or a removal, of whatever the row is when its value is made. */
  putLate(row: LateRow): void;
  /** A put of a key that is known not to exist: removed again in the same batch, it leaves no trace. */
  insert(key: RowKey, value: Uint8Array): void;
  /**
   * Another value for a row that was inserted and can be changed: its batch is open. False, and nothing is
   * done, when it is not.
   */
  replaceInserted(key: RowKey, value: Uint8Array): boolean;
  remove(key: RowKey): void;
}
