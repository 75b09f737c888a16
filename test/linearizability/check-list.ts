/**
 * The same question for a list to which unique entries are appended, answered in one pass: what the
 * list holds at the end is the order. Gives what is wrong as sentences; none is what a sound history
 * has.
 */
import type { Operation } from "./history.ts";

export type ListInput =
  { readonly kind: "append"; readonly entry: string } | { readonly kind: "read" };

/** An append answers the length after it, a read the whole list. */
export type ListOutput = number | readonly string[];

export function checkList(
  history: readonly Operation<ListInput, ListOutput>[],
  final: readonly string[],
): string[] {
  const wrong: string[] = [];
  const places = new Map(final.map((entry, at) => [entry, at + 1]));
  if (places.size < final.length) wrong.push("an entry is there twice");
  const asked = new Set(history.map((it) => (it.input.kind === "append" ? it.input.entry : "")));
  for (const entry of final) if (!asked.has(entry)) wrong.push(`nobody appended ${entry}`);
  const placed: Placed[] = [];
  for (const { input, output, calledAt, returnedAt } of history) {
    if (input.kind === "append") {
      const place = places.get(input.entry);
      if (output !== undefined && place === undefined) wrong.push(`${input.entry} is lost`);
      else if (output !== undefined && output !== place) {
        wrong.push(`${input.entry} was said to be at ${String(output)} and is at ${place}`);
      }
      if (place !== undefined) placed.push({ place, calledAt, returnedAt, what: input.entry });
    } else if (Array.isArray(output)) {
      const list = output as readonly string[]; // a read answers a list
      const isPrefix = list.every((entry, at) => entry === final[at]);
      if (!isPrefix) wrong.push(`a read answered what the list never was: ${list.join(" ")}`);
      placed.push({ place: list.length, calledAt, returnedAt, what: `a read of ${list.length}` });
    }
  }
  return [...wrong, ...wrongOrder(placed)];
}

interface Placed {
  readonly place: number;
  readonly calledAt: number;
  readonly returnedAt: number;
  readonly what: string;
}

/** What returned before another was called is not behind it. */
function wrongOrder(placed: readonly Placed[]): string[] {
  const wrong: string[] = [];
  const returned = placed.toSorted((a, b) => a.returnedAt - b.returnedAt);
  let next = 0;
  let highest: Placed | undefined;
  for (const it of placed.toSorted((a, b) => a.calledAt - b.calledAt)) {
    for (
      let first = returned[next];
      first && first.returnedAt < it.calledAt;
      first = returned[++next]
    ) {
      if (highest === undefined || first.place > highest.place) highest = first;
    }
    if (highest !== undefined && highest.place > it.place) {
      wrong.push(`${it.what} came after ${highest.what} had returned, and is in front of it`);
    }
  }
  return wrong;
}
