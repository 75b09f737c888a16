/**
 * One seed, one world: clients, a runtime with its disk, workers, a network, and whatever goes wrong.
 *
 * The phase of faults comes first; then everything is healed and must become quiet, and what is on
 * the disk must be what the programs say. Machine, loop, committer, overlay, worker session and
 * replay engine are the real ones; the disk, the network and the clock are simulated.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../runtime/clock.ts";
import { MemoryDisk } from "../../runtime/store/memory.ts";
import type { AwakeableId } from "../../protocol/ids.ts";
import {
  allInvocations,
  checkEnd,
  checkExecution,
  checkObservation,
  checkResponse,
  checkRows,
  JournalHistory,
  Violation,
} from "./invariants.ts";
import { Link } from "./network.ts";
import { KEYS, ProgramWriter } from "./program.ts";
import { quiet } from "./quiet.ts";
import { Random } from "./random.ts";
import { RuntimeProcess } from "./runtime-process.ts";
import { WorkerProcess } from "./worker-process.ts";
import { World } from "./world.ts";

class SimulatedClock implements Clock {
  now = 1_000_000;
  #alarm: { readonly atMs: number; readonly callback: () => void } | undefined;
  nowMs(): number {
    return this.now;
  }
  setAlarm(atMs: number | undefined, callback: () => void): void {
    this.#alarm = atMs === undefined ? undefined : { atMs, callback };
  }
  get alarmAtMs(): number | undefined {
    return this.#alarm?.atMs;
  }
  advance(ms: number): void {
    this.now += ms;
    if (this.#alarm === undefined || this.#alarm.atMs > this.now) return;
    const { callback } = this.#alarm;
    this.#alarm = undefined;
    callback();
  }
}

/** Which faults are on and how often, drawn once per seed (swarm). */
interface Faults {
  readonly runtimeCrash: number;
  readonly recoveryCrash: number;
  readonly workerCrash: number;
  readonly cut: number;
  readonly commitFails: number;
  readonly idle: number;
}

const STEPS = 400;
const HEALING_STEPS_MAX = 40_000;
const WORKERS = 2;
const LONGEST_WAIT_MS = 20_000;

export interface Outcome {
  /** Hash of everything that happened: equal for equal seeds. */
  readonly hash: string;
  readonly crashes: number;
  readonly executions: number;
  readonly invocations: number;
}

export class Simulation {
  readonly #seed: number;
  readonly #random: Random;
  readonly #world = new World();
  readonly #disk = new MemoryDisk();
  readonly #journals = new JournalHistory();
  readonly #programs: ProgramWriter;
  readonly #faults: Faults;
  readonly #log: string[] = [];
  readonly #hash = createHash("sha256");
  readonly #workers: WorkerProcess[] = [];
  #clock = new SimulatedClock();
  #runtime!: RuntimeProcess; // set by #startRuntime, in the constructor
  #nextLink = 1;
  /** Awakeables whose completion is not answered yet, by request. */
  readonly #completing = new Map<number, string>();
  #nextRequest = 1;
  #crashes = 0;
  #dead = false;
  #violation: Error | undefined;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed, "events");
    this.#programs = new ProgramWriter(new Random(seed, "programs"));
    const rates = new Random(seed, "faults");
    const rate = (max: number): number => (rates.chance(0.7) ? rates.fraction() * max : 0);
    this.#faults = {
      runtimeCrash: rate(0.04),
      recoveryCrash: rate(0.3),
      workerCrash: rate(0.03),
      cut: rate(0.03),
      commitFails: rate(0.01),
      idle: rate(0.03),
    };
    this.#world.onExecution = (it) => this.#check(() => checkExecution(this.#disk.rows, it));
    this.#startRuntime();
    for (let i = 0; i < WORKERS; i++) this.#workers.push(new WorkerProcess(this.#world, i));
  }

  /** Throws a Violation with the seed and the last events when something does not hold. */
  async run(): Promise<Outcome> {
    try {
      await quiet();
      for (let step = 0; step < STEPS; step++) await this.#step(true);
      await this.#heal();
      this.#check(() => checkEnd(this.#disk.rows));
      this.#throwViolation();
    } catch (error) {
      throw this.#explain(error);
    }
    return {
      hash: this.#hash.digest("hex"),
      crashes: this.#crashes,
      executions: this.#world.executions.length,
      invocations: allInvocations(this.#disk.rows).length,
    };
  }

  async #step(faulty: boolean): Promise<void> {
    if (this.#dead) this.#restartRuntime("it had stopped by itself");
    if (!faulty || !this.#fault()) this.#event(faulty);
    await quiet();
    const { observations } = this.#world;
    for (const it of observations.splice(0))
      this.#check(() => checkObservation(this.#disk.rows, it));
    this.#throwViolation();
  }

  #fault(): boolean {
    const random = this.#random;
    const faults = this.#faults;
    if (random.chance(faults.runtimeCrash)) {
      this.#crashRuntime();
      return true;
    }
    if (random.chance(faults.workerCrash)) {
      const worker = random.pick(this.#workers);
      this.#note(`worker ${worker.name} is killed`);
      worker.kill();
      return true;
    }
    if (random.chance(faults.cut)) return this.#cut();
    if (random.chance(faults.idle)) {
      this.#note("the workers lose their patience");
      for (const worker of this.#workers) worker.suspendIdle();
      return true;
    }
    if (random.chance(faults.commitFails) && this.#runtime.store.pendingCount > 0) {
      this.#note("a commit fails");
      this.#runtime.store.failNext(new Error("EIO"));
      return true;
    }
    return false;
  }

  #cut(): boolean {
    const links = this.#workers.flatMap((it) => it.link ?? []);
    if (links.length === 0) return false;
    const link = this.#random.pick(links);
    const side = this.#random.pick(["runtime", "worker"] as const);
    this.#note(`link ${link.id} is cut at the ${side}'s end`);
    if (side === "runtime") link.cutRuntime();
    else link.cutWorker();
    return true;
  }

  #event(faulty: boolean): void {
    const choices: (() => void)[] = [];
    const add = (weight: number, act: () => void): void => {
      for (let i = 0; i < weight; i++) choices.push(act);
    };
    const links = this.#links();
    const upward = links.filter(
      (it) => it.toRuntime.length > 0 && this.#runtime.links.includes(it),
    );
    const downward = links.filter((it) => it.toWorker.length > 0);
    if (upward.length > 0) add(6, () => this.#random.pick(upward).deliverToRuntime());
    if (downward.length > 0) add(6, () => this.#random.pick(downward).deliverToWorker());
    if (this.#runtime.store.pendingCount > 0) add(4, () => this.#runtime.store.completeNext());
    if (faulty) add(2, () => this.#request());
    if (this.#world.awakeables.length > 0) add(2, () => this.#completeAwakeable());
    if (this.#workers.some((it) => it.link === undefined)) add(2, () => this.#connectWorker());
    if (links.some((it) => it.runtimeOpen !== it.workerOpen)) add(1, () => this.#noticeCut());
    if (choices.length === 0 || this.#random.chance(faulty ? 0.08 : 0.02))
      add(3, () => this.#advance());
    this.#random.pick(choices)();
  }

  #links(): Link[] {
    return [...new Set([...this.#runtime.links, ...this.#workers.flatMap((it) => it.link ?? [])])];
  }

  #request(): void {
    const depth = this.#random.int(0, KEYS.length - 1);
    const key = KEYS[depth] ?? "a";
    const program = this.#programs.write(depth);
    const request = this.#nextRequest++;
    const mode = this.#random.pick(["call", "send"] as const);
    this.#note(`request ${request}: ${mode} ${key} ${JSON.stringify(program)}`);
    this.#runtime.submit({
      kind: "invoke",
      request,
      mode,
      target: { service: "cell", handler: "run", key },
      parameter: new TextEncoder().encode(JSON.stringify(program)),
      headers: [["content-type", "application/json"]],
      idempotencyKey: null,
      delayMs: this.#random.chance(0.1) ? this.#random.int(1, 2_000) : 0,
      entropy: this.#random.bytes(24),
    });
  }

  #completeAwakeable(): void {
    const index = this.#random.int(0, this.#world.awakeables.length - 1);
    // Sometimes it is kept, to be completed a second time: also by a client that never heard the answer.
    const [id] = this.#random.chance(0.3)
      ? [this.#world.awakeables[index]]
      : this.#world.awakeables.splice(index, 1);
    const request = this.#nextRequest++;
    this.#note(`request ${request}: completes an awakeable`);
    const value = new TextEncoder().encode(JSON.stringify(`awakened by ${request}`));
    const result = { ok: true, value } as const;
    const awakeableId = id as AwakeableId; // it came from ctx.awakeable
    this.#completing.set(request, awakeableId);
    this.#runtime.submit({ kind: "complete-awakeable", request, awakeableId, result });
  }

  #connectWorker(): void {
    const worker = this.#workers.find((it) => it.link === undefined);
    if (worker === undefined) return;
    const link = new Link(this.#nextLink++, this.#runtime);
    this.#note(`worker ${worker.name} connects by link ${link.id}`);
    this.#runtime.connect(link);
    worker.connect(link);
  }

  #noticeCut(): void {
    for (const link of this.#links()) {
      if (link.runtimeOpen === link.workerOpen) continue;
      this.#note(`both ends of link ${link.id} know`);
      if (link.runtimeOpen) link.cutRuntime();
      else link.cutWorker();
    }
  }

  #advance(): void {
    const { alarmAtMs } = this.#clock;
    // What ended is not to be purged before it was looked at.
    const toAlarm =
      alarmAtMs === undefined
        ? 100
        : Math.min(Math.max(0, alarmAtMs - this.#clock.now), LONGEST_WAIT_MS);
    const ms = this.#random.chance(0.7) ? toAlarm : this.#random.int(1, 200);
    this.#note(`time goes on by ${ms} ms`);
    this.#clock.advance(ms);
  }

  #crashRuntime(): void {
    const pending = this.#runtime.store.pendingCount;
    const keep = this.#random.int(0, pending);
    this.#note(`the runtime is killed; ${keep} of ${pending} commits had reached the disk`);
    this.#runtime.crash(keep);
    this.#restartRuntime("it was killed");
  }

  #restartRuntime(why: string): void {
    this.#note(`the runtime starts again: ${why}`);
    this.#runtime.crash(0);
    this.#crashes++;
    this.#check(() => checkRows(this.#disk.rows));
    this.#check(() => this.#journals.check(this.#disk.rows));
    // Their clients heard no answer, and ask again.
    this.#world.awakeables.push(...this.#completing.values());
    this.#completing.clear();
    this.#startRuntime();
    while (this.#random.chance(this.#faults.recoveryCrash)) {
      this.#crashes++;
      this.#note("and is killed as it recovers");
      this.#runtime.crash(this.#random.int(0, this.#runtime.store.pendingCount));
      this.#startRuntime();
    }
  }

  #startRuntime(): void {
    this.#dead = false;
    this.#world.incarnation++;
    const now = this.#clock.now;
    this.#clock = new SimulatedClock();
    this.#clock.now = now;
    this.#runtime = new RuntimeProcess(this.#disk, this.#clock, {
      onResponse: (request, response) => {
        this.#note(`request ${request} is answered: ${response.kind}`);
        this.#completing.delete(request);
        this.#check(() => checkResponse(this.#disk.rows, response));
      },
      onFatal: (error) => {
        this.#note(`the runtime stops itself: ${error.message}`);
        if (error.message !== "EIO") this.#violation ??= error;
        this.#dead = true;
      },
    });
  }

  /** No more faults; everything that can move, moves, until nothing is left to do. */
  async #heal(): Promise<void> {
    this.#note("healing");
    for (let step = 0; step < HEALING_STEPS_MAX; step++) {
      await this.#step(false);
      if (step % 10 === 9 && this.#isQuiet()) return;
    }
    throw new Violation("I2: not quiet after healing");
  }

  #isQuiet(): boolean {
    const open = allInvocations(this.#disk.rows).some((it) => it.status !== "completed");
    const moving = this.#links().some((it) => it.toRuntime.length + it.toWorker.length > 0);
    return !open && !moving && this.#runtime.store.pendingCount === 0;
  }

  #check(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#violation ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  #throwViolation(): void {
    if (this.#violation) throw this.#violation;
  }

  #note(event: string): void {
    this.#log.push(event);
    this.#hash.update(event).update("\n");
  }

  #explain(error: unknown): Error {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const trace = this.#log.slice(-30).join("\n  ");
    return new Violation(
      `seed ${this.#seed}: ${what}\nRepeat it with SEED=${this.#seed} npx vitest run test/simulation\nLast events:\n  ${trace}`,
    );
  }
}
