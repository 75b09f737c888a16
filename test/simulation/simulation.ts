/**
 * One seed, one world: clients, a runtime with its disk, workers, a network, and whatever goes wrong.
 *
 * The phase of faults comes first; then everything is healed and must become quiet, and what is on
 * the disk must be what the reference model says. Machine, loop, committer, overlay, hub, requests,
 * framing, codec, worker session and replay engine are the real ones; the disk, the network, the
 * clock and the processes are simulated.
 */
import { createHash } from "node:crypto";
import { Chaos } from "./chaos.ts";
import { nameOf } from "./durable.ts";
import { checkEnding } from "./ending.ts";
import type { Fired } from "./faults.ts";
import { Scenery } from "./scenery.ts";
import { time } from "./time.ts";
import { Violation } from "./violation.ts";

const UNSAFE_STEPS = 225;
const STEPS_MIN = 300;
/** After these everybody is connected, and what was late is done. */
const SETTLING_STEPS = 100;
const HEALING_STEPS_MAX = 20_000;

export interface Outcome {
  /** Hash of everything that happened: equal for equal seeds. */
  readonly hash: string;
  readonly log: readonly string[];
  readonly steps: number;
  readonly crashes: number;
  readonly executions: number;
  readonly invocations: number;
  readonly followers: number;
  readonly followed: number;
  readonly fired: readonly Fired[];
  readonly cells: ReadonlyMap<string, number>;
}

export interface SimulationOptions {
  /** Faults of these steps do not happen: how a plan is shrunk. */
  readonly without?: ReadonlySet<number>;
}

/** What was found, with what is needed to look at it. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly fired: readonly Fired[];
  readonly trace: readonly string[];

  constructor(cause: unknown, fired: readonly Fired[], trace: readonly string[]) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.fired = fired;
    this.trace = trace;
  }
}

export class Simulation {
  readonly #scenery: Scenery;
  readonly #chaos: Chaos;
  readonly #without: ReadonlySet<number>;
  readonly #fired: Fired[] = [];
  #steps = 0;

  constructor(seed: number, { without = new Set() }: SimulationOptions = {}) {
    time.reset();
    this.#without = without;
    this.#scenery = new Scenery(seed);
    this.#chaos = new Chaos(seed, this.#scenery);
  }

  /** Throws a Failure when something does not hold. */
  async run(): Promise<Outcome> {
    const scenery = this.#scenery;
    try {
      await time.quiet();
      while (this.#steps < UNSAFE_STEPS) await this.#step(true);
      await this.#heal();
      scenery.check(() => checkEnding(scenery.ending()));
      for (const it of scenery.durable.invocations()) scenery.note(nameOf(it));
      scenery.throwViolation();
    } catch (error) {
      throw new Failure(error, this.#fired, scenery.log);
    }
    return {
      hash: createHash("sha256").update(scenery.log.join("\n")).digest("hex"),
      log: scenery.log,
      steps: this.#steps,
      crashes: scenery.crashes,
      executions: scenery.world.executionCount,
      followers: scenery.watch.followers,
      followed: scenery.watch.followed,
      invocations: scenery.durable.invocations().length,
      fired: this.#fired,
      cells: this.#chaos.coverage.cells,
    };
  }

  async #step(faulty: boolean): Promise<void> {
    const step = this.#steps++;
    const scenery = this.#scenery;
    this.#revive(faulty);
    const fault = faulty ? this.#chaos.draw() : undefined;
    if (fault === undefined || this.#without.has(step) || !this.#chaos.fire(fault, step)) {
      scenery.event(faulty);
    } else this.#fired.push({ step, fault });
    await time.quiet();
    for (const link of scenery.links()) link.settle();
    scenery.durable.settle();
    scenery.throwViolation();
  }

  #revive(faulty: boolean): void {
    const scenery = this.#scenery;
    if (!scenery.reviveRuntime()) return;
    while (faulty && this.#chaos.recoveryCrash()) {
      this.#chaos.crashInRecovery();
      scenery.reviveRuntime();
    }
  }

  /** No more faults; everything that can move, moves, until nothing is left to do. */
  async #heal(): Promise<void> {
    const scenery = this.#scenery;
    scenery.note("healing");
    scenery.heal();
    for (let step = 0; step < HEALING_STEPS_MAX; step++) {
      if (step % 50 === 0) scenery.resumePaused();
      await this.#step(false);
      if (step > SETTLING_STEPS) scenery.checkTimers();
      if (step % 8 === 7 && this.#steps >= STEPS_MIN && scenery.isQuiet()) return;
    }
    throw new Violation(`I2: not quiet after healing: ${scenery.whatIsOpen()}`);
  }
}
