/**
 * Ids that people, HTTP clients and user code see.
 *
 *     inv_  + base32( slot u16 | epoch u32 | sequence u48 | tag 8 bytes )     20 bytes, 32 characters
 *     sign_ + base32( the 20 bytes above | completion id u32 )                24 bytes, 39 characters
 *
 * - slot: `hash(service, key) mod 4096`, so that an id alone says which partition owns it.
 * - sequence: the partition-local number on which all rows of the invocation hang.
 * - epoch: a number taken in a lost history comes back after a crash; the epoch keeps ids apart.
 * - tag: random. It makes an id unguessable: whoever holds an awakeable's id may resolve it.
 */
import { broken } from "./assert.ts";

declare const brand: unique symbol;
export type InvocationId = string & { readonly [brand]: "InvocationId" };
export type AwakeableId = string & { readonly [brand]: "AwakeableId" };

export interface InvocationIdParts {
  readonly slot: number;
  readonly epoch: number;
  readonly sequence: number;
  /** 8 random bytes, as a binary string. */
  readonly tag: string;
}

export interface AwakeableIdParts {
  readonly invocation: InvocationIdParts;
  readonly completionId: number;
}

const INVOCATION_BYTES = 20;
const AWAKEABLE_BYTES = 24;
const TAG_AT = 12;
const TAG_BYTES = 8;
const U32_MAX = 2 ** 32 - 1;
const U48_MAX = 2 ** 48 - 1;
export const SLOT_COUNT = 4096;

export function formatInvocationId(parts: InvocationIdParts): InvocationId {
  putInvocation(parts);
  return `inv_${toBase32(INVOCATION_BYTES)}` as InvocationId;
}

/** `undefined` when the text is not an invocation id. Says nothing about whether it exists. */
export function parseInvocationId(text: string): InvocationIdParts | undefined {
  if (!text.startsWith("inv_")) return undefined;
  const bytes = fromBase32(text.slice(4), INVOCATION_BYTES);
  return bytes && readInvocation(bytes);
}

export function formatAwakeableId(parts: AwakeableIdParts): AwakeableId {
  assertWhole(parts.completionId, U32_MAX, "completion id");
  putInvocation(parts.invocation);
  putWhole(INVOCATION_BYTES, 4, parts.completionId);
  return `sign_${toBase32(AWAKEABLE_BYTES)}` as AwakeableId;
}

/** `undefined` when the text is not an awakeable id. Says nothing about whether it exists. */
export function parseAwakeableId(text: string): AwakeableIdParts | undefined {
  if (!text.startsWith("sign_")) return undefined;
  const bytes = fromBase32(text.slice(5), AWAKEABLE_BYTES);
  if (bytes === undefined) return undefined;
  const invocation = readInvocation(bytes);
  const completionId = wholeAt(bytes, INVOCATION_BYTES, 4);
  return invocation && { invocation, completionId };
}

/** `hash(service, key) mod 4096` (FNV-1a over UTF-16 units): fixed for ever. */
export function slotOf(service: string, key: string): number {
  let hash = 0x811c9dc5;
  for (const text of [service, "\0", key]) {
    for (let i = 0; i < text.length; i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
    }
  }
  return hash % SLOT_COUNT;
}

/** The bytes of the id that is being formatted. An id is made for each attempt: memory of its own took longer than all else. */
const put = new Uint8Array(AWAKEABLE_BYTES);

function putInvocation(parts: InvocationIdParts): void {
  // Whatever a field could not hold would make two ids of one text.
  assertWhole(parts.slot, SLOT_COUNT - 1, "slot");
  assertWhole(parts.epoch, U32_MAX, "epoch");
  assertWhole(parts.sequence, U48_MAX, "sequence");
  if (!isTag(parts.tag))
    broken(`a tag has ${TAG_BYTES} bytes, this one is ${parts.tag.length} long`);
  putWhole(0, 2, parts.slot);
  putWhole(2, 4, parts.epoch);
  putWhole(6, 6, parts.sequence);
  for (let i = 0; i < TAG_BYTES; i++) put[TAG_AT + i] = parts.tag.charCodeAt(i);
}

/** The highest byte first. */
function putWhole(at: number, size: number, value: number): void {
  let left = value;
  for (let i = at + size - 1; i >= at; i--) {
    put[i] = left % 256;
    left = Math.floor(left / 256);
  }
}

function wholeAt(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = at; i < at + size; i++) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

function assertWhole(value: number, max: number, what: string): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return;
  broken(`${what} ${value} is out of range`);
}

function isTag(text: string): boolean {
  if (text.length !== TAG_BYTES) return false;
  for (let i = 0; i < TAG_BYTES; i++) if (text.charCodeAt(i) > 255) return false;
  return true;
}

function readInvocation(bytes: Uint8Array): InvocationIdParts | undefined {
  const slot = wholeAt(bytes, 0, 2);
  if (slot >= SLOT_COUNT) return undefined;
  let tag = "";
  for (let i = TAG_AT; i < TAG_AT + TAG_BYTES; i++) tag += String.fromCharCode(bytes[i] ?? 0);
  return { slot, epoch: wholeAt(bytes, 2, 4), sequence: wholeAt(bytes, 6, 6), tag };
}

// Crockford's alphabet: no i, l, o, u, so an id survives being read aloud.
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const CODES = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
/** By the code of a character; NO_DIGIT for all that are in no id. */
const NO_DIGIT = 255;
const DIGITS = new Uint8Array(128).fill(NO_DIGIT);
CODES.forEach((code, digit) => (DIGITS[code] = digit));

/** Of the first bytes that were put. */
function toBase32(length: number): string {
  const codes: number[] = [];
  let bits = 0;
  let held = 0;
  for (let i = 0; i < length; i++) {
    held = ((held & 31) << 8) | (put[i] ?? 0);
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      codes.push(CODES[(held >> bits) & 31] ?? 0);
    }
  }
  if (bits > 0) codes.push(CODES[(held << (5 - bits)) & 31] ?? 0);
  return String.fromCharCode(...codes);
}

/** One text per byte string and no other: anything that `toBase32` would not have written is refused. */
function fromBase32(text: string, length: number): Uint8Array | undefined {
  if (text.length !== Math.ceil((length * 8) / 5)) return undefined;
  const bytes = new Uint8Array(length);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = DIGITS[text.charCodeAt(i)] ?? NO_DIGIT;
    if (digit === NO_DIGIT) return undefined;
    held = ((held & 255) << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 255;
    }
  }
  // What is left over of the last character was filled up with zeros.
  const filling = held & ((1 << bits) - 1);
  return at === length && filling === 0 ? bytes : undefined;
}
