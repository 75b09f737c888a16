/**
 * MessagePack, read strictly: the guard in front of everything that a peer says.
 *
 * Ours and not the library's, which decodes what we must refuse: extension types (references,
 * records, dates), maps, malformed UTF-8 (as U+FFFD), and which drops a byte order mark at the start
 * of a long string. Reading only what the protocol uses is shorter than guarding against the rest.
 *
 * 1. Nothing but nil, booleans, numbers, strings, binary and arrays; all of `bytes` and nothing behind.
 * 2. What is allocated is bounded by the bytes that are there and by `valuesMax`, never by a length
 *    that a header claims.
 * 3. Binary values are views into `bytes`, which must not change as long as any of them is in use.
 * 4. Any byte string gives a value or ProtocolError.
 */
import { ProtocolError, type Plain } from "./fields.ts";
import { KNOWN_TEXT_BYTES_MAX, knownText } from "./known-texts.ts";

/** Arrays within arrays. The deepest message (a failure's metadata within a replay) has nine. */
const DEPTH_MAX = 16;

/** Up to here an array has its length before it has its items. */
const SHORT_ARRAY = 16;

// `ignoreBOM` means to leave the mark in: the option's name says the opposite of what one reads.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a double's bytes are put into: a view of each row that is read costs more. */
const double = new DataView(new ArrayBuffer(8));

/**
 * Reads one value. `valuesMax` bounds how many values it may hold, arrays and their items alike;
 * without it their number is bounded by the number of bytes.
 *
 * @throws ProtocolError when `bytes` are not one value of the kinds above.
 */
export function unpackValue(
  bytes: Uint8Array,
  valuesMax: number = Number.POSITIVE_INFINITY,
): Plain {
  const reader = new Reader(bytes, valuesMax);
  const value = reader.value(0);
  reader.end();
  return value;
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #valuesLeft: number;

  constructor(bytes: Uint8Array, valuesMax: number) {
    // A plain array even over a Buffer's memory: so are the views that are handed out.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#valuesLeft = valuesMax;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#wrong("bytes after the end");
  }

  value(depth: number): Plain {
    if (this.#valuesLeft-- <= 0) {
      throw new ProtocolError("too many values in one frame or message", { tooLarge: true });
    }
    const head = this.#whole(1);
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head >= 0xa0 && head < 0xc0) return this.#text(head & 0x1f);
    if (head >= 0x90 && head < 0xa0) return this.#array(head & 0x0f, depth);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#whole(1));
      case 0xc5:
        return this.#binary(this.#whole(2));
      case 0xc6:
        return this.#binary(this.#whole(4));
      case 0xd9:
        return this.#text(this.#whole(1));
      case 0xda:
        return this.#text(this.#whole(2));
      case 0xdb:
        return this.#text(this.#whole(4));
      case 0xdc:
        return this.#array(this.#whole(2), depth);
      case 0xdd:
        return this.#array(this.#whole(4), depth);
      default:
        return this.#number(head);
    }
  }

  #number(head: number): number {
    switch (head) {
      case 0xca:
        return this.#finite(this.#float(4));
      case 0xcb:
        return this.#finite(this.#float(8));
      case 0xcc:
        return this.#whole(1);
      case 0xcd:
        return this.#whole(2);
      case 0xce:
        return this.#whole(4);
      case 0xcf:
        return this.#safe(this.#whole(4));
      case 0xd0:
        return this.#signed(1);
      case 0xd1:
        return this.#signed(2);
      case 0xd2:
        return this.#signed(4);
      case 0xd3:
        return this.#safe(this.#signed(4));
      default:
        throw this.#wrong(head < 0x90 || head >= 0xde ? "a map" : "an extension type");
    }
  }

  /** Big-endian, without a sign. */
  #whole(size: 1 | 2 | 4): number {
    const start = this.#skip(size);
    let value = 0;
    for (let at = start; at < start + size; at++) value = (value << 8) | (this.#bytes[at] ?? 0);
    return value >>> 0;
  }

  #signed(size: 1 | 2 | 4): number {
    const unused = 32 - 8 * size;
    return (this.#whole(size) << unused) >> unused;
  }

  #float(size: 4 | 8): number {
    const start = this.#skip(size);
    for (let at = 0; at < size; at++) double.setUint8(at, this.#bytes[start + at] ?? 0);
    return size === 4 ? double.getFloat32(0) : double.getFloat64(0);
  }

  /** The lower half of an integer of 64 bits whose upper half is `high`. */
  #safe(high: number): number {
    const value = high * 2 ** 32 + this.#whole(4);
    if (!Number.isSafeInteger(value)) throw this.#wrong("an integer beyond 2^53");
    return value;
  }

  #finite(value: number): number {
    if (!Number.isFinite(value)) throw this.#wrong("a number that is not finite");
    return value === 0 ? 0 : value; // there is one zero
  }

  #text(length: number): string {
    const start = this.#skip(length);
    if (length > KNOWN_TEXT_BYTES_MAX) return this.#decode(start);
    return knownText(this.#bytes, start, this.#at) ?? this.#decode(start);
  }

  #decode(start: number): string {
    try {
      return utf8.decode(this.#bytes.subarray(start, this.#at));
    } catch {
      throw this.#wrong("a string that is not UTF-8");
    }
  }

  #binary(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, this.#at);
  }

  #array(length: number, depth: number): Plain[] {
    if (depth >= DEPTH_MAX) throw this.#wrong("arrays within arrays, too deep");
    // Every item takes a byte at least, so a longer array cannot be here.
    if (length > this.#bytes.length - this.#at) throw this.#wrong("an array longer than the rest");
    if (length > this.#valuesLeft) {
      throw new ProtocolError("too many values in one frame or message", { tooLarge: true });
    }
    // One that grows has room for 17 items from the first on: a short one is made as it will be.
    const items = length > SHORT_ARRAY ? [] : new Array<Plain>(length);
    for (let i = 0; i < length; i++) items[i] = this.value(depth + 1);
    return items;
  }

  /** Moves on by `length` bytes and gives where they start. */
  #skip(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw this.#wrong("a value that goes on past the end");
    this.#at = start + length;
    return start;
  }

  #wrong(what: string): ProtocolError {
    return new ProtocolError(`not the MessagePack of this protocol: ${what}, at byte ${this.#at}`);
  }
}
