/** What happens in a round: drawn from the seed, with each kind coming round in its turn. */
import type { Random } from "../../simulation/random.ts";

export type Victim = "runtime" | "worker" | "both" | "zombie";

export interface Round {
  readonly number: number;
  readonly victim: Victim;
  /** How long it lives under load before it is killed. */
  readonly lifeMs: number;
  /** The runtime is killed again while it starts: so long after, or as soon as a port accepts. */
  readonly again: number | "as it recovers" | undefined;
}

export function drawRound(number: number, random: Random): Round {
  const victim = victimOf(number);
  const dies = victim === "runtime" || victim === "both";
  return {
    number,
    victim,
    lifeMs: random.int(20, 400),
    again: dies && number % 3 === 0 ? drawAgain(random) : undefined,
  };
}

function victimOf(number: number): Victim {
  if (number % 7 === 0) return "zombie";
  if (number % 4 === 0) return "worker";
  if (number % 10 === 5) return "both";
  return "runtime";
}

function drawAgain(random: Random): number | "as it recovers" {
  return random.chance(0.7) ? "as it recovers" : random.int(20, 400);
}
