/**
 * When turns begin and end: those that are asked for in one iteration of the event loop share its two
 * adjacent `setImmediate`s, so that a frame for many attempts costs one pair, and what they say leaves
 * in one frame.
 *
 * Not more than some at once: of a thousand that come in one frame the runtime has the first ones back
 * while the others run. Those that have begun go before those that have not: else a thousand would all be
 * half way through, and alive, at each collection. Some that begin are always among them.
 *
 * Between the two Node runs microtasks until they are dry, those of all turns that were opened, and
 * nothing else: each turn has run dry before it is closed, as if it were alone.
 */
export interface Turn {
  open(): void;
  close(): void;
}

const AT_ONCE_MAX = 128;
/** Of them, those that begin, however many have begun. */
const BEGIN_MIN = 32;

export class Turns {
  #beginning: Turn[] = [];
  #goingOn: Turn[] = [];
  #open: Turn[] = [];
  #scheduled = false;

  /** Not again before it has been closed. `begins`: it is the first one of its attempt. */
  ask(turn: Turn, begins = false): void {
    (begins ? this.#beginning : this.#goingOn).push(turn);
    this.#schedule();
  }

  #take(): Turn[] {
    const reserved = Math.min(this.#beginning.length, BEGIN_MIN);
    const goingOn = this.#goingOn.splice(0, AT_ONCE_MAX - reserved);
    const beginning = this.#beginning.splice(0, AT_ONCE_MAX - goingOn.length);
    return beginning.length === 0 ? goingOn : goingOn.concat(beginning);
  }

  #schedule(): void {
    if (this.#scheduled || this.#beginning.length + this.#goingOn.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#open = this.#take();
      for (const it of this.#open) it.open();
    });
    setImmediate(() => {
      const open = this.#open;
      this.#open = [];
      for (const it of open) it.close();
      this.#schedule();
    });
  }
}
