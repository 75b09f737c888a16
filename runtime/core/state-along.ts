/**
 * State that is too large to travel with a start is fetched value by value. So that reading it all is
 * no round trip for each, an answer brings along what follows in the order of names: code that reads
 * one value mostly reads its neighbours next.
 *
 * 1. Only to an exclusive attempt: nobody else changes the state of its key meanwhile, and what it has
 *    changed itself it knows better (the worker passes over those names). The reads of a shared one are
 *    answered one by one, durably.
 * 2. It is an answer like any other: while a closure may be reaching outside it leaves when durable,
 *    and before the answer that it belongs to.
 * 3. Bounded: more with each read, since who reads one value may read no other; in all what a worker
 *    can hold for each of its attempts. Large values are not worth it: the first that does not fit ends it.
 */
import { parseName, prefixEnd, stateKey, statePrefix } from "./keys.ts";
import { tell, type Attempt, type StateAlong, type Step } from "./step.ts";
import { DamagedRow } from "./tx.ts";

const FIRST_BYTES = 64 * 1024;
const MESSAGE_BYTES = 256 * 1024;
/** Of one attempt. */
const BYTES_MAX = 2 * 1024 * 1024;
const ROWS_MAX = 256;
/** Beside name and value. */
const ENTRY_BYTES = 8;

/** For an attempt whose start did not bring all of the state. */
export function noneAlong(): StateAlong {
  return { messages: 0, bytes: 0 };
}

/** Sends what follows `name` in the state of the attempt's key. */
export function sendStateAlong(step: Step, attempt: Attempt, name: string): void {
  const { along, handle } = attempt;
  const { service, key } = attempt.invocation.target;
  if (along === null || key === null) return;
  const bytesMax = Math.min(FIRST_BYTES * 2 ** along.messages, MESSAGE_BYTES);
  const { entries, bytes, cutShort } = following(step, { service, key, name }, bytesMax);
  along.messages++;
  along.bytes += bytes;
  const full = along.bytes + MESSAGE_BYTES > BYTES_MAX;
  if (full || (cutShort && entries.length === 0)) attempt.along = null;
  if (entries.length === 0) return;
  const when = attempt.runs.size > 0 ? "durable" : "now";
  tell(step, attempt, { kind: "state", attempt: handle, entries }, when);
}

interface Following {
  readonly entries: readonly (readonly [string, Uint8Array])[];
  readonly bytes: number;
  /** There was more than fits. */
  readonly cutShort: boolean;
}

function following(
  { tx }: Step,
  at: { readonly service: string; readonly key: string; readonly name: string },
  bytesMax: number,
): Following {
  const prefix = statePrefix(at.service, at.key);
  const to = prefixEnd(prefix);
  const entries: (readonly [string, Uint8Array])[] = [];
  let from = `${stateKey(at.service, at.key, at.name)}\0`;
  let bytes = 0;
  // One at first: how many the rest may be shows from their size, and none is read for nothing.
  for (
    let limit = 1;
    ;
    limit = Math.min(roomFor(bytesMax - bytes, bytes / entries.length), ROWS_MAX)
  ) {
    const rows = tx.range({ from, to, limit });
    for (const [rowKey, value] of rows) {
      const rowBytes = rowKey.length - prefix.length + value.length + ENTRY_BYTES;
      // Damage is for the read that asks for it.
      if (bytes + rowBytes > bytesMax || value instanceof DamagedRow) {
        return { entries, bytes, cutShort: true };
      }
      bytes += rowBytes;
      entries.push([parseName(rowKey, prefix.length), value]);
      from = `${rowKey}\0`;
    }
    if (rows.length < limit) return { entries, bytes, cutShort: false };
  }
}

/** How many more rows of this size there is room for; at least one, to see that there is none. */
function roomFor(bytes: number, rowBytes: number): number {
  return 1 + Math.floor(bytes / rowBytes);
}
