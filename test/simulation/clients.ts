/**
 * Clients: they start things, ask again, go away, complete awakeables of others, cancel, kill, pause,
 * resume, purge; in every order that HTTP would let through.
 */
import type { AwakeableId, InvocationId } from "../../protocol/ids.ts";
import type { Question } from "../../runtime/ask.ts";
import type { Response } from "../../runtime/core/effect.ts";
import type { InvocationRef } from "../../runtime/core/input.ts";
import { Answers, type Asked } from "./answers.ts";
import type { Durable } from "./durable.ts";
import { PLACES, PLAIN, type Place, type Program, type ProgramWriter } from "./program.ts";
import type { Random } from "./random.ts";
import type { RuntimeProcess } from "./runtime-process.ts";
import { time } from "./time.ts";
import type { Wish } from "./world.ts";

const encoder = new TextEncoder();
const bytes = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));

export type Control = "cancel" | "kill" | "pause" | "resume" | "purge";

export interface ClientsOptions {
  readonly random: Random;
  readonly programs: ProgramWriter;
  readonly durable: Durable;
  readonly runtime: () => RuntimeProcess;
  readonly note: (event: string) => void;
  readonly check: (check: () => void) => void;
}

interface Held {
  readonly service: string;
  readonly key?: string;
  /** When it was asked for: a resume that was asked for before does not take it back. */
  readonly since: number;
}

type Invoke = Question & { readonly kind: "invoke" };

export class Clients {
  readonly answers: Answers;
  readonly #options: ClientsOptions;
  readonly #pending = new Map<Asked, AbortController>();
  readonly #keyed: Invoke[] = [];
  /** What is paused as a whole. */
  readonly held: Held[] = [];
  /** Ids that clients know. */
  readonly ids: InvocationId[] = [];
  #next = 1;
  #events = 0;

  constructor(options: ClientsOptions) {
    this.#options = options;
    this.answers = new Answers(options.durable);
  }

  get waiting(): number {
    return this.#pending.size;
  }

  /** All that waited on a runtime that is gone. */
  forget(): void {
    this.#pending.clear();
  }

  /** Something new, or something that was asked before, with the same key. */
  request(): void {
    const { random, programs } = this.#options;
    if (this.#keyed.length > 0 && random.chance(0.25)) {
      const before = random.pick(this.#keyed);
      const parameter = random.chance(0.2) ? bytes([]) : before.parameter;
      this.#invoke({ ...before, parameter, mode: random.pick(["call", "send"]), delayMs: 0 });
      return;
    }
    for (const { place, program } of programs.requests()) {
      const workflowRun = place.service === "flow" && place.handler === "run";
      const key = !workflowRun && random.chance(0.25) ? `key ${random.int(1, 1_000)}` : null;
      this.#start(place, program, key);
    }
  }

  #start(place: Place, program: Program, idempotencyKey: string | null): void {
    const { random } = this.#options;
    const { service, handler, key } = place;
    const invoke: Invoke = {
      kind: "invoke",
      mode: random.pick(["call", "send"]),
      target: { service, handler, key },
      parameter: bytes(program),
      headers: [["content-type", "application/json"]],
      idempotencyKey,
      delayMs: random.chance(0.1) ? random.int(1, 2_000) : 0,
      entropy: "",
    };
    if (idempotencyKey !== null) this.#keyed.push(invoke);
    this.#invoke(invoke);
  }

  #invoke(invoke: Invoke): void {
    const entropy = this.#options.random.bytes(24);
    this.answers.tags.add(entropy.slice(0, 8));
    this.#ask({ ...invoke, entropy });
  }

  /** Waits for, or reads, the outcome of something. */
  attach(): void {
    const { random } = this.#options;
    const kind = random.pick(["attach", "output"] as const);
    const ref = this.#ref();
    if (ref) this.#ask({ kind, ref });
  }

  #ref(): InvocationRef | undefined {
    const { random } = this.#options;
    const draw = random.int(0, 9);
    if (draw < 2) return { kind: "workflow", service: "flow", key: random.pick(["a", "b\0"]) };
    if (draw < 4 && this.#keyed.length > 0) {
      const { target, idempotencyKey } = random.pick(this.#keyed);
      return { kind: "idempotency-key", target, idempotencyKey: idempotencyKey ?? "" };
    }
    return this.ids.length > 0 ? { kind: "id", invocationId: random.pick(this.ids) } : undefined;
  }

  control(kind: Control, invocationId: InvocationId): void {
    // What is forgotten by hand is nothing that the end could look at.
    if (kind === "purge" && !this.#isPlain(invocationId)) return;
    const { cancelled, killed, purged } = this.answers;
    if (kind === "cancel") cancelled.add(invocationId);
    if (kind === "kill") killed.add(invocationId);
    if (kind === "purge") purged.add(invocationId);
    this.#ask({ kind, invocationId });
  }

  /** Nothing of a key, or of a service, starts until it is taken back. */
  hold(what: "pause key" | "pause service", random: Random): void {
    const { service, key } = random.pick(PLACES);
    if (what === "pause key" && key === null) return;
    const since = this.#events;
    const held: Held =
      what === "pause key" ? { service, key: key ?? "", since } : { service, since };
    this.held.push(held);
    this.#holdOrLetGo("pause", held);
  }

  /** Takes back one of the holds. Who hears no answer does it again. */
  letGo(at: number): void {
    const held = this.held[at];
    if (held) this.#holdOrLetGo("resume", held);
  }

  #holdOrLetGo(verb: "pause" | "resume", { service, key }: Held): void {
    if (key === undefined) this.#ask({ kind: `${verb}-service`, service });
    else this.#ask({ kind: `${verb}-key`, service, key });
  }

  #isPlain(id: string): boolean {
    return this.#options.durable.find(id)?.target.service === "plain";
  }

  /** A client that does not wait. */
  leave(): boolean {
    const { random, note } = this.#options;
    const waiting = [...this.#pending];
    if (waiting.length === 0) return false;
    const [asked, controller] = random.pick(waiting);
    note(`the client of request ${asked.number} goes away`);
    this.#pending.delete(asked);
    controller.abort();
    return true;
  }

  /** Somebody outside does what an invocation waits for: once, twice, or before it is awaited. */
  grant(wish: Wish): void {
    const { random, programs } = this.#options;
    // Sometimes it is done twice: also by a client that heard no answer.
    if (!random.chance(0.3)) wish.grantedAtMs = time.wallMs;
    switch (wish.kind) {
      case "awakeable":
        this.completeAwakeable(wish.subject as AwakeableId); // it came from ctx.awakeable
        return;
      case "signal":
        this.#start(PLAIN, programs.signals(wish.invocationId, wish.subject), null);
        return;
      case "promise": {
        const place: Place = { service: "flow", key: wish.key, handler: "poke" };
        this.#start(place, programs.resolves(wish.subject), null);
        return;
      }
    }
  }

  signal(invocationId: InvocationId, signal: string): void {
    this.#start(PLAIN, this.#options.programs.signals(invocationId, signal), null);
  }

  completeAwakeable(awakeableId: AwakeableId): void {
    const value = `awakened by ${this.#next}`;
    const submitted = this.answers.resolutions.get(awakeableId) ?? new Set<string>();
    this.answers.resolutions.set(awakeableId, submitted.add(value));
    this.#ask({
      kind: "complete-awakeable",
      awakeableId,
      result: { ok: true, value: bytes(value) },
    });
  }

  #ask(question: Question): void {
    const { runtime, note } = this.#options;
    const asked: Asked = {
      number: this.#next++,
      question,
      askedAt: ++this.#events,
      answeredAt: undefined,
      response: undefined,
    };
    this.answers.asked.push(asked);
    note(`request ${asked.number}: ${describe(question)}`);
    const controller = new AbortController();
    this.#pending.set(asked, controller);
    runtime()
      .ask(question, controller.signal)
      .then(
        (response) => this.#onAnswer(asked, response),
        () => this.#pending.delete(asked),
      );
  }

  #noteLetGo({ question, askedAt }: Asked): void {
    const left = this.held.filter((it) => it.since >= askedAt || !isSame(it, question));
    this.held.splice(0, this.held.length, ...left);
  }

  #onAnswer(asked: Asked, response: Response): void {
    const { note, check, programs } = this.#options;
    this.#pending.delete(asked);
    asked.answeredAt = ++this.#events;
    note(`request ${asked.number} is answered: ${sentence(response)}`);
    check(() => this.answers.check(asked, response));
    this.#noteLetGo(asked);
    if ("invocationId" in response && response.invocationId !== null) {
      const id = response.invocationId;
      if (this.ids.includes(id)) return;
      this.ids.push(id);
      programs.known.push(id);
    }
  }
}

function isSame(held: Held, question: Question): boolean {
  if (question.kind === "resume-service") {
    return held.key === undefined && held.service === question.service;
  }
  const { kind } = question;
  return kind === "resume-key" && held.service === question.service && held.key === question.key;
}

function describe(question: Question): string {
  if (question.kind !== "invoke") {
    const { kind, ...rest } = question;
    return `${kind} ${JSON.stringify(rest, (_, value: unknown) => (value instanceof Uint8Array ? new TextDecoder().decode(value) : value))}`;
  }
  const { mode, target, idempotencyKey, delayMs, parameter } = question;
  const key = target.key === null ? "" : `/${target.key.slice(0, 10)}`;
  const more = `${idempotencyKey === null ? "" : ` under ${idempotencyKey}`}${delayMs > 0 ? ` in ${delayMs} ms` : ""}`;
  return `${mode} ${target.service}${key}/${target.handler}${more} ${new TextDecoder().decode(parameter)}`;
}

function sentence(response: Response): string {
  if (response.kind === "refused") return `refused ${response.code} ${response.message}`;
  if (response.kind === "completed") {
    const { result } = response;
    return result.ok ? "completed" : `completed: ${result.failure.message}`;
  }
  return response.kind;
}
