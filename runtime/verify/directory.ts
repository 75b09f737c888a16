/** `holdfast verify`: a data directory that no runtime has, checked from its rows up. Changes nothing. */
import { resolve } from "node:path";
import { findPartition } from "../store/data-directory.ts";
import { lockDirectory } from "../store/directory-lock.ts";
import { inspectStore, type StoreInspection } from "../store/inspect-store.ts";
import { printableKey } from "../store/row.ts";
import { DamagedRow, type RowKey } from "../core/tx.ts";
import { Rows, type Stored, type VerifySource } from "./rows.ts";
import { verifyRows } from "./verify.ts";

export interface DirectoryReport {
  readonly rows: number;
  readonly invocations: number;
  /** Number of the last batch that the store holds. */
  readonly batchNumber: number;
  /** What does not hold. */
  readonly problems: number;
}

/** One thing that does not hold. */
export interface Problem {
  /** The row, readable: \xNN for what is no printable character. */
  readonly row: string;
  readonly problem: string;
}

/**
 * Checks a data directory, telling problems as they are found.
 *
 * @throws DirectoryInUseError when a runtime has it: it is checked while none does
 * @throws UnknownFormatError when it is none, or another version's
 */
export async function verifyDirectory(
  dataDir: string,
  onProblem: (problem: Problem) => void,
): Promise<DirectoryReport> {
  const directory = resolve(dataDir);
  const path = findPartition(directory, 0);
  const lock = await lockDirectory(directory);
  try {
    const store = await inspectStore(path);
    try {
      return verifyStore(store, onProblem);
    } finally {
      await store.close();
    }
  } finally {
    await lock.release();
  }
}

function verifyStore(
  store: StoreInspection,
  onProblem: (problem: Problem) => void,
): DirectoryReport {
  let problems = 0;
  const tell = (row: RowKey, problem: string): void => {
    problems++;
    onProblem({ row: printableKey(row), problem });
  };
  const rows = new Rows(sourceOf(store));
  const verified = verifyRows(rows, ({ row, problem }) => tell(row, problem));
  const loose = store.loosePieces();
  if (loose > 0) tell("", `${loose} pieces of large values that no row speaks of`);
  return { ...verified, batchNumber: store.batchNumber, problems };
}

const BATCH = 1_000;
const LAST_KEY = "\xff".repeat(8);

/** The keys of a prefix end where the next prefix begins; one of a single byte is below 0xff. */
function endOf(prefix: string): RowKey {
  if (prefix === "") return LAST_KEY;
  return prefix + LAST_KEY;
}

function sourceOf(store: StoreInspection): VerifySource {
  return {
    look: (key) => {
      const value = store.get(key);
      return value && storedOf(value);
    },
    *scan(prefix): Generator<readonly [RowKey, Stored]> {
      const to = endOf(prefix);
      let from = prefix;
      for (;;) {
        const rows = store.range({ from, to, limit: BATCH });
        for (const [key, value] of rows) yield [key, storedOf(value)];
        const last = rows.at(-1);
        if (rows.length < BATCH || last === undefined) return;
        from = `${last[0]}\0`;
      }
    },
  };
}

function storedOf(value: Uint8Array): Stored {
  return value instanceof DamagedRow ? { damage: value.problem } : { value };
}
