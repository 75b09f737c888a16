/**
 * Lists of invocations, in the order of acceptance.
 *
 * 1. A page looks at many rows when few of them match. It does so in slices of some milliseconds and
 *    lets the loop go on between them: what changes meanwhile is seen as it is when its slice is read.
 * 2. Those that run are found by the rows of their attempts, however many others there are.
 */
import { readRecord } from "../core/catch-up.ts";
import { quarantined as quarantineText, tryRead } from "../core/damage.ts";
import type { Invocation } from "../core/invocation.ts";
import { ACTIVE, activeKey, INVOCATIONS, invocationKey, prefixEnd, readU48 } from "../core/keys.ts";
import { DamagedRowError, type ReadTx, type Row } from "../core/tx.ts";
import { summarize } from "./summary.ts";
import type {
  InvocationFilter,
  InvocationPage,
  InvocationSummary,
  PageRequest,
  QuarantinedView,
} from "./views.ts";

const BATCH = 128;
/** Traffic waits for a slice at most. */
const SLICE_MS = 4;
/** Rows that one page looks at, so that an answer comes in any case. */
const SCAN_MAX = 25_000;

export async function listInvocations(
  tx: ReadTx,
  filter: InvocationFilter,
  page: PageRequest,
): Promise<InvocationPage> {
  const found: InvocationSummary[] = [];
  const quarantined: QuarantinedView[] = [];
  const readBatch = readerFor(filter);
  let after = page.after;
  let sliceEndsMs = performance.now() + SLICE_MS;
  for (let scanned = 0; scanned < SCAN_MAX; scanned += BATCH) {
    if (performance.now() > sliceEndsMs) {
      await new Promise((resolve) => setImmediate(resolve));
      sliceEndsMs = performance.now() + SLICE_MS;
    }
    const batch = readBatch(tx, after);
    for (const invocation of batch.invocations) {
      if ("problem" in invocation) {
        quarantined.push(invocation);
        continue;
      }
      const summary = matching(tx, invocation, filter);
      if (summary === undefined) continue;
      found.push(summary);
      if (found.length === page.limit) {
        return { invocations: found, quarantined, next: invocation.sequence };
      }
    }
    after = batch.next;
    if (after === null) break;
  }
  return { invocations: found, quarantined, next: after };
}

interface Batch {
  readonly invocations: readonly (Invocation | QuarantinedView)[];
  /** The last that was looked at; null when there are no more. */
  readonly next: number | null;
}

type BatchReader = (tx: ReadTx, after: number | null) => Batch;

function readerFor({ statuses }: InvocationFilter): BatchReader {
  return statuses.length > 0 && statuses.every((it) => it === "running") ? readRunning : readAll;
}

const readAll: BatchReader = (tx, after) => {
  const from = after === null ? INVOCATIONS : invocationKey(after + 1);
  const rows = tx.range({ from, to: prefixEnd(INVOCATIONS), limit: BATCH });
  const invocations = rows.map(([key, row]) => readable(tx, key, row));
  return { invocations, next: lastOf(rows) };
};

const readRunning: BatchReader = (tx, after) => {
  const from = after === null ? ACTIVE : activeKey(after + 1);
  const rows = tx.range({ from, to: prefixEnd(ACTIVE), limit: BATCH });
  const invocations = rows.flatMap(([key]) => {
    const record = invocationKey(sequenceOf(key));
    const row = tx.get(record);
    return row === undefined ? [] : readable(tx, record, row);
  });
  return { invocations, next: lastOf(rows) };
};

function readable(tx: ReadTx, key: string, row: Uint8Array): Invocation | QuarantinedView {
  const sequence = sequenceOf(key);
  const record = tryRead(() => readRecord(tx, sequence, row));
  if (!(record instanceof DamagedRowError)) return record;
  return { sequence, problem: quarantineText(sequence, record.message) };
}

/** Both kinds of keys are a letter and a sequence number. */
function sequenceOf(key: string): number {
  return readU48(key, 1);
}

function lastOf(rows: readonly Row[]): number | null {
  const last = rows.length < BATCH ? undefined : rows.at(-1);
  return last === undefined ? null : sequenceOf(last[0]);
}

function matching(
  tx: ReadTx,
  invocation: Invocation,
  filter: InvocationFilter,
): InvocationSummary | undefined {
  const { target, deployment } = invocation;
  const wanted =
    !invocation.purging &&
    (filter.service === undefined || filter.service === target.service) &&
    (filter.handler === undefined || filter.handler === target.handler) &&
    (filter.key === undefined || filter.key === target.key) &&
    (filter.deployment === undefined || filter.deployment === deployment) &&
    mayHaveStatus(invocation, filter.statuses);
  if (!wanted) return undefined;
  const summary = summarize(tx, invocation);
  const { statuses } = filter;
  return statuses.length === 0 || statuses.includes(summary.status) ? summary : undefined;
}

/** One with runs may be shown as backing off: that is known only when the runs are read. */
function mayHaveStatus({ status, runs }: Invocation, statuses: readonly string[]): boolean {
  return runs > 0 || statuses.length === 0 || statuses.includes(status);
}
