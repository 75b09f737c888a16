/**
 * MessagePack, written by hand: values one after the other into memory that is kept.
 *
 * Ours, because a general library's set-up and look-ups cost more than the few bytes of a row or a
 * message, and because what it would change in silence is refused in the same pass (docs/performance.md
 * has the gain). It writes what the library writes, byte by byte: test/protocol/pack.test.ts holds the
 * two against each other.
 *
 * 1. Every value has its shortest form; whole numbers beyond 32 bits are written as doubles.
 * 2. Half of a surrogate pair, an undefined, a number that is not finite are refused.
 * 3. After an error the bytes so far mean nothing: `reset` begins anew.
 */
import { assert, broken } from "./assert.ts";
import type { Plain } from "./fields.ts";
import { newBytes } from "./small-bytes.ts";

const KEPT_BYTES = 16 * 1024;
/** After a value beyond this the memory is given back. */
const KEPT_BYTES_MAX = 1024 * 1024;
/** Up to here a loop is quicker than a call into the encoder, or to copy. */
const SHORT_TEXT = 40;
const SHORT_BYTES = 40;
/** A UTF-16 unit takes no more bytes of UTF-8. */
const BYTES_PER_UNIT_MAX = 3;

export class Packer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(KEPT_BYTES);
  #view = viewOf(this.#bytes);
  #at = 0;
  #values = 0;

  /** Bytes written since `reset`. */
  get length(): number {
    return this.#at;
  }

  /** Values written since `reset`, arrays and their items alike. */
  get values(): number {
    return this.#values;
  }

  reset(): void {
    this.#at = 0;
    this.#values = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#use(Buffer.allocUnsafeSlow(KEPT_BYTES));
  }

  /** A copy. See small-bytes.ts for how long it may be kept. */
  copy(from: number, to: number): Uint8Array {
    const bytes = newBytes(to - from);
    if (to - from > SHORT_BYTES) this.copyTo(bytes, 0, from, to);
    else for (let at = from; at < to; at++) bytes[at - from] = this.#bytes[at] ?? 0;
    return bytes;
  }

  /** Copies into `target`. */
  copyTo(target: Uint8Array, at: number, from: number, to: number): void {
    this.#bytes.copy(target, at, from, to);
  }

  /** @throws AssertionError for what MessagePack cannot carry */
  add(value: Plain): void {
    this.#values++;
    switch (typeof value) {
      case "string":
        this.#text(value);
        return;
      case "number":
        this.#number(value);
        return;
      case "boolean":
        this.#byte(value ? 0xc3 : 0xc2);
        return;
      case "object":
        if (value === null) this.#byte(0xc0);
        else if (Array.isArray(value)) this.#array(value);
        else this.#binary(value);
        return;
      default:
        broken(`a value of type ${typeof value} cannot be packed`);
    }
  }

  /** The head of an array whose items are added one by one. */
  addArrayHead(length: number): void {
    this.#values++;
    this.#arrayHead(length);
  }

  /** What has been packed before; `values`: how many values that are. */
  addPacked(bytes: Uint8Array, values = 0): void {
    this.#values += values;
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #number(value: number): void {
    if (value >>> 0 === value) this.#whole(value);
    else if (value >> 0 === value) this.#negative(value);
    else {
      if (!Number.isFinite(value)) broken(`the number ${value} cannot be packed`);
      this.#room(9);
      this.#bytes[this.#at] = 0xcb;
      this.#view.setFloat64(this.#at + 1, value);
      this.#at += 9;
    }
  }

  #whole(value: number): void {
    if (value < 0x80) this.#byte(value);
    else if (value < 0x100) this.#head(0xcc, value, 1);
    else if (value < 0x1_0000) this.#head(0xcd, value, 2);
    else this.#head(0xce, value, 4);
  }

  #negative(value: number): void {
    if (value >= -0x20) this.#byte(value & 0xff);
    else if (value >= -0x80) this.#head(0xd0, value, 1);
    else if (value >= -0x8000) this.#head(0xd1, value, 2);
    else this.#head(0xd2, value, 4);
  }

  #text(value: string): void {
    if (value.length > SHORT_TEXT || !this.#ascii(value)) this.#encodedText(value);
  }

  /** False when it is not all ASCII: then nothing of it counts. */
  #ascii(value: string): boolean {
    const { length } = value;
    this.#room(length + 2);
    const start = this.#at;
    this.#lengthHead(length, 0xa0, 0x20, 0xd9);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) {
        this.#at = start;
        return false;
      }
      bytes[at++] = unit;
    }
    this.#at = at;
    return true;
  }

  #encodedText(value: string): void {
    // Node 20 has it, the types of ES2023 do not.
    if (!(value as string & { isWellFormed(): boolean }).isWellFormed()) {
      broken(
        `a text with half of a surrogate pair cannot be packed: ${JSON.stringify(value.slice(0, 64))}`,
      );
    }
    const length = Buffer.byteLength(value);
    assert(length <= value.length * BYTES_PER_UNIT_MAX, "UTF-8 takes no more than that");
    this.#room(length + 5);
    this.#lengthHead(length, 0xa0, 0x20, 0xd9);
    this.#at += this.#bytes.write(value, this.#at, "utf8");
  }

  #binary(value: Uint8Array): void {
    assert(value instanceof Uint8Array, "only plain values can be packed");
    const { length } = value;
    this.#room(length + 5);
    this.#lengthHead(length, 0, 0, 0xc4);
    this.#bytes.set(value, this.#at);
    this.#at += length;
  }

  #arrayHead(length: number): void {
    if (length < 0x10) this.#byte(0x90 | length);
    else if (length < 0x1_0000) this.#head(0xdc, length, 2);
    else this.#head(0xdd, length, 4);
  }

  #array(items: readonly Plain[]): void {
    const { length } = items;
    this.#arrayHead(length);
    for (let i = 0; i < length; i++) this.add(items[i] as Plain); // a hole is refused there
  }

  /** `first` is the head for a length of one byte; those for two and four bytes come next. */
  #lengthHead(length: number, fixed: number, fixedMax: number, first: number): void {
    if (length < fixedMax) this.#byte(fixed | length);
    else if (length < 0x100) this.#head(first, length, 1);
    else if (length < 0x1_0000) this.#head(first + 1, length, 2);
    else this.#head(first + 2, length, 4);
  }

  #byte(byte: number): void {
    if (this.#at === this.#bytes.length) this.#room(1);
    this.#bytes[this.#at++] = byte;
  }

  #head(head: number, value: number, size: 1 | 2 | 4): void {
    this.#room(1 + size);
    const bytes = this.#bytes;
    let at = this.#at;
    bytes[at++] = head;
    for (let shift = 8 * (size - 1); shift >= 0; shift -= 8) bytes[at++] = (value >>> shift) & 0xff;
    this.#at = at;
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#use(larger);
  }

  #use(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
}

function viewOf(bytes: Buffer): DataView<ArrayBuffer> {
  // Made by `allocUnsafeSlow`: all of an ArrayBuffer, and of nobody else.
  return new DataView(bytes.buffer as ArrayBuffer);
}
