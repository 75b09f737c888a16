/**
 * When turns begin and end: those that are asked for in one iteration of the event loop share its two
 * adjacent `setImmediate`s, so that a frame for many attempts costs one pair, and what they say leaves
 * in one frame.
 *
 * Not more than some at once: of a thousand that come in one frame the runtime has the first ones back
 * while the others run.
 *
 * Between the two Node runs microtasks until they are dry, those of all turns that were opened, and
 * nothing else: each turn has run dry before it is closed, as if it were alone.
 */
export interface Turn {
  open(): void;
  close(): void;
}

const AT_ONCE_MAX = 128;

export class Turns {
  #asked: Turn[] = [];
  #open: Turn[] = [];
  #scheduled = false;

  /** Not again before it has been closed. */
  ask(turn: Turn): void {
    this.#asked.push(turn);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#asked.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#open = this.#asked;
      this.#asked = this.#open.splice(AT_ONCE_MAX);
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
