import type { Rand } from "../request.ts";

/** xoshiro128** (Blackman and Vigna), seeded with the invocation's 16 bytes. */
export function makeRand(seed: Uint8Array): Rand {
  // Most handlers draw no number.
  let state: Uint32Array | undefined;
  const next = (): number => nextWord((state ??= stateOf(seed)));
  return {
    // 53 bits, as Math.random has.
    random: () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53,
    uuidv4: () => uuid(next),
  };
}

function stateOf(seed: Uint8Array): Uint32Array {
  const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength);
  // A state of zeros would stay zero.
  return Uint32Array.of(
    view.getUint32(0),
    view.getUint32(4),
    view.getUint32(8),
    view.getUint32(12) | 1,
  );
}

function nextWord(state: Uint32Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = state;
  const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
  const c1 = c ^ a;
  const d1 = d ^ b;
  state[0] = a ^ d1;
  state[1] = b ^ c1;
  state[2] = c1 ^ (b << 9);
  state[3] = rotate(d1, 11);
  return result;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function uuid(next: () => number): string {
  const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
  const [a, b, c, d] = [next(), next(), next(), next()];
  const versioned = (b & 0xffff0fff) | 0x4000;
  const variant = (c & 0x3fffffff) | 0x80000000;
  const text = hex(a) + hex(versioned) + hex(variant) + hex(d);
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
