/**
 * Who only waits leaves: after the inactivity timeout, or at once when room is wanted.
 *
 * Knows nothing of the SDK's insides: goes by what a worker was told and has said on one link, as the
 * protocol has it. What it cannot tell from there it leaves alone: who waits for nothing but signals or
 * for something of its own.
 */
import type { Command, Delivery } from "../../protocol/command.ts";
import type { Follower, RuntimeMessage, Start, WorkerMessage } from "../../protocol/message.ts";

/** Code that comes back to ctx from a timer of its own does so unseen on replay: its wait counts anew. */
const OWN_TIMERS_MS = 1_000;

export interface LateLeaver {
  readonly invocationId: string;
  readonly lateMs: number;
}

/** What an attempt is told, and how many deliveries it has had with it; null when it made some itself. */
export interface Told {
  readonly invocationId: string;
  readonly deliveries: number | null;
}

export class WaitingWatch {
  readonly #attempts = new Map<number, WatchedAttempt>();
  /** Those that wait for the end of an attempt. */
  readonly #followers = new Map<number, readonly Follower[]>();
  #inactivityTimeoutMs = Infinity;
  #concurrency = 0;
  #roomWanted = 0;
  #drains = false;

  /** Gives whom a delivery was for. */
  onTold(message: RuntimeMessage, nowMs: number): Told | undefined {
    if (message.kind === "welcome") this.#inactivityTimeoutMs = message.inactivityTimeoutMs;
    else if (message.kind === "start") {
      this.#attempts.set(message.attempt, new WatchedAttempt(message, nowMs));
      this.#followers.set(message.attempt, message.followers);
    } else if (message.kind === "make-room") {
      this.#roomWanted = Math.min(this.#roomWanted + message.attempts, this.#concurrency);
      for (const it of this.#attempts.values()) it.activeAtMs = nowMs;
    } else if (message.kind === "abort") this.#onAbort(message.attempt);
    else if ("attempt" in message) {
      const attempt = this.#attempts.get(message.attempt);
      attempt?.onTold(message, nowMs);
      return message.kind === "deliver" ? attempt?.told : undefined;
    }
    return undefined;
  }

  /** Gives who starts with that, of those that waited for the end of another. */
  onSaid(message: WorkerMessage, nowMs: number): string | undefined {
    if (message.kind === "hello") this.#concurrency = message.concurrency;
    else if (message.kind === "drain") this.#drains = true;
    else if (message.kind === "end") {
      this.#left(message.attempt);
      return this.#follow(message.attempt, nowMs);
    } else if (message.kind === "fail" || message.kind === "suspend") this.#left(message.attempt);
    else this.#attempts.get(message.attempt)?.onSaid(message, nowMs);
    return undefined;
  }

  /** Attempts that only wait, and are still there. */
  late(nowMs: number): LateLeaver[] {
    const late: LateLeaver[] = [];
    const leavesAtOnce = this.#roomWanted > 0 || this.#drains;
    const limitMs = leavesAtOnce ? 0 : this.#inactivityTimeoutMs;
    for (const it of this.#attempts.values()) {
      const lateMs = nowMs - it.waitsSinceMs - limitMs;
      if (lateMs > 0 && it.onlyWaits) late.push({ invocationId: it.invocationId, lateMs });
    }
    return late;
  }

  isAtWork(invocationId: string): boolean {
    return [...this.#attempts.values()].some((it) => it.invocationId === invocationId);
  }

  /** Whose attempts have been here since then. */
  atWorkSince(steadyMs: number): string[] {
    const attempts = [...this.#attempts.values()].filter((it) => it.startedAtMs <= steadyMs);
    return attempts.map((it) => it.invocationId);
  }

  /** Since when it has had no place left, and all of its attempts have only waited. */
  get fullOfWaitersSinceMs(): number | undefined {
    const attempts = [...this.#attempts.values()];
    if (this.#drains || attempts.length === 0 || attempts.length < this.#concurrency)
      return undefined;
    if (!attempts.every((it) => it.onlyWaits)) return undefined;
    return Math.max(...attempts.map((it) => it.waitsSinceMs));
  }

  /** The next of its key starts, if the runtime had sent it along. */
  #follow(ended: number, nowMs: number): string | undefined {
    const [first, ...others] = this.#followers.get(ended) ?? [];
    this.#followers.delete(ended);
    if (first === undefined || this.#drains) return undefined;
    const start = { ...first, commandCount: 0, deliveryCount: 0 };
    this.#attempts.set(first.attempt, new WatchedAttempt(start, nowMs));
    this.#followers.set(first.attempt, others);
    return first.invocationId;
  }

  /** Of an attempt, or of one that was to follow: then those behind it do not either. */
  #onAbort(handle: number): void {
    this.#attempts.delete(handle);
    this.#followers.delete(handle);
    for (const [before, waiting] of this.#followers) {
      const at = waiting.findIndex((it) => it.attempt === handle);
      if (at >= 0) this.#followers.set(before, waiting.slice(0, at));
    }
  }

  #left(attempt: number): void {
    if (this.#attempts.delete(attempt) && this.#roomWanted > 0) this.#roomWanted--;
  }
}

/** What is known of a run that has no result yet: one that failed waits, any other is work. */
type RunState = "at work" | "failed";

class WatchedAttempt {
  readonly invocationId: string;
  readonly startedAtMs: number;
  activeAtMs: number;
  #hasOwnTimers = false;
  #hasGoneAhead = false;
  #entriesMissing: number;
  #deliveries = 0;
  /** By completion id: how many deliveries came before the command. */
  readonly #outstanding = new Map<number, number>();
  /** Of the outstanding ones, by command. */
  readonly #runs = new Map<number, { readonly completionId: number; state: RunState }>();

  constructor(
    start: Pick<Start, "invocationId" | "commandCount" | "deliveryCount">,
    nowMs: number,
  ) {
    this.invocationId = start.invocationId;
    this.startedAtMs = nowMs;
    this.activeAtMs = nowMs;
    this.#entriesMissing = start.commandCount + start.deliveryCount;
  }

  get told(): Told {
    const { invocationId } = this;
    return { invocationId, deliveries: this.#hasGoneAhead ? null : this.#deliveries };
  }

  /** If it only waits: since when, at the latest. */
  get waitsSinceMs(): number {
    return this.activeAtMs + (this.#hasOwnTimers ? OWN_TIMERS_MS : 0);
  }

  get onlyWaits(): boolean {
    if (this.#entriesMissing > 0 || this.#outstanding.size === 0) return false;
    for (const { completionId, state } of this.#runs.values())
      if (state === "at work" && this.#outstanding.has(completionId)) return false;
    return true;
  }

  onTold(message: RuntimeMessage, nowMs: number): void {
    this.activeAtMs = nowMs;
    if (message.kind === "deliver") this.#deliver(message.delivery);
    else if (message.kind === "go") this.#setState(message.command, "at work");
    else if (message.kind === "replay") {
      this.#entriesMissing -= message.entries.length;
      for (const entry of message.entries) {
        if (entry.kind === "command") this.#issue(entry.command);
        else this.#deliver(entry.delivery);
      }
    }
  }

  onSaid(message: WorkerMessage, nowMs: number): void {
    this.activeAtMs = nowMs;
    if (message.kind === "command") this.#issue(message.command);
    else if (message.kind === "run-failed") this.#setState(message.command, "failed");
    else if (message.kind === "run-result" && message.deliveries !== null)
      this.#goAhead(message.command);
  }

  /** It makes the delivery itself, and is told nothing. */
  #goAhead(command: number): void {
    this.#hasGoneAhead = true;
    const run = this.#runs.get(command);
    const result = { kind: "proposed" } as const;
    if (run) this.#deliver({ kind: "completion", completionId: run.completionId, result });
  }

  #issue(command: Command): void {
    this.#hasOwnTimers ||= command.outside;
    if (!("completionId" in command)) return;
    const { completionId, index, after } = command;
    if (command.kind === "withdraw") this.#outstanding.delete(completionId);
    else this.#outstanding.set(completionId, after);
    if (command.kind === "run") this.#runs.set(index, { completionId, state: "at work" });
  }

  #deliver(delivery: Delivery): void {
    this.#deliveries++;
    if (delivery.kind === "completion") this.#outstanding.delete(delivery.completionId);
    if (delivery.kind !== "cancellation") return;
    for (const [completionId, after] of this.#outstanding)
      if (after < this.#deliveries) this.#outstanding.delete(completionId);
  }

  #setState(command: number, state: RunState): void {
    const run = this.#runs.get(command);
    if (run) run.state = state;
  }
}
