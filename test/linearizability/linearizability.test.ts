/**
 * Histories of real keys, recorded from outside while the runtime and its worker are killed: counter,
 * register and list are linearizable. `LINEARIZABLE_OPERATIONS` sets how many operations, `FUZZ_SEED`
 * who asks what; which kill meets which operation is up to the machine.
 */
import { afterEach, expect, test } from "vitest";
import { get, until } from "../e2e/support/ingress.ts";
import {
  startRuntimeProcess,
  startWorkerProcess,
  stopAll,
  type RuntimeProcess,
  type WorkerProcess,
} from "../e2e/support/processes.ts";
import { effort, report, SEED } from "../hostile/effort.ts";
import { Random } from "../simulation/random.ts";
import { checkHistory } from "./check-history.ts";
import { checkList, type ListInput, type ListOutput } from "./check-list.ts";
import {
  COUNTER,
  REGISTER,
  type CounterInput,
  type Operation,
  type RegisterInput,
} from "./history.ts";

const OPERATIONS = effort("LINEARIZABLE_OPERATIONS", 1_200);
const CLIENTS = 8;
const KEYS = ["a", "b", "c", "d"];
const OPERATIONS_PER_KILL = 100;

afterEach(stopAll);

type Histories<I, O> = Map<string, Operation<I, O>[]>;

class Recorder {
  readonly counters: Histories<CounterInput, number> = new Map();
  readonly registers: Histories<RegisterInput, number | null> = new Map();
  readonly lists: Histories<ListInput, ListOutput> = new Map();
  asked = 0;
  unanswered = 0;
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** One operation that one client asks for. */
  async one(random: Random, client: number): Promise<void> {
    const key = random.pick(KEYS);
    const slowly = random.chance(0.3);
    const reads = random.chance(0.3);
    const nth = ++this.asked;
    const draw = random.int(0, 2);
    if (draw === 0) {
      const input: CounterInput = reads ? { kind: "read" } : { kind: "add", amount: random.int(1, 1e6) }; // prettier-ignore
      await this.#record(this.counters, `counter/${key}`, input, slowly);
    } else if (draw === 1) {
      const input: RegisterInput = reads ? { kind: "read" } : { kind: "swap", value: nth };
      await this.#record(this.registers, `register/${key}`, input, slowly);
    } else {
      const input: ListInput = reads ? { kind: "read" } : { kind: "append", entry: `${client}.${nth}` }; // prettier-ignore
      await this.#record(this.lists, `list/${key}`, input, slowly);
    }
  }

  async #record<I extends { readonly kind: string }, O>(
    histories: Histories<I, O>,
    path: string,
    input: I,
    slowly: boolean,
  ): Promise<void> {
    const calledAt = performance.now();
    const output = await this.#ask<O>(`${path}/${input.kind}`, { ...input, slowly });
    const returnedAt = output === undefined ? Number.POSITIVE_INFINITY : performance.now();
    if (output === undefined) this.unanswered++;
    const history = histories.get(path) ?? [];
    histories.set(path, history);
    history.push({ input, output, calledAt, returnedAt });
  }

  /** No second try: without an answer nobody knows. */
  async #ask<O>(path: string, body: unknown): Promise<O | undefined> {
    try {
      const headers = { "content-type": "application/json" };
      const init = { method: "POST", headers, body: JSON.stringify(body) };
      const answer = await fetch(`${this.#url}/${path}`, init);
      const text = await answer.text();
      return answer.status === 200 ? (JSON.parse(text) as O) : undefined; // what the handler gives back
    } catch (error) {
      if (error instanceof TypeError) return undefined;
      throw error;
    }
  }
}

test(
  "counter, register and list are linearizable per key while runtime and worker are killed",
  async () => {
    let runtime: RuntimeProcess = await startRuntimeProcess();
    const startWorker = (): Promise<WorkerProcess> =>
      startWorkerProcess("linearizable-worker.mjs", { HOLDFAST_URL: runtime.workerUrl });
    let worker = await startWorker();
    const recorder = new Recorder(runtime.ingressUrl);
    const clients = Array.from({ length: CLIENTS }, async (_, client) => {
      const random = new Random(SEED, `client ${client}`);
      while (recorder.asked < OPERATIONS) {
        const before = recorder.unanswered;
        await recorder.one(random, client);
        // The runtime is away: it says so when it is back.
        if (recorder.unanswered > before) await until(health, (ok) => ok);
      }
    });
    let kills = 0;
    const random = new Random(SEED, "kills");
    const killer = async (): Promise<void> => {
      for (let next = OPERATIONS_PER_KILL; next < OPERATIONS; next += OPERATIONS_PER_KILL) {
        await until(
          () => Promise.resolve(recorder.asked),
          (asked) => asked >= next,
        );
        kills++;
        const victim = random.pick(["runtime", "runtime", "worker", "both"]);
        if (victim !== "runtime") await worker.kill();
        if (victim !== "worker") runtime = await runtime.killAndRestart();
        if (victim !== "runtime") worker = await startWorker();
      }
    };
    const health = async (): Promise<boolean> => {
      try {
        return (await get(`${runtime.ingressUrl}/restate/health`)).status === 200;
      } catch {
        // It is down.
        return false;
      }
    };
    await Promise.all([...clients, killer()]);
    await check(recorder, runtime.ingressUrl, runtime.adminUrl);
    report("linearizability", {
      operations: recorder.asked,
      "without an answer": recorder.unanswered,
      SIGKILLs: kills,
      keys: KEYS.length * 3,
    });
    expect(kills).toBeGreaterThan(0);
  },
  120_000 + OPERATIONS * 50,
);

async function check(recorder: Recorder, ingressUrl: string, adminUrl: string): Promise<void> {
  // What was asked for before a kill may still be on its way.
  const open = "status=scheduled,inboxed,ready,running,suspended,backing-off";
  await until(
    () => get(`${adminUrl}/invocations?${open}`),
    ({ body }) => (body as { invocations: unknown[] }).invocations.length === 0,
  );
  for (const [path, history] of recorder.counters) {
    expect([path, checkHistory(COUNTER, history)]).toMatchObject([path, { linearizable: true }]);
  }
  for (const [path, history] of recorder.registers) {
    expect([path, checkHistory(REGISTER, history)]).toMatchObject([path, { linearizable: true }]);
  }
  for (const [path, history] of recorder.lists) {
    const { body } = await get(`${ingressUrl}/${path}/read`);
    expect([path, checkList(history, body as string[])]).toEqual([path, []]);
  }
}
