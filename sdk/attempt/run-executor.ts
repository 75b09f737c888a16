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
  WorkerMessage,
} from "../../protocol/message.ts";
import type { Result } from "../../protocol/payload.ts";
import type { TerminalError } from "../errors.ts";
import { isTerminal, retryAfterMsOf, toFailure } from "../failure.ts";
import type { ProbeAnswer, RunAction, RunContext, RunProbe } from "../run.ts";
import type { Serde } from "../serde.ts";
import { encode } from "../serde/encode.ts";
import { runInScope, type Scope } from "./current-attempt.ts";
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

export interface RunExecutorOptions {
  readonly attempt: number;
  readonly invocationId: string;
  readonly payloadBytesMax: number;
  readonly asTerminalError: ((error: unknown) => TerminalError | undefined) | undefined;
  readonly send: (message: WorkerMessage) => void;
  readonly scope: (run: string) => Scope;
  /**
   * The result of this run is all that the attempt is at: it may go on with it. Gives the number of
   * deliveries before that, or null when it has to wait for the runtime.
   */
  readonly goAhead: (command: number) => number | null;
  /** An execution ended: the attempt may be idle now. */
  readonly onReported: () => void;
  /** The journal has a run with a probe where the code gives none: the attempt cannot go on. */
  readonly onMissingProbe: (command: number, name: string) => void;
}

/** Which try a go starts, and of what. */
export type RunGo = Pick<Go, "command" | "try" | "probe">;

type RunReport = RunResult | RunFailed | RunNotDone;
type Try = Pick<RunReport, "attempt" | "command" | "try">;

export class RunExecutor {
  readonly #options: RunExecutorOptions;
  readonly #runs = new Map<number, Entry>();
  /** Gos that came before the code had issued the run again. */
  readonly #early = new Map<number, RunGo>();
  #stopped = false;

  constructor(options: RunExecutorOptions) {
    this.#options = options;
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
    const early = this.#early.get(run.command);
    if (early) this.#early.delete(run.command);
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
      this.#options.onMissingProbe(run.command, run.name);
      return;
    }
    run.state = "executing";
    this.#execute(run, go);
  }

  /** The result that this attempt proposed for a run, now recorded. */
  takeProposal(command: number): Result | undefined {
    const proposal = this.#runs.get(command)?.proposal;
    this.#runs.delete(command);
    return proposal;
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
    const waitsOnlyForGo = (run: Entry): boolean =>
      run.state === "reported" && run.proposal === undefined;
    for (const run of this.#runs.values()) if (!waitsOnlyForGo(run)) return true;
    return false;
  }

  get executing(): boolean {
    return [...this.#runs.values()].some((run) => run.state === "executing");
  }

  /** Names of the runs that never started. */
  get notStarted(): string[] {
    if (this.#runs.size === 0) return [];
    const waiting = [...this.#runs.values()].filter((run) => run.state === "waiting");
    return waiting.map((run) => run.name);
  }

  /** Nobody waits any more for what is outstanding: no new start, and who is at work is told. */
  cancelAll(reason: unknown): void {
    for (const [command, run] of this.#runs) {
      run.abort?.abort(reason);
      this.forget(command);
    }
  }

  stop(reason: unknown): void {
    this.#stopped = true;
    this.cancelAll(reason);
    this.#early.clear();
  }

  /** No promise is made for a closure that makes none: each costs its hooks (docs/performance.md). */
  #execute(run: Entry, go: RunGo): void {
    const { invocationId, scope } = this.#options;
    const abort = new LazySignal();
    run.abort = abort;
    const given = new Given(abort, `${invocationId}-${run.command}`, go.try);
    let found: unknown;
    try {
      found = runInScope(scope(run.name), () => (go.probe ? probe(run, given) : run.action(given)));
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
    const { send, goAhead, onReported } = this.#options;
    if (run.unwanted) this.#runs.delete(run.command);
    else if (message.kind === "run-result") run.proposal = message.result;
    // A closure beside it, also one that nobody waits for, must not see what is not durable.
    const mayGoAhead = message.kind === "run-result" && !run.unwanted && this.#runs.size === 1;
    send(mayGoAhead ? Object.assign(message, { deliveries: goAhead(run.command) }) : message);
    onReported();
  }

  #foundBy(run: Entry, go: RunGo, found: unknown): RunReport {
    const base = { attempt: this.#options.attempt, command: run.command, try: go.try };
    if (!go.probe) return this.#result(base, this.#encode(run, found));
    const answer = found as ProbeAnswer<unknown>; // `probe` has looked at it
    if (!answer.happened) return { kind: "run-not-done", ...base };
    return this.#result(base, this.#encode(run, answer.value));
  }

  #result(base: Try, result: Result): RunResult {
    return { kind: "run-result", ...base, result, deliveries: null };
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
    const { payloadBytesMax } = this.#options;
    if (bytes.length <= payloadBytesMax) return { ok: true, value: bytes };
    return terminal(
      FailureCode.payloadTooLarge,
      `the result of run "${run.name}" has ${bytes.length} bytes, the limit is ${payloadBytesMax}`,
    );
  }

  #failed(run: Entry, go: RunGo, error: unknown): RunReport {
    const base = { attempt: this.#options.attempt, command: run.command, try: go.try };
    const mapped = isTerminal(error) ? error : this.#options.asTerminalError?.(error);
    if (mapped) return this.#result(base, { ok: false, failure: toFailure(mapped) });
    const retryAfterMs = retryAfterMsOf(error);
    return { kind: "run-failed", ...base, failure: toFailure(error), retryAfterMs };
  }
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
