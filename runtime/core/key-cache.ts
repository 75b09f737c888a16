/**
 * What the partition remembers of keys that were busy lately: their state, that nobody holds them, and
 * where their inbox begins (the rows before it are gone, but not from the disk yet: a read of the first
 * one would pass over all of them).
 * It spares the reads of the store that each start and each admission would make; the rows rule.
 *
 * 1. What is in here is what a read of the rows would give now: whoever writes such a row says so here
 *    (state in commands/state.ts and purge.ts, the lock in inbox.ts).
 * 2. It is bounded in bytes and in keys, by two generations: when the young one is full it becomes the
 *    old one, and the old one goes. Nothing is deleted one by one (see protocol/number-map.ts).
 * 3. Values are copies of their own: one that was a view would keep the frame alive that it came in.
 */
import { lockKey } from "./keys.ts";
import type { RowKey } from "./tx.ts";

/** Of both generations together twice as much. */
const BYTES_PER_GENERATION = 2 * 1024 * 1024;
const KEYS_PER_GENERATION = 10_000;
/** A larger state is not kept. */
const STATE_BYTES_MAX = 16 * 1024;
/** Followers of a key that has not shown yet how its invocations end. */
const FIRST_CHAIN = 2;
/** About what a key costs beside its state. */
const KEY_BYTES = 100;

/** Names are as in the rows: UTF-8 as a binary string. */
export type StateEntry = readonly [name: string, value: Uint8Array];

interface Facts {
  /** In the order of names; undefined when it is not known. */
  state: StateEntry[] | undefined;
  stateBytes: number;
  /** The last large value that was written, without itself. Undefined: not known. */
  large: { readonly name: string; readonly bytes: number } | undefined;
  /** Nobody holds the key: there is no lock row. False: not known. */
  free: boolean;
  /** No row of its inbox has a lower order: they are taken from the front, and added at the end. */
  inboxFrom: number;
  /** How long its next chain may be: see followers.ts. */
  chainMax: number;
}

export interface KeyState {
  readonly entries: readonly StateEntry[];
  /** Of names and values. */
  readonly bytes: number;
}

export class KeyCache {
  #young = new Map<RowKey, Facts>();
  #old = new Map<RowKey, Facts>();
  #bytes = 0;
  /** What was asked for last, so that it is found without a look. */
  #lastFound: { readonly lock: RowKey; readonly facts: Facts } | undefined;

  /** All of its state, if it is known. */
  stateOf(service: string, key: string): KeyState | undefined {
    const facts = this.#get(lockKey(service, key));
    return facts?.state && { entries: facts.state, bytes: facts.stateBytes };
  }

  /** The rows of its state, all of them, in their order. */
  keepState(service: string, key: string, { entries, bytes }: KeyState): void {
    if (bytes > STATE_BYTES_MAX) return;
    const facts = this.#getOrMake(lockKey(service, key));
    facts.state = entries.map(([name, value]) => [name, ownCopy(value)] as const);
    facts.stateBytes = bytes;
    this.#grow(bytes);
  }

  /** A row of its state was written, or removed. */
  setState(service: string, key: string, name: string, value: Uint8Array | undefined): void {
    if (value !== undefined && value.length > STATE_BYTES_MAX) {
      const facts = this.#getOrMake(lockKey(service, key));
      facts.state = undefined;
      facts.large = { name, bytes: value.length };
      return;
    }
    const facts = this.#get(lockKey(service, key));
    if (facts === undefined) return;
    if (facts.large?.name === name) facts.large = undefined;
    if (facts.state === undefined) return;
    const at = placeOf(facts.state, name);
    const before = facts.state[at]?.[0] === name ? facts.state[at] : undefined;
    const bytesBefore = before ? name.length + before[1].length : 0;
    const bytes = value ? name.length + value.length : 0;
    facts.state.splice(at, before ? 1 : 0, ...(value ? [[name, ownCopy(value)] as const] : []));
    facts.stateBytes += bytes - bytesBefore;
    if (facts.stateBytes > STATE_BYTES_MAX) facts.state = undefined;
    else if (bytes > bytesBefore) this.#grow(bytes - bytesBefore);
  }

  /** Rows of its state were written or removed, whichever. */
  forgetState(service: string, key: string): void {
    const facts = this.#get(lockKey(service, key));
    if (facts === undefined) return;
    facts.state = undefined;
    facts.large = undefined;
  }

  /** The size of a value that is too large to be kept, if it was the last of its key to be written. */
  largeBytesOf(service: string, key: string, name: string): number | undefined {
    const large = this.#get(lockKey(service, key))?.large;
    return large?.name === name ? large.bytes : undefined;
  }

  /** Whether it is sure that nobody holds the key. */
  isFree(lock: RowKey): boolean {
    return this.#get(lock)?.free ?? false;
  }

  /** The lock row was written, or removed. */
  setFree(lock: RowKey, free: boolean): void {
    if (free) this.#getOrMake(lock).free = true;
    else {
      const facts = this.#get(lock);
      if (facts) facts.free = false;
    }
  }

  /** An order below which its inbox has no row. */
  inboxFrom(lock: RowKey): number {
    return this.#get(lock)?.inboxFrom ?? 0;
  }

  /** The first row of its inbox was taken: it had the order before this. */
  setInboxFrom(lock: RowKey, order: number): void {
    this.#getOrMake(lock).inboxFrom = order;
  }

  chainMax(lock: RowKey): number {
    return this.#get(lock)?.chainMax ?? FIRST_CHAIN;
  }

  setChainMax(lock: RowKey, most: number = FIRST_CHAIN): void {
    this.#getOrMake(lock).chainMax = most;
  }

  #get(lock: RowKey): Facts | undefined {
    if (this.#lastFound?.lock === lock) return this.#lastFound.facts;
    const facts = this.#young.get(lock) ?? this.#takeOver(lock);
    this.#lastFound = facts && { lock, facts };
    return facts;
  }

  /** From the old generation into the young one. */
  #takeOver(lock: RowKey): Facts | undefined {
    const old = this.#old.get(lock);
    if (old === undefined) return undefined;
    this.#young.set(lock, old);
    this.#grow(KEY_BYTES + lock.length + old.stateBytes);
    return old;
  }

  #getOrMake(lock: RowKey): Facts {
    const known = this.#get(lock);
    if (known) return known;
    const made: Facts = {
      state: undefined,
      stateBytes: 0,
      large: undefined,
      free: false,
      inboxFrom: 0,
      chainMax: FIRST_CHAIN,
    };
    this.#young.set(lock, made);
    this.#grow(KEY_BYTES + lock.length);
    return made;
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes <= BYTES_PER_GENERATION && this.#young.size <= KEYS_PER_GENERATION) return;
    this.#lastFound = undefined;
    this.#old = this.#young;
    this.#young = new Map();
    this.#bytes = 0;
  }
}

/** Where the entry of this name stands, or would stand. */
function placeOf(state: readonly StateEntry[], name: string): number {
  let low = 0;
  let high = state.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((state[middle]?.[0] ?? "") < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

const SMALL_BYTES = 64;

function ownCopy(value: Uint8Array): Uint8Array {
  // V8 keeps a small array within the heap until somebody asks for its buffer.
  if (value.length <= SMALL_BYTES) return new Uint8Array(value);
  return value.buffer.byteLength === value.length ? value : new Uint8Array(value);
}
