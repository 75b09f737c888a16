/**
 * The state of the key as this attempt knows it: what came with the start, what answers brought along,
 * and what it set itself. A value that is not known has to be asked for.
 */
import type { Start, StateEntry } from "../../protocol/message.ts";

export class StateView {
  readonly #entries: readonly StateEntry[];
  #known: Map<string, Uint8Array | null> | undefined;
  #complete: boolean;

  constructor({ complete, entries }: Start["state"]) {
    this.#complete = complete;
    this.#entries = entries;
  }

  /** Made when somebody looks: many handlers have nothing to do with state. */
  get #values(): Map<string, Uint8Array | null> {
    return (this.#known ??= new Map(this.#entries));
  }

  /** As it is now: for whoever has the key next. */
  copy(): Start["state"] {
    const entries: (readonly [string, Uint8Array])[] = [];
    for (const [name, value] of this.#values) if (value !== null) entries.push([name, value]);
    return { complete: this.#complete, entries };
  }

  /** `undefined` when it is not known here, `null` when there is no such value. */
  get(name: string): Uint8Array | null | undefined {
    const value = this.#values.get(name);
    return value === undefined && this.#complete ? null : value;
  }

  /** `undefined` when not all of them are known here. In order. */
  keys(): string[] | undefined {
    if (!this.#complete) return undefined;
    return [...this.#values]
      .filter(([, value]) => value !== null)
      .map(([name]) => name)
      .sort(byBytes);
  }

  /** What an answer brought along. It was read before what this attempt has changed since. */
  learn(entries: readonly StateEntry[]): void {
    if (this.#complete) return;
    for (const [name, value] of entries) {
      if (!this.#values.has(name)) this.#values.set(name, value);
    }
  }

  set(name: string, value: Uint8Array | null): void {
    this.#values.set(name, value);
  }

  clearAll(): void {
    this.#values.clear();
    this.#complete = true;
  }
}

/** The order of the store: by UTF-8 bytes, which is the order of code points. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
