/**
 * Lists of invocations, in the order of acceptance.
 *
 * A page looks at many rows when few of them match. It does so in slices, and lets the loop go on
 * between them: what changes meanwhile is seen as it is when its slice is read.
 */
import type { Invocation } from "../core/invocation.ts";
import { INVOCATIONS, invocationKey, prefixEnd, readU48 } from "../core/keys.ts";
import { decodeInvocation } from "../core/rows.ts";
import type { ReadTx } from "../core/tx.ts";
import { summarize } from "./summary.ts";
import type { InvocationFilter, InvocationPage, InvocationSummary, PageRequest } from "./views.ts";

/** Rows of one slice: some milliseconds. */
const SLICE = 250;
/** Rows that one page looks at, so that an answer comes in any case. */
const SCAN_MAX = 20_000;

export async function listInvocations(
  tx: ReadTx,
  filter: InvocationFilter,
  page: PageRequest,
): Promise<InvocationPage> {
  const found: InvocationSummary[] = [];
  let after = page.after;
  for (let scanned = 0; scanned < SCAN_MAX; scanned += SLICE) {
    if (scanned > 0) await new Promise((resolve) => setImmediate(resolve));
    const slice = scanSlice(tx, filter, { after, limit: page.limit - found.length });
    found.push(...slice.invocations);
    after = slice.next;
    if (after === null || found.length === page.limit) break;
  }
  return { invocations: found, next: after };
}

function scanSlice(tx: ReadTx, filter: InvocationFilter, page: PageRequest): InvocationPage {
  const found: InvocationSummary[] = [];
  const from = page.after === null ? INVOCATIONS : invocationKey(page.after + 1);
  const rows = tx.range({ from, to: prefixEnd(INVOCATIONS), limit: SLICE });
  let after = page.after;
  for (const [key, value] of rows) {
    after = readU48(key, INVOCATIONS.length);
    const invocation = decodeInvocation(after, value);
    if (!matches(invocation, filter)) continue;
    const summary = summarize(tx, invocation);
    if (filter.statuses.length > 0 && !filter.statuses.includes(summary.status)) continue;
    found.push(summary);
    if (found.length === page.limit) return { invocations: found, next: after };
  }
  return { invocations: found, next: rows.length < SLICE ? null : after };
}

function matches({ target, deployment }: Invocation, filter: InvocationFilter): boolean {
  return (
    (filter.service === undefined || filter.service === target.service) &&
    (filter.handler === undefined || filter.handler === target.handler) &&
    (filter.key === undefined || filter.key === target.key) &&
    (filter.deployment === undefined || filter.deployment === deployment)
  );
}
