/**
 * How much the hostile-input suites do, and from which seed. The defaults are what every `npm test`
 * does; long runs set other numbers and other seeds: see docs/testing-hostile-input.md.
 */

/** `FUZZ_FACTOR` multiplies all counts; a count's own variable replaces it. */
export function effort(variable: string, usual: number): number {
  const own = process.env[variable];
  const factor = Number(process.env["FUZZ_FACTOR"] ?? 1);
  const count = own === undefined ? Math.ceil(usual * factor) : Number(own);
  if (!Number.isSafeInteger(count) || count < 0) throw new Error(`${variable} is a whole number`);
  return count;
}

/** The same every time unless `FUZZ_SEED` says otherwise: what a commit broke must fail again. */
export const SEED = Number(process.env["FUZZ_SEED"] ?? 1);

/** One line per suite: what it did. */
export function report(suite: string, counts: Readonly<Record<string, number>>): void {
  const parts = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
  process.stdout.write(`hostile input: ${suite}: seed ${SEED}: ${parts.join(", ")}\n`);
}
