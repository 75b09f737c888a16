/** Headers of a request as a map: names in lower case, repeated ones joined as RFC 9110 5.3 says. */
import { HttpProblem } from "./answer.ts";

export type HeaderFields = ReadonlyMap<string, string>;

/** `raw` alternates names and values, as Node hands them over. */
export function readHeaderFields(raw: readonly string[], headersMax: number): HeaderFields {
  checkHeaderCount(raw.length / 2, headersMax);
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    addField(fields, (raw[i] ?? "").toLowerCase(), raw[i + 1] ?? "");
  }
  return fields;
}

/** Throws 431 when there are more than there may be. */
export function checkHeaderCount(count: number, headersMax: number): void {
  if (count <= headersMax) return;
  throw new HttpProblem(431, `the request has more than ${headersMax} headers; send fewer`);
}

export function addField(fields: Map<string, string>, name: string, value: string): void {
  const before = fields.get(name);
  fields.set(name, before === undefined ? value : `${before}, ${value}`);
}
