/**
 * Time in the simulation: the process has no other clock. `Date.now`, `performance.now`, `setTimeout`
 * and `setInterval` are replaced, so that whatever the real code waits for (alarms, acknowledgements,
 * inactivity, congestion) waits for the simulator.
 *
 * 1. Nothing fires by itself: only `advance` calls back, in order of time, then of arming.
 * 2. `setImmediate` stays the real one, so that microtasks run dry between two turns as they do in
 *    production; it is counted, so that the simulator knows when nothing moves any more.
 * 3. The wall clock may jump; timers go by the steady one, as they do in Node.
 */
interface Armed {
  readonly order: number;
  readonly callback: () => void;
  readonly everyMs: number | undefined;
  atMs: number;
}

interface Handle {
  readonly ref: () => Handle;
  readonly unref: () => Handle;
  readonly hasRef: () => boolean;
  readonly refresh: () => Handle;
}

const originalSetImmediate = globalThis.setImmediate;
const STARTS_AT_MS = 1_700_000_000_000;

class VirtualTime {
  #steadyMs = 0;
  #wallOffsetMs = STARTS_AT_MS;
  #order = 0;
  #armed = new Map<object, Armed>();
  #immediates = 0;

  /** Replaces the clocks of this process. Once. */
  install(): void {
    const schedule = (callback: () => void, ms: number | undefined, everyMs?: number): Handle =>
      this.#arm(callback, ms ?? 0, everyMs);
    const clear = (handle: object | undefined): void => void this.#armed.delete(handle ?? {});
    Object.assign(globalThis, {
      setTimeout: (callback: () => void, ms?: number) => schedule(callback, ms),
      setInterval: (callback: () => void, ms?: number) => schedule(callback, ms, ms),
      clearTimeout: clear,
      clearInterval: clear,
      setImmediate: (callback: (...args: unknown[]) => void, ...args: unknown[]) => {
        this.#immediates++;
        return originalSetImmediate(() => {
          this.#immediates--;
          callback(...args);
        });
      },
    });
    Date.now = () => this.wallMs;
    Object.defineProperty(performance, "now", { value: () => this.#steadyMs });
  }

  reset(): void {
    this.#steadyMs = 0;
    this.#wallOffsetMs = STARTS_AT_MS;
    this.#order = 0;
    this.#armed.clear();
  }

  get wallMs(): number {
    return this.#steadyMs + this.#wallOffsetMs;
  }

  /** Since the process began: what timers go by. */
  get steadyMs(): number {
    return this.#steadyMs;
  }

  /** Somebody sets the clock. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** Steady milliseconds until the next timer; undefined when none is armed. */
  get nextInMs(): number | undefined {
    let atMs = Infinity;
    for (const it of this.#armed.values()) if (it.atMs < atMs) atMs = it.atMs;
    return atMs === Infinity ? undefined : Math.max(0, atMs - this.#steadyMs);
  }

  advance(ms: number): void {
    const untilMs = this.#steadyMs + ms;
    for (;;) {
      const due = this.#firstUntil(untilMs);
      if (due === undefined) break;
      const [handle, it] = due;
      this.#steadyMs = Math.max(this.#steadyMs, it.atMs);
      if (it.everyMs === undefined) this.#armed.delete(handle);
      else it.atMs = this.#steadyMs + Math.max(1, it.everyMs);
      it.callback();
    }
    this.#steadyMs = untilMs;
  }

  /** Waits until nothing more happens by itself. */
  async quiet(): Promise<void> {
    do {
      await new Promise<void>((resolve) => originalSetImmediate(resolve));
    } while (this.#immediates > 0);
  }

  #firstUntil(untilMs: number): [object, Armed] | undefined {
    let first: [object, Armed] | undefined;
    for (const entry of this.#armed) {
      const [, it] = entry;
      if (it.atMs > untilMs) continue;
      if (first === undefined || it.atMs < first[1].atMs) first = entry;
    }
    return first;
  }

  #arm(callback: () => void, ms: number, everyMs: number | undefined): Handle {
    const handle: Handle = {
      ref: () => handle,
      unref: () => handle,
      hasRef: () => true,
      refresh: () => {
        const it = this.#armed.get(handle);
        if (it) it.atMs = this.#steadyMs + ms;
        return handle;
      },
    };
    const order = this.#order++;
    this.#armed.set(handle, { order, callback, everyMs, atMs: this.#steadyMs + Math.max(0, ms) });
    return handle;
  }
}

/** One per process: what it replaces is global. */
export const time = new VirtualTime();
