/**
 * Named places at which the runtime kills itself, one after the other, at the first pass, the second
 * and so on: what a SIGKILL at a random moment hits once in a thousand times is hit here each time.
 * After each death the directory is verified as it lies, a runtime recovers it, and everything that
 * was asked is compared with what is there.
 *
 * HOLDFAST_FAILPOINT_PASSES sets up to which pass; HOLDFAST_KILL_SEED the keys and the order.
 */
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newDirectory, startRuntimeProcess, stopAll } from "../e2e/support/processes.ts";
import { buildWithFailpoints, FAILPOINTS, type Phase } from "./support/failpoints.ts";
import { ALL_KINDS } from "./support/workload.ts";
import { World } from "./support/world.ts";

const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual);
const PASSES = setting("HOLDFAST_FAILPOINT_PASSES", 2);
const SEED = setting("HOLDFAST_KILL_SEED", 1);
const LIMIT_MS = 120_000 + PASSES * 60_000;

let cli = "";
let file = "";
let world: World;
let deaths = 0;

beforeAll(async () => {
  cli = await buildWithFailpoints();
  file = join(await newDirectory(), "armed");
  world = await newWorld("shared");
}, 60_000);
afterAll(async () => {
  process.stdout.write(`failpoints: ${FAILPOINTS.length} places, ${deaths} deaths\n`);
  await world.close();
  await stopAll();
});

async function makeWorld(name: string): Promise<World> {
  const env = { HOLDFAST_FAILPOINT_FILE: file };
  return World.make({ name, seed: SEED, runtime: { cli, env } });
}

async function newWorld(name: string): Promise<World> {
  const made = await makeWorld(name);
  await made.startRuntime();
  await made.startWorker(0);
  return made;
}

const named = (phase: Phase): (readonly [string, number])[] =>
  FAILPOINTS.flatMap((it, index) => (it.phase === phase ? [[it.name, index] as const] : []));

/** Resolves when the process is gone, and says whether it died as a failpoint does. */
async function death(child: World["runtime"]["child"]): Promise<boolean> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "close");
  return child.signalCode === "SIGKILL";
}

/**
 * With everything answered it may still pass the place, as it writes to its rows: false when it died of that
 * before it heard that it is not to.
 */
async function disarmed(): Promise<boolean> {
  const { child } = world.runtime;
  const armed = world.arm(file, "none:1").then(() => true);
  const dead = death(child).then(() => false);
  const alive = await Promise.race([armed, dead]);
  armed.catch(() => undefined);
  return alive;
}

async function recoverAndCompare(): Promise<void> {
  deaths++;
  await world.verify();
  await world.startRuntime();
  await world.expectAllIsWell();
}

describe("under load, a runtime that dies", () => {
  test.each(named("load"))(
    "%s",
    async (_name, index) => {
      let reached = 0;
      for (let pass = 1; pass <= PASSES; pass++) {
        await world.arm(file, `${index}:${pass}`);
        world.workload.ask(ALL_KINDS);
        const { child } = world.runtime;
        // Whoever looks at a runtime that dies fails, before its end is told; all is well after the next start.
        const rest = world.expectAllIsWell().then(
          () => false,
          () => death(child),
        );
        const died = await Promise.race([death(child), rest]);
        if (!died && (await disarmed())) break;
        reached++;
        await recoverAndCompare();
        await rest;
      }
      expect(reached).toBeGreaterThan(0);
      await world.nextGeneration();
    },
    LIMIT_MS,
  );
});

describe("at a start, with work that was cut off, a runtime that dies", () => {
  test.each(named("start"))(
    "%s",
    async (_name, index) => {
      let reached = 0;
      for (let pass = 1; pass <= PASSES; pass++) {
        world.workload.ask(ALL_KINDS);
        await world.outside.nextArrival();
        await world.killRuntime();
        const starting = world.launchRuntime({ HOLDFAST_FAILPOINT: `${index}:${pass}` });
        const ready = starting.ready.then(
          (it) => it,
          () => undefined,
        );
        const runtime = await ready;
        if (runtime !== undefined) {
          // Its start passes there less often.
          world.use(runtime);
          await world.expectAllIsWell();
          break;
        }
        expect(await death(starting.child)).toBe(true);
        reached++;
        await recoverAndCompare();
      }
      expect(reached).toBeGreaterThan(0);
      await world.nextGeneration();
    },
    LIMIT_MS,
  );
});

describe("at the first start on a directory, a runtime that dies", () => {
  test.each(named("first start"))(
    "%s",
    async (name, index) => {
      const dataDir = await newDirectory();
      const env = { HOLDFAST_FAILPOINT: `${index}:1` };
      await expect(startRuntimeProcess({ cli, dataDir, env }), name).rejects.toThrow("ended");
      deaths++;
      const runtime = await startRuntimeProcess({ cli, dataDir });
      await runtime.kill();
      await expect(World.verify(dataDir)).resolves.toBeGreaterThan(0);
    },
    LIMIT_MS,
  );
});
