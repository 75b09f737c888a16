/** One seed decides everything: each component draws from its own stream, so that one more draw here changes nothing there. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number, stream: string) {
    let hash = 0x811c9dc5 ^ seed;
    for (let i = 0; i < stream.length; i++) {
      hash = Math.imul(hash ^ stream.charCodeAt(i), 0x01000193);
    }
    [this.#a, this.#b, this.#c, this.#d] = [seed | 0, hash | 0, 0x9e3779b9 | 0, 1];
    for (let i = 0; i < 15; i++) this.#next();
  }

  /** sfc32, as in the runtime's own seeds. */
  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** In [0, 1). */
  fraction(): number {
    return this.#next() / 2 ** 32;
  }

  /** In [from, to], whole. */
  int(from: number, to: number): number {
    return from + Math.floor(this.fraction() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.int(0, items.length - 1)];
    if (item === undefined) throw new Error("cannot pick from nothing");
    return item;
  }

  bytes(count: number): string {
    return String.fromCharCode(...Array.from({ length: count }, () => this.int(0, 255)));
  }
}
