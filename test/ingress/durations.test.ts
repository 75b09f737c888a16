import fc from "fast-check";
import { expect, test } from "vitest";
import { parseDuration } from "../../runtime/ingress/duration.ts";

test.each([
  ["PT2S", 2_000],
  ["pt2s", 2_000],
  ["PT0S", 0],
  ["PT0.5S", 500],
  ["PT0,25S", 250],
  ["P1D", 86_400_000],
  ["P1DT12H", 129_600_000],
  ["P2W", 1_209_600_000],
  ["PT1H30M5.5S", 5_405_500],
  ["+PT1M", 60_000],
  ["2s", 2_000],
  ["1500ms", 1_500],
  ["10 minutes", 600_000],
  ["10 Minutes", 600_000],
  ["1h 30m", 5_400_000],
  ["1 hour, 30 minutes", 5_400_000],
  ["1h30m5s", 5_405_000],
  ["1.5 hours", 5_400_000],
  ["2 days", 172_800_000],
  ["1 week", 604_800_000],
  ["500us", 1],
  ["1000000ns", 1],
  ["0.1s", 100],
  ["1.1s", 1_100],
  ["  3 secs ", 3_000],
])("%j is %i ms", (text, durationMs) => {
  expect(parseDuration(text)).toEqual({ ok: true, durationMs });
});

test.each([
  ["", "it is empty"],
  ["   ", "it is empty"],
  ["P", "it is not an ISO 8601 duration"],
  ["PT", "it is not an ISO 8601 duration"],
  ["P1DT", "it is not an ISO 8601 duration"],
  ["P1S", "it is not an ISO 8601 duration"],
  ["PT1H1D", "it is not an ISO 8601 duration"],
  ["P1Y", "years and months have no fixed length, use days"],
  ["P2M", "years and months have no fixed length, use days"],
  ["1 month", "years and months have no fixed length, use days"],
  ["-PT2S", "it is negative"],
  ["-2s", "it is negative"],
  ["500", "500 has no unit"],
  ["5 lightyears", "the unit 'lightyears' is not known"],
  ["constructor", "it is not a number with a unit"],
  ["1 constructor", "the unit 'constructor' is not known"],
  ["soon", "it is not a number with a unit"],
  ["2s!", "it is not a number with a unit"],
  ["1e3s", "the unit 'e' is not known"],
  ["9".repeat(101), "it is too long"],
])("%j is refused: %s", (text, reason) => {
  const parsed = parseDuration(text);
  expect(parsed).toMatchObject({ ok: false });
  expect(parsed.ok ? "" : parsed.reason).toContain(`${reason}; write it as ISO 8601, such as PT2S`);
});

test("any whole number of milliseconds comes back, in either form", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (durationMs) => {
      expect(parseDuration(`${durationMs}ms`)).toEqual({ ok: true, durationMs });
      expect(parseDuration(`PT${durationMs / 1_000}S`)).toEqual({ ok: true, durationMs });
    }),
  );
});

test("any text is a duration or is refused", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."0123456789.,ptPTdhms- µ") }), (text) => {
      const parsed = parseDuration(text);
      if (parsed.ok) expect(parsed.durationMs).toBeGreaterThanOrEqual(0);
      else expect(parsed.reason).not.toBe("");
    }),
  );
});
