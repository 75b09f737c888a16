/** A store that nobody has open, as its next runtime would find it. Nothing in there is changed. */
import type { ReadTx } from "../core/tx.ts";
import { readLogs } from "./commit-log.ts";
import { HeldRows } from "./held-rows.ts";
import { inspectLmdbRows } from "./lmdb.ts";
import { followLogs } from "./log-file.ts";

export interface StoreInspection extends ReadTx {
  /** Number of the last batch that is durable. */
  readonly batchNumber: number;
  /** How many batches only the commit log has. */
  readonly batchesInLog: number;
  /** Pieces of large values that no row speaks of. */
  loosePieces(): number;
  close(): Promise<void>;
}

/**
 * @throws DamagedLogError when the commit log lacks something that was durable
 * @throws when there is no store, or none that LMDB can open
 */
export async function inspectStore(path: string): Promise<StoreInspection> {
  const rows = inspectLmdbRows(path);
  try {
    const { batches, position } = followLogs(readLogs(path), rows.position);
    const whole = new HeldRows(rows);
    for (const { writes } of batches) whole.hold(writes);
    return {
      batchNumber: position.number,
      batchesInLog: batches.length,
      get: (key) => whole.get(key),
      range: (range) => whole.range(range),
      loosePieces: () => rows.loosePieces(),
      close: () => rows.close(),
    };
  } catch (error) {
    await rows.close();
    throw error;
  }
}
