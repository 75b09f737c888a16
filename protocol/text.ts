/**
 * The start of `text`, at most `lengthMax` UTF-16 units of it. Never ends in half of a surrogate
 * pair, which UTF-8 cannot carry and `packValue` refuses.
 */
export function cutText(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return text;
  const last = text.charCodeAt(lengthMax - 1);
  const isHalf = last >= 0xd800 && last < 0xdc00;
  return text.slice(0, isHalf ? lengthMax - 1 : lengthMax);
}
