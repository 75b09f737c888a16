/** Where a packed value ends, found without making anything of it. */
import { broken } from "./assert.ts";

export interface Skipped {
  /** Behind the last byte of the value. */
  readonly end: number;
  /** Arrays and their items alike, as `Packer` counts them. */
  readonly values: number;
}

/** `bytes` were made by `packValue`. */
export function skipValue(bytes: Uint8Array, from: number): Skipped {
  let at = from;
  let values = 0;
  for (let left = 1; left > 0; left--) {
    values++;
    const head = bytes[at] ?? broken("a packed value goes on past the end");
    at++;
    if (head < 0x80 || head >= 0xe0) continue;
    if (head < 0xa0) left += itemsOf(head);
    else if (head < 0xc0) at += head & 0x1f;
    else if (head === 0xdc || head === 0xdd) {
      const size = head === 0xdc ? 2 : 4;
      left += numberAt(bytes, at, size);
      at += size;
    } else at += sizeBehind(bytes, head, at);
  }
  if (at > bytes.length) broken("a packed value goes on past the end");
  return { end: at, values };
}

/** Of a short array; there are no maps. */
function itemsOf(head: number): number {
  return head >= 0x90 ? head & 0x0f : broken("a packed value holds a map");
}

/** Bytes behind the head of a value that is no array. */
function sizeBehind(bytes: Uint8Array, head: number, at: number): number {
  switch (head) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return 0;
    case 0xcc: // whole numbers
    case 0xd0:
      return 1;
    case 0xcd:
    case 0xd1:
      return 2;
    case 0xce:
    case 0xd2:
      return 4;
    case 0xcb: // double
      return 8;
    case 0xc4: // binary, text
    case 0xd9:
      return 1 + numberAt(bytes, at, 1);
    case 0xc5:
    case 0xda:
      return 2 + numberAt(bytes, at, 2);
    case 0xc6:
    case 0xdb:
      return 4 + numberAt(bytes, at, 4);
    default:
      return broken(`a packed value begins with ${head}`);
  }
}

function numberAt(bytes: Uint8Array, from: number, size: 1 | 2 | 4): number {
  let value = 0;
  for (let at = from; at < from + size; at++) value = value * 256 + (bytes[at] ?? 0);
  return value;
}
