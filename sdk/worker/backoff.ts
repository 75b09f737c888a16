const INITIAL_MS = 100;
const MAX_MS = 5_000;

/** Wait before dial number `attempt` (1 and up): 100 ms doubling to 5 s, each between half and all of it. */
export function reconnectDelayMs(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(INITIAL_MS * 2 ** (attempt - 1), MAX_MS);
  return Math.round(full * (0.5 + 0.5 * random()));
}
