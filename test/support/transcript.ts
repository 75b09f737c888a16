/**
 * A scenario as text: what entered the state machine, what it asked the outside to do, and the rows
 * of the invocation that came of it. Reviewed like code, read like a story.
 */
import type { InvocationId } from "../../protocol/ids.ts";
import type { Question } from "../../runtime/ask.ts";
import type { Effect } from "../../runtime/core/effect.ts";
import type { Input } from "../../runtime/core/input.ts";
import type { Command, Delivery } from "../../protocol/command.ts";
import type { RuntimeMessage } from "../../protocol/message.ts";
import { CoreHarness, text } from "./core-harness.ts";

export class Transcript {
  readonly harness: CoreHarness;
  readonly #lines: string[] = [];
  readonly #names = new Map<string, string>();

  constructor(title: string) {
    this.#lines.push(`# ${title}`);
    this.harness = new CoreHarness();
    this.harness.connect(1);
    const apply = this.harness.apply.bind(this.harness);
    this.harness.apply = (input) => {
      if (input.kind === "timers-due") this.#lines.push("", `> the clock: timers are due`);
      else this.#lines.push("", `> ${describeInput(input, (id) => this.#name(id))}`);
      const effects = apply(input);
      for (const effect of effects) this.#lines.push(`    ${this.#effect(effect)}`);
      return effects;
    };
  }

  say(comment: string): void {
    this.#lines.push("", `-- ${comment}`);
  }

  /** Sends, and gives the id that it got. */
  send(path: string): InvocationId {
    return this.harness.admittedId(this.harness.invoke(path, { mode: "send" }));
  }

  /** Takes hold of an invocation. */
  control(
    kind: "cancel" | "kill" | "pause" | "resume" | "purge",
    invocationId: InvocationId,
  ): void {
    this.ask({ kind, invocationId });
  }

  /** Pauses or resumes a key or a service. */
  hold(question: Question & { readonly kind: `${string}-key` | `${string}-service` }): void {
    this.ask(question);
  }

  ask(question: Question): void {
    this.harness.ask((request) => ({ ...question, request }));
  }

  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  /** Ids are random-looking: the first one becomes inv-1, and so on. */
  #name(id: string): string {
    const name = this.#names.get(id) ?? `inv-${this.#names.size + 1}`;
    this.#names.set(id, name);
    return name;
  }

  #effect(effect: Effect): string {
    const when = effect.when === "now" ? "now    " : effect.demand ? "durable" : "later  ";
    switch (effect.kind) {
      case "respond": {
        const { response } = effect;
        const id = "invocationId" in response && response.invocationId;
        const named = id ? `${this.#name(id)} ` : "";
        const outcome =
          response.kind === "completed"
            ? response.result.ok
              ? text(response.result.value)
              : `${response.result.failure.code} ${response.result.failure.message}`
            : response.kind === "refused"
              ? `${response.code} ${response.message}`
              : response.kind === "controlled"
                ? response.effect
                : response.kind === "accepted"
                  ? response.status
                  : "";
        return `${when}  answer request ${effect.request}: ${response.kind} ${named}${outcome}`.trimEnd();
      }
      case "message":
        return `${when}  tell worker ${effect.connection}: ${this.#message(effect.message)}`;
      case "close-connection":
        return `${when}  close worker ${effect.connection}: ${effect.reason}`;
      case "warn":
        return `${when}  warn: ${effect.message}`;
    }
  }

  #message(message: RuntimeMessage): string {
    switch (message.kind) {
      case "start": {
        const { service, key, handler } = message.target;
        const path = [service, key, handler].filter((it) => it !== null).join("/");
        const replayed = message.commandCount + message.deliveryCount;
        const journal = replayed === 0 ? "" : `, ${replayed} journal entries to replay`;
        return `start ${this.#name(message.invocationId)} ${path} as attempt ${message.attemptNumber}${journal}`;
      }
      case "replay":
        return `replay ${message.entries.map((it) => (it.kind === "command" ? describeCommand(it.command) : describeDelivery(it.delivery))).join(" | ")}`;
      case "deliver":
        return `deliver ${describeDelivery(message.delivery)}`;
      case "go":
        return `go${message.probe ? " for the probe" : ""}: command ${message.command}, try ${message.try}`;
      case "abort":
        return `abort: ${message.reason}`;
      case "ack":
        return `ack up to ${message.upTo}`;
      case "state":
        return `along: state ${message.entries.map(([name]) => name).join(", ")}`;
      case "make-room":
        return `make room for ${message.attempts}`;
      case "welcome":
      case "refused":
        return message.kind;
    }
  }
}

function describeInput(input: Input, name: (id: string) => string): string {
  switch (input.kind) {
    case "invoke": {
      const { service, key, handler } = input.target;
      const path = [service, key, handler].filter((it) => it !== null).join("/");
      const delay = input.delayMs > 0 ? ` in ${input.delayMs} ms` : "";
      const once =
        input.idempotencyKey === null ? "" : ` (idempotency key ${input.idempotencyKey})`;
      return `request ${input.request}: ${input.mode} ${path} ${text(input.parameter)}${delay}${once}`.trimEnd();
    }
    case "worker-message": {
      const { message } = input;
      const what =
        message.kind === "command"
          ? `command ${describeCommand(message.command)}`
          : message.kind === "run-result"
            ? `run-result of command ${message.command}, try ${message.try}`
            : message.kind === "run-failed"
              ? `run-failed: command ${message.command}, try ${message.try}: ${message.failure.message}`
              : message.kind === "fail"
                ? `fail: ${message.failure.message}`
                : message.kind === "suspend" || message.kind === "idle"
                  ? `${message.kind} after ${message.deliveries} deliveries`
                  : message.kind === "run-not-done"
                    ? `run-not-done: command ${message.command}, try ${message.try}`
                    : `end ${message.result.ok ? text(message.result.value) : message.result.failure.message}`;
      return `worker ${input.connection}: ${what}`;
    }
    case "worker-lost":
      return `worker ${input.connection} is lost`;
    case "cancel":
    case "kill":
    case "pause":
    case "purge":
      return `request ${input.request}: ${input.kind} ${name(input.invocationId)}`;
    case "resume": {
      const on = input.deployment === undefined ? "" : ` on ${input.deployment}`;
      return `request ${input.request}: resume ${name(input.invocationId)}${on}`;
    }
    case "pause-key":
    case "resume-key":
      return `request ${input.request}: ${input.kind} ${input.service}/${input.key}`;
    case "pause-service":
    case "resume-service":
      return `request ${input.request}: ${input.kind} ${input.service}`;
    case "remove-deployment":
      return `request ${input.request}: remove deployment ${input.version}`;
    default:
      return input.kind;
  }
}

function describeCommand(command: Command): string {
  const named = command.name === "" ? "" : ` "${command.name}"`;
  return `${command.index}: ${command.kind}${named}`;
}

function describeDelivery(delivery: Delivery): string {
  if (delivery.kind !== "completion") return delivery.kind;
  const { result } = delivery;
  const value =
    result.kind === "value"
      ? ` ${text(result.value)}`
      : result.kind === "failure"
        ? ` ${result.failure.code} ${result.failure.message}`
        : "";
  return `completion ${delivery.completionId}: ${result.kind}${value}`;
}
