/** What tests of one invocation's rows look at: its record, the kinds of its rows, its description. */
import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import { describeInvocation } from "../../runtime/admin/describe.ts";
import type { LiveFacts } from "../../runtime/admin/facts.ts";
import type { InvocationDescription } from "../../runtime/admin/views.ts";
import type { Invocation } from "../../runtime/core/invocation.ts";
import { invocationKey } from "../../runtime/core/keys.ts";
import { decodeInvocation } from "../../runtime/core/rows.ts";
import type { CoreHarness } from "./core-harness.ts";

const LIVE: LiveFacts = { nowMs: () => 1_000_000, workersOf: () => 1, quarantined: () => 0 };

export const sequenceOf = (id: InvocationId): number => parseInvocationId(id)?.sequence ?? 0;

export function recordOf(h: CoreHarness, id: InvocationId): Invocation {
  const row = h.tx.get(invocationKey(sequenceOf(id)));
  if (row === undefined) throw new Error("it is there");
  return decodeInvocation(sequenceOf(id), row);
}

/** The letters of the rows that are its own, one for each row. */
export function rowsOf(h: CoreHarness, id: InvocationId): string {
  const place = invocationKey(sequenceOf(id)).slice(1);
  const rows = [...h.tx.rows.keys()].filter((key) => key.slice(1, 7) === place);
  return rows.map((key) => key.charAt(0)).join("");
}

export function view(h: CoreHarness, id: InvocationId): InvocationDescription | undefined {
  const parts = parseInvocationId(id);
  if (parts === undefined) throw new Error("an id");
  return describeInvocation(h.tx, LIVE, parts, { from: null, limit: 1_000 });
}
