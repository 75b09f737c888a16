/**
 * The context that a handler gets. What its members mean to users stands in ../context.ts; each is one
 * line through the recorder, in a bind-*.ts.
 *
 * An attempt is as short as a handler that sleeps once, and a handler uses two to four members. To bind
 * all thirty cost each attempt three kilobytes of closures, a fifth of what it left to the collector. So
 * a group of members is bound when the first of them is asked for: by a getter, which gives the function
 * itself, so that `const { run, sleep } = ctx` takes them along.
 */
import { inspect } from "node:util";
import type { Start } from "../../protocol/message.ts";
import type { WorkflowContext } from "../context.ts";
import type { RegisteredHandler } from "../definition.ts";
import type { ContextDate, Rand, Request } from "../request.ts";
import { bindAwakeables, type Awakeables } from "./bind-awakeables.ts";
import { bindCalls, type Calls } from "./bind-calls.ts";
import { bindOthers, type Others } from "./bind-others.ts";
import { bindPromise } from "./bind-promises.ts";
import { bindRun } from "./bind-run.ts";
import { bindState, type StateMethods } from "./bind-state.ts";
import { bindDate, bindSleep } from "./bind-time.ts";
import type { ReplayMachine } from "./machine.ts";
import { makeRand } from "./rand.ts";
import { Recorder } from "./recorder.ts";
import { replayConsole } from "./replay-console.ts";
import type { RunExecutor } from "./run-executor.ts";
import type { StateView } from "./state-view.ts";

/** What the context needs of its attempt. */
export interface ContextHost {
  readonly start: Start;
  readonly state: StateView;
  readonly handler: RegisteredHandler;
  readonly machine: ReplayMachine;
  readonly runs: RunExecutor;
  readonly payloadBytesMax: number;
  /** Aborts when the attempt is over. Made when it is asked for. */
  readonly signal: AbortSignal;
}

/** What was bound so far. Apart from the context: what inherits from that one shares it, `rand` above all. */
class Bound {
  readonly host: ContextHost;
  readonly recorder: Recorder;
  #state: StateMethods | undefined;
  #calls: Calls | undefined;
  #awakeables: Awakeables | undefined;
  #promise: WorkflowContext["promise"] | undefined;
  #others: Others | undefined;
  #run: WorkflowContext["run"] | undefined;
  #sleep: WorkflowContext["sleep"] | undefined;
  #date: ContextDate | undefined;
  #rand: Rand | undefined;
  #console: Console | undefined;

  constructor(host: ContextHost) {
    this.host = host;
    this.recorder = new Recorder(host.machine, host.payloadBytesMax);
  }

  get state(): StateMethods {
    return (this.#state ??= bindState(this.recorder, this.host));
  }

  get calls(): Calls {
    return (this.#calls ??= bindCalls(this.recorder));
  }

  get awakeables(): Awakeables {
    const { start, handler } = this.host;
    return (this.#awakeables ??= bindAwakeables(this.recorder, start, handler.serde));
  }

  get promise(): WorkflowContext["promise"] {
    return (this.#promise ??= bindPromise(this.recorder, this.host.handler.serde));
  }

  get others(): Others {
    return (this.#others ??= bindOthers(this.recorder, this.host.handler.serde));
  }

  get run(): WorkflowContext["run"] {
    return (this.#run ??= bindRun(this.recorder, this.host));
  }

  get sleep(): WorkflowContext["sleep"] {
    return (this.#sleep ??= bindSleep(this.recorder));
  }

  get date(): ContextDate {
    return (this.#date ??= bindDate(this.recorder));
  }

  get rand(): Rand {
    return (this.#rand ??= makeRand(this.host.start.seed));
  }

  get console(): Console {
    return (this.#console ??= replayConsole(this.recorder));
  }
}

/** Not a name: what walks over an object, as a logger does, finds nothing here. */
const BOUND = Symbol("bound");

/** Every context is this one; the types of ../context.ts say which part a handler may use. */
export function makeContext(host: ContextHost): WorkflowContext {
  return new LazyContext(host);
}

class LazyContext implements WorkflowContext {
  // No private name: it is reached through whatever a user puts in front of ctx, a Proxy or Object.create.
  readonly [BOUND]: Bound;

  constructor(host: ContextHost) {
    this[BOUND] = new Bound(host);
  }

  /** For a log: what stands behind it, the headers of a caller among it, is none of a log's business. */
  [inspect.custom](): string {
    return "Context {}";
  }

  get key(): string {
    return this[BOUND].host.start.target.key ?? "";
  }

  get get(): WorkflowContext["get"] {
    return this[BOUND].state.get;
  }

  get set(): WorkflowContext["set"] {
    return this[BOUND].state.set;
  }

  get clear(): WorkflowContext["clear"] {
    return this[BOUND].state.clear;
  }

  get clearAll(): WorkflowContext["clearAll"] {
    return this[BOUND].state.clearAll;
  }

  get stateKeys(): WorkflowContext["stateKeys"] {
    return this[BOUND].state.stateKeys;
  }

  get serviceClient(): WorkflowContext["serviceClient"] {
    return this[BOUND].calls.serviceClient;
  }

  get objectClient(): WorkflowContext["objectClient"] {
    return this[BOUND].calls.objectClient;
  }

  get workflowClient(): WorkflowContext["workflowClient"] {
    return this[BOUND].calls.workflowClient;
  }

  get serviceSendClient(): WorkflowContext["serviceSendClient"] {
    return this[BOUND].calls.serviceSendClient;
  }

  get objectSendClient(): WorkflowContext["objectSendClient"] {
    return this[BOUND].calls.objectSendClient;
  }

  get workflowSendClient(): WorkflowContext["workflowSendClient"] {
    return this[BOUND].calls.workflowSendClient;
  }

  get genericCall(): WorkflowContext["genericCall"] {
    return this[BOUND].calls.genericCall;
  }

  get genericSend(): WorkflowContext["genericSend"] {
    return this[BOUND].calls.genericSend;
  }

  get awakeable(): WorkflowContext["awakeable"] {
    return this[BOUND].awakeables.awakeable;
  }

  get resolveAwakeable(): WorkflowContext["resolveAwakeable"] {
    return this[BOUND].awakeables.resolveAwakeable;
  }

  get rejectAwakeable(): WorkflowContext["rejectAwakeable"] {
    return this[BOUND].awakeables.rejectAwakeable;
  }

  get promise(): WorkflowContext["promise"] {
    return this[BOUND].promise;
  }

  get signal(): WorkflowContext["signal"] {
    return this[BOUND].others.signal;
  }

  get invocation(): WorkflowContext["invocation"] {
    return this[BOUND].others.invocation;
  }

  get attach(): WorkflowContext["attach"] {
    return this[BOUND].others.attach;
  }

  get cancel(): WorkflowContext["cancel"] {
    return this[BOUND].others.cancel;
  }

  get run(): WorkflowContext["run"] {
    return this[BOUND].run;
  }

  get sleep(): WorkflowContext["sleep"] {
    return this[BOUND].sleep;
  }

  get request(): WorkflowContext["request"] {
    const { host } = this[BOUND];
    return () => requestOf(host.start, host.signal);
  }

  get rand(): Rand {
    return this[BOUND].rand;
  }

  get date(): ContextDate {
    return this[BOUND].date;
  }

  get patched(): WorkflowContext["patched"] {
    const { recorder } = this[BOUND];
    return (id) => recorder.patched(requirePatchId(id));
  }

  get console(): Console {
    return this[BOUND].console;
  }
}

/** What a user puts in the place of a member is his own, on ctx and on what inherits from it. */
const members = Object.getOwnPropertyDescriptors(LazyContext.prototype);
for (const [name, member] of Object.entries(members)) {
  if (member.get !== undefined) {
    Object.defineProperty(LazyContext.prototype, name, { ...member, set: setterOf(name) });
  }
}

function setterOf(name: string): (this: object, value: unknown) => void {
  return function set(value) {
    const own = { value, writable: true, enumerable: true, configurable: true };
    Object.defineProperty(this, name, own);
  };
}

function requestOf(start: Start, attemptCompletedSignal: AbortSignal): Request {
  return {
    id: start.invocationId,
    target: start.target,
    headers: new Map(start.headers),
    body: start.input,
    idempotencyKey: start.idempotencyKey ?? undefined,
    attemptCompletedSignal,
  };
}

function requirePatchId(id: unknown): string {
  if (typeof id === "string" && id !== "") return id;
  throw new TypeError('ctx.patched takes the id of the change: ctx.patched("refund-by-card")');
}
