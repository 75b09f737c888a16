/**
 * What is outside every crash domain, and remembers: each physical execution of a closure, each
 * value that user code was given, each answer that a client saw. The invariants compare it with the
 * rows on disk.
 */
export interface Execution {
  readonly invocationId: string;
  readonly step: string;
  readonly token: string;
  readonly value: string;
}

export interface Observation {
  readonly invocationId: string;
  readonly step: string;
  readonly value: string;
  /** Which life of the runtime it was seen in. */
  readonly incarnation: number;
}

export class World {
  readonly executions: Execution[] = [];
  readonly observations: Observation[] = [];
  readonly awakeables: string[] = [];
  incarnation = 0;
  /** Called as a closure starts: the moment at which its command and its try must be on disk. */
  onExecution: (execution: Execution) => void = () => undefined;
  readonly #failures = new Map<string, number>();
  #nonce = 0;

  /** A closure runs. It throws as often as its program says, then returns a value never seen before. */
  execute(invocationId: string, step: string, token: string, fails: number): string {
    const key = `${invocationId}/${step}`;
    const execution = { invocationId, step, token, value: `${step}#${++this.#nonce}` };
    this.executions.push(execution);
    this.onExecution(execution);
    const failed = this.#failures.get(key) ?? 0;
    if (failed < fails) {
      this.#failures.set(key, failed + 1);
      throw new Error(`${step} fails for the ${failed + 1}. time`);
    }
    return execution.value;
  }

  /** Whether this operation has to throw once more. Counted outside, so that a crash forgives nothing. */
  throwsAgain(invocationId: string, step: string, times: number): boolean {
    const key = `${invocationId}/${step}`;
    const failed = this.#failures.get(key) ?? 0;
    if (failed >= times) return false;
    this.#failures.set(key, failed + 1);
    return true;
  }

  observe(invocationId: string, step: string, value: string): void {
    const { incarnation } = this;
    this.observations.push({ invocationId, step, value, incarnation });
  }
}
