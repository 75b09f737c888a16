/**
 * Everything that passes between the runtime and its workers, held against the disk at that moment.
 * What honest workers do must never end their connection.
 */
import type { Command, Delivery } from "../../protocol/command.ts";
import type { InvocationId } from "../../protocol/ids.ts";
import { FailureCode } from "../../protocol/failure.ts";
import type {
  Deliver,
  Fail,
  Replay,
  RunResult,
  RuntimeMessage,
  Start,
  WorkerMessage,
} from "../../protocol/message.ts";
import { invocationIdOf, type Invocation } from "../../runtime/core/invocation.ts";
import { DEPLOYMENTS, prefixEnd } from "../../runtime/core/keys.ts";
import { nameOf } from "./durable.ts";
import type { Link, LinkEvents } from "./network.ts";
import type { Scenery } from "./scenery.ts";
import { time } from "./time.ts";
import { must } from "./violation.ts";
import { type LateLeaver, type Told, WaitingWatch } from "./waiting-watch.ts";

/** What a runtime may say as it ends the connection of an honest worker. */
const HONEST_ENDS = /^(no hello within|\d+ bytes were not read in time|the runtime is shutting)/;
/** No wait between two attempts is shorter. */
const BACKOFF_MS_MIN = 10;

export class LinkWatch implements LinkEvents {
  readonly #scenery: Scenery;
  readonly #starts = new Map<Link, Map<number, Start>>();
  readonly #ends = new Map<Link, { ordinal: number; start: Start }[]>();
  readonly #waiting = new Map<Link, WaitingWatch>();
  /** Code that went ahead with the result of its run, and has not heard that it is durable. */
  readonly #goneAhead = new Map<Link, { ordinal: number; start: Start; message: RunResult }[]>();
  readonly #foreign = new Set<Link>();
  /** Results that code has ahead of the disk: its own proposals, recorded or not, and others in a replay. */
  readonly #ahead = new Map<string, Link>();
  /** Invocations by link and handle: of those that were started, and of followers. */
  readonly #ids = new Map<string, string>();
  /** Handles of followers that have not ended. */
  readonly #following = new Map<Link, Set<number>>();
  /** By invocation: where and when its worker has last said something for it. */
  readonly #spoken = new Map<string, { readonly link: Link; readonly ordinal: number }>();
  readonly #announced = new Map<InvocationId, Link>();
  followers = 0;
  followed = 0;

  constructor(scenery: Scenery) {
    this.#scenery = scenery;
  }

  /** A worker that will be refused: its end is no surprise. */
  expectRefusal(link: Link): void {
    this.#foreign.add(link);
  }

  /**
   * Whether code may have this result ahead of the disk, from a runtime that is not there any more, or by
   * going ahead with it where nobody listens any more. It may never become durable, and another try's
   * result may stand in its place: such code is a zombie whose words nobody takes. All other code is held
   * to what is on disk.
   */
  mayBeUndurable(
    linkId: number,
    invocationId: string,
    { index, completionId }: Command & { readonly kind: "run" },
  ): boolean {
    const at = `${linkId}/${invocationId}`;
    const told = this.#ahead.get(`${at}/completion ${completionId}`);
    const ownResult = this.#ahead.get(`${at}/command ${index}`);
    if (told !== undefined && !this.#scenery.runtime.has(told)) return true;
    return ownResult !== undefined && this.#scenery.isLost(ownResult);
  }

  /** Whoever only waits leaves in time. Asked as time goes on, when nothing moves. */
  checkWaiting(): void {
    for (const [link, waiting] of this.#waiting) {
      if (!link.workerOpen) this.#waiting.delete(link);
      else for (const it of waiting.late(time.steadyMs)) this.#checkLate(link, it);
    }
  }

  /** Whose worker has said something that the runtime has not heard yet. */
  unheard(): string[] {
    const spoken = [...this.#spoken].filter(([, { link, ordinal }]) => ordinal > link.heard);
    return spoken.filter(([, { link }]) => !this.#scenery.isLost(link)).map(([id]) => id);
  }

  /** Who was sent to a worker ahead of its turn, and still waits for it. */
  announced(): InvocationId[] {
    return [...this.#announced].filter(([id, link]) => this.#isAhead(id, link)).map(([id]) => id);
  }

  #isAhead(id: InvocationId, link: Link): boolean {
    const status = this.#scenery.durable.find(id)?.status;
    if (this.#scenery.isLost(link) || (status !== "inboxed" && status !== undefined)) {
      this.#announced.delete(id);
    }
    return status === "inboxed" && this.#announced.has(id);
  }

  /** Whose attempts have been on this link since then. */
  atWorkSince(link: Link, steadyMs: number): string[] {
    return this.#waiting.get(link)?.atWorkSince(steadyMs) ?? [];
  }

  isAtWork(invocation: Invocation): boolean {
    const id = invocationIdOf(invocation);
    return [...this.#waiting.values()].some((it) => it.isAtWork(id));
  }

  fullOfWaitersSinceMs(link: Link): number | undefined {
    return this.#waiting.get(link)?.fullOfWaitersSinceMs;
  }

  #checkLate(link: Link, { invocationId, lateMs }: LateLeaver): void {
    // Nobody waits for a closure that was aborted, but it is at work until it ends.
    const { closures } = this.#scenery.world;
    if (closures.some(({ of }) => of.invocationId === invocationId && of.link === link.id)) return;
    this.#scenery.check(() =>
      must(
        false,
        `section 4: an attempt of ${invocationId} only waits, and leaves ${lateMs} ms late`,
      ),
    );
  }

  #waitingOf(link: Link): WaitingWatch {
    const waiting = this.#waiting.get(link) ?? new WaitingWatch();
    this.#waiting.set(link, waiting);
    return waiting;
  }

  onTold(link: Link, message: RuntimeMessage): void {
    const told = this.#waitingOf(link).onTold(message, time.steadyMs);
    if (message.kind === "deliver") {
      this.#noteTold(link, message);
      if (told) this.#scenery.check(() => this.#checkTold(link, told, message.delivery));
    }
    if (message.kind === "replay") this.#noteReplayed(link, message);
    if (message.kind === "start") {
      const starts = this.#starts.get(link) ?? new Map<number, Start>();
      this.#starts.set(link, starts.set(message.attempt, message));
      this.#noteFollowers(link, message);
      // What a runtime sent that is dead by now means nothing any more.
      if (!this.#scenery.isLost(link)) this.#scenery.check(() => this.#checkStart(message));
    } else if (message.kind === "ack")
      this.#scenery.check(() => {
        this.#checkAck(link, message.upTo);
        this.#checkAhead(link, message.upTo);
      });
    else if (message.kind === "abort")
      this.#scenery.check(() => this.#checkAbort(link, message.attempt));
    else if (message.kind === "welcome") this.#scenery.check(() => this.#checkWelcome());
  }

  #noteTold(link: Link, { attempt, delivery }: Deliver): void {
    if (delivery.kind !== "completion" || delivery.result.kind !== "proposed") return;
    this.#noteProposed(link, attempt, `completion ${delivery.completionId}`);
  }

  #noteProposed(link: Link, attempt: number, what: string): void {
    const id = this.#ids.get(`${link.id}/${attempt}`);
    if (id !== undefined) this.#ahead.set(`${link.id}/${id}/${what}`, link);
  }

  /** A start and its journal may run ahead of the disk, and a runtime that was followed tells its own. */
  #noteReplayed(link: Link, { attempt, entries }: Replay): void {
    const id = this.#starts.get(link)?.get(attempt)?.invocationId;
    if (id === undefined) return;
    for (const entry of entries) {
      if (entry.kind !== "delivery" || entry.delivery.kind !== "completion") continue;
      const { completionId, result } = entry.delivery;
      const isOnDisk = this.#scenery.durable.holds(id, completionId, result);
      if (!isOnDisk) this.#noteProposed(link, attempt, `completion ${completionId}`);
    }
  }

  #noteSpoken(link: Link, attempt: number, ordinal: number): void {
    const start = this.#starts.get(link)?.get(attempt);
    if (start) this.#spoken.set(start.invocationId, { link, ordinal });
  }

  #noteFollowers(link: Link, start: Start): void {
    const { followers } = start;
    for (const it of [start, ...followers])
      this.#ids.set(`${link.id}/${it.attempt}`, it.invocationId);
    const following = this.#following.get(link) ?? new Set<number>();
    for (const { attempt } of followers) following.add(attempt);
    this.#following.set(link, following);
    this.followers += followers.length;
  }

  onStartSent(link: Link, { followers }: Start): void {
    for (const { invocationId } of followers) this.#announced.set(invocationId, link);
  }

  onStartUnread(link: Link): void {
    this.#scenery.check(() =>
      must(false, `F20: link ${link.id} is clogged, and was given one more start`),
    );
  }

  onSaid(link: Link, message: WorkerMessage, ordinal: number): void {
    if ("attempt" in message) this.#noteSpoken(link, message.attempt, ordinal);
    const follower = this.#waitingOf(link).onSaid(message, time.steadyMs);
    if (follower !== undefined) this.#scenery.check(() => this.#checkFollower(link, follower));
    if (message.kind === "run-result" && message.deliveries !== null) {
      this.#noteProposed(link, message.attempt, `command ${message.command}`);
      const start = this.#starts.get(link)?.get(message.attempt);
      if (start) noteIn(this.#goneAhead, link, { ordinal, start, message });
    }
    if (message.kind === "suspend")
      this.#scenery.check(() => this.#checkSuspend(link, message.attempt));
    if (message.kind === "fail") this.#scenery.check(() => this.#checkFail(link, message));
    if (message.kind !== "end") return;
    if (this.#following.get(link)?.delete(message.attempt)) this.followed++;
    const start = this.#starts.get(link)?.get(message.attempt);
    if (start) noteIn(this.#ends, link, { ordinal, start });
  }

  onClosedByRuntime(link: Link, code: number, reason: string): void {
    this.#scenery.note(`the runtime closes link ${link.id}: ${code} ${reason}`);
    if (HONEST_ENDS.test(reason) || this.#foreign.has(link)) return;
    this.#scenery.check(() =>
      must(false, `the runtime ends the connection of an honest worker: ${reason}`),
    );
  }

  /** I18: nothing starts before its back-off is over. */
  #checkStart(start: Start): void {
    const invocation = this.#scenery.durable.find(start.invocationId);
    if (invocation === undefined || start.attemptNumber < invocation.attempts) return;
    const nowMs = this.#scenery.latestMs;
    const { lastFailure } = invocation;
    if (this.#mayBeWoken(invocation)) return;
    if (lastFailure?.command === null) {
      const sinceMs = nowMs - lastFailure.atMs;
      must(
        sinceMs >= BACKOFF_MS_MIN,
        `I18: ${nameOf(invocation)} starts ${sinceMs} ms after it failed`,
      );
    }
    if (invocation.status !== "backing-off" || start.attemptNumber === invocation.attempts) return;
    const dueAtMs = invocation.nextAttemptAtMs ?? 0;
    must(dueAtMs <= nowMs, `I18: ${nameOf(invocation)} starts ${dueAtMs - nowMs} ms early`);
  }

  /** Rule 8: deliveries come in the order of the journal, and none is left out. */
  #checkTold(link: Link, { invocationId, deliveries }: Told, delivery: Delivery): void {
    if (deliveries === null || delivery.kind !== "completion" || this.#scenery.isLost(link)) return;
    const invocation = this.#scenery.durable.find(invocationId);
    const journal = invocation && this.#scenery.durable.journal(invocation.sequence);
    const ordinal = journal?.completions.get(delivery.completionId)?.ordinal ?? deliveries;
    const what = `delivery ${deliveries}, in the journal it is ${ordinal}`;
    must(ordinal === deliveries, `rule 8: ${invocationId} is told of its ${what}`);
  }

  /** I17: of what has ended, or is to pause, nothing starts on a worker that has heard everything. */
  #checkFollower(link: Link, invocationId: string): void {
    if (this.#scenery.isLost(link) || link.downward > 0) return;
    const invocation = this.#scenery.durable.find(invocationId);
    const over = invocation?.status === "completed" || invocation?.holdRequested === true;
    must(!over, `I17: ${invocationId} follows, and is ${invocation?.status ?? ""}`);
  }

  /** Rule 2: an abort reaches a worker when what caused it is durable. */
  #checkAbort(link: Link, attempt: number): void {
    const start = this.#starts.get(link)?.get(attempt);
    const invocation = start && this.#scenery.durable.find(start.invocationId);
    if (invocation?.status !== "running") return;
    const over = invocation.attempts !== start?.attemptNumber;
    must(over, `rule 2: an abort of ${nameOf(invocation)}, which runs as far as is on disk`);
  }

  #checkWelcome(): void {
    const known = this.#scenery.disk.rows.range({
      from: DEPLOYMENTS,
      to: prefixEnd(DEPLOYMENTS),
      limit: 1,
    });
    must(known.length > 0, "rule 2: a worker is welcome, and no deployment is on disk");
  }

  /** An attempt is never suspended while it executes a run. */
  #checkSuspend(link: Link, attempt: number): void {
    const start = this.#starts.get(link)?.get(attempt);
    const step = start && this.#scenery.world.closureAtWork(start.invocationId, link.id)?.step;
    must(
      step === undefined,
      `section 4: an attempt is suspended while its ${step ?? ""} is at work`,
    );
  }

  /** Rule 7: only code that differs is told that it does. */
  #checkFail(link: Link, { failure }: Fail): void {
    const strays = this.#scenery.workerOf(link)?.code.strays ?? true;
    const mismatch = failure.code === FailureCode.journalMismatch;
    must(strays || !mismatch, `rule 7: the same code does not match: ${failure.message}`);
  }

  /** By a resume, or by a cancellation of it or of who called it: then it starts at once. */
  #mayBeWoken(invocation: Invocation): boolean {
    const id = invocationIdOf(invocation);
    const { asked, cancelled } = this.#scenery.clients.answers;
    if (asked.some(({ question: it }) => "invocationId" in it && it.invocationId === id))
      return true;
    const some = cancelled.size + this.#scenery.world.cancelled.size > 0;
    return this.#scenery.world.cancelled.has(id) || (invocation.parent !== null && some);
  }

  /** Rule 8: what code went ahead with stands in its journal where it was, or its attempt is over. */
  #checkAhead(link: Link, upTo: number): void {
    const ahead = this.#goneAhead.get(link) ?? [];
    while (ahead[0] && ahead[0].ordinal <= upTo) {
      const { start, message } = ahead.shift() ?? ahead[0];
      const invocation = this.#scenery.durable.find(start.invocationId);
      if (invocation === undefined || invocation.attempts !== start.attemptNumber) continue;
      const journal = this.#scenery.durable.journal(invocation.sequence);
      const command = journal?.commands[message.command]?.command;
      if (journal === undefined || command?.kind !== "run") continue;
      const ordinal = journal.completions.get(command.completionId)?.ordinal;
      // Not taken, and its attempt is over: then another one will go on from what is recorded.
      if (ordinal === undefined && invocation.status !== "running") continue;
      must(
        ordinal === (message.deliveries ?? 0) + 1,
        `rule 8: ${nameOf(invocation)} went ahead with ${command.name} after ${message.deliveries} deliveries, and it is delivery ${ordinal}`,
      );
    }
  }

  /** I1 for workers: an end that was acknowledged is on disk, unless its attempt was over before. */
  #checkAck(link: Link, upTo: number): void {
    const ends = this.#ends.get(link) ?? [];
    while (ends[0] && ends[0].ordinal <= upTo) {
      const { start } = ends.shift() ?? ends[0];
      const invocation = this.#scenery.durable.find(start.invocationId);
      if (invocation?.status !== "running" || invocation.attempts !== start.attemptNumber) continue;
      must(false, `I1: the end of ${nameOf(invocation)} was acknowledged, and is not on disk`);
    }
  }
}

function noteIn<T>(noted: Map<Link, T[]>, link: Link, it: T): void {
  noted.set(link, [...(noted.get(link) ?? []), it]);
}
