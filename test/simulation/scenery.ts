/**
 * Everything that a seed's world holds, and what may happen next in it when nothing goes wrong: a
 * frame arrives, a commit is durable, a client asks, time passes.
 */
import type { InvocationId } from "../../protocol/ids.ts";
import type { Invocation } from "../../runtime/core/invocation.ts";
import { invocationIdOf } from "../../runtime/core/invocation.ts";
import { MemoryDisk } from "../../runtime/store/memory.ts";
import { parseTimerKey, prefixEnd, TIMERS } from "../../runtime/core/keys.ts";
import { checkAtWork } from "./at-work.ts";
import { Clients } from "./clients.ts";
import { Durable, nameOf } from "./durable.ts";
import {
  checkExecution,
  checkObservation,
  checkRecovery,
  checkRows,
  checkSeen,
} from "./invariants.ts";
import type { Ending } from "./ending.ts";
import { isRush } from "./faults.ts";
import { LinkWatch } from "./link-watch.ts";
import { Link } from "./network.ts";
import { ProgramWriter } from "./program.ts";
import { Random } from "./random.ts";
import { limitsOf, RuntimeProcess } from "./runtime-process.ts";
import { checkStanding } from "./standing.ts";
import { time } from "./time.ts";
import { must } from "./violation.ts";
import { type Code, WorkerProcess } from "./worker-process.ts";
import { World } from "./world.ts";

/** The alarm looks at the clock once a second; its batch is open for some milliseconds. */
const LATE_MS_MAX = 1_100;
const LONGEST_WAIT_MS = 20_000;
/** Rows are looked at as a whole after some of the crashes: it costs a scan, and a recovery costs more. */
const ROWS_CHECKED_EVERY = 2;
const RECOVERY_CHECKED_EVERY = 10;

export class Scenery {
  readonly random: Random;
  readonly world = new World();
  readonly disk = new MemoryDisk();
  readonly durable = new Durable(this.disk);
  readonly clients: Clients;
  readonly workers: WorkerProcess[] = [];
  /** Runtimes that another one has followed, and that do not know it yet. */
  readonly ghosts: RuntimeProcess[] = [];
  readonly log: string[] = [];
  readonly code: Code;
  readonly #settings: { readonly inactivityTimeoutMs: number; readonly eagerStateBytesMax: number };
  readonly #programs: ProgramWriter;
  /** Whether clients change their minds about what stands in line. */
  readonly #restless: boolean;
  /** Clients start nothing more once they know of so many. */
  readonly #askedMax: number;
  readonly watch = new LinkWatch(this);
  runtime: RuntimeProcess;
  crashes = 0;
  /** When a commit has last been durable: the next batch closes within some milliseconds of that. */
  committedAtMs = 0;
  /** When the runtime last heard something from a worker: what it does then is in a batch that is open. */
  heardAtMs = 0;
  /** When somebody has last set the clock: alarms are late after that. */
  clockSetAtMs = -LATE_MS_MAX;
  /** Commits do not go through for this many steps. */
  stalledSteps = 0;
  /** The disk is full for this many more commits. */
  fullFor = 0;
  /** How far the wall clock is behind the latest time that it has shown. */
  wallBehindMs = 0;
  hasNewVersion = false;
  #dead = false;
  #nextLink = 1;
  #violation: Error | undefined;

  constructor(seed: number) {
    this.random = new Random(seed, "events");
    const settings = new Random(seed, "settings");
    const rush = isRush(seed);
    this.#askedMax = rush ? 20 : 10;
    this.#settings = {
      inactivityTimeoutMs: settings.pick([0, 5, 200, 60_000]),
      eagerStateBytesMax: settings.pick(rush ? [64_000] : [0, 100, 64_000]),
    };
    this.code = {
      version: "v1",
      strays: false,
      partial: false,
      pauses: settings.chance(0.3),
      concurrency: settings.pick([1, 2, 8]),
      lazyState: settings.chance(0.2),
    };
    this.#restless = rush || settings.chance(0.2);
    this.#programs = new ProgramWriter(new Random(seed, "programs"), rush);
    const { durable, random, world } = this;
    this.clients = new Clients({
      random,
      programs: this.#programs,
      durable,
      runtime: () => this.runtime,
      note: (event) => this.note(event),
      check: (check) => this.check(check),
    });
    world.onExecution = (it) => this.check(() => checkExecution(durable, it));
    world.onExecuted = (it) => this.check(() => checkSeen(durable, it));
    world.onBroken = (what) => this.check(() => must(false, what));
    const mayBeUndurable: LinkWatch["mayBeUndurable"] = (...it) => this.watch.mayBeUndurable(...it);
    world.onObservation = (it) => this.check(() => checkObservation(durable, it, mayBeUndurable));
    for (const name of ["w0", "w1"]) {
      const hasCommands = (id: string): boolean => durable.hasCommandsInPlace(id);
      const isLost = (link: Link): boolean => this.isLost(link);
      const { code } = this;
      this.workers.push(new WorkerProcess({ world, name, code, hasCommands, isLost }));
    }
    this.runtime = this.#startRuntime();
  }

  note(event: string): void {
    this.log.push(event);
  }

  check(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#violation ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  throwViolation(): void {
    const violation = this.#violation ?? this.durable.violation;
    if (violation) throw violation;
  }

  links(): Link[] {
    const all = new Set<Link>(this.runtime.links);
    for (const ghost of this.ghosts) for (const link of ghost.links) all.add(link);
    for (const { link } of this.workers) if (link) all.add(link);
    return [...all];
  }

  // ------------------------------------------------------------------ what may happen next

  event(faulty: boolean): void {
    const { random, world } = this;
    const choices: (readonly [weight: number, act: () => void])[] = [];
    const links = this.links();
    const upward = links.filter((it) => it.upward > 0 && this.#speaks(it));
    const downward = links.filter((it) => it.downward > 0 && this.#listens(it));
    if (upward.length > 0) choices.push([6, () => this.#deliverUp(random.pick(upward))]);
    if (downward.length > 0) choices.push([6, () => random.pick(downward).deliverToWorker()]);
    if (this.stalledSteps > 0) this.stalledSteps--;
    else if (this.runtime.store.pendingCount > 0) choices.push([4, () => this.#commit()]);
    if (this.ghosts.some((it) => it.store.pendingCount > 0)) choices.push([2, () => this.#fence()]);
    if (faulty && this.clients.ids.length < this.#askedMax)
      choices.push([1.2, () => this.clients.request()]);
    const announced = faulty && this.#restless ? this.watch.announced() : [];
    if (announced.length > 0) choices.push([2, () => this.#cross(random.pick(announced))]);
    const wishes = world.dueWishes(time.wallMs, (id) => this.#isOpen(id));
    if (wishes.length > 0) choices.push([1, () => this.clients.grant(random.pick(wishes))]);
    if (world.closures.length > 0) choices.push([2, () => this.#finishClosure()]);
    const stopped = this.workers.filter((it) => it.stopped);
    if (stopped.length > 0) choices.push([0.3, () => (random.pick(stopped).stopped = false)]);
    const { held } = this.clients;
    if (held.length > 0 && this.clients.waiting < 20) {
      choices.push([0.2, () => this.clients.letGo(random.int(0, held.length - 1))]);
    }
    const clogged = links.filter((it) => it.clogBytes > 0);
    if (clogged.length > 0) choices.push([0.3, () => (random.pick(clogged).clogged = 0)]);
    const away = this.workers.filter((it) => it.link === undefined);
    if (away.length > 0) choices.push([2, () => this.#connect(random.pick(away))]);
    if (links.some((it) => it.runtimeOpen !== it.workerOpen))
      choices.push([1, () => this.#notice()]);
    if (choices.length === 0 || random.chance(faulty ? 0.08 : 0.04)) {
      choices.push([3, () => this.#advance()]);
    }
    let draw = random.fraction() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of choices) {
      draw -= weight;
      if (draw >= 0) continue;
      act();
      return;
    }
  }

  /** Somebody wants something else of one that a worker was sent ahead of its turn. */
  #cross(id: InvocationId): void {
    const what = this.random.pick(["cancel", "kill", "pause", "signal"] as const);
    if (what === "signal") this.clients.signal(id, this.random.pick(["s", "t"]));
    else this.clients.control(what, id);
  }

  workerOf(link: Link): WorkerProcess | undefined {
    return this.workers.find((it) => it.link === link);
  }

  #speaks(link: Link): boolean {
    return !(this.workerOf(link)?.stopped ?? false);
  }

  #listens(link: Link): boolean {
    return this.#speaks(link) && link.clogBytes === 0;
  }

  isLost(link: Link): boolean {
    return !link.runtimeOpen || !this.runtime.has(link);
  }

  #runtimeOf(link: Link): RuntimeProcess | undefined {
    return [this.runtime, ...this.ghosts].find((it) => it.has(link));
  }

  #deliverUp(link: Link): void {
    this.heardAtMs = time.steadyMs;
    const runtime = this.#runtimeOf(link);
    link.deliverToRuntime((message, ordinal) => runtime?.submitLate(link, message, ordinal));
  }

  #commit(): void {
    const { store } = this.runtime;
    this.committedAtMs = time.steadyMs;
    if (this.fullFor > 0) {
      this.fullFor--;
      this.note("no space is left");
      store.failNext(new Error("ENOSPC"));
    } else store.completeNext();
  }

  #fence(): void {
    for (const ghost of this.ghosts) ghost.store.completeNext();
  }

  #finishClosure(): void {
    const at = this.random.int(0, this.world.closures.length - 1);
    const [closure] = this.world.closures.splice(at, 1);
    closure?.finish();
  }

  #connect(worker: WorkerProcess): void {
    const link = this.newLink();
    this.note(`worker ${worker.name} connects by link ${link.id}`);
    this.runtime.connect(link);
    worker.connect(link);
  }

  newLink(): Link {
    return new Link(this.#nextLink++, this.watch);
  }

  #notice(): void {
    for (const link of this.links()) {
      if (link.runtimeOpen === link.workerOpen || link.downward > 0) continue;
      this.note(`both ends of link ${link.id} know`);
      if (link.runtimeOpen) link.cutRuntime();
      else link.cutWorker();
    }
    this.#tidyLinks();
  }

  #tidyLinks(): void {
    for (const runtime of [this.runtime, ...this.ghosts]) {
      for (const link of runtime.links) {
        if (!link.runtimeOpen && !link.workerOpen && link.upward === 0) runtime.forget(link);
      }
    }
  }

  #advance(): void {
    this.watch.checkWaiting();
    this.check(() => checkStanding(this));
    this.check(() => checkAtWork(this));
    const nextMs = Math.min(time.nextInMs ?? 100, LONGEST_WAIT_MS);
    const ms = this.random.chance(0.7) ? nextMs : this.random.int(1, 200);
    this.note(`time goes on by ${ms} ms`);
    time.advance(ms);
  }

  // ------------------------------------------------------------------ lives of the runtime

  /** `keep` commits of those on their way had reached the disk. */
  crash(keep: number, why: string): void {
    this.note(
      `the runtime is killed ${why}; ${keep} of ${this.runtime.store.pendingCount} commits had reached the disk`,
    );
    this.runtime.crash(keep);
    this.#dead = true;
  }

  /** After it has died, of whatever. */
  reviveRuntime(): boolean {
    if (!this.#dead) return false;
    this.runtime.crash(0);
    this.clients.forget();
    this.crashes++;
    if (this.crashes % ROWS_CHECKED_EVERY === 0) this.check(() => checkRows(this.durable));
    if (this.crashes % RECOVERY_CHECKED_EVERY === 0) {
      this.check(() => checkRecovery(this.durable, limitsOf(this.#settings), this.latestMs));
    }
    this.note("the runtime starts again");
    this.runtime = this.#startRuntime();
    return true;
  }

  setClock(byMs: number): void {
    if (byMs !== 0) this.clockSetAtMs = time.steadyMs;
    time.jumpWall(byMs);
    this.wallBehindMs = Math.max(0, this.wallBehindMs - byMs);
  }

  get isClockSteady(): boolean {
    return time.steadyMs - this.clockSetAtMs >= LATE_MS_MAX;
  }

  /** The latest time that the wall clock has shown: the runtime's never goes back behind it. */
  get latestMs(): number {
    return time.wallMs + this.wallBehindMs;
  }

  /** Another runtime on the same directory; the first one is not told. */
  usurp(): void {
    this.ghosts.push(this.runtime);
    this.clients.forget();
    this.runtime = this.#startRuntime();
  }

  #startRuntime(): RuntimeProcess {
    this.#dead = false;
    const { disk } = this;
    const runtime = new RuntimeProcess({
      ...this.#settings,
      disk,
      onFatal: (error) => this.#onFatal(runtime, error),
      onKilled: () => this.#onKilled(runtime),
    });
    return runtime;
  }

  #onKilled(runtime: RuntimeProcess): void {
    if (runtime === this.runtime) this.crash(0, "between two effects");
    else runtime.crash(0);
  }

  #onFatal(runtime: RuntimeProcess, error: Error): void {
    this.note(`a runtime stops itself: ${error.message}`);
    // One that another has followed reads what that one writes: whatever it makes of it ends it.
    const followed = runtime !== this.runtime;
    const expected = followed || /^(EIO|ENOSPC)$/.test(error.message);
    if (!expected)
      this.check(() => {
        throw error;
      });
    const at = this.ghosts.indexOf(runtime);
    if (at >= 0) {
      this.ghosts.splice(at, 1);
      runtime.crash(0);
    } else this.#dead = true;
  }

  /** What the guard of the disk says; after a restart it has to say so again. */
  guardDisk(low: boolean): void {
    this.note(low ? "the disk is nearly full" : "the disk has room again");
    this.runtime.submit({ kind: "disk-space", low });
  }

  // ------------------------------------------------------------------ the end

  heal(): void {
    for (const ghost of this.ghosts.splice(0)) ghost.crash(0);
    this.stalledSteps = 0;
    this.fullFor = 0;
    this.guardDisk(false);
    this.setClock(this.wallBehindMs);
    for (const link of this.links()) link.clogged = 0;
    for (const [at, worker] of this.workers.entries()) {
      worker.kill();
      worker.code = { ...this.code, version: at === 1 && this.hasNewVersion ? "v2" : "v1" };
    }
  }

  /** Whoever paused something goes on with it. */
  resumePaused(): void {
    for (const it of this.durable.invocations()) {
      if (it.status === "paused") this.clients.control("resume", invocationIdOf(it));
    }
    for (const at of this.clients.held.keys()) this.clients.letGo(at);
  }

  /** I10: when all is well no timer is late. */
  checkTimers(): void {
    const [first] = this.disk.rows.range({ from: TIMERS, to: prefixEnd(TIMERS), limit: 1 });
    if (first === undefined || this.runtime.store.pendingCount > 0) return;
    const lateMs = time.wallMs - parseTimerKey(first[0]).dueAtMs;
    this.check(() => must(lateMs <= LATE_MS_MAX, `I10: a timer is ${lateMs} ms late`));
  }

  ending(): Ending {
    const { durable, world, clients } = this;
    const { circles } = this.#programs;
    return { durable, answers: clients.answers, world, circles, nowMs: time.wallMs };
  }

  isQuiet(): boolean {
    const moving = this.links().some((it) => it.upward + it.downward > 0);
    const { runtime, clients } = this;
    return (
      !moving &&
      runtime.store.pendingCount === 0 &&
      clients.waiting === 0 &&
      this.#open().length === 0
    );
  }

  #open(): Invocation[] {
    return this.durable.invocations().filter((it) => it.status !== "completed");
  }

  #isOpen(id: string): boolean {
    const status = this.durable.find(id)?.status;
    return status !== undefined && status !== "completed";
  }

  whatIsOpen(): string {
    const open = this.#open().map((it) => `${nameOf(it)} ${it.status}`);
    return [...open, `${this.clients.waiting} requests`].join(", ");
  }
}
