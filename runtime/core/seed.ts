/**
 * Numbers that look random and are a function of their seed, for what must come out the same when
 * the machine is run again: seeds and tags of child invocations, jitter. The generator is sfc32
 * (Chris Doty-Humphrey, PractRand).
 */
import { assert } from "../../protocol/assert.ts";

/** 24 bytes (tag and seed) for the child that command `index` of an invocation creates. */
export function childEntropy(seed: string, index: number): string {
  const next = sfc32(seed, index);
  let bytes = "";
  for (let i = 0; i < 6; i++) {
    const word = next();
    bytes += String.fromCharCode(word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255);
  }
  return bytes;
}

/** A number in [0, 1) for the `index`-th use of a seed. */
export function fraction(seed: string, index: number): number {
  return sfc32(seed, index)() / 2 ** 32;
}

function sfc32(seed: string, index: number): () => number {
  assert(seed.length === 16, `a seed has 16 bytes, this one has ${seed.length}`);
  const word = (at: number): number =>
    (seed.charCodeAt(at) << 24) |
    (seed.charCodeAt(at + 1) << 16) |
    (seed.charCodeAt(at + 2) << 8) |
    seed.charCodeAt(at + 3);
  let a = word(0);
  let b = word(4);
  let c = word(8) ^ word(12);
  let counter = index | 0;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
  // The first outputs still show the seed.
  for (let i = 0; i < 15; i++) next();
  return next;
}
