/**
 * Reading decoded MessagePack strictly: an array of known length whose fields have known types.
 * Everything that comes from a peer goes through here; past it nothing is checked again.
 */
import { CloseCode } from "./channel.ts";

/** What may stand in a message: no maps, no extension types, nothing that a language could lack. */
export type Plain = null | boolean | number | string | Uint8Array | Plain[];

/**
 * The peer broke the protocol. Its connection is closed with `closeCode`, and with the message as
 * the reason: a sentence of ours that never quotes the peer.
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly closeCode: number;

  /** `tooLarge`: a limit was passed, rather than the form broken. */
  constructor(message: string, { tooLarge = false }: { readonly tooLarge?: boolean } = {}) {
    super(message);
    this.closeCode = tooLarge ? CloseCode.tooLarge : CloseCode.protocolError;
  }
}

const U32_MAX = 2 ** 32 - 1;

/** Reads the fields of one array from left to right, and refuses what is missing or left over. */
export class Fields {
  readonly #what: string;
  readonly #values: readonly Plain[];
  #at = 0;

  constructor(plain: Plain, what: string) {
    if (!Array.isArray(plain)) throw new ProtocolError(`${what} is not an array`);
    this.#what = what;
    this.#values = plain;
  }

  next(): Plain {
    const value = this.#values[this.#at++];
    if (value === undefined) {
      throw new ProtocolError(`${this.#what} has ${this.#values.length} fields, too few`);
    }
    return value;
  }

  /** To be called after the last field. */
  end(): void {
    if (this.#at !== this.#values.length) {
      throw new ProtocolError(`${this.#what} has ${this.#values.length} fields, not ${this.#at}`);
    }
  }

  string(): string {
    const value = this.next();
    if (typeof value !== "string") throw this.#wrong("a string");
    return value;
  }

  bytes(): Uint8Array {
    const value = this.next();
    if (!(value instanceof Uint8Array)) throw this.#wrong("binary");
    return value;
  }

  boolean(): boolean {
    const value = this.next();
    if (typeof value !== "boolean") throw this.#wrong("a boolean");
    return value;
  }

  u32(): number {
    const value = this.next();
    if (!isWhole(value) || value > U32_MAX) throw this.#wrong("a whole number of 32 bits");
    return value;
  }

  /** A number that counts from 1: a handle, a completion id, a try. */
  ordinal(): number {
    const value = this.next();
    if (!isWhole(value) || value > U32_MAX || value === 0) {
      throw this.#wrong("a whole number of 32 bits above zero");
    }
    return value;
  }

  /** A time or a duration in milliseconds, or another whole number up to 2^53. */
  whole(): number {
    const value = this.next();
    if (!isWhole(value)) throw this.#wrong("a whole number that is not negative");
    return value;
  }

  /** A number that is finite and not negative. */
  amount(): number {
    const value = this.next();
    if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
      throw this.#wrong("a number that is not negative");
    }
    return value;
  }

  list<T>(read: (item: Plain) => T, itemsMax: number): T[] {
    const value = this.next();
    if (!Array.isArray(value)) throw this.#wrong("an array");
    if (value.length > itemsMax) {
      const message = `${this.#what} lists ${value.length} items, the limit is ${itemsMax}`;
      throw new ProtocolError(message, { tooLarge: true });
    }
    return value.map(read);
  }

  orNull<T>(read: (self: this) => T): T | null {
    if (this.#values[this.#at] !== null) return read(this);
    this.#at++;
    return null;
  }

  /** Leaves out what another version of the protocol says. */
  skipRest(): void {
    this.#at = this.#values.length;
  }

  #wrong(expected: string): ProtocolError {
    return new ProtocolError(`field ${this.#at - 1} of ${this.#what} is not ${expected}`);
  }
}

function isWhole(value: Plain): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
