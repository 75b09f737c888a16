/** Inputs that wait for their turn, in their order. */
import type { Input } from "./core/input.ts";

/** Taken from the front this many are cut off together. */
const CUT_OFF = 128;

export class InputQueue {
  #inputs: Input[] = [];
  /** Of those, how many were taken. */
  #taken = 0;

  get length(): number {
    return this.#inputs.length - this.#taken;
  }

  push(input: Input): void {
    this.#inputs.push(input);
  }

  take(): Input | undefined {
    const input = this.#inputs[this.#taken];
    if (input === undefined) return undefined;
    this.#taken++;
    if (this.#taken === this.#inputs.length) this.#reset([]);
    else if (this.#taken >= CUT_OFF) this.#reset(this.#inputs.slice(this.#taken));
    return input;
  }

  #reset(inputs: Input[]): void {
    this.#inputs = inputs;
    this.#taken = 0;
  }
}

/** Of somebody outside, in the place of a worker or of the process itself. */
export function isRequest(input: Input): boolean {
  return "request" in input;
}
