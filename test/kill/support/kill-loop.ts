/** Rounds of load, kill, restart and comparison on one data directory, until enough was killed. */
import { setTimeout as delay } from "node:timers/promises";
import { Random } from "../../simulation/random.ts";
import { drawRound, type Round, type Victim } from "./schedule.ts";
import { World } from "./world.ts";

/** At the same time, and so kept short: more of them find no more. */
const CLIENTS = 12;
const ROUNDS_PER_GENERATION = 8;
const ROUNDS_PER_VERIFY = 5;

export interface Tally {
  rounds: number;
  kills: number;
  zombies: number;
  asked: number;
  executions: number;
  silences: number;
  verified: number;
  readonly victims: Record<Victim, number>;
}

export function emptyTally(): Tally {
  const victims = { runtime: 0, worker: 0, both: 0, zombie: 0 };
  return {
    rounds: 0,
    kills: 0,
    zombies: 0,
    asked: 0,
    executions: 0,
    silences: 0,
    verified: 0,
    victims,
  };
}

export interface LaneOptions {
  readonly name: string;
  readonly seed: number;
  readonly tally: Tally;
  /** Asked before each round. */
  readonly enough: () => boolean;
  /** A build that is broken, and where it may leave what it likes. */
  readonly broken?: { readonly cli: string; readonly dataDir: string };
}

/** One directory's life. */
export async function runLane(options: LaneOptions): Promise<void> {
  const { name, seed, tally, enough, broken } = options;
  const more = broken && { dataDir: broken.dataDir, runtime: { cli: broken.cli } };
  const world = await World.start({ name, seed, ...more });
  const random = new Random(seed, `schedule ${name}`);
  try {
    for (let number = 1; !enough(); number++) {
      const round = drawRound(number, random);
      const killsBefore = world.kills;
      try {
        await playRound(world, round, tally);
      } catch (error) {
        const where = `seed ${seed}, ${name}, round ${JSON.stringify(round)}`;
        throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
      tally.rounds++;
      tally.victims[round.victim]++;
      tally.kills += world.kills - killsBefore;
    }
    await world.killRuntime();
    tally.kills++;
    tally.verified += await world.verify();
    tally.asked += world.workload.asked;
    tally.executions += world.outside.executions;
    tally.silences += world.client.silences;
  } finally {
    await world.close();
  }
}

async function playRound(world: World, round: Round, tally: Tally): Promise<void> {
  world.workload.start(CLIENTS);
  await delay(round.lifeMs);
  // What is cut off is under way when it is cut off: no client stops before.
  await KILLS[round.victim](world, round, tally);
  await world.expectAllIsWell();
  if (round.number % ROUNDS_PER_GENERATION === 0) await world.nextGeneration();
}

const KILLS: Record<Victim, (world: World, round: Round, tally: Tally) => Promise<void>> = {
  runtime: async (world, round, tally) => {
    await world.killRuntime();
    world.workload.stop();
    await restart(world, round, tally);
  },
  worker: async (world, { number }) => {
    await world.killWorker(number % 2);
    world.workload.stop();
    await world.startWorker(number % 2);
  },
  both: async (world, round, tally) => {
    await Promise.all([world.killRuntime(), world.killWorker(0), world.killWorker(1)]);
    world.workload.stop();
    await restart(world, round, tally);
    await Promise.all([world.startWorker(0), world.startWorker(1)]);
  },
  zombie: async (world, { number }, tally) => {
    await world.workerConnects(number % 2);
    const zombie = world.makeZombie(number % 2);
    world.workload.stop();
    await zombie;
    tally.zombies++;
  },
};

async function restart(world: World, { number, again }: Round, tally: Tally): Promise<void> {
  if (number % ROUNDS_PER_VERIFY === 0) tally.verified += await world.verify();
  if (again !== undefined) await world.startAndKill(again);
  await world.startRuntime();
}
