/**
 * What the admin API tells, as types: the JSON bodies of its answers, and the port through which it
 * reads them.
 *
 * The admin routes own the HTTP side: parsing, status codes, errors. Whoever implements `AdminReads`
 * owns the facts.
 *
 * 1. Views are made from durable rows alone: nobody is shown what a crash could still take back.
 * 2. Every read confirms that the epoch is its own before it resolves, hence the promises.
 * 3. Reads are bounded: lists come in pages, journals in pieces.
 * 4. An invocation that is not completed waits for something that `waitsFor` names, or is running.
 * 5. No read costs what is retained, or the length of a journal or an inbox: what is cut says so.
 *
 * Times are ISO 8601 strings in UTC with milliseconds; durations and sizes carry their unit.
 */
import type { CommandKind, Delivery, RunMode, Target } from "../../protocol/command.ts";
import type { Failure } from "../../protocol/failure.ts";
import type { AwakeableId, InvocationId, InvocationIdParts } from "../../protocol/ids.ts";
import type { HandlerMode, RetryPolicy, ServiceKind } from "../../protocol/manifest.ts";
import type { SpentMs, Status } from "../core/invocation.ts";

/** "2026-11-23T21:45:34.658Z" */
export type IsoTime = string;

export interface AdminReads {
  listInvocations(filter: InvocationFilter, page: PageRequest): Promise<InvocationPage>;
  /** `undefined` when there is no such invocation (any more). @throws QuarantinedError */
  describeInvocation(
    id: InvocationIdParts,
    journal: JournalRequest,
  ): Promise<InvocationDescription | undefined>;
  /** `undefined` when there is no such invocation (any more). @throws QuarantinedError */
  graphOf(id: InvocationIdParts, nodesMax: number): Promise<WaitGraph | undefined>;
  countInvocations(): Promise<InvocationCounts>;
  listServices(): Promise<readonly ServiceView[]>;
  listDeployments(): Promise<readonly DeploymentView[]>;
  /** Services and keys that are paused: services first, then in the order of their names. */
  listPauses(): Promise<readonly PauseView[]>;
}

/** What is kept counted; to count anything else would mean to read everything. */
export interface InvocationCounts {
  /** Accepted and not ended. */
  readonly open: number;
  /** Of these, those that have started: by the version that they are pinned to. */
  readonly pinned: Readonly<Record<string, number>>;
  /** Whose record is known to be damaged, of all: what nobody has asked for or tried to run is not known. */
  readonly quarantined: number;
}

/** All that are given must match. An empty list of statuses means any. */
export interface InvocationFilter {
  readonly service?: string;
  readonly handler?: string;
  readonly key?: string;
  readonly deployment?: string;
  readonly statuses: readonly Status[];
}

export interface PageRequest {
  /** 1 and up. */
  readonly limit: number;
  /** Sequence number of the last invocation looked at by the page before; null for the first page. */
  readonly after: number | null;
}

export interface InvocationPage {
  /** In the order of acceptance. May be fewer than the limit, even none, with more to come. */
  readonly invocations: readonly InvocationSummary[];
  /** Whatever was asked for: nobody knows what they are. */
  readonly quarantined: readonly QuarantinedView[];
  /** `after` of the next page; null at the end. */
  readonly next: number | null;
}

/** An invocation whose record is damaged: it does not go on, and its id is not known. */
export interface QuarantinedView {
  /** Its number, which is part of its id. */
  readonly sequence: number;
  /** What is wrong and what to do, as a sentence that names the row. */
  readonly problem: string;
}

/** Which entries of the journal to show: `limit` of them, from index `from`; null: the last ones. */
export interface JournalRequest {
  readonly from: number | null;
  readonly limit: number;
}

export interface InvocationSummary {
  readonly id: InvocationId;
  readonly target: Target;
  readonly status: Status;
  readonly statusSince: IsoTime;
  readonly createdAt: IsoTime;
  readonly completedAt: IsoTime | null;
  /** The version that runs it; null until the first attempt. */
  readonly deployment: string | null;
  /** Attempts begun so far, the running one included. */
  readonly attempts: number;
  /** Attempts that failed since the last progress. */
  readonly failures: number;
  readonly lastFailure: LastFailureView | null;
  /** While it backs off: when the next attempt starts. */
  readonly nextRetryAt: IsoTime | null;
  readonly idempotencyKey: string | null;
  /** Somebody asked for its cancellation. */
  readonly cancelRequested: boolean;
}

export interface LastFailureView extends Failure {
  readonly at: IsoTime;
  /** The command that the failure has to do with, if any. */
  readonly entry: EntryRef | null;
}

/** A command of the journal, as people speak of it. */
export interface EntryRef {
  /** Number of the command: 0 for the first thing the code asked for. */
  readonly command: number;
  /** null in lists, where the journal is not read. */
  readonly kind: CommandKind | null;
  readonly name: string;
}

export interface InvocationDescription extends InvocationSummary {
  readonly serviceKind: ServiceKind;
  readonly mode: HandlerMode;
  readonly startedAt: IsoTime | null;
  /** When its result, journal and id are forgotten; null until it is completed. */
  readonly expiresAt: IsoTime | null;
  /** The invocation that called it and waits for it; null when it came from outside or by a send. */
  readonly parent: InvocationPeer | null;
  /** Somebody asked for a pause before its turn came: it pauses then. */
  readonly pauseRequested: boolean;
  readonly waitsFor: readonly WaitView[];
  /** What is cut from `waitsFor`, as sentences; empty when nothing is. */
  readonly waitsForCut: readonly string[];
  /**
   * Where its time went until now, in milliseconds. "disk" is a part of "running"; "runs-backing-off"
   * lies beside the statuses, and adds up over runs.
   */
  readonly spentMs: SpentMs;
  /** How it ended; null until it has. */
  readonly outcome: OutcomeView | null;
  /** Stack of the last failure, for whoever has to mend it; "" when there is none. */
  readonly lastFailureStack: string;
  readonly inputBytes: number;
  /** Entries in the whole journal; `journal` shows those that were asked for, as far as they fit. */
  readonly journalLength: number;
  readonly journal: readonly JournalEntryView[];
  /** Damaged rows that were met, as sentences; what they say is missing above. Left out when there are none. */
  readonly damaged?: readonly string[];
}

/** Another invocation that this one has to do with. */
export interface InvocationPeer {
  readonly id: InvocationId;
  /** null when it is forgotten already. */
  readonly target: Target | null;
  readonly status: Status | null;
  readonly statusSince: IsoTime | null;
}

export type OutcomeView =
  | { readonly ok: true; readonly sizeBytes: number; readonly contentType: string }
  | { readonly ok: false; readonly failure: Failure };

interface OutstandingCommand {
  /** The command that waits. */
  readonly command: number;
  /** The name that the code gave; "" when none. */
  readonly name: string;
  readonly since: IsoTime;
}

/** One thing that an invocation waits for. */
export type WaitView =
  | ({ readonly kind: "sleep"; readonly until: IsoTime } & OutstandingCommand)
  | ({ readonly kind: "call"; readonly invocation: InvocationPeer } & OutstandingCommand)
  | ({ readonly kind: "attach"; readonly invocation: InvocationPeer } & OutstandingCommand)
  | ({ readonly kind: "awakeable"; readonly awakeableId: AwakeableId } & OutstandingCommand)
  | ({ readonly kind: "promise"; readonly promise: string } & OutstandingCommand)
  | ({ readonly kind: "signal"; readonly signal: string } & OutstandingCommand)
  | ({ readonly kind: "run" } & RunView & OutstandingCommand)
  /** Inboxed: another invocation holds the key. `ahead` counts those before it in the inbox. */
  | {
      readonly kind: "key";
      readonly service: string;
      readonly key: string;
      readonly holder: InvocationPeer;
      /** When this holder took it; what waits is older or younger. */
      readonly heldSince: IsoTime;
      /** null: too many to be counted here; `waiting` is how many are in the inbox in all. */
      readonly ahead: number | null;
      readonly waiting: number;
      readonly since: IsoTime;
    }
  /** Scheduled: the delay of a send. */
  | { readonly kind: "start-time"; readonly until: IsoTime; readonly since: IsoTime }
  /** Backing off after a failure. */
  | { readonly kind: "retry"; readonly until: IsoTime; readonly since: IsoTime }
  /** Suspended, and something has come: it resumes after a pause, to spare replays. */
  | { readonly kind: "resume"; readonly until: IsoTime; readonly since: IsoTime }
  | ({ readonly kind: "worker"; readonly since: IsoTime } & WorkerWait)
  | ({ readonly kind: "pause"; readonly since: IsoTime } & PauseWait);

/** Ready: no worker of its deployment takes it. */
export interface WorkerWait {
  readonly service: string;
  /** The version that it is pinned to, or that takes new invocations; null: none serves it. */
  readonly deployment: string | null;
  /** Workers of this version that are connected now. */
  readonly workers: number;
  readonly reason: "no-worker" | "not-served" | "no-room";
}

/** Paused: it does not go on by itself. */
export interface PauseWait {
  /** What is paused: this invocation, its key, or its whole service. */
  readonly scope: "invocation" | "key" | "service";
  /**
   * Somebody asked, its policy allows no further try, or a row that it needs is damaged; null when
   * that is not known.
   */
  readonly reason: "asked" | "exhausted" | "damaged" | null;
  /** What to do. */
  readonly hint: string;
}

/** The invocations that one waits for, directly and through others, and those that wait for it. */
export interface WaitGraph {
  /** The first is the one that was asked for; then nearest first. */
  readonly nodes: readonly WaitGraphNode[];
  /** true: there are more than were asked for, or than fit. */
  readonly cut: boolean;
  /** Each is a way back to its first member, in the order of waiting. */
  readonly cycles: readonly (readonly InvocationId[])[];
  readonly waitedForBy: WaitedForBy;
}

export interface WaitGraphNode extends InvocationPeer {
  /** The invocations that it waits for; one that is cut from `nodes` is named all the same. */
  readonly edges: readonly WaitGraphEdge[];
  /** What else it waits for: time, runs, people, workers. */
  readonly others: readonly WaitView[];
}

export interface WaitGraphEdge {
  /** "key": queued behind it, as the holder of its key. */
  readonly kind: "call" | "attach" | "key";
  readonly to: InvocationId;
  readonly since: IsoTime;
}

/** One step in the other direction. */
export interface WaitedForBy {
  readonly parent: InvocationPeer | null;
  /** Handlers that attach to it, as far as they are shown. */
  readonly attached: readonly InvocationPeer[];
  readonly attachedCut: boolean;
  /** The key that it holds, and how many wait for that. */
  readonly inbox: { readonly service: string; readonly key: string; readonly count: number } | null;
}

/** A run that has no result yet. */
export interface RunView {
  /** What becomes of it if it is cut off. */
  readonly mode: RunMode;
  /** Times that its closure or its probe was allowed to start. */
  readonly tries: number;
  readonly failures: number;
  /** While it backs off; null while its closure may be executing. */
  readonly nextTryAt: IsoTime | null;
  readonly lastFailure: Failure | null;
}

export interface JournalEntryView {
  /** Place in the journal, 0 and up. */
  readonly index: number;
  /** A command is what the code asked for, a delivery is what came back. */
  readonly entry: "command" | "delivery";
  readonly kind: CommandKind | Delivery["kind"];
  /** The command's number; of a completion, the command that it answers, if that is known. */
  readonly command: number | null;
  /** The name that the code gave, of a completion that of its command; "" when none. */
  readonly name: string;
  /** What it is about: a state key, a target, a promise, a signal, a time; "" when nothing. */
  readonly about: string;
  /** Bytes it takes in the store. */
  readonly sizeBytes: number;
  readonly at: IsoTime;
  /** The invocation that a call, a send or an attach has to do with. */
  readonly invocation: InvocationId | null;
  /** A completion or signal that carries a failure. */
  readonly failure: Failure | null;
}

export interface ServiceView {
  readonly name: string;
  readonly kind: ServiceKind;
  /** The version that takes its new invocations. */
  readonly deployment: string;
  readonly handlers: readonly HandlerView[];
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Since when all of it is paused; null when it is not. */
  readonly pausedSince: IsoTime | null;
}

export interface HandlerView {
  readonly name: string;
  readonly mode: HandlerMode;
  /** Callable over HTTP. */
  readonly public: boolean;
  readonly inputContentType: string;
  readonly outputContentType: string;
  readonly description: string;
  /** null: the default of the runtime. */
  readonly retry: RetryPolicy | null;
}

export interface DeploymentView {
  readonly version: string;
  readonly createdAt: IsoTime;
  /** Names of the services that it has announced. */
  readonly services: readonly string[];
  /**
   * - `active`: takes the new invocations of a service
   * - `draining`: takes none, and has open ones
   * - `drained`: has none: its workers may be stopped, and it may be removed
   */
  readonly status: DeploymentStatus;
  /** Open invocations that are pinned to it. */
  readonly invocations: number;
  /** Workers of this version that are connected now. */
  readonly workers: number;
  /** What is wrong and what to do, as a sentence; null when nothing is. */
  readonly warning: string | null;
}

export type DeploymentStatus = "active" | "draining" | "drained";

/** Body of `GET /invocations`. `nextCursor` goes back as `?cursor=`. */
export interface InvocationsBody {
  readonly invocations: readonly InvocationSummary[];
  /** Those that were met on the way; left out when there are none. */
  readonly quarantined?: readonly QuarantinedView[];
  readonly nextCursor: string | null;
}

/** Body of `DELETE /deployments/{version}`. */
export interface RemovedBody {
  /** A sentence that says what has happened. */
  readonly effect: string;
}

/** Body of a control request that was taken. */
export interface ControlBody {
  readonly invocationId: string;
  /** "now": it is done. "appended": it is recorded, and its code or its turn has to come first. */
  readonly applied: "now" | "appended";
  /** A sentence that says what will happen. */
  readonly effect: string;
}

/** Body of a pause or resume of a key or of a service. */
export interface HoldBody {
  readonly service: string;
  /** null for the whole service. */
  readonly key: string | null;
  readonly effect: string;
}

export interface PauseView {
  readonly service: string;
  /** null for the whole service. */
  readonly key: string | null;
  readonly since: IsoTime;
}

/** Body of `GET /pauses`. */
export interface PausesBody {
  readonly pauses: readonly PauseView[];
}

/** What came of a control request that was made for many. */
export interface BulkBody {
  /** Invocations that it was asked of: `applied`, `appended` and `refused` add up to this. */
  readonly matched: number;
  readonly applied: number;
  readonly appended: number;
  /** They changed in between: had ended, for example. */
  readonly refused: number;
  /** More may match: the same request with `?cursor=` goes on. null at the end. */
  readonly nextCursor: string | null;
}

/** Body of every admin error. */
export interface AdminErrorBody {
  readonly message: string;
  readonly restate_code: null;
}
