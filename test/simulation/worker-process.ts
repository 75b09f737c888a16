/** A worker in the simulation: the real attempts, with a memory of its own that a kill takes away. */
import type { HandlerManifest } from "../../protocol/manifest.ts";
import type { RuntimeMessage } from "../../protocol/message.ts";
import { Attempt } from "../../sdk/attempt/attempt.ts";
import type { ObjectContext } from "../../sdk/context.ts";
import type { RegisteredHandler } from "../../sdk/definition.ts";
import { serde } from "../../sdk/serde.ts";
import { handler as handlerManifest, serviceOf } from "../support/core-harness.ts";
import { execute } from "./handlers.ts";
import type { Link } from "./network.ts";
import type { Program } from "./program.ts";
import type { World } from "./world.ts";

const CONCURRENCY = 8;
const NEVER_MS = 2 ** 31 - 1;
const retry = {
  initialIntervalMs: 20,
  factor: 2,
  maxIntervalMs: 500,
  maxAttempts: null,
  maxDurationMs: null,
  jitter: 0.2,
  onMaxAttempts: "pause",
} as const;

export class WorkerProcess {
  readonly name: string;
  readonly #world: World;
  #attempts = new Map<number, Attempt>();
  #link: Link | undefined;

  constructor(world: World, index: number) {
    this.#world = world;
    this.name = `w${index}`;
  }

  get link(): Link | undefined {
    return this.#link;
  }

  connect(link: Link): void {
    this.#link = link;
    const channel = link.channel();
    const attempts = new Map<number, Attempt>();
    this.#attempts = attempts;
    link.attach({
      onMessage: (message) => this.#onMessage(link, attempts, message),
      onClose: (_, reason) => {
        this.#abortAll(attempts, reason);
        if (this.#link === link) this.#link = undefined;
      },
    });
    const manifest: HandlerManifest = handlerManifest("run", "exclusive", { retry });
    channel.send({
      kind: "hello",
      protocol: 1,
      version: "dev",
      concurrency: CONCURRENCY,
      sdk: "simulation",
      manifest: { services: [serviceOf("cell", "object", [manifest])] },
    });
  }

  /** SIGKILL: closures that were at work may still finish outside, but nobody hears of it. */
  kill(): void {
    this.#link?.killWorker();
    this.#abortAll(this.#attempts, "killed");
    this.#link = undefined;
  }

  suspendIdle(): void {
    for (const attempt of [...this.#attempts.values()]) attempt.trySuspend();
  }

  #onMessage(link: Link, attempts: Map<number, Attempt>, message: RuntimeMessage): void {
    if (message.kind === "start") {
      const { attempt: handle } = message;
      const attempt = new Attempt({
        start: message,
        handler: this.#handler(),
        send: (sent) => link.channel().send(sent),
        warn: () => undefined,
        onEnded: () => attempts.delete(handle),
        inactivityTimeoutMs: NEVER_MS,
        payloadBytesMax: 1_000_000,
      });
      attempts.set(handle, attempt);
      return;
    }
    if (message.kind === "make-room") this.suspendIdle();
    if (!("attempt" in message)) return;
    const attempt = attempts.get(message.attempt);
    if (message.kind === "replay") attempt?.replay(message);
    else if (message.kind === "deliver") attempt?.deliver(message);
    else if (message.kind === "go") attempt?.go(message);
    else attempt?.abort(message.reason);
  }

  #abortAll(attempts: Map<number, Attempt>, reason: string): void {
    for (const attempt of [...attempts.values()]) attempt.abort(reason);
    attempts.clear();
  }

  #handler(): RegisteredHandler {
    return {
      service: "cell",
      kind: "object",
      name: "run",
      mode: "exclusive",
      // A handler of an object is given an object's context.
      call: (ctx, program) => execute(ctx as ObjectContext, this.#world, program as Program),
      input: serde.json,
      output: serde.json,
      serde: serde.json,
      asTerminalError: undefined,
      manifest: handlerManifest("run", "exclusive"),
    };
  }
}
