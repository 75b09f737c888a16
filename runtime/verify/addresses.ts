/** The variable parts at the front of a row's key, read back: each has its length before it. */
import type { RowKey } from "../core/tx.ts";

/** `count` texts from `at` on, as they stand in the key (binary strings of UTF-8), and where they end. */
export function readTexts(
  key: RowKey,
  at: number,
  count: number,
): { readonly texts: readonly string[]; readonly end: number } {
  const texts: string[] = [];
  let end = at;
  for (let i = 0; i < count; i++) {
    const length = key.charCodeAt(end) * 256 + key.charCodeAt(end + 1);
    texts.push(key.slice(end + 2, end + 2 + length));
    end += 2 + length;
  }
  return { texts, end };
}

/** That part of a key which names service and key, behind the letter of its kind. */
export function addressIn(key: RowKey): string {
  return key.slice(1, readTexts(key, 1, 2).end);
}
