/** One invocation for people: what it is, what it waits for, what went wrong, what it did. */
import type {
  EntryRef,
  InvocationDescription,
  InvocationPeer,
  JournalEntryView,
  OutcomeView,
  WaitView,
} from "../runtime/admin/views.ts";
import { formatAge, formatBytes, formatTable, formatTarget } from "./output.ts";

export function formatDescription(invocation: InvocationDescription, nowMs: number): string {
  return [
    formatTable(facts(invocation, nowMs)),
    section("Waits for", invocation.waitsFor.map((wait) => `  ${formatWait(wait)}\n`).join("")),
    section("Last failure", formatFailure(invocation)),
    section("Journal", formatJournal(invocation.journal, invocation.journalLength)),
  ].join("");
}

function facts(invocation: InvocationDescription, nowMs: number): string[][] {
  const { statusSince, createdAt, deployment, nextRetryAt, parent, outcome } = invocation;
  const rows = [
    ["ID", invocation.id],
    ["Target", formatTarget(invocation.target)],
    ["Status", `${invocation.status}, for ${formatAge(statusSince, nowMs)}`],
    ["Created", `${createdAt} (${formatAge(createdAt, nowMs)} ago)`],
    ["Deployment", deployment ?? "none yet"],
    ["Attempts", `${invocation.attempts}, of which failed in a row: ${invocation.failures}`],
  ];
  if (invocation.idempotencyKey !== null) rows.push(["Idempotency key", invocation.idempotencyKey]);
  if (nextRetryAt !== null) rows.push(["Next attempt", nextRetryAt]);
  if (parent !== null) rows.push(["Called by", formatPeer(parent)]);
  if (invocation.cancelRequested) rows.push(["Cancel", "requested"]);
  if (outcome !== null) rows.push(["Outcome", formatOutcome(outcome)]);
  return rows;
}

function formatOutcome(outcome: OutcomeView): string {
  if (outcome.ok) return `ok, ${formatBytes(outcome.sizeBytes)} ${outcome.contentType}`.trimEnd();
  return `${outcome.failure.name} ${outcome.failure.code}: ${outcome.failure.message}`;
}

function formatWait(wait: WaitView): string {
  switch (wait.kind) {
    case "sleep":
      return `${named("sleep", wait.name)} until ${wait.until}`;
    case "call":
    case "attach":
      return `${named(wait.kind, wait.name)}: ${formatPeer(wait.invocation)}`;
    case "awakeable":
      return `${named("awakeable", wait.name)} ${wait.awakeableId}`;
    case "promise":
      return `promise "${wait.promise}" of this workflow`;
    case "signal":
      return `signal "${wait.signal}"`;
    case "run": {
      const failed = wait.lastFailure === null ? "" : `, last failure: ${wait.lastFailure.message}`;
      const next = wait.nextTryAt === null ? "" : `, next try at ${wait.nextTryAt}`;
      return `${named("run", wait.name)}, try ${wait.tries}${failed}${next}`;
    }
    case "key": {
      const ahead = wait.ahead === null ? "" : `, ${wait.ahead} ahead`;
      return `its turn on ${wait.service}/${wait.key}, held by ${formatPeer(wait.holder)}${ahead}`;
    }
    case "start-time":
      return `its start at ${wait.until}`;
    case "retry":
      return `its next attempt at ${wait.until}`;
    case "resume":
      return `its resumption at ${wait.until}`;
    case "worker": {
      const version = wait.deployment === null ? "" : ` of deployment ${wait.deployment}`;
      return `a worker${version} that serves ${wait.service} and has room`;
    }
    case "operator":
      return `you: ${wait.hint}`;
  }
}

function formatFailure({ lastFailure, lastFailureStack }: InvocationDescription): string {
  if (lastFailure === null) return "";
  const { at, name, code, message, entry } = lastFailure;
  const where = entry === null ? "" : `, at ${formatEntry(entry)}`;
  const stack = lastFailureStack === "" ? "" : `${indent(lastFailureStack)}\n`;
  return `  ${at}${where}\n  ${name} ${code}: ${message}\n${stack}`;
}

function formatEntry({ command, kind, name }: EntryRef): string {
  return `command ${command} (${named(kind ?? "command", name)})`;
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
  const more = length > entries.length ? `  ${length - entries.length} more; see --json\n` : "";
  return formatTable([["", "#", "ENTRY", "NAME", "ABOUT", "SIZE", "AT"], ...rows]) + more;
}

function formatPeer({ id, target, status }: InvocationPeer): string {
  return `${target === null ? "" : `${formatTarget(target)} `}${id} (${status ?? "forgotten"})`;
}

function named(kind: string, name: string): string {
  return name === "" ? kind : `${kind} "${name}"`;
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
