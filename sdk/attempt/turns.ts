/**
 * When turns begin and end: those that are asked for in one iteration of the event loop share its two
 * adjacent `setImmediate`s, so that a frame for many attempts costs one pair, and what they say leaves
 * in one frame.
 *
 * Between the two Node runs microtasks until they are dry, those of all turns that were opened, and
 * nothing else: each turn has run dry before it is closed, as if it were alone.
 */
export interface Turn {
  open(): void;
  close(): void;
}

export class Turns {
  #asked: Turn[] = [];
  #open: Turn[] = [];

  /** Not again before it has been closed. */
  ask(turn: Turn): void {
    this.#asked.push(turn);
    if (this.#asked.length > 1) return;
    setImmediate(() => {
      this.#open = this.#asked;
      this.#asked = [];
      for (const it of this.#open) it.open();
    });
    setImmediate(() => {
      const open = this.#open;
      this.#open = [];
      for (const it of open) it.close();
    });
  }
}
