/**
 * A worker whose every message is well-formed and many of them wrong: out of order, for what is over
 * or never was, twice, too much. It listens as an honest one would, so that it knows what is wrong.
 *
 * Sans I/O: a test says what it hears and carries what it says, to the bare machine or over a socket.
 */
import fc from "fast-check";
import type { Command, RunRetryPolicy, Target } from "../../protocol/command.ts";
import { formatAwakeableId, formatInvocationId, type InvocationId } from "../../protocol/ids.ts";
import type { ServiceManifest } from "../../protocol/manifest.ts";
import type { RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import type { Result } from "../../protocol/payload.ts";
import type { Random } from "../simulation/random.ts";
import { WORKER_MESSAGES } from "../support/arbitrary-messages.ts";
import { bytes, handler, serviceOf, type CommandBody } from "../support/core-harness.ts";

const retry = {
  initialIntervalMs: 1,
  factor: 2,
  maxIntervalMs: 20,
  maxAttempts: 5,
  maxDurationMs: null,
  jitter: 0.2,
  onMaxAttempts: "kill",
} as const;

/** What it serves: nobody else does. */
export const HOSTILE_SERVICES: readonly ServiceManifest[] = [
  serviceOf("Bad", "service", [handler("go", "stateless", { retry })]),
  serviceOf("BadObject", "object", [
    handler("change", "exclusive", { retry }),
    handler("look", "shared", { retry }),
  ]),
  serviceOf("BadFlow", "workflow", [
    handler("run", "exclusive", { retry }),
    handler("side", "shared", { retry }),
  ]),
];

interface Known {
  readonly handle: number;
  commands: number;
  deliveries: number;
  completionId: number;
  readonly gos: { readonly command: number; readonly try: number }[];
  over: boolean;
}

const FAKE_ID = formatInvocationId({ slot: 1, epoch: 1, sequence: 2 ** 40, tag: "12345678" });
const LONG = "x".repeat(600);
const FAILURE = { name: "Error", message: "boom", code: 500 } as const;

export class HostileWorker {
  readonly #random: Random;
  readonly #ids: readonly InvocationId[];
  readonly #corpus: readonly WorkerMessage[];
  readonly #known: Known[] = [];

  /** `ids`: invocations that it may name; the caller adds to them. */
  constructor(random: Random, ids: readonly InvocationId[], corpus: readonly WorkerMessage[]) {
    this.#random = random;
    this.#ids = ids;
    this.#corpus = corpus;
  }

  hear(message: RuntimeMessage): void {
    if (message.kind === "start") {
      this.#known.push({
        handle: message.attempt,
        commands: message.commandCount,
        deliveries: message.deliveryCount,
        completionId: 0,
        gos: [],
        over: false,
      });
      return;
    }
    if (!("attempt" in message)) return;
    const known = this.#known.find((it) => it.handle === message.attempt);
    if (known === undefined) return;
    if (message.kind === "deliver") known.deliveries++;
    if (message.kind === "go") known.gos.push({ command: message.command, try: message.try });
    if (message.kind === "abort") known.over = true;
    if (message.kind !== "replay") return;
    for (const entry of message.entries) {
      if (entry.kind === "command" && "completionId" in entry.command) {
        known.completionId = Math.max(known.completionId, entry.command.completionId);
      }
    }
  }

  /** What it says next. */
  next(): WorkerMessage {
    const random = this.#random;
    const draw = random.int(0, 99);
    const known = this.#pick();
    if (known === undefined || draw < 4) return this.#anything();
    const attempt = known.handle;
    if (draw < 50) return this.#sound(known);
    if (draw < 60) return this.#brokenCommand(known);
    if (draw < 72) return this.#runAnswer(known);
    if (draw < 78) {
      known.over = true;
      return { kind: "suspend", attempt, deliveries: this.#near(known.deliveries) };
    }
    if (draw < 86) {
      known.over = random.chance(0.8);
      return { kind: "end", attempt, result: this.#result() };
    }
    if (draw < 92) {
      known.over = true;
      const retryAfterMs = random.pick([null, 0, 1, 2 ** 53 - 1]);
      const command = random.pick([null, 0, 4_000_000_000]);
      return { kind: "fail", attempt, failure: FAILURE, stack: "s", command, retryAfterMs };
    }
    return draw < 93 ? { kind: "drain" } : this.#sound(known);
  }

  /** A live attempt mostly; now and then one that is over. */
  #pick(): Known | undefined {
    const live = this.#known.filter((it) => !it.over);
    const from = live.length > 0 && this.#random.chance(0.9) ? live : this.#known;
    return from.length === 0 ? undefined : this.#random.pick(from);
  }

  /** Any message of the protocol, mostly for a handle that exists. */
  #anything(): WorkerMessage {
    const message = this.#random.pick(this.#corpus);
    if (!("attempt" in message)) return message;
    const handles = [...this.#known.map((it) => it.handle), 1, 2, 3, 4_000_000_000];
    return { ...message, attempt: this.#random.pick(handles) };
  }

  #sound(known: Known): WorkerMessage {
    const after = this.#random.int(Math.max(0, known.deliveries - 2), known.deliveries);
    const command = this.#command(known, { index: known.commands++, after });
    if ("completionId" in command && command.kind !== "withdraw") {
      known.completionId = command.completionId;
    }
    return { kind: "command", attempt: known.handle, command };
  }

  #brokenCommand(known: Known): WorkerMessage {
    const { handle: attempt, commands, deliveries } = known;
    const random = this.#random;
    const wrong = random.int(0, 2);
    const index = wrong === 0 ? commands + random.pick([-1, 1, 2, 1_000_000]) : commands;
    const after = wrong === 1 ? deliveries + random.int(1, 3) : deliveries;
    const command = this.#command(known, { index: Math.max(0, index), after });
    const reused = wrong === 2 && "completionId" in command;
    return {
      kind: "command",
      attempt,
      command: reused ? { ...command, completionId: Math.max(1, known.completionId) } : command,
    };
  }

  #runAnswer(known: Known): WorkerMessage {
    const random = this.#random;
    const go = random.chance(0.6) ? known.gos.at(-1) : undefined;
    const base = {
      attempt: known.handle,
      command: go?.command ?? random.int(0, known.commands + 1),
      try: random.chance(0.8) ? (go?.try ?? 1) : random.pick([1, 2, 4_000_000_000]),
    };
    if (random.chance(0.6)) {
      const deliveries = random.pick([null, null, 0, known.deliveries, 4_000_000_000]);
      return { kind: "run-result", ...base, result: this.#result(), deliveries };
    }
    const retryAfterMs = random.pick([null, 0, 5, 2 ** 53 - 1]);
    return { kind: "run-failed", ...base, failure: FAILURE, retryAfterMs };
  }

  #command(known: Known, place: { readonly index: number; readonly after: number }): Command {
    const random = this.#random;
    const outside = random.chance(0.1);
    const name = random.pick(["", "a", "\0", LONG]);
    const base = { ...place, outside, name };
    return { ...base, ...this.#body(known) };
  }

  #body(known: Known): CommandBody {
    const random = this.#random;
    const completionId = known.completionId + random.pick([1, 1, 1, 2, 1_000]);
    const key = random.pick(["", "a", "b", "é\0", LONG]);
    const value = bytes(random.pick(["", "1", LONG]));
    const invocationId = random.pick([FAKE_ID, ...this.#ids]);
    const called = {
      target: this.#target(),
      parameter: value,
      headers: [],
      idempotencyKey: random.pick([null, null, "", "k", LONG]),
    };
    const durationMs = random.pick([0, 1, 30, 2 ** 53 - 1]);
    switch (random.int(0, 23)) {
      case 0:
        return { kind: "get-state", key, completionId };
      case 1:
        return { kind: "get-state-here", key, value: random.pick([null, value]) };
      case 2:
        return { kind: "get-state-keys", completionId };
      case 3:
        return { kind: "set-state", key, value };
      case 4:
        return random.chance(0.7) ? { kind: "clear-state", key } : { kind: "clear-all-state" };
      case 5:
        return { kind: "sleep", durationMs, completionId };
      case 6:
      case 7:
        // Of whatever has this number: a sleep, or a call, an attach, a promise.
        return { kind: "withdraw", completionId: random.int(1, known.completionId + 2) };
      case 8:
      case 9:
        return { kind: "call", ...called, completionId };
      case 10:
        return { kind: "send", ...called, delayMs: durationMs };
      case 11:
        return { kind: "invocation-id", of: random.int(0, known.commands + 1), completionId };
      case 12:
      case 13:
        return {
          kind: "run",
          completionId,
          retry: this.#retry(),
          mode: random.pick(["at-least-once", "at-most-once", "probe"]),
        };
      case 14:
        return { kind: "awakeable", completionId };
      case 15: {
        const of = { slot: 1, epoch: 1, sequence: random.int(1, 9), tag: "12345678" };
        const awakeableId = formatAwakeableId({ invocation: of, completionId });
        return { kind: "complete-awakeable", awakeableId, result: this.#result() };
      }
      case 16:
        return { kind: "get-promise", promise: key, completionId };
      case 17:
        return { kind: "peek-promise", promise: key, completionId };
      case 18:
        return { kind: "complete-promise", promise: key, result: this.#result(), completionId };
      case 19:
        return { kind: "await-signal", signal: key };
      case 20:
        return { kind: "send-signal", invocationId, signal: key, result: this.#result() };
      case 21:
        return random.chance(0.3)
          ? { kind: "cancel", invocationId }
          : random.chance(0.2)
            ? { kind: "patched", patch: key }
            : { kind: "date-here", timeMs: random.pick([0, 2 ** 53 - 1]) };
      case 22:
        return { kind: "attach", invocationId, completionId };
      default:
        return { kind: "date", completionId };
    }
  }

  #target(): Target {
    const [service, handler] = this.#random
      .pick([
        "Bad/go",
        "BadObject/change",
        "BadObject/look",
        "BadFlow/run",
        "BadFlow/side",
        "Nobody/x",
        "Bad/none",
        `${LONG}/go`,
      ]) // prettier-ignore
      .split("/");
    const key = this.#random.pick([null, "", "a", "b", "\0", LONG]);
    return { service: service ?? "", handler: handler ?? "", key };
  }

  #retry(): RunRetryPolicy | null {
    const random = this.#random;
    if (random.chance(0.4)) return null;
    return {
      initialIntervalMs: random.pick([0, 1, 1e300]),
      factor: random.pick([0, 1, 2, 1e300]),
      maxIntervalMs: random.pick([0, 5, 1e300]),
      maxAttempts: random.pick([null, 0, 1, 3]),
      maxDurationMs: random.pick([null, 0, 1, 1e300]),
      jitter: random.pick([0, 0.5, 1]),
      onMaxAttempts: random.pick(["fail", "pause"]),
    };
  }

  #result(): Result {
    return this.#random.chance(0.7)
      ? { ok: true, value: bytes(this.#random.pick(["", "1", LONG])) }
      : { ok: false, failure: FAILURE };
  }

  #near(count: number): number {
    return this.#random.pick([count, count, 0, count + 1, 4_000_000_000]);
  }
}

/** Any messages at all, for `HostileWorker`. */
export function messageCorpus(seed: number): WorkerMessage[] {
  const kinds = Object.values<fc.Arbitrary<WorkerMessage>>(WORKER_MESSAGES);
  return kinds.flatMap((kind) => fc.sample(kind, { seed, numRuns: 20 }));
}
