/**
 * A handler on the real SDK over the real state machine, without network, disk or waiting: messages
 * are handed over in the order in which they were made. Time stands until it is moved.
 */
import type { Effect } from "../../runtime/core/effect.ts";
import type { Limits } from "../../runtime/core/limits.ts";
import type { HandlerManifest, HandlerMode, RetryPolicy } from "../../protocol/manifest.ts";
import type { RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import type { RegisteredHandler } from "../../sdk/definition.ts";
import { Attempt } from "../../sdk/attempt/attempt.ts";
import { serde, type Serde } from "../../sdk/serde.ts";
import { CoreHarness, handler as handlerManifest, serviceOf, text } from "./core-harness.ts";

/** The handler under test: `any` context, since tests use all of them. */
export type Code<C> = (ctx: C, input: unknown) => unknown;

export interface LiveOptions {
  readonly limits?: Partial<Limits>;
  readonly payloadBytesMax?: number;
  readonly replayTimeoutMs?: number;
  readonly abortTimeoutMs?: number;
  readonly inactivityTimeoutMs?: number;
  /** Of all handlers. */
  readonly retry?: RetryPolicy;
  /** Of all handlers. Default JSON. */
  readonly output?: Serde<unknown>;
  /** Sees every worker message before the runtime does; false drops it. */
  readonly filter?: (message: WorkerMessage) => boolean;
}

export class LiveHarness<C> {
  readonly core: CoreHarness;
  readonly warnings: string[] = [];
  readonly sent: WorkerMessage[] = [];
  readonly attempts = new Map<string, Attempt>();
  code: Code<C>;
  connection = 0;
  readonly #options: LiveOptions;
  #read = 0;

  constructor(code: Code<C>, options: LiveOptions = {}) {
    this.code = code;
    this.#options = options;
    this.core = new CoreHarness(options.limits);
    const apply = this.core.apply.bind(this.core);
    this.core.apply = (input) => {
      const effects: Effect[] = apply(input);
      setImmediate(() => this.#pump());
      return effects;
    };
    this.connect();
  }

  connect(): void {
    this.connection++;
    this.#read = 0;
    const retry = this.#options.retry ?? null;
    const manifest = (name: string, mode: HandlerMode): HandlerManifest =>
      handlerManifest(name, mode, { retry });
    this.core.connect(this.connection, {
      services: [
        serviceOf("object", "object", [manifest("run", "exclusive"), manifest("read", "shared")]),
        serviceOf("flow", "workflow", [manifest("run", "exclusive"), manifest("side", "shared")]),
        serviceOf("plain", "service", [manifest("run", "stateless")]),
      ],
    });
  }

  /** The worker dies: its attempts are gone, and another one takes over. */
  crashWorker(): void {
    for (const attempt of this.attempts.values()) attempt.abort("the worker died");
    this.attempts.clear();
    this.core.lose(this.connection);
    this.connect();
  }

  /** The runtime dies, and with it the connection; both come back. */
  crashRuntime(): void {
    for (const attempt of this.attempts.values()) attempt.abort("the runtime died");
    this.attempts.clear();
    this.core.restart();
    this.connect();
  }

  suspendAll(): void {
    for (const attempt of this.attempts.values()) attempt.trySuspend();
  }

  /** Everything that happens without time going on has happened. */
  async settle(): Promise<void> {
    for (let rounds = 0; rounds < 200; rounds++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async advance(ms: number): Promise<void> {
    await this.settle();
    this.core.advance(ms);
    this.#pump();
    await this.settle();
  }

  /** The answer of a call: its value, or its failure as "code message". */
  answerOf(request: number): unknown {
    const response = this.core.responses.get(request);
    if (response === undefined) return undefined;
    if (response.kind !== "completed") return response;
    const { result } = response;
    if (!result.ok) return `${result.failure.code} ${result.failure.message}`;
    return result.value.length === 0 ? null : (JSON.parse(text(result.value)) as unknown);
  }

  commands(): string[] {
    return this.sent.flatMap((it) =>
      it.kind === "command" ? `${it.command.kind}${it.command.name && ` ${it.command.name}`}` : [],
    );
  }

  #pump(): void {
    const told = this.core.told.get(this.connection) ?? [];
    while (this.#read < told.length) {
      const message = told[this.#read++];
      if (message) this.#hear(message);
    }
  }

  #hear(message: RuntimeMessage): void {
    if (!("attempt" in message)) return;
    const { connection } = this;
    const name = `${connection}/${message.attempt}`;
    if (message.kind === "start") {
      const code = this.code;
      const registered: RegisteredHandler = {
        service: message.target.service,
        kind: "object",
        name: message.target.handler,
        mode: message.target.handler === "read" ? "shared" : "exclusive",
        // The test's own code, with the context that its target has.
        call: (ctx, input) => code(ctx as C, input),
        input: serde.json,
        output: this.#options.output ?? serde.json,
        serde: serde.json,
        asTerminalError: undefined,
        abortTimeoutMs: this.#options.abortTimeoutMs ?? null,
        manifest: handlerManifest(message.target.handler, "exclusive"),
      };
      const attempt = new Attempt(message, registered, {
        send: (sent) => this.#say(connection, sent),
        warn: (warning) => this.warnings.push(warning),
        onEnded: () => this.attempts.delete(name),
        inactivityTimeoutMs: this.#options.inactivityTimeoutMs ?? 60_000,
        payloadBytesMax: this.#options.payloadBytesMax ?? 1_000_000,
        ...(this.#options.replayTimeoutMs === undefined
          ? {}
          : { replayTimeoutMs: this.#options.replayTimeoutMs }),
      });
      this.attempts.set(name, attempt);
      return;
    }
    const attempt = this.attempts.get(name);
    if (message.kind === "replay") attempt?.replay(message);
    else if (message.kind === "deliver") attempt?.deliver(message);
    else if (message.kind === "go") attempt?.go(message);
    else if (message.kind === "state") attempt?.learnState(message);
    else {
      attempt?.abort(message.reason);
    }
  }

  #say(connection: number, message: WorkerMessage): void {
    this.sent.push(message);
    if (this.#options.filter?.(message) === false) return;
    if (message.kind === "hello" || message.kind === "drain") return;
    // On the wire it would arrive later, never in the middle of what the worker does.
    setImmediate(() => {
      this.core.say(connection, message);
    });
  }
}
