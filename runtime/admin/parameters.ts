/** Parameters of the admin API's reads, checked: a misspelt one is refused, not ignored. */
import type { Status } from "../core/invocation.ts";
import { HttpProblem } from "../http/answer.ts";
import type { InvocationFilter, JournalRequest, PageRequest } from "./views.ts";

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1_000;
const BULK_DEFAULT = 1_000;
const BULK_MAX = 10_000;
const JOURNAL_DEFAULT = 100;
const JOURNAL_MAX = 10_000;

const GRAPH_DEFAULT = 200;
const GRAPH_MAX = 1_000;

/** As a table, so that the compiler asks for a status that is new. */
const STATUSES: Readonly<Record<Status, true>> = {
  scheduled: true,
  inboxed: true,
  ready: true,
  running: true,
  suspended: true,
  "backing-off": true,
  paused: true,
  completed: true,
};

const FILTERS = ["service", "handler", "key", "status"];

/**
 * `?service=&handler=&key=&deployment=&status=&limit=&cursor=`; `status` may be repeated or hold a
 * list.
 */
export function listRequestOf(query: URLSearchParams): {
  readonly filter: InvocationFilter;
  readonly page: PageRequest;
} {
  refuseUnknown(query, [...FILTERS, "deployment", "limit", "cursor"]);
  const limit = numberOf(query, "limit", { least: 1, most: PAGE_MAX, otherwise: PAGE_DEFAULT });
  const deployment = query.get("deployment");
  const filter = { ...filterOf(query), ...(deployment === null ? {} : { deployment }) };
  return { filter, page: { limit, after: afterOf(query) } };
}

/**
 * The same, of invocations that something is to be done to; `more` names what that takes besides.
 * Not by deployment: there that is the one to go on with.
 */
export function bulkRequestOf(
  query: URLSearchParams,
  more: readonly string[],
): { readonly filter: InvocationFilter; readonly limit: number; readonly after: number | null } {
  refuseUnknown(query, [...FILTERS, "limit", "cursor", ...more]);
  if (!FILTERS.some((it) => query.has(it))) {
    throw bad(`say which invocations are meant, by one or more of ${FILTERS.join(", ")}`);
  }
  const limit = numberOf(query, "limit", { least: 1, most: BULK_MAX, otherwise: BULK_DEFAULT });
  return { filter: filterOf(query), limit, after: afterOf(query) };
}

function filterOf(query: URLSearchParams): InvocationFilter {
  const service = query.get("service");
  const handler = query.get("handler");
  const key = query.get("key");
  return {
    ...(service === null ? {} : { service }),
    ...(handler === null ? {} : { handler }),
    ...(key === null ? {} : { key }),
    statuses: query
      .getAll("status")
      .flatMap((it) => it.split(","))
      .map(statusOf),
  };
}

function afterOf(query: URLSearchParams): number | null {
  const cursor = query.get("cursor");
  return cursor === null ? null : cursorOf(cursor);
}

/** `?journalFrom=&journalLimit=`; without the first, the last entries. */
export function journalRequestOf(query: URLSearchParams): JournalRequest {
  refuseUnknown(query, ["journalFrom", "journalLimit"]);
  const most = Number.MAX_SAFE_INTEGER;
  return {
    from: query.has("journalFrom")
      ? numberOf(query, "journalFrom", { least: 0, most, otherwise: 0 })
      : null,
    limit: numberOf(query, "journalLimit", {
      least: 0,
      most: JOURNAL_MAX,
      otherwise: JOURNAL_DEFAULT,
    }),
  };
}

/** `?limit=` of the graph of waits. */
export function nodesMaxOf(query: URLSearchParams): number {
  refuseUnknown(query, ["limit"]);
  return numberOf(query, "limit", { least: 1, most: GRAPH_MAX, otherwise: GRAPH_DEFAULT });
}

export function refuseUnknown(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    if (known.includes(name)) continue;
    throw bad(`there is no parameter '${name.slice(0, 100)}'; there are ${known.join(", ")}`);
  }
}

function statusOf(text: string): Status {
  // A status is a key of the table, and nothing inherited is one.
  if (Object.hasOwn(STATUSES, text)) return text as Status;
  const names = Object.keys(STATUSES).join(", ");
  throw bad(`there is no status '${text.slice(0, 100)}'; there are ${names}`);
}

interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly otherwise: number;
}

function numberOf(
  query: URLSearchParams,
  name: string,
  { least, most, otherwise }: Bounds,
): number {
  const text = query.get(name);
  if (text === null) return otherwise;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw bad(`'${name}' is a whole number from ${least} to ${most}`);
}

/** The place of the last invocation that was looked at: 48 bits. */
function cursorOf(text: string): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value < 2 ** 48 - 1) return value;
  throw bad("'cursor' is what the page before gave as nextCursor");
}

function bad(message: string): HttpProblem {
  return new HttpProblem(400, `bad parameter: ${message}`);
}
