/**
 * A map for what comes and goes all the time: its keys are whole numbers, and it holds nothing that
 * was deleted.
 *
 * JavaScript's own Map does, in a way: when V8 enlarges or cleans its table, the old one keeps what
 * was in it and points to the new one. Once one of them is old (in terms of the garbage collector) and
 * dead, it keeps its successor alive until the next full collection, that one its own, and so on: all
 * that was in the map at any of these moments, and all that hangs on it, is copied and kept. For
 * attempts, requests and entries of the overlay that was half of the time of a worker and a fifth of
 * that of the runtime (docs/performance.md).
 *
 * 1. Values are found by probing from a scattered place; at most half of the places are taken.
 * 2. Iteration is over a copy, in the order of the keys.
 */
import { assert } from "./assert.ts";

const PLACES_MIN = 16;
/** Most of those that belong to one attempt hold one value, or none. */
const FIRST_PLACES = 4;
/** Of a map that nothing was put into; nothing ever is put into these. */
const NO_KEYS: number[] = [0];
const NO_VALUES: undefined[] = [undefined];
/** 2^32 divided by the golden ratio, odd: numbers in a row land far apart. */
const SCATTER = 0x9e3779b1;

export class NumberMap<V extends object> {
  #keys: number[] = NO_KEYS;
  #values: (V | undefined)[] = NO_VALUES;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(key: number): boolean {
    return this.get(key) !== undefined;
  }

  get(key: number): V | undefined {
    return this.#values[this.#placeOf(key)];
  }

  set(key: number, value: V): void {
    assert(Number.isSafeInteger(key), `${key} is no whole number`);
    if (this.#keys === NO_KEYS) this.#resize(FIRST_PLACES);
    const place = this.#placeOf(key);
    if (this.#values[place] === undefined) {
      this.#size++;
      this.#keys[place] = key;
    }
    this.#values[place] = value;
    if (2 * this.#size > this.#keys.length) this.#resize(2 * this.#keys.length);
  }

  /** Gives what was there. */
  delete(key: number): V | undefined {
    const place = this.#placeOf(key);
    const value = this.#values[place];
    if (value === undefined) return undefined;
    this.#size--;
    this.#close(place);
    const { length } = this.#keys;
    if (length > PLACES_MIN && 16 * this.#size < length) this.#resize(length / 4);
    return value;
  }

  /** Whether this holds for one of them. */
  some(holds: (value: V) => boolean): boolean {
    if (this.#size === 0) return false;
    for (const value of this.#values) if (value !== undefined && holds(value)) return true;
    return false;
  }

  clear(): void {
    if (this.#size === 0) return;
    this.#size = 0;
    if (this.#keys.length > PLACES_MIN) this.#keys = places(PLACES_MIN, 0);
    if (this.#values.length > PLACES_MIN)
      this.#values = places<V | undefined>(PLACES_MIN, undefined);
    else this.#values.fill(undefined);
  }

  keys(): number[] {
    return this.#keys.filter((_, place) => this.#values[place] !== undefined).sort((a, b) => a - b);
  }

  /** In the order of their keys. */
  values(): V[] {
    const found: V[] = [];
    for (const key of this.keys()) {
      const value = this.get(key);
      if (value !== undefined) found.push(value);
    }
    return found;
  }

  /** Where it stands, or would stand. */
  #placeOf(key: number): number {
    const mask = this.#keys.length - 1;
    let place = scattered(key) & mask;
    while (this.#values[place] !== undefined && this.#keys[place] !== key)
      place = (place + 1) & mask;
    return place;
  }

  /** Takes out what stands there, and moves up those behind it that would not be found any more. */
  #close(place: number): void {
    const mask = this.#keys.length - 1;
    let hole = place;
    for (let next = (hole + 1) & mask; this.#values[next] !== undefined; next = (next + 1) & mask) {
      const home = scattered(this.#keys[next] ?? 0) & mask;
      // It may move if its home does not lie between the hole and itself.
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      this.#keys[hole] = this.#keys[next] ?? 0;
      this.#values[hole] = this.#values[next];
      hole = next;
    }
    this.#values[hole] = undefined;
  }

  #resize(length: number): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = places(length, 0);
    this.#values = places<V | undefined>(length, undefined);
    for (let from = 0; from < keys.length; from++) {
      const value = values[from];
      if (value === undefined) continue;
      const key = keys[from] ?? 0;
      const place = this.#placeOf(key);
      this.#keys[place] = key;
      this.#values[place] = value;
    }
  }
}

function scattered(key: number): number {
  const mixed = Math.imul(key, SCATTER);
  return mixed ^ (mixed >>> 15);
}

function places<T>(length: number, empty: T): T[] {
  return new Array<T>(length).fill(empty);
}
