/** One invocation for a tired person: where it is, why it waits, what to do; then all the rest. */
import type {
  InvocationDescription,
  JournalEntryView,
  OutcomeView,
} from "../runtime/admin/views.ts";
import { formatAge, formatBytes, formatDuration, formatTable, formatTarget } from "./output.ts";
import { adviseOn, formatEntry, formatPeer, formatWait } from "./waits.ts";

/** Of each: a thousand waits are not read by anybody. */
const WAITS_SHOWN_MAX = 20;

export function formatDescription(invocation: InvocationDescription, nowMs: number): string {
  return [
    formatStatus(invocation, nowMs),
    section("Waits for", formatWaits(invocation, nowMs)),
    section("What to do", formatAdvice(invocation)),
    section("Damaged", (invocation.damaged ?? []).map(indented).join("")),
    section("Last failure", formatFailure(invocation)),
    section("Invocation", formatTable(facts(invocation, nowMs))),
    section("Where the time went", formatSpent(invocation)),
    section("Journal", formatJournal(invocation.journal, invocation.journalLength)),
  ].join("");
}

function formatStatus(invocation: InvocationDescription, nowMs: number): string {
  const { target, status, statusSince, pauseRequested, cancelRequested, id } = invocation;
  const asked = [
    cancelRequested && status !== "completed" ? "its cancellation is asked for" : [],
    pauseRequested ? "it pauses when its turn comes" : [],
  ].flat();
  const more = asked.length === 0 ? "" : ` (${asked.join("; ")})`;
  return `${formatTarget(target)} is ${status}, for ${formatAge(statusSince, nowMs)}${more}\n${id}\n`;
}

function formatWaits(
  { waitsFor, waitsForCut, status }: InvocationDescription,
  nowMs: number,
): string {
  if (status === "running" && waitsFor.length === 0) return "  nothing: its code is executing\n";
  const lines = waitsFor.slice(0, WAITS_SHOWN_MAX).map((wait) => formatWait(wait, nowMs));
  const more = waitsFor.length - lines.length;
  if (more > 0) lines.push(`${more} more; see --json`);
  return [...lines, ...waitsForCut.map((it) => `not shown: ${it}`)].map(indented).join("");
}

function formatAdvice({ waitsFor, id }: InvocationDescription): string {
  const advice = new Set(waitsFor.flatMap((wait) => adviseOn(wait, id) ?? []));
  return [...advice].slice(0, 5).map(indented).join("");
}

const SPENT_LABELS: readonly (readonly [keyof InvocationDescription["spentMs"], string])[] = [
  ["scheduled", "waiting for its start time"],
  ["inboxed", "waiting for the key"],
  ["ready", "waiting for a worker"],
  ["running", "running"],
  ["disk", "  of it waiting for the disk"],
  ["suspended", "suspended, waiting for what it asked for"],
  ["backing-off", "backing off"],
  ["runs-backing-off", "runs backing off, beside these"],
  ["paused", "paused"],
];

function formatSpent({ spentMs }: InvocationDescription): string {
  const rows = SPENT_LABELS.filter(([what]) => spentMs[what] > 0).map(([what, label]) => [
    "",
    label,
    formatDuration(spentMs[what]),
  ]);
  return rows.length === 0 ? "" : formatTable(rows);
}

function facts(invocation: InvocationDescription, nowMs: number): string[][] {
  const { createdAt, deployment, nextRetryAt, parent, outcome, expiresAt } = invocation;
  const rows = [
    ["Created", `${createdAt} (${formatAge(createdAt, nowMs)} ago)`],
    ["Deployment", deployment ?? "none yet"],
    ["Attempts", `${invocation.attempts}, of which failed in a row: ${invocation.failures}`],
  ];
  if (invocation.idempotencyKey !== null) rows.push(["Idempotency key", invocation.idempotencyKey]);
  if (nextRetryAt !== null) rows.push(["Next attempt", nextRetryAt]);
  if (parent !== null) rows.push(["Called by", formatPeer(parent)]);
  if (invocation.cancelRequested) rows.push(["Cancel", "requested"]);
  if (outcome !== null) rows.push(["Outcome", formatOutcome(outcome)]);
  if (expiresAt !== null) rows.push(["Kept until", expiresAt]);
  return rows.map((row) => ["", ...row]);
}

function formatOutcome(outcome: OutcomeView): string {
  if (outcome.ok) return `ok, ${formatBytes(outcome.sizeBytes)} ${outcome.contentType}`.trimEnd();
  return `${outcome.failure.name} ${outcome.failure.code}: ${outcome.failure.message}`;
}

function formatFailure({ lastFailure, lastFailureStack }: InvocationDescription): string {
  if (lastFailure === null) return "";
  const { at, name, code, message, entry } = lastFailure;
  const where = entry === null ? "" : `, at ${formatEntry(entry)}`;
  const stack = lastFailureStack === "" ? "" : `${indent(lastFailureStack)}\n`;
  return `  ${at}${where}\n  ${name} ${code}: ${message}\n${stack}`;
}

function formatJournal(entries: readonly JournalEntryView[], length: number): string {
  if (entries.length === 0) return "";
  const rows = entries.map((entry) => [
    "",
    String(entry.index),
    entry.entry === "command" ? entry.kind : `< ${entry.kind}`,
    entry.name,
    entry.failure === null ? entry.about : `${entry.failure.name}: ${entry.failure.message}`,
    formatBytes(entry.sizeBytes),
    entry.at,
  ]);
  const [first, last] = [entries[0]?.index, entries.at(-1)?.index];
  const more =
    length > entries.length
      ? `  entries ${first} to ${last} of ${length}; others with --from and --limit\n`
      : "";
  return formatTable([["", "#", "ENTRY", "NAME", "ABOUT", "SIZE", "AT"], ...rows]) + more;
}

function indented(line: string): string {
  return `  ${line}\n`;
}

function section(title: string, body: string): string {
  return body === "" ? "" : `\n${title}\n${body}`;
}

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}
