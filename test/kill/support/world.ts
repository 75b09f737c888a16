/**
 * One data directory with what lives on it: a runtime, two workers, an outside, clients. Knows how to
 * kill each of them, and what has to hold once all is back.
 *
 * 1. A process that ends without being killed from here is a violation.
 * 2. What `expectAllIsWell` looks at has come to rest: everything asked is answered, nothing is left.
 */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { verifyDirectory } from "../../../runtime/verify/directory.ts";
import {
  launchRuntimeProcess,
  newDirectory,
  startWorkerProcess,
  type RuntimeOptions,
  type RuntimeProcess,
  type StartingRuntime,
  type WorkerProcess,
} from "../../e2e/support/processes.ts";
import { Random } from "../../simulation/random.ts";
import { lastingPorts } from "../../support/lasting-ports.ts";
import { Client } from "./client.ts";
import { Ledger, type Entry } from "./ledger.ts";
import { Outside, Ticks } from "./outside.ts";
import { Workload } from "./workload.ts";

/** Silence after which a stopped worker is dead to the runtime. */
export const WORKER_TIMEOUT_MS = 1_000;
/** In which all that was asked must have ended, on a machine that may be busy with other things. */
const REST_MS_MAX = 90_000;

const UNFINISHED = "status=scheduled,inboxed,ready,running,suspended,backing-off,paused&limit=10";

export interface WorldOptions {
  readonly name: string;
  readonly seed: number;
  /** Default: a new one, which has to be sound at the end of the test. */
  readonly dataDir?: string;
  readonly runtime?: Omit<RuntimeOptions, "dataDir" | "ports">;
  readonly askAgainMs?: number;
}

interface Given extends Pick<World, "ticks" | "outside" | "dataDir"> {
  readonly ports: RuntimeProcess["ports"];
}

export class World {
  readonly client = new Client();
  readonly ticks: Ticks;
  readonly outside: Outside;
  readonly ledger: Ledger;
  readonly workload: Workload;
  readonly dataDir: string;
  readonly workers: WorkerProcess[] = [];
  kills = 0;
  readonly #options: WorldOptions;
  #runtime: RuntimeProcess | undefined;
  readonly #ports: RuntimeProcess["ports"];

  private constructor(options: WorldOptions, given: Given) {
    const { ticks, outside } = given;
    this.#options = options;
    this.ticks = ticks;
    this.outside = outside;
    this.dataDir = given.dataDir;
    this.#ports = given.ports;
    this.ledger = new Ledger(outside);
    const random = new Random(options.seed, `workload ${options.name}`);
    const { client, ledger } = this;
    const { name, askAgainMs = Infinity } = options;
    this.workload = new Workload({ client, ledger, ticks, random, name, askAgainMs });
  }

  /** Without a runtime: nothing can be asked yet. */
  static async make(options: WorldOptions): Promise<World> {
    const ticks = new Ticks();
    // Nothing arrives before there is a world.
    const outside = await Outside.start(ticks, (id) => void world.wake(id));
    const { dataDir = await newDirectory() } = options;
    const world = new World(options, { ticks, outside, dataDir, ports: await lastingPorts() });
    return world;
  }

  static async start(options: WorldOptions): Promise<World> {
    const world = await World.make(options);
    await world.startRuntime();
    for (let i = 0; i < 2; i++) await world.startWorker(i);
    return world;
  }

  get runtime(): RuntimeProcess {
    if (this.#runtime === undefined) throw new Error("there is no runtime");
    return this.#runtime;
  }

  get violations(): readonly string[] {
    return this.ledger.violations;
  }

  /** The outside answers a call back, once per time it is asked: the first answer counts. */
  async wake(awakeableId: string): Promise<void> {
    const path = `/restate/awakeables/${awakeableId}/resolve`;
    const { status } = await this.client.insist({ path, body: this.ticks.next() });
    if (status !== 202) this.ledger.complain(`I11: ${awakeableId} was resolved: ${status}`);
  }

  launchRuntime(env: Readonly<Record<string, string>> = {}): StartingRuntime {
    const { runtime = {} } = this.#options;
    const timeout = { HOLDFAST_WORKER_TIMEOUT_MS: String(WORKER_TIMEOUT_MS) };
    return launchRuntimeProcess({
      ...runtime,
      dataDir: this.dataDir,
      ports: this.#ports,
      env: { ...timeout, ...runtime.env, ...env },
    });
  }

  async startRuntime(env: Readonly<Record<string, string>> = {}): Promise<void> {
    this.use(await this.launchRuntime(env).ready);
  }

  use(runtime: RuntimeProcess): void {
    this.#runtime = runtime;
    this.client.baseUrl = runtime.ingressUrl;
    this.client.adminUrl = runtime.adminUrl;
    this.client.servedSinceMs = performance.now();
  }

  /** Wakes a failpoint in a runtime that has them (failpoints.ts): `<index>:<pass>`. */
  async arm(file: string, failpoint: string): Promise<void> {
    const armed = (): number => count(this.runtime.log, "a failpoint is armed");
    const before = armed();
    await writeFile(file, failpoint);
    this.runtime.child.kill("SIGUSR2");
    await until(() => armed() > before, "a failpoint is armed");
  }

  async killRuntime(): Promise<void> {
    this.#expectAlive(this.runtime.child, "the runtime", this.runtime.log);
    this.kills++;
    await this.runtime.kill();
  }

  /** A runtime that is killed before it is ready, or just as it is. */
  async startAndKill(when: number | "as it recovers"): Promise<void> {
    const starting = this.launchRuntime();
    if (when === "as it recovers") await this.portAccepts(starting);
    else await delay(when);
    this.kills++;
    await starting.kill();
  }

  async startWorker(index: number): Promise<void> {
    this.workers[index] = await startWorkerProcess("kill-worker.mjs", {
      HOLDFAST_URL: this.runtime.workerUrl,
      OUTSIDE_URL: this.outside.url,
    });
  }

  async killWorker(index: number): Promise<void> {
    const worker = this.workers[index];
    if (worker === undefined) return;
    this.#expectAlive(worker.child, `worker ${index}`, worker.log);
    this.kills++;
    await worker.kill();
  }

  /** After a kill of the runtime it may be a while before a worker dials again. */
  async workerConnects(index: number): Promise<void> {
    const { log = [] } = this.workers[index] ?? {};
    await until(() => isConnected(log), "a worker is connected");
  }

  /** Stopped until the runtime, which has it, gives it up; then let go on with all that it was doing. */
  async makeZombie(index: number): Promise<void> {
    const worker = this.workers[index];
    if (worker === undefined) return;
    this.ledger.stoppedWorkers.add(worker.child.pid ?? 0);
    const ended = (): number => count(this.runtime.log, "a worker's connection ended");
    const ready = (): number => count(worker.log, "holdfast worker ready");
    await this.workerConnects(index);
    const [endedBefore, readyBefore] = [ended(), ready()];
    worker.signal("SIGSTOP");
    await until(() => ended() > endedBefore, "the runtime gives a stopped worker up");
    worker.signal("SIGCONT");
    await until(() => ready() > readyBefore, "a worker that was stopped registers again");
  }

  /** Asks for nothing new, waits until all has ended, and compares. */
  async expectAllIsWell(): Promise<void> {
    this.workload.stop();
    await this.#inTime(this.workload.settled(), "what was asked is answered");
    await this.#inTime(this.#nothingLeft(), "nothing is left that has not ended");
    await this.#inTime(this.workload.askAgain(3), "what was answered is answered again");
    for (const key of this.ledger.keys) {
      const { text } = await this.client.insist({ method: "GET", path: `/list/${key}/read` });
      const entries = JSON.parse(text) as readonly Omit<Entry, "place">[]; // kill-worker.mjs
      this.ledger.check(
        key,
        entries.map((it, place) => ({ ...it, place })),
      );
    }
    if (this.violations.length > 0) throw new Error(this.violations.slice(0, 10).join("\n"));
  }

  /** New lists from now on; the old ones are emptied, so that what is kept stays small. */
  async nextGeneration(): Promise<void> {
    for (const key of this.ledger.keys) {
      await this.client.insist({ path: `/list/${key}/clear`, idempotencyKey: `clear ${key}` });
      this.ledger.forget(key);
    }
    this.workload.nextGeneration();
  }

  /** The directory as it is now, while no runtime has it. */
  verify(): Promise<number> {
    return World.verify(this.dataDir);
  }

  /** Gives the number of its rows. */
  static async verify(dataDir: string): Promise<number> {
    const found: string[] = [];
    const { rows } = await verifyDirectory(dataDir, (it) => found.push(`${it.row}: ${it.problem}`));
    if (found.length > 0) throw new Error(`verify found: ${found.slice(0, 10).join("; ")}`);
    return rows;
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((it) => it.kill()));
    await this.#runtime?.kill();
    await this.outside.close();
  }

  async #nothingLeft(): Promise<void> {
    for (;;) {
      const left = await this.#unfinished();
      if (left === "") return;
      await delay(20);
    }
  }

  async #unfinished(): Promise<string> {
    const response = await fetch(`${this.runtime.adminUrl}/invocations?${UNFINISHED}`);
    const { invocations } = (await response.json()) as { readonly invocations: readonly unknown[] };
    return invocations.map((it) => JSON.stringify(it)).join("\n");
  }

  /** Resolves when it listens: it recovers now, or has just done so. */
  async portAccepts(starting: StartingRuntime): Promise<void> {
    const port = Number(this.runtime.ports[0]);
    while (starting.child.exitCode === null && starting.child.signalCode === null) {
      const socket = connect(port, "127.0.0.1");
      try {
        await once(socket, "connect");
        return;
      } catch {
        await delay(5);
      } finally {
        socket.destroy();
      }
    }
  }

  #expectAlive(child: RuntimeProcess["child"], who: string, log: readonly string[]): void {
    if (child.exitCode === null && child.signalCode === null) return;
    const how = `${String(child.exitCode)} ${String(child.signalCode)}`;
    throw new Error(`${who} ended by itself (${how}):\n${log.slice(-20).join("\n")}`);
  }

  async #inTime(work: Promise<void>, what: string): Promise<void> {
    const timer = new AbortController();
    const late = delay(REST_MS_MAX, "late", { signal: timer.signal }).catch(() => undefined);
    const result = await Promise.race([work, late]);
    timer.abort();
    if (result !== "late") return;
    const left = await this.#unfinished().catch(String);
    const log = this.runtime.log.slice(-20).join("\n");
    const open = [...this.client.open].map(([ask, state]) => `${JSON.stringify(ask)}: ${state}`);
    const asked = `unanswered:\n${open.join("\n")}\nleft:\n${left}`;
    throw new Error(`I2: not in ${REST_MS_MAX} ms: ${what}; ${asked}\n${log}`);
  }
}

function count(log: readonly string[], text: string): number {
  return log.filter((line) => line.includes(text)).length;
}

/** What a worker said last of its connection. */
function isConnected(log: readonly string[]): boolean {
  const last = log.findLast((line) =>
    /^holdfast worker (ready|lost|cannot|was refused)/.test(line),
  );
  return last?.startsWith("holdfast worker ready") ?? false;
}

async function until(there: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + REST_MS_MAX;
  while (!there()) {
    if (performance.now() > endMs) throw new Error(`not in ${REST_MS_MAX} ms: ${what}`);
    await delay(10);
  }
}
