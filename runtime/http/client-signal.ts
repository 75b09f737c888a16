/**
 * Says that a client has gone, before it was answered: as much of an AbortSignal as that takes, which
 * a request has one of and hardly any ever needs (an AbortController for each cost three microseconds
 * and lives longer than the request).
 */
export interface Departure {
  readonly aborted: boolean;
  addEventListener(type: "abort", act: () => void): void;
  removeEventListener(type: "abort", act: () => void): void;
}

export class ClientSignal implements Departure {
  #aborted = false;
  #acts: (() => void)[] = [];

  get aborted(): boolean {
    return this.#aborted;
  }

  addEventListener(_type: "abort", act: () => void): void {
    this.#acts.push(act);
  }

  removeEventListener(_type: "abort", act: () => void): void {
    const at = this.#acts.indexOf(act);
    if (at >= 0) this.#acts.splice(at, 1);
  }

  /** The client has gone: everybody who listens is told, once. */
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    const acts = this.#acts;
    this.#acts = [];
    for (const act of acts) act();
  }
}
