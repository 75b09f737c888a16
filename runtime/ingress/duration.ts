/** Durations as people write them in a URL: ISO 8601 (`PT2S`) or friendly (`2s`, `10 minutes`). */

export type ParsedDuration =
  | { readonly ok: true; readonly durationMs: number }
  /** What is wrong, as the end of a sentence. */
  | { readonly ok: false; readonly reason: string };

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;

const FRIENDLY_UNITS: ReadonlyMap<string, number> = new Map(
  (
    [
      [WEEK_MS, "w wk wks week weeks"],
      [DAY_MS, "d day days"],
      [HOUR_MS, "h hr hrs hour hours"],
      [MINUTE_MS, "m min mins minute minutes"],
      [SECOND_MS, "s sec secs second seconds"],
      [1, "ms msec msecs milli millis millisecond milliseconds"],
      [1e-3, "us \u00b5s \u03bcs usec usecs micro micros microsecond microseconds"],
      [1e-6, "ns nsec nsecs nano nanos nanosecond nanoseconds"],
    ] as const
  ).flatMap(([unitMs, names]) => names.split(" ").map((name) => [name, unitMs] as const)),
);
const CALENDAR_UNITS: ReadonlySet<string> = new Set(
  "y yr yrs year years mo mos month months".split(" "),
);

const HOW =
  "write it as ISO 8601, such as PT2S or P1DT12H, or with units, such as 1500ms or 2 hours";
const CHARACTERS_MAX = 100;

/** In milliseconds, rounded. Years and months have no fixed length and are refused. */
export function parseDuration(text: string): ParsedDuration {
  const trimmed = text.trim();
  if (trimmed.length > CHARACTERS_MAX) return refused("it is too long");
  if (trimmed.startsWith("-")) return refused("it is negative");
  const unsigned = trimmed.replace(/^\+/, "").toLowerCase();
  return unsigned.startsWith("p") ? parseIso(unsigned) : parseFriendly(unsigned);
}

const NUMBER = String.raw`(\d+(?:[.,]\d+)?)`;
const ISO = new RegExp(
  `^p(?:${NUMBER}y)?(?:${NUMBER}m)?(?:${NUMBER}w)?(?:${NUMBER}d)?(?:t(?=.)(?:${NUMBER}h)?(?:${NUMBER}m)?(?:${NUMBER}s)?)?$`,
);

function parseIso(text: string): ParsedDuration {
  const match = ISO.exec(text);
  if (match === null || text === "p") return refused("it is not an ISO 8601 duration");
  const [, years, months, weeks, days, hours, minutes, seconds] = match;
  if (years !== undefined || months !== undefined) return calendar();
  const durationMs =
    amount(weeks) * WEEK_MS +
    amount(days) * DAY_MS +
    amount(hours) * HOUR_MS +
    amount(minutes) * MINUTE_MS +
    amount(seconds) * SECOND_MS;
  return { ok: true, durationMs: Math.round(durationMs) };
}

function parseFriendly(text: string): ParsedDuration {
  const part = /\s*(\d+(?:\.\d+)?)\s*([a-z\u00b5\u03bc]*)\s*,?/y;
  let durationMs = 0;
  let at = 0;
  while (at < text.length) {
    part.lastIndex = at;
    const match = part.exec(text);
    if (match === null) return refused("it is not a number with a unit");
    const [whole, count, unit = ""] = match;
    if (unit === "") return refused(`${count} has no unit`);
    if (CALENDAR_UNITS.has(unit)) return calendar();
    const unitMs = FRIENDLY_UNITS.get(unit);
    if (unitMs === undefined) return refused(`the unit '${unit}' is not known`);
    durationMs += amount(count) * unitMs;
    at += whole.length;
  }
  return at === 0 ? refused("it is empty") : { ok: true, durationMs: Math.round(durationMs) };
}

function amount(text: string | undefined): number {
  return text === undefined ? 0 : Number(text.replace(",", "."));
}

function calendar(): ParsedDuration {
  return refused("years and months have no fixed length, use days");
}

function refused(reason: string): ParsedDuration {
  return { ok: false, reason: `${reason}; ${HOW}` };
}
