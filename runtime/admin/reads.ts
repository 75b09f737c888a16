/**
 * The admin API's reads over durable rows. Each confirms first that the epoch is still ours: a
 * runtime that has been replaced must not tell what was.
 */
import type { InvocationIdParts } from "../../protocol/ids.ts";
import type { ServiceManifest } from "../../protocol/manifest.ts";
import type { Invocation } from "../core/invocation.ts";
import {
  inputKey,
  INVOCATIONS,
  invocationKey,
  journalPrefix,
  outcomeKey,
  prefixEnd,
  readU32,
  readU48,
  SERVICES,
} from "../core/keys.ts";
import { readPauses } from "../core/pauses.ts";
import { readDeployments } from "../core/registry.ts";
import {
  decodeInput,
  decodeInvocation,
  decodeJournalEntry,
  decodeOutcome,
  decodeService,
} from "../core/rows.ts";
import type { ReadTx } from "../core/tx.ts";
import { viewJournal, type SizedEntry } from "./journal-view.ts";
import { iso, isoOrNull, loadInvocation, peer, summarize } from "./summary.ts";
import type {
  AdminReads,
  InvocationDescription,
  InvocationFilter,
  InvocationPage,
  InvocationSummary,
  JournalRequest,
  OutcomeView,
  PageRequest,
  ServiceView,
} from "./views.ts";
import { waitsFor } from "./waits.ts";

export interface AdminSource extends ReadTx {
  confirm(): Promise<void>;
}

/** Rows that one page looks at, so that a rare match does not hold up the loop. */
const SCAN_MAX = 10_000;
const SCAN_BATCH = 500;
const SERVICES_MAX = 100_000;

export function createAdminReads(
  source: AdminSource,
  connectedWorkers: (version: string) => number,
): AdminReads {
  return {
    listInvocations: async (filter, page) => {
      await source.confirm();
      return listInvocations(source, filter, page);
    },
    describeInvocation: async (id, journal) => {
      await source.confirm();
      return describeInvocation(source, id, journal);
    },
    listServices: async () => {
      await source.confirm();
      return listServices(source);
    },
    listPauses: async () => {
      await source.confirm();
      return readPauses(source).map(({ service, key, sinceMs }) => ({
        service,
        key,
        since: iso(sinceMs),
      }));
    },
    listDeployments: async () => {
      await source.confirm();
      return readDeployments(source).map(({ version, createdAtMs, services }) => ({
        version,
        createdAt: iso(createdAtMs),
        services: services.map((it) => it.name),
        workers: connectedWorkers(version),
      }));
    },
  };
}

function listInvocations(tx: ReadTx, filter: InvocationFilter, page: PageRequest): InvocationPage {
  const found: InvocationSummary[] = [];
  const to = prefixEnd(INVOCATIONS);
  let after = page.after;
  for (let scanned = 0; scanned < SCAN_MAX; scanned += SCAN_BATCH) {
    const from = after === null ? INVOCATIONS : invocationKey(after + 1);
    const rows = tx.range({ from, to, limit: SCAN_BATCH });
    for (const [key, value] of rows) {
      after = readU48(key, INVOCATIONS.length);
      const invocation = decodeInvocation(after, value);
      if (invocation.purging) continue;
      if (!matchesTarget(invocation, filter)) continue;
      const summary = summarize(tx, invocation);
      if (filter.statuses.length > 0 && !filter.statuses.includes(summary.status)) continue;
      found.push(summary);
      if (found.length === page.limit) return { invocations: found, next: after };
    }
    if (rows.length < SCAN_BATCH) return { invocations: found, next: null };
  }
  return { invocations: found, next: after };
}

function matchesTarget({ target }: Invocation, filter: InvocationFilter): boolean {
  return (
    (filter.service === undefined || filter.service === target.service) &&
    (filter.handler === undefined || filter.handler === target.handler) &&
    (filter.key === undefined || filter.key === target.key)
  );
}

function describeInvocation(
  tx: ReadTx,
  id: InvocationIdParts,
  request: JournalRequest,
): InvocationDescription | undefined {
  const invocation = loadInvocation(tx, id.sequence);
  if (invocation?.tag !== id.tag || invocation.epoch !== id.epoch) return undefined;
  if (invocation.purging) return undefined;
  const journal = readSizedJournal(tx, invocation);
  const entries = journal.map((it) => it.entry);
  const input = tx.get(inputKey(invocation.sequence));
  const summary = summarize(tx, invocation);
  return {
    ...withEntry(summary, entries),
    serviceKind: invocation.serviceKind,
    mode: invocation.mode,
    startedAt: isoOrNull(invocation.startedAtMs),
    expiresAt: isoOrNull(invocation.expiresAtMs),
    parent: invocation.parent && peer(tx, invocation.parent.sequence),
    waitsFor: waitsFor(tx, invocation, entries),
    outcome: outcomeOf(tx, invocation),
    lastFailureStack: invocation.lastFailure?.stack ?? "",
    inputBytes: input ? decodeInput(input).parameter.length : 0,
    journalLength: journal.length,
    journal: viewJournal(tx, journal, request),
  };
}

/** The journal knows what the command was that the last failure has to do with. */
function withEntry(
  summary: InvocationSummary,
  entries: readonly SizedEntry["entry"][],
): InvocationSummary {
  const { lastFailure } = summary;
  if (lastFailure?.entry == null) return summary;
  const { command } = lastFailure.entry;
  const found = entries.find((it) => it.kind === "command" && it.command.index === command);
  if (found?.kind !== "command") return summary;
  const { kind, name } = found.command;
  return { ...summary, lastFailure: { ...lastFailure, entry: { command, kind, name } } };
}

function readSizedJournal(tx: ReadTx, invocation: Invocation): SizedEntry[] {
  const prefix = journalPrefix(invocation.sequence);
  const limit = invocation.commands + invocation.deliveries;
  const rows = tx.range({ from: prefix, to: prefixEnd(prefix), limit });
  // Its retention is over and it is being removed from its beginning: what is left is no journal.
  if (rows[0] !== undefined && readU32(rows[0][0], prefix.length) > 0) return [];
  return rows.map(([, row]) => ({ entry: decodeJournalEntry(row), sizeBytes: row.length }));
}

function outcomeOf(tx: ReadTx, invocation: Invocation): OutcomeView | null {
  const row = tx.get(outcomeKey(invocation.sequence));
  if (row === undefined) return null;
  const { result, contentType } = decodeOutcome(row);
  return result.ok
    ? { ok: true, sizeBytes: result.value.length, contentType }
    : { ok: false, failure: result.failure };
}

function listServices(tx: ReadTx): ServiceView[] {
  const range = { from: SERVICES, to: prefixEnd(SERVICES), limit: SERVICES_MAX };
  return tx.range(range).map(([, row]) => {
    const { version, manifest } = decodeService(row);
    return viewService(version, manifest);
  });
}

function viewService(deployment: string, manifest: ServiceManifest): ServiceView {
  const { name, kind, description, metadata } = manifest;
  const handlers = manifest.handlers.map((it) => ({
    name: it.name,
    mode: it.mode,
    public: !it.ingressPrivate,
    inputContentType: it.inputContentType,
    outputContentType: it.outputContentType,
    description: it.description,
    retry: it.retry,
  }));
  return { name, kind, deployment, handlers, description, metadata };
}
