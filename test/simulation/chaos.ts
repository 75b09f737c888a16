/** Makes faults happen in the scenery, and counts in which status they met invocations. */
import type { AwakeableId } from "../../protocol/ids.ts";
import { formatAwakeableId } from "../../protocol/ids.ts";
import { idPartsOf, invocationIdOf, type Invocation } from "../../runtime/core/invocation.ts";
import { serviceKey } from "../../runtime/core/keys.ts";
import type { Control } from "./clients.ts";
import { handler, serviceOf } from "../support/core-harness.ts";
import { Coverage, createSwarm, isRush, type Fault, type Swarm } from "./faults.ts";
import type { Link } from "./network.ts";
import { Random } from "./random.ts";
import type { Scenery } from "./scenery.ts";
import type { WorkerProcess } from "./worker-process.ts";

const HOUR_MS = 3_600_000;
const CLOGGED_BYTES = 5_000_000;

export class Chaos {
  readonly coverage = new Coverage();
  readonly #seed: number;
  readonly #swarm: Swarm;
  readonly #scenery: Scenery;
  /** Of the present step alone: a fault that is left out takes nothing from the others. */
  #random: Random;

  constructor(seed: number, scenery: Scenery) {
    this.#seed = seed;
    this.#random = new Random(seed, "faults");
    this.#swarm = createSwarm(this.#random, isRush(seed));
    this.#scenery = scenery;
  }

  draw(): Fault | undefined {
    return this.#swarm.draw();
  }

  /** False when there was nothing that it could have hit. */
  fire(fault: Fault, step: number): boolean {
    this.#random = new Random(this.#seed, `fault at ${step}`);
    const before = this.#scenery.durable.invocations();
    if (!this.#act(fault)) return false;
    // What is aimed at one invocation is counted where it is aimed.
    if (!isAimed(fault)) for (const { status } of before) this.coverage.count(fault, status);
    return true;
  }

  recoveryCrash(): boolean {
    return this.#random.chance(this.#swarm.recoveryCrashRate);
  }

  /** How many of the pending commits had reached the disk. */
  #kept(): number {
    return this.#random.int(0, this.#scenery.runtime.store.pendingCount);
  }

  /** Killed again, as it recovers. */
  crashInRecovery(): void {
    this.#scenery.crash(this.#kept(), "as it recovers");
  }

  #act(fault: Fault): boolean {
    switch (fault) {
      case "runtime crash":
      case "crash before effects":
      case "crash between effects":
      case "second runtime":
        return this.#crash(fault);
      case "commit fails":
      case "disk full":
      case "disk stalls":
      case "disk nearly full":
        return this.#disk(fault);
      case "clock jumps":
        return this.#jump();
      case "worker killed":
      case "worker stopped":
      case "worker drains":
        return this.#worker(fault);
      case "cut at the runtime":
      case "cut at the worker":
      case "link clogs":
        return this.#link(fault);
      case "code strays":
      case "code lacks a service":
      case "new version":
        return this.#code(fault);
      case "foreign worker":
        return this.#foreign();
      case "client leaves":
        return this.#scenery.clients.leave();
      case "odd awakeable":
        return this.#awakeable();
      case "signal":
        return this.#signal();
      case "pause key":
      case "pause service":
        this.#scenery.clients.hold(fault, this.#random);
        return true;
      case "attach":
        this.#scenery.clients.attach();
        return true;
      case "cancel":
      case "kill":
      case "pause":
      case "resume":
      case "purge":
        return this.#control(fault);
    }
  }

  #crash(fault: Fault): boolean {
    const scenery = this.#scenery;
    const { runtime } = scenery;
    switch (fault) {
      case "crash before effects":
        if (runtime.store.pendingCount === 0 || scenery.fullFor > 0) return false;
        runtime.store.completeNext();
        scenery.crash(this.#kept(), "before the effects of a commit");
        return true;
      case "crash between effects":
        runtime.dieAfterEffects(this.#random.int(0, 4));
        scenery.note("the runtime will be killed between two effects");
        return true;
      case "second runtime":
        scenery.note("a second runtime opens the directory");
        scenery.usurp();
        return true;
      default:
        scenery.crash(this.#kept(), "at once");
        return true;
    }
  }

  #disk(fault: Fault): boolean {
    const scenery = this.#scenery;
    const { store } = scenery.runtime;
    if (fault === "disk stalls") {
      scenery.stalledSteps = this.#random.int(5, 40);
      scenery.note(`commits stall for ${scenery.stalledSteps} steps`);
      return true;
    }
    if (fault === "disk nearly full") {
      scenery.guardDisk(this.#random.chance(0.6));
      return true;
    }
    if (store.pendingCount === 0) return false;
    if (fault === "disk full") {
      scenery.fullFor = this.#random.int(1, 4);
      scenery.note("the disk is full");
      return true;
    }
    scenery.note("a commit fails");
    store.failNext(new Error("EIO"));
    return true;
  }

  #jump(): boolean {
    const scenery = this.#scenery;
    const ms = this.#random.pick([HOUR_MS, -HOUR_MS, -this.#random.int(1, 5_000)]);
    scenery.note(`the clock jumps by ${ms} ms`);
    scenery.setClock(ms);
    return true;
  }

  #worker(fault: Fault): boolean {
    const scenery = this.#scenery;
    const worker = this.#random.pick(scenery.workers);
    if (worker.link === undefined) return false;
    scenery.note(`${fault}: ${worker.name}`);
    if (fault === "worker stopped") worker.stopped = true;
    else if (fault === "worker drains") worker.drain();
    else this.#replace(worker, this.#random.chance(0.5) ? scenery.code : worker.code);
    return true;
  }

  #replace(worker: WorkerProcess, code: WorkerProcess["code"]): void {
    worker.kill();
    worker.code = code;
  }

  #code(fault: Fault): boolean {
    const scenery = this.#scenery;
    const worker = this.#random.pick(scenery.workers);
    scenery.note(`${fault}: ${worker.name}`);
    if (fault === "new version") {
      scenery.hasNewVersion = true;
      this.#replace(worker, { ...scenery.code, version: "v2" });
    } else {
      const { version } = worker.code;
      const changed = fault === "code strays" ? { strays: true } : { partial: true };
      this.#replace(worker, { ...scenery.code, version, ...changed });
    }
    return true;
  }

  #link(fault: Fault): boolean {
    const scenery = this.#scenery;
    const links = scenery.links().filter((it) => it.runtimeOpen && it.workerOpen);
    if (links.length === 0) return false;
    const link: Link = this.#random.pick(links);
    scenery.note(`${fault}: link ${link.id}`);
    if (fault === "link clogs") link.clogged = CLOGGED_BYTES * this.#random.pick([1, 1, 1, 8]);
    else if (fault === "cut at the runtime") link.cutRuntime();
    else link.cutWorker();
    return true;
  }

  /** A worker that speaks another protocol, or announces what it must not. */
  #foreign(): boolean {
    const scenery = this.#scenery;
    // Before the service is known, whoever comes first says what kind it is.
    if (scenery.disk.rows.get(serviceKey("flow")) === undefined) return false;
    const link = scenery.newLink();
    scenery.note(`a foreign worker connects by link ${link.id}`);
    scenery.watch.expectRefusal(link);
    scenery.runtime.connect(link);
    link.attachWorker({ onMessage: () => undefined, onClose: () => undefined });
    const run = handler("run", "exclusive");
    const handlers = this.#random.chance(0.5) ? [run] : [];
    const services = [serviceOf("flow", "object", handlers)];
    link.workerChannel.send({
      kind: "hello",
      protocol: this.#random.pick([0, 1, 99]),
      version: "v1",
      concurrency: 1,
      sdk: "foreign",
      manifest: { services },
      followersMax: 0,
    });
    return true;
  }

  #awakeable(): boolean {
    const { durable, world, clients } = this.#scenery;
    const known = [...world.awakeables.values()];
    if (known.length > 0 && this.#random.chance(0.5)) {
      // The youngest one may not even be recorded yet.
      const id = this.#random.chance(0.5) ? known.at(-1) : this.#random.pick(known);
      clients.completeAwakeable(id as AwakeableId); // it came from ctx.awakeable
      return true;
    }
    const invocations = durable.invocations();
    if (invocations.length === 0) return false;
    const invocation = idPartsOf(this.#random.pick(invocations));
    const completionId = this.#random.int(0, 6);
    clients.completeAwakeable(formatAwakeableId({ invocation, completionId }));
    return true;
  }

  /** A signal for whatever there is: also for who has not started, or never asks for it. */
  #signal(): boolean {
    const { durable, clients } = this.#scenery;
    const all = durable.invocations();
    const open = all.filter((it) => it.status !== "completed");
    const candidates = open.length > 0 && this.#random.chance(0.9) ? open : all;
    if (candidates.length === 0) return false;
    const target = this.#aim(candidates);
    this.coverage.count("signal", target.status);
    clients.signal(invocationIdOf(target), this.#random.pick(["s", "t"]));
    return true;
  }

  #control(fault: Control): boolean {
    const { durable, clients } = this.#scenery;
    const all = durable.invocations();
    const open = all.filter((it) => it.status !== "completed");
    const candidates =
      fault === "purge"
        ? all.filter((it) => it.target.service === "plain")
        : open.length > 0 && this.#random.chance(0.85)
          ? open
          : all;
    if (candidates.length === 0) return false;
    const target = this.#aim(candidates);
    this.coverage.count(fault, target.status);
    clients.control(fault, invocationIdOf(target));
    return true;
  }

  /** Often where it crosses something: what its worker has just said, or was sent ahead of its turn. */
  #aim(candidates: readonly Invocation[]): Invocation {
    const { watch } = this.#scenery;
    const draw = this.#random.fraction();
    const crossing = draw < 0.3 ? watch.unheard() : draw < 0.6 ? watch.announced() : [];
    const crossed = candidates.filter((it) => crossing.includes(invocationIdOf(it)));
    if (crossed.length > 0) return this.#random.pick(crossed);
    return oneOfEachStatus(this.#random, candidates);
  }
}

/** What few are in is met as often as what many are in. */
function oneOfEachStatus(random: Random, candidates: readonly Invocation[]): Invocation {
  const status = random.pick([...new Set(candidates.map((it) => it.status))]);
  return random.pick(candidates.filter((it) => it.status === status));
}

function isAimed(fault: Fault): boolean {
  return ["cancel", "kill", "pause", "resume", "purge", "signal"].includes(fault);
}
