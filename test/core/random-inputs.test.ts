/**
 * The machine under random inputs: workers that obey the protocol and come and go, requests of every
 * kind, control in every status, restarts. After every input each row is where it belongs.
 */
import { expect, test } from "vitest";
import {
  bytes,
  CoreHarness,
  handler,
  serviceOf,
  type ScriptedAttempt,
} from "../support/core-harness.ts";
import { brokenReferences, SeenRows } from "../support/check-rows.ts";
import { Random } from "../simulation/random.ts";
import type { InvocationId } from "../../protocol/ids.ts";

const retry = {
  initialIntervalMs: 10,
  factor: 2,
  maxIntervalMs: 1_000,
  maxAttempts: 4,
  maxDurationMs: null,
  jitter: 0.2,
  onMaxAttempts: "pause",
} as const;
const SERVICES = [
  serviceOf("greeter", "service", [handler("greet", "stateless", { retry })]),
  serviceOf("counter", "object", [handler("add", "exclusive"), handler("read", "shared")]),
  serviceOf("signup", "workflow", [handler("run", "exclusive"), handler("confirm", "shared")]),
];
const PATHS = [
  "greeter/greet",
  "counter/a/add",
  "counter/a/add",
  "counter/b/add",
  "counter/a/read",
  "signup/x/run",
  "signup/x/confirm",
];
const VERSIONS = ["v1", "v1", "v2"];
const STEPS = 250;

class Chaos {
  readonly h = new CoreHarness({
    journalRetentionMs: 3_000,
    idempotencyRetentionMs: 5_000,
    workflowRetentionMs: 4_000,
    // Small, so that each of them is reached now and then.
    stateBytesMax: 120_000,
    journalEntriesMax: 12,
    journalBytesMax: 100_000,
    signalsMax: 2,
    inboxLengthMax: 4,
    pendingMax: 25,
  });
  readonly #random: Random;
  readonly #live = new Map<
    string,
    { attempt: ScriptedAttempt; completionId: number; runs: Map<number, number> }
  >();
  readonly #ids: InvocationId[] = [];
  #connections: number[] = [];
  #nextConnection = 1;

  constructor(seed: number) {
    this.#random = new Random(seed, "chaos");
    this.#connect();
  }

  step(): void {
    const random = this.#random;
    const draw = random.int(0, 99);
    if (draw < 20) this.#request();
    else if (draw < 70) this.#worker();
    else if (draw < 77) this.h.advance(random.pick([1, 20, 500, 3_000]));
    else if (draw < 80) this.h.jump(random.pick([20, 500, 3_000]));
    else if (draw < 85) this.#control();
    else if (draw < 88) this.#hold();
    else if (draw < 92) this.#connect();
    else if (draw < 96) this.#lose();
    else if (draw < 98) this.#restart();
    else if (draw < 99) this.h.apply({ kind: "disk-space", low: random.chance(0.3) });
    else
      this.h.apply({
        kind: "worker-congestion",
        connection: random.pick([0, ...this.#connections]),
        congested: random.chance(0.3),
      });
    this.#takeStarts();
  }

  #request(): void {
    const random = this.#random;
    const options = {
      mode: random.pick(["call", "send"] as const),
      delayMs: random.chance(0.2) ? random.int(1, 2_000) : 0,
    };
    const path = random.pick(PATHS);
    const key = random.chance(0.2) && !path.endsWith("run") ? `k${random.int(0, 3)}` : null;
    const request = this.h.invoke(path, { ...options, idempotencyKey: key });
    const response = this.h.responses.get(request);
    if (response?.kind === "accepted") this.#ids.push(response.invocationId);
  }

  #control(): void {
    if (this.#random.chance(0.1)) {
      const version = this.#random.pick(VERSIONS);
      this.h.ask((request) => ({ kind: "remove-deployment", request, version }));
      return;
    }
    if (this.#ids.length === 0) return;
    const invocationId = this.#random.pick(this.#ids);
    const kind = this.#random.pick(["cancel", "kill", "pause", "resume", "move", "purge"] as const);
    const deployment = this.#random.pick(["latest", "dev", "nowhere"]);
    this.h.ask((request) =>
      kind === "move"
        ? { kind: "resume", request, invocationId, deployment }
        : { kind, request, invocationId },
    );
  }

  /** Pauses and resumes keys and services. */
  #hold(): void {
    const random = this.#random;
    const service = random.pick(["counter", "counter", "signup", "greeter"]);
    const key = random.pick(["a", "b", "x"]);
    const keyed = random.pick(["pause-key", "resume-key", "resume-key"] as const);
    const whole = random.pick(["pause-service", "resume-service", "resume-service"] as const);
    if (random.chance(0.6)) this.h.ask((request) => ({ kind: keyed, request, service, key }));
    else this.h.ask((request) => ({ kind: whole, request, service }));
  }

  /** One live attempt does something that its worker might do. */
  #worker(): void {
    if (this.#live.size === 0) return;
    const name = this.#random.pick([...this.#live.keys()]);
    const live = this.#live.get(name);
    if (live === undefined) return;
    const { attempt, runs } = live;
    const random = this.#random;
    const draw = random.int(0, 99);
    const next = (): number => ++live.completionId;
    const target = random.pick([
      { service: "counter", key: random.pick(["a", "b", "c"]), handler: "add" },
      { service: "greeter", key: null, handler: "greet" },
    ]);
    const call = {
      target,
      parameter: bytes("1"),
      headers: [],
      idempotencyKey: random.chance(0.1) ? "shared" : null,
    };
    if (draw < 12)
      attempt.issue({ kind: "sleep", durationMs: random.int(0, 2_000), completionId: next() });
    else if (draw < 24)
      runs.set(
        attempt.issue({
          kind: "run",
          mode: random.pick(["at-least-once", "at-most-once", "probe"] as const),
          retry: random.pick([
            null,
            { ...retry, onMaxAttempts: "fail" as const },
            { ...retry, maxAttempts: 2, maxDurationMs: 400 },
          ]),
          completionId: next(),
        }),
        0,
      );
    else if (draw < 32) attempt.issue({ kind: "call", ...call, completionId: next() });
    else if (draw < 38) attempt.issue({ kind: "send", ...call, delayMs: random.pick([0, 0, 300]) });
    else if (draw < 42) attempt.issue({ kind: "awakeable", completionId: next() });
    else if (draw < 46 && this.#ids.length > 0)
      attempt.issue({ kind: "attach", invocationId: random.pick(this.#ids), completionId: next() });
    else if (draw < 50) attempt.issue({ kind: "date", completionId: next() });
    else if (draw < 52) attempt.issue({ kind: "patched", patch: `p${random.int(0, 3)}` });
    else if (draw < 68) this.#finishRun(live);
    else if (draw < 76) this.#leave(name, () => attempt.suspend());
    else if (draw < 80) this.#leave(name, () => attempt.fail("boom"));
    else if (draw < 92) this.#leave(name, () => attempt.end("1"));
    else if (attempt.start.target.service === "counter" && attempt.start.target.handler === "add")
      this.#changeState(attempt);
    else if (this.#ids.length > 0) {
      const result = { ok: true, value: bytes("1") } as const;
      attempt.issue({
        kind: "send-signal",
        invocationId: random.pick(this.#ids),
        signal: "s",
        result,
      });
    }
  }

  /** Small and large values, so that the state crosses the border above which its size is kept. */
  #changeState(attempt: ScriptedAttempt): void {
    const random = this.#random;
    const key = random.pick(["x", "y", "z"]);
    const value = new Uint8Array(random.pick([1, 30_000, 70_000]));
    const draw = random.int(0, 9);
    if (draw < 7) attempt.issue({ kind: "set-state", key, value });
    else if (draw < 9) attempt.issue({ kind: "clear-state", key });
    else attempt.issue({ kind: "clear-all-state" });
  }

  #finishRun({ attempt }: { attempt: ScriptedAttempt }): void {
    const go = attempt.gos().at(-1);
    if (go === undefined) return;
    const base = { attempt: attempt.handle, command: go.command, try: go.try };
    if (go.probe && this.#random.chance(0.5)) {
      this.h.say(attempt.connection, { kind: "run-not-done", ...base });
    } else if (this.#random.chance(0.6)) {
      this.h.say(attempt.connection, {
        kind: "run-result",
        ...base,
        result: { ok: true, value: bytes("1") },
        deliveries: null,
      });
    } else {
      const failure = { name: "Error", message: "boom", code: 500 };
      this.h.say(attempt.connection, { kind: "run-failed", ...base, failure, retryAfterMs: null });
    }
  }

  #leave(name: string, act: () => void): void {
    this.#live.delete(name);
    act();
  }

  #connect(): void {
    if (this.#connections.length >= 3) return;
    const connection = this.#nextConnection++;
    this.#connections.push(connection);
    const version = this.#random.pick(VERSIONS);
    const concurrency = this.#random.int(1, 4);
    this.h.connect(connection, { version, services: SERVICES, concurrency });
  }

  #lose(): void {
    if (this.#connections.length === 0) return;
    const connection = this.#random.pick(this.#connections);
    this.#connections = this.#connections.filter((it) => it !== connection);
    for (const [name, { attempt }] of this.#live)
      if (attempt.connection === connection) this.#live.delete(name);
    this.h.lose(connection);
  }

  #restart(): void {
    this.#connections = [];
    this.#live.clear();
    this.h.restart();
  }

  /** Attempts that were started, and those that were aborted. */
  #takeStarts(): void {
    for (const connection of this.#connections) {
      for (const [nth, start] of this.h.starts(connection).entries()) {
        const name = `${connection}/${start.attempt}`;
        if (this.#seen.has(name)) continue;
        this.#seen.add(name);
        // A worker without patience: what is resumed leads to nothing, again and again.
        if (start.commandCount > 0 && this.#random.chance(0.4)) {
          this.h.attempt(connection, nth).suspend();
          continue;
        }
        this.#live.set(name, {
          attempt: this.h.attempt(connection, nth),
          completionId: this.#highest(connection, start.attempt),
          runs: new Map(),
        });
      }
      for (const { attempt } of this.h.messages(connection, "abort"))
        this.#live.delete(`${connection}/${attempt}`);
    }
  }
  readonly #seen = new Set<string>();

  #highest(connection: number, attempt: number): number {
    const entries = this.h
      .messages(connection, "replay")
      .filter((it) => it.attempt === attempt)
      .flatMap((it) => it.entries);
    return Math.max(
      0,
      ...entries.map((it) =>
        it.kind === "command" && "completionId" in it.command ? it.command.completionId : 0,
      ),
    );
  }
}

test.each(Array.from({ length: 60 }, (_, i) => i + 1))(
  "seed %i: every row is where it belongs after every input",
  (seed) => {
    const chaos = new Chaos(seed);
    const seen = new SeenRows();
    for (let step = 0; step < STEPS; step++) {
      chaos.step();
      const broken = brokenReferences(chaos.h.tx, seen);
      if (broken.length > 0) throw new Error(`seed ${seed}, step ${step}: ${broken.join("; ")}`);
    }
    expect(chaos.h.tx.rows.size).toBeGreaterThan(0);
  },
);
