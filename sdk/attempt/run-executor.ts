/**
 * The closures and probes of runs: started on a go, once per try, aborted when nobody wants their result.
 *
 * 1. Nothing starts without a go that names the run's command, and never twice for one try. The go says
 *    which of the two starts.
 * 2. The value that user code gets is `decode(encode(x))`, the first time too.
 */
import { FailureCode } from "../../protocol/failure.ts";
import type {
  Go,
  RunFailed,
  RunNotDone,
  RunResult,
  Start,
  WorkerMessage,
} from "../../protocol/message.ts";
import { NumberMap } from "../../protocol/number-map.ts";
import type { Result } from "../../protocol/payload.ts";
import type { RegisteredHandler } from "../definition.ts";
import { isTerminal, retryAfterMsOf, toFailure } from "../failure.ts";
import type { ProbeAnswer, RunAction, RunContext, RunProbe } from "../run.ts";
import type { Serde } from "../serde.ts";
import { encode } from "../serde/encode.ts";
import { runInScope, type ScopeHost } from "./current-attempt.ts";
import { LazySignal } from "./lazy-signal.ts";

export interface Run {
  readonly command: number;
  readonly name: string;
  readonly action: RunAction<unknown>;
  readonly probe: RunProbe<unknown> | undefined;
  readonly serde: Serde<unknown>;
}

interface Entry extends Run {
  state: "waiting" | "executing" | "reported";
  abort: LazySignal | undefined;
  /** What was proposed, and comes back as "proposed" once it is recorded. */
  proposal: Result | undefined;
  /** Nobody waits for it any more: what it reports is recorded nowhere, and nothing comes back. */
  unwanted: boolean;
}

/** What the executor needs of its attempt. */
export interface RunHost extends ScopeHost {
  readonly start: Pick<Start, "attempt" | "invocationId">;
  readonly handler: Pick<RegisteredHandler, "asTerminalError">;
  readonly payloadBytesMax: number;
  send(message: WorkerMessage): void;
  /**
   * The result of this run is all that the attempt is at: it may go on with it. Gives the number of
   * deliveries before that, or null when it has to wait for the runtime.
   */
  goAhead(command: number): number | null;
  /** An execution ended: the attempt may be idle now. */
  reported(): void;
  /** The journal has a run with a probe where the code gives none: the attempt cannot go on. */
  missesProbe(command: number, name: string): void;
}

/** Which try a go starts, and of what. */
export type RunGo = Pick<Go, "command" | "try" | "probe">;

type RunReport = RunResult | RunFailed | RunNotDone;
type Try = Pick<RunReport, "attempt" | "command" | "try">;

export class RunExecutor {
  readonly #host: RunHost;
  readonly #runs = new NumberMap<Entry>();
  /** Gos that came before the code had issued the run again. */
  readonly #early = new NumberMap<RunGo>();
  #stopped = false;

  constructor(host: RunHost) {
    this.#host = host;
  }

  add(run: Run): void {
    // Not by a spread: docs/performance.md.
    const { command, name, action, probe: ask, serde } = run;
    this.#runs.set(command, {
      command,
      name,
      action,
      probe: ask,
      serde,
      state: "waiting",
      abort: undefined,
      proposal: undefined,
      unwanted: false,
    });
    const early = this.#early.delete(run.command);
    if (early) this.go(early);
  }

  go(go: RunGo): void {
    if (this.#stopped) return;
    const run = this.#runs.get(go.command);
    if (run === undefined) {
      this.#early.set(go.command, go);
      return;
    }
    if (run.state === "executing") return;
    if (go.probe && run.probe === undefined) {
      this.#host.missesProbe(run.command, run.name);
      return;
    }
    run.state = "executing";
    this.#execute(run, go);
  }

  /** The result that this attempt proposed for a run, now recorded. */
  takeProposal(command: number): Result | undefined {
    return this.#runs.delete(command)?.proposal;
  }

  /** Its promise has settled without a proposal: nothing of it is waited for any more. */
  forget(command: number): void {
    const run = this.#runs.get(command);
    if (run === undefined) return;
    run.unwanted = true;
    // A closure at work stays known until it has ended: an attempt that executes is not suspended.
    if (run.state !== "executing") this.#runs.delete(command);
  }

  /**
   * Closures at work, whose go is still to come, or whose result is on its way to being recorded: the
   * attempt must not be suspended. One that failed waits for its next go, which may be long.
   */
  get busy(): boolean {
    return this.#runs.some((run) => !waitsOnlyForGo(run));
  }

  get executing(): boolean {
    return this.#runs.some((run) => run.state === "executing");
  }

  /** Names of the runs that never started. */
  get notStarted(): string[] {
    if (this.#runs.size === 0) return [];
    const waiting = this.#runs.values().filter((run) => run.state === "waiting");
    return waiting.map((run) => run.name);
  }

  /** Nobody waits any more for what is outstanding: no new start, and who is at work is told. */
  cancelAll(reason: unknown): void {
    for (const run of this.#runs.values()) {
      run.abort?.abort(reason);
      this.forget(run.command);
    }
  }

  stop(reason: unknown): void {
    this.#stopped = true;
    this.cancelAll(reason);
    this.#early.clear();
  }

  /** No promise is made for a closure that makes none: each costs its hooks (docs/performance.md). */
  #execute(run: Entry, go: RunGo): void {
    const abort = new LazySignal();
    run.abort = abort;
    const token = `${this.#host.start.invocationId}-${run.command}`;
    const given = new Given(abort, token, go.try);
    const scope = { run: run.name, attempt: this.#host };
    let found: unknown;
    try {
      found = runInScope(scope, () => (go.probe ? probe(run, given) : run.action(given)));
    } catch (error) {
      this.#report(run, this.#failed(run, go, error));
      return;
    }
    if (isThenable(found)) this.#reportLater(run, go, found);
    else this.#report(run, this.#foundBy(run, go, found));
  }

  #reportLater(run: Entry, go: RunGo, found: PromiseLike<unknown>): void {
    void Promise.resolve(found).then(
      (it) => this.#report(run, this.#foundBy(run, go, it)),
      (error: unknown) => this.#report(run, this.#failed(run, go, error)),
    );
  }

  #report(run: Entry, message: RunReport): void {
    // After a probe that found nothing the go for the closure is sure to come, and soon.
    run.state = message.kind === "run-not-done" ? "waiting" : "reported";
    run.abort = undefined;
    if (this.#stopped) return;
    const host = this.#host;
    if (run.unwanted) this.#runs.delete(run.command);
    else if (message.kind === "run-result") run.proposal = message.result;
    // A closure beside it, also one that nobody waits for, must not see what is not durable.
    const mayGoAhead = message.kind === "run-result" && !run.unwanted && this.#runs.size === 1;
    host.send(
      mayGoAhead ? Object.assign(message, { deliveries: host.goAhead(run.command) }) : message,
    );
    host.reported();
  }

  #foundBy(run: Entry, go: RunGo, found: unknown): RunReport {
    const base = { attempt: this.#host.start.attempt, command: run.command, try: go.try };
    if (!go.probe) return this.#result(base, this.#encode(run, found));
    const answer = found as ProbeAnswer<unknown>; // `probe` has looked at it
    if (!answer.happened) return { kind: "run-not-done", ...base };
    return this.#result(base, this.#encode(run, answer.value));
  }

  #result(base: Try, result: Result): RunResult {
    return Object.assign(base, { kind: "run-result", result, deliveries: null } as const);
  }

  /** What cannot be carried fails for good: another try would repeat the effect and fail again. */
  #encode(run: Entry, value: unknown): Result {
    let bytes: Uint8Array;
    try {
      bytes = encode(run.serde, value);
    } catch (error) {
      const { message } = toFailure(error);
      return terminal(500, `the result of run "${run.name}" cannot be recorded: ${message}`);
    }
    const { payloadBytesMax } = this.#host;
    if (bytes.length <= payloadBytesMax) return { ok: true, value: bytes };
    return terminal(
      FailureCode.payloadTooLarge,
      `the result of run "${run.name}" has ${bytes.length} bytes, the limit is ${payloadBytesMax}`,
    );
  }

  #failed(run: Entry, go: RunGo, error: unknown): RunReport {
    const base = { attempt: this.#host.start.attempt, command: run.command, try: go.try };
    const mapped = isTerminal(error) ? error : this.#host.handler.asTerminalError?.(error);
    if (mapped) return this.#result(base, { ok: false, failure: toFailure(mapped) });
    const retryAfterMs = retryAfterMsOf(error);
    return { kind: "run-failed", ...base, failure: toFailure(error), retryAfterMs };
  }
}

function waitsOnlyForGo(run: Entry): boolean {
  return run.state === "reported" && run.proposal === undefined;
}

/** Of a class: a literal with a getter costs two microseconds. */
class Given implements RunContext {
  readonly idempotencyToken: string;
  readonly attempt: number;
  readonly #abort: LazySignal;

  constructor(abort: LazySignal, idempotencyToken: string, attempt: number) {
    this.#abort = abort;
    this.idempotencyToken = idempotencyToken;
    this.attempt = attempt;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }
}

function isThenable(it: unknown): it is PromiseLike<unknown> {
  return typeof it === "object" && it !== null && "then" in it && typeof it.then === "function";
}

async function probe(run: Run, given: RunContext): Promise<ProbeAnswer<unknown>> {
  const answer: unknown = await run.probe?.(given);
  if (isAnswer(answer)) return answer;
  throw new TypeError(
    `the probe of run "${run.name}" says whether it happened: return { happened: true, value } or { happened: false }`,
  );
}

function isAnswer(answer: unknown): answer is ProbeAnswer<unknown> {
  if (typeof answer !== "object" || answer === null || !("happened" in answer)) return false;
  return answer.happened === false || (answer.happened === true && "value" in answer);
}

function terminal(code: number, message: string): Result {
  return { ok: false, failure: { name: "TerminalError", message, code } };
}
