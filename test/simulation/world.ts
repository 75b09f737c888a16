/**
 * What is outside every crash domain, and remembers: each physical execution of a closure, each value
 * that user code was given, each awakeable. The invariants compare it with the rows on disk.
 */
import type { ProbeAnswer } from "../../sdk/run.ts";
import type { RunOperation } from "./program.ts";

/** Which step of whose code. */
export interface Step {
  readonly invocationId: string;
  readonly step: string;
  /** The steps whose outcome the code of this attempt has seen. */
  readonly saw: ReadonlySet<string>;
  readonly link: number;
}

export interface Start extends Step {
  readonly token: string;
  /** Where it runs was given up: a go that was on its way to it may come after another has reported. */
  readonly zombie: boolean;
}

export interface Execution extends Start {
  readonly value: unknown;
}

export interface Observation {
  readonly invocationId: string;
  readonly step: string;
  readonly value: unknown;
  readonly link: number;
}

/** After this long without a sign somebody does it again. */
const PATIENCE_MS = 3_000;

/** What the outside knows of one run. */
interface Effects {
  started: number;
  /** The value of the last closure that ended well. */
  done: { readonly value: unknown } | undefined;
  /** Somebody has asked since the last start, and it had not happened. */
  askedInVain: boolean;
}

/** A closure at work: reaches outside until the simulator lets it end. */
interface Closure {
  readonly of: Step;
  readonly signal: AbortSignal;
  readonly finish: () => void;
}

/** Something that somebody outside has to do before an invocation goes on. */
export interface Wish {
  readonly kind: "awakeable" | "signal" | "promise";
  readonly invocationId: string;
  /** Id of the awakeable, name of the signal, name of the promise. */
  readonly subject: string;
  /** The key of the workflow, for a promise. */
  readonly key: string;
  /** When somebody last did it: who hears no answer does it again. */
  grantedAtMs?: number;
}

export class World {
  readonly executions = new Map<string, Execution[]>();
  executionCount = 0;
  readonly #wishes = new Map<string, Wish>();
  readonly closures: Closure[] = [];
  /** Awakeables by invocation and operation. */
  readonly awakeables = new Map<string, string>();
  /** Ids of invocations, as handlers learn them. */
  readonly started = new Set<string>();
  /** What handlers cancelled. */
  readonly cancelled = new Set<string>();
  /** Called as a closure starts: the moment at which its command and its try must be on disk. */
  onExecution: (execution: Execution) => void = () => undefined;
  /** Called as it ends: what its code has seen by then must be on disk too. */
  onExecuted: (execution: Execution) => void = () => undefined;
  /** Called when the outside sees what it must never see. */
  onBroken: (what: string) => void = () => undefined;
  /** Called as code is given the result of a closure. */
  onObservation: (observation: Observation) => void = () => undefined;
  readonly #effects = new Map<string, Effects>();
  readonly #failures = new Map<string, number>();
  #nonce = 0;

  /** A closure runs. It throws as often as its program says, then returns a value never seen before. */
  execute(start: Start, it: RunOperation, signal: AbortSignal): unknown {
    const { invocationId, step } = start;
    const at = `${invocationId}/${step}`;
    const value = valueOf(it, `${step}#${++this.#nonce}`);
    const execution = { ...start, value };
    const all = this.executions.get(at);
    if (all) all.push(execution);
    else this.executions.set(at, [execution]);
    this.executionCount++;
    this.onExecution(execution);
    const effects = this.#start(at, it, start.zombie);
    const failed = this.#failures.get(at) ?? 0;
    const fails = failed < it.fails;
    if (fails) this.#failures.set(at, failed + 1);
    const finish = (): unknown => {
      this.onExecuted(execution);
      if (fails) throw new Error(`${step} fails for the ${failed + 1}. time`);
      effects.done = { value };
      return value;
    };
    return it.slow ? this.#later(start, finish, signal) : finish();
  }

  /** Whether the run happened, as somebody outside sees it. */
  probe({ invocationId, step }: Step): ProbeAnswer<unknown> {
    // Also of what has not started: a go that is late may start it between this question and the next try.
    const effects = this.#effectsOf(`${invocationId}/${step}`);
    if (effects.done) return { happened: true, value: effects.done.value };
    effects.askedInVain = true;
    return { happened: false };
  }

  #effectsOf(at: string): Effects {
    const effects = this.#effects.get(at) ?? { started: 0, done: undefined, askedInVain: false };
    this.#effects.set(at, effects);
    return effects;
  }

  #start(at: string, { mode }: RunOperation, zombie: boolean): Effects {
    const effects = this.#effectsOf(at);
    const again = effects.started++ > 0;
    if (again && mode === "at-most-once") this.onBroken(`an at-most-once run started twice: ${at}`);
    // A go that was on its way to one that was given up may come after the next one's question.
    if (zombie) return effects;
    if (again && mode === "probe" && !effects.askedInVain) {
      this.onBroken(`a run with a probe started again, and nobody had asked: ${at}`);
    }
    effects.askedInVain = false;
    return effects;
  }

  /** Whether this operation has to throw once more. Counted outside, so that a crash forgives nothing. */
  throwsAgain(invocationId: string, step: string, times: number): boolean {
    const at = `${invocationId}/${step}`;
    const failed = this.#failures.get(at) ?? 0;
    if (failed >= times) return false;
    this.#failures.set(at, failed + 1);
    return true;
  }

  observe(observation: Observation): void {
    this.onObservation(observation);
  }

  wish(wish: Wish): void {
    const at = `${wish.kind}/${wish.invocationId}/${wish.subject}`;
    if (!this.#wishes.has(at)) this.#wishes.set(at, wish);
  }

  /** What somebody might do now. `wanted` says whether an invocation can still be waiting. */
  dueWishes(nowMs: number, wanted: (invocationId: string) => boolean): Wish[] {
    const due: Wish[] = [];
    for (const [at, wish] of this.#wishes) {
      if (wish.grantedAtMs !== undefined && wish.grantedAtMs + PATIENCE_MS > nowMs) continue;
      if (wanted(wish.invocationId)) due.push(wish);
      else this.#wishes.delete(at);
    }
    return due;
  }

  /** A closure of this invocation that its attempt on this link still waits for. */
  closureAtWork(invocationId: string, link: number): Step | undefined {
    const found = this.closures.find(
      ({ of, signal }) => of.invocationId === invocationId && of.link === link && !signal.aborted,
    );
    return found?.of;
  }

  #later(of: Step, finish: () => unknown, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const closure: Closure = {
        of,
        signal,
        finish: () => {
          try {
            resolve(finish());
          } catch (error) {
            reject(error);
          }
        },
      };
      this.closures.push(closure);
      // Some closures listen, and end at once when nobody wants them.
      if (this.#nonce % 2 === 0) return;
      signal.addEventListener("abort", () => {
        const at = this.closures.indexOf(closure);
        if (at >= 0) this.closures.splice(at, 1);
        reject(new Error("aborted"));
      });
    });
  }
}

/** `odd`: what JSON writes in its own way, and a lazy engine would hand on as it is. */
function valueOf({ value }: RunOperation, name: string): unknown {
  if (value === "odd") {
    const odd: Record<string, unknown> = {
      name,
      zero: -0,
      gone: undefined,
      list: [null, "é\u{1F4A5}"],
    };
    Object.defineProperty(odd, "__proto__", { value: 1, enumerable: true });
    return odd;
  }
  return value === "large" ? `${name} ${"large".repeat(20_000)}` : name;
}

/** A text that differs when two values differ in any way that code could see. */
export function canonical(value: unknown): string {
  if (value === undefined) return "undefined";
  if (typeof value === "number" && Object.is(value, -0)) return "-0";
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const members = Object.keys(value).map(
    (name) => `${name}:${canonical(Object.getOwnPropertyDescriptor(value, name)?.value)}`,
  );
  return `{${members.sort().join(",")}}`;
}
