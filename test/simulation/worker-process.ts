/** A worker in the simulation: the real session and attempts, with a memory of its own that a kill takes away. */
import { handlers, object, service, workflow } from "../../sdk/index.ts";
import type { AnyDefinition } from "../../sdk/definition.ts";
import { WorkerSession } from "../../sdk/worker/worker-session.ts";
import { handle, type Ctx, type Scene } from "./handlers.ts";
import type { Link } from "./network.ts";
import type { Program } from "./program.ts";
import type { World } from "./world.ts";

const retryPolicy = { initialInterval: 20, exponentiationFactor: 2, maxInterval: 500 };
/** What ended on a cell or in a workflow is looked at when everything is over. */
const FOR_EVER = { days: 36_000 };
const KEPT = {
  retryPolicy,
  journalRetention: FOR_EVER,
  idempotencyRetention: FOR_EVER,
  workflowRetention: FOR_EVER,
};
/** What ended in "plain" is forgotten while others still ask for it. */
const SHORT_LIVED = { retryPolicy, journalRetention: 1_500, idempotencyRetention: 2_500 };
const PAUSES = { ...retryPolicy, maxAttempts: 2, onMaxAttempts: "pause" } as const;

/** What a worker's code is like. */
export interface Code {
  readonly version: string;
  /** It does something else than what it did before: replays do not match. */
  readonly strays: boolean;
  /** It lacks the service "plain". */
  readonly partial: boolean;
  /** Its services pause an invocation that fails twice. */
  readonly pauses: boolean;
  readonly concurrency: number;
  readonly lazyState: boolean;
}

export interface WorkerOptions {
  readonly world: World;
  readonly name: string;
  readonly code: Code;
  /** Whether something of this invocation is on disk. */
  readonly hasCommands: (invocationId: string) => boolean;
  /** Whether the runtime has given this link up. */
  readonly isLost: (link: Link) => boolean;
}

export class WorkerProcess {
  readonly name: string;
  readonly #options: WorkerOptions;
  #session: WorkerSession | undefined;
  #link: Link | undefined;
  code: Code;
  /** SIGSTOP: nothing is read or written. */
  stopped = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.name = options.name;
    this.code = options.code;
  }

  get link(): Link | undefined {
    return this.#link;
  }

  connect(link: Link): void {
    this.#link = link;
    const session = new WorkerSession({
      services: this.#services(link),
      version: this.code.version,
      concurrency: this.code.concurrency,
      channel: link.workerChannel,
      warn: () => undefined,
      onClosed: () => {
        if (this.#link === link) this.#link = undefined;
      },
    });
    this.#session = session;
    link.attachWorker(session);
    session.sayHello();
  }

  /** SIGKILL: closures that were at work may still finish outside, but nobody hears of it. */
  kill(): void {
    this.#link?.killWorker();
    this.#session?.onClose(1006, "killed");
    this.#link = undefined;
    this.stopped = false;
  }

  /** SIGTERM. */
  drain(): void {
    void this.#session?.drain();
  }

  #services(link: Link): AnyDefinition[] {
    const scene: Scene = {
      world: this.#options.world,
      strays: (id) => this.code.strays && this.#options.hasCommands(id),
      link: link.id,
      isZombie: () => this.#options.isLost(link),
    };
    const run = (ctx: unknown, program: Program): Promise<string[]> =>
      handle(ctx as Ctx, scene, program); // every context is one object: see lazy-context.ts
    const { pauses, lazyState: enableLazyState } = this.code;
    const options = { ...KEPT, enableLazyState, ...(pauses ? { retryPolicy: PAUSES } : {}) };
    const cell = object({
      name: "cell",
      options,
      handlers: { run, look: handlers.object.shared((ctx, program: Program) => run(ctx, program)) },
    });
    const flow = workflow({
      name: "flow",
      options,
      handlers: {
        run,
        poke: handlers.workflow.shared((ctx, program: Program) => run(ctx, program)),
      },
    });
    if (this.code.partial) return [cell, flow];
    return [cell, flow, service({ name: "plain", options: SHORT_LIVED, handlers: { run } })];
  }
}
