/**
 * Clients that ask for something all the time, of every kind that can be cut off, and write down what
 * they asked and what came back. They go on through kills: what has an idempotency key is asked again
 * until it is answered, what has none may stay unknown.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../../simulation/random.ts";
import type { Ask, Client, HttpAnswer } from "./client.ts";
import type { Entry, Expected, Ledger, Op } from "./ledger.ts";
import type { Ticks } from "./outside.ts";

const KEYS = 6;

/** How many numbers each handler of the list gets from outside. */
const LIST_HANDLERS = { append: 0, step: 1, fan: 3, once: 1, nap: 0, race: 1, wait: 0 } as const;
const KINDS = ["append", "step", "fan", "once", "nap", "race", "wait", "chain", "twin"] as const;
const MORE_KINDS = ["send", "delayed", "bare", "cancel", "kill", "flow"] as const;

export type Kind = (typeof KINDS)[number] | (typeof MORE_KINDS)[number];

/** Once around, in any order, is a bit of everything. */
export const ALL_KINDS: readonly Kind[] = [...KINDS, ...MORE_KINDS];

export interface WorkloadOptions {
  readonly client: Client;
  readonly ledger: Ledger;
  readonly ticks: Ticks;
  readonly random: Random;
  /** Of invocations and keys, so that several can share a runtime. */
  readonly name: string;
  /** How long after its answer something may be asked again. Default: as long as its list is there. */
  readonly askAgainMs?: number;
}

interface Kept {
  readonly ask: Ask;
  readonly answer: HttpAnswer;
  readonly atMs: number;
}

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #counts = new Map<Kind, number>();
  /** Some that were answered, to be asked again. */
  #kept: Kept[] = [];
  #generation = 0;
  #stopping = false;
  #asked = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  get asked(): number {
    return this.#asked;
  }

  get counts(): ReadonlyMap<Kind, number> {
    return this.#counts;
  }

  /** Other lists from here on. */
  nextGeneration(): void {
    this.#generation++;
    this.#kept = [];
  }

  /** `thinkMs`: how long a client rests between two of what it asks for. */
  start(clients: number, thinkMs = 0): void {
    this.#stopping = false;
    for (let i = 0; i < clients; i++) this.#track(this.#keepAsking(thinkMs));
  }

  /** One of each of these kinds, all at once. */
  ask(kinds: readonly Kind[]): void {
    for (const kind of kinds) this.#track(this.#one(kind));
  }

  /** Asks for nothing new. */
  stop(): void {
    this.#stopping = true;
  }

  /** Resolves when all that was asked is answered and has ended. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** I12: what was answered is answered again, to the letter; with another payload it is refused. */
  async askAgain(times: number): Promise<void> {
    const { client, ledger, random, askAgainMs = Infinity } = this.#options;
    for (let i = 0; i < times; i++) {
      const fresh = this.#kept.filter(({ atMs }) => performance.now() - atMs < askAgainMs);
      if (fresh.length === 0) return;
      const { ask, answer } = random.pick(fresh);
      const again = await client.insist(ask);
      if (again.text !== answer.text || again.invocationId !== answer.invocationId) {
        ledger.complain(`I12: ${say(ask)} gave ${say(answer)}, later ${say(again)}`);
      }
      const other = await client.insist({ ...ask, body: "another" });
      if (other.status !== 422)
        ledger.complain(`I12: another payload of ${say(ask)}: ${say(other)}`);
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch((error: unknown) => {
      this.#options.ledger.complain(`a client failed: ${String(error)}`);
    });
    this.#running.add(tracked);
    void tracked.then(() => this.#running.delete(tracked));
  }

  async #keepAsking(thinkMs: number): Promise<void> {
    while (!this.#stopping) {
      await this.#one(this.#options.random.pick(ALL_KINDS));
      if (thinkMs > 0) await delay(thinkMs);
    }
  }

  async #one(kind: Kind): Promise<void> {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    const id = `${this.#options.name}-${++this.#asked}`;
    switch (kind) {
      case "chain":
        return this.#chain(id);
      case "send":
      case "delayed":
        return this.#send(id, kind);
      case "bare":
        return this.#bare(id);
      case "twin":
        return this.#twin(id);
      case "cancel":
      case "kill":
        return this.#end(id, kind);
      case "flow":
        return this.#flow(id);
      default:
        return this.#call(id, kind);
    }
  }

  async #call(id: string, kind: keyof typeof LIST_HANDLERS): Promise<void> {
    const key = this.#key();
    const op = this.#open(id, kind, [{ key, id, steps: LIST_HANDLERS[kind] }]);
    await this.#answered(op, { path: `/list/${key}/${kind}`, body: id, idempotencyKey: id });
  }

  async #chain(id: string): Promise<void> {
    const keys = [this.#key(), this.#key(), this.#key()] as const;
    const op = this.#open(id, "chain", [
      { key: keys[0], id: `${id} 0`, steps: 0 },
      { key: keys[1], id: `${id} 1`, steps: 1 },
      { key: keys[2], id: `${id} 2`, steps: 0 },
    ]);
    await this.#answered(op, { path: "/relay/chain", body: { id, keys }, idempotencyKey: id });
  }

  /** Two clients with one idempotency key, at the same moment. */
  async #twin(id: string): Promise<void> {
    const key = this.#key();
    const op = this.#open(id, "step", [{ key, id, steps: 1 }]);
    const ask = { path: `/list/${key}/step`, body: id, idempotencyKey: id };
    const [one, two] = await Promise.all([
      this.#answered(op, ask),
      this.#options.client.insist(ask),
    ]);
    if (one.text === two.text && one.invocationId === two.invocationId) return;
    this.#options.ledger.complain(`I12: ${id} was answered ${say(one)} and ${say(two)}`);
  }

  async #send(id: string, kind: "send" | "delayed"): Promise<void> {
    const { client, ticks, ledger } = this.#options;
    const key = this.#key();
    const op = this.#open(id, kind, [{ key, id, steps: 1 }]);
    const delay = kind === "delayed" ? "?delay=50ms" : "";
    const path = `/list/${key}/step/send${delay}`;
    const accepted = await client.insist({ path, body: id, idempotencyKey: id });
    if (accepted.status !== 202) {
      ledger.complain(`I1: ${id} was sent and answered ${say(accepted)}`);
      return;
    }
    if (kind === "send") op.acceptedAt = ticks.next();
    const { invocationId } = JSON.parse(accepted.text) as { readonly invocationId: string };
    await this.#answered(op, { method: "GET", path: `/restate/invocation/${invocationId}/attach` });
  }

  /** What holds its key for ever, until it is cancelled or killed: the next ones of the key go on. */
  async #end(id: string, action: "cancel" | "kill"): Promise<void> {
    const { client, ticks, ledger } = this.#options;
    const key = this.#key();
    const op = this.#open(id, action, [{ key, id, steps: 0 }]);
    op.expected = "unknown";
    const path = `/list/${key}/hold/send`;
    const accepted = await client.insist({ path, body: id, idempotencyKey: id });
    op.acceptedAt = ticks.next();
    const { invocationId } = JSON.parse(accepted.text) as { readonly invocationId: string };
    const of = `/invocations/${invocationId}`;
    const done = await client.insist({ method: "PATCH", api: "admin", path: `${of}/${action}` });
    // 409: it was done, and the answer of that was lost in a kill.
    if (![200, 202, 409].includes(done.status)) {
      ledger.complain(`I17: ${id} was to ${action}: ${say(done)}`);
    }
    const attach = `/restate/invocation/${invocationId}/attach`;
    const answer = await client.insist({ method: "GET", path: attach });
    // Killed, or cancelled before it had started: it did nothing.
    op.expected = answer.status === 200 ? "there" : "absent";
    if (answer.status !== 200) return;
    if (action === "kill") ledger.complain(`I17: ${id} was killed, and then ended: ${say(answer)}`);
    this.#settle(op, answer);
  }

  /** A workflow that waits for a confirmation, which comes twice. */
  async #flow(id: string): Promise<void> {
    const { client, ledger } = this.#options;
    const key = this.#key();
    const op = this.#open(id, "flow", [{ key, id, steps: 0 }]);
    await client.insist({ path: `/flow/${id}/run/send`, body: { id, key } });
    const confirm = { path: `/flow/${id}/confirm` };
    await Promise.all([client.insist(confirm), client.insist(confirm)]);
    const attach: Ask = { method: "GET", path: `/restate/workflow/flow/${id}/attach` };
    const answer = await this.#answered(op, attach);
    const again = await client.insist(attach);
    if (again.text !== answer.text) ledger.complain(`I13: ${id}: ${say(answer)}, ${say(again)}`);
  }

  async #bare(id: string): Promise<void> {
    const { client } = this.#options;
    const key = this.#key();
    const op = this.#open(id, "append", [{ key, id, steps: 0 }]);
    op.expected = "unknown";
    try {
      const answer = await client.try({ path: `/list/${key}/append`, body: id });
      // 503: it was refused, as it was back and not yet ready, or about to go.
      if (answer.status === 503) return;
      op.expected = "there";
      this.#settle(op, answer);
    } catch (error) {
      // No answer, or none in time from one that was killed: it stays unknown.
      if (!(error instanceof TypeError) && !isTimeout(error)) throw error;
    }
  }

  async #answered(op: Op, ask: Ask): Promise<HttpAnswer> {
    const answer = await this.#options.client.insist(ask);
    this.#settle(op, answer);
    if (ask.idempotencyKey !== undefined) this.#keep({ ask, answer, atMs: performance.now() });
    return answer;
  }

  #settle(op: Op, answer: HttpAnswer): void {
    const { ledger, ticks } = this.#options;
    if (answer.status !== 200) {
      ledger.complain(`I2: ${op.id} (${op.kind}) was answered ${say(answer)}`);
      return;
    }
    const told = JSON.parse(answer.text) as Told | readonly Told[];
    op.settledAt ??= ticks.next();
    op.answered = [told].flat().map((it) => ({ id: op.id, ...it }));
  }

  #keep(kept: Kept): void {
    this.#kept.push(kept);
    if (this.#kept.length > 200) this.#kept = this.#kept.slice(-100);
  }

  #open(id: string, kind: string, entries: readonly Expected[]): Op {
    const { ledger, ticks } = this.#options;
    const times = { sentAt: ticks.next(), acceptedAt: undefined, settledAt: undefined };
    const op: Op = { id, kind, entries, ...times, answered: [], expected: "there" };
    ledger.add(op);
    return op;
  }

  #key(): string {
    const { name, random } = this.#options;
    return `${name}-g${this.#generation}-k${random.int(1, KEYS)}`;
  }
}

type Told = Omit<Entry, "id">;

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

function say(it: Ask | HttpAnswer): string {
  return JSON.stringify(it);
}
