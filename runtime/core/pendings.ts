import type { CompletionId } from "../../protocol/command.ts";
import type { Invocation } from "./invocation.ts";
import { pendingPrefix, prefixEnd, readU32 } from "./keys.ts";
import { readOr } from "./damage.ts";
import { decodePending, type Pending } from "./rows.ts";
import type { ReadTx } from "./tx.ts";

/**
 * One as it is found. Of a damaged row its key says which completion it is, and that is enough to
 * complete it; what would complete it is not known.
 */
export type FoundPending = Pending | { readonly kind: "damaged" };

export function readPending(row: Uint8Array): FoundPending {
  return readOr(() => decodePending(row), { kind: "damaged" });
}

const BATCH_MIN = 8;
const BATCH_MAX = 512;

/**
 * What of an invocation is outstanding, in the order of completion ids, read in pieces that grow: who
 * stops early has read little. Rows may be removed meanwhile.
 */
export function* pendingsOf(
  tx: ReadTx,
  { sequence, pending }: Pick<Invocation, "sequence" | "pending">,
): Generator<readonly [CompletionId, FoundPending]> {
  if (pending === 0) return;
  const prefix = pendingPrefix(sequence);
  const to = prefixEnd(prefix);
  let from = prefix;
  for (let limit = BATCH_MIN; ; limit = Math.min(limit * 4, BATCH_MAX)) {
    const rows = tx.range({ from, to, limit });
    for (const [key, row] of rows) {
      const completionId = readU32(key, prefix.length);
      yield [completionId, readPending(row)];
      from = `${key}\0`;
    }
    if (rows.length < limit) return;
  }
}
