/** `holdfast invocations list`: follows the pages until it has what was asked for. */
import type {
  InvocationsBody,
  InvocationSummary,
  QuarantinedView,
} from "../runtime/admin/views.ts";
import { adminRequest, type AdminOptions } from "./admin.ts";
import { sendForJson } from "./http.ts";
import { formatAge, formatTable, formatTarget, printJson, type Output } from "./output.ts";

export interface ListOptions extends AdminOptions {
  readonly service?: string;
  readonly handler?: string;
  readonly key?: string;
  readonly deployment?: string;
  readonly status?: string[];
  readonly limit: number;
  readonly cursor?: string;
}

/** The most that the admin API gives in one answer. */
const PAGE_MAX = 1_000;

export async function list(options: ListOptions, output: Output): Promise<void> {
  const body = await collect(options);
  if (options.json) return printJson(output, body);
  output.out(formatList(body.invocations, Date.now()));
  for (const { problem } of body.quarantined ?? []) output.err(`${problem}\n`);
  if (body.nextCursor !== null) output.err(`more with --cursor ${body.nextCursor}\n`);
}

/** A page may be short, even empty, with more to come: a rare match is looked for in many. */
async function collect(options: ListOptions): Promise<InvocationsBody> {
  const invocations: InvocationSummary[] = [];
  const quarantined: QuarantinedView[] = [];
  let cursor = options.cursor ?? null;
  do {
    const limit = Math.min(options.limit - invocations.length, PAGE_MAX);
    const query = queryOf(options, limit, cursor);
    const answer = await sendForJson(adminRequest(options, "GET", `/invocations?${query}`));
    const body = answer as InvocationsBody; // the runtime's own type of this answer
    invocations.push(...body.invocations);
    quarantined.push(...(body.quarantined ?? []));
    cursor = body.nextCursor;
  } while (cursor !== null && invocations.length < options.limit);
  return {
    invocations,
    ...(quarantined.length === 0 ? {} : { quarantined }),
    nextCursor: cursor,
  };
}

function queryOf(options: ListOptions, limit: number, cursor: string | null): string {
  const query = new URLSearchParams();
  for (const name of ["service", "handler", "key", "deployment"] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  for (const status of options.status ?? []) query.append("status", status);
  if (cursor !== null) query.set("cursor", cursor);
  query.set("limit", String(limit));
  return query.toString();
}

function formatList(invocations: readonly InvocationSummary[], nowMs: number): string {
  if (invocations.length === 0) return "no invocations\n";
  const rows = invocations.map((each) => [
    each.id,
    formatTarget(each.target),
    each.status,
    formatAge(each.statusSince, nowMs),
    String(each.attempts),
    each.lastFailure === null || each.status === "completed" ? "" : each.lastFailure.message,
  ]);
  return formatTable([["ID", "TARGET", "STATUS", "FOR", "ATTEMPTS", "LAST FAILURE"], ...rows]);
}
