/** Drives connections in a closed loop, and keeps count. */
import { Connection, type HttpAnswer } from "./connection.ts";
import { keyName, type LoadResult, type LoadSpec } from "./load.ts";
import { quantile } from "../harness/numbers.ts";

export function closedLoop(spec: LoadSpec): Promise<LoadResult> {
  return new Promise((resolve, reject) => new ClosedLoop(spec, resolve, reject).start());
}

interface InFlight {
  readonly key: number;
  readonly sentAt: number;
}

class ClosedLoop {
  readonly #spec: LoadSpec;
  readonly #resolve: (result: LoadResult) => void;
  readonly #reject: (error: Error) => void;
  readonly #connections = new Set<Connection>();
  readonly #inFlight = new Map<Connection, InFlight>();
  readonly #latenciesMs: number[] = [];
  readonly #ids = new Set<string>();
  readonly #acknowledgedByKey: number[];
  readonly #lostByKey: number[];
  readonly #cpuAtStart = process.cpuUsage();
  readonly #startedAt = performance.now();
  #lastAnswerAt = this.#startedAt;
  #sent = 0;
  #sum = 0;
  #ready = 0;
  #over = false;
  #random = 0x9e3779b9;

  constructor(
    spec: LoadSpec,
    resolve: (result: LoadResult) => void,
    reject: (error: Error) => void,
  ) {
    this.#spec = spec;
    this.#resolve = resolve;
    this.#reject = reject;
    const counted = spec.untilBroken === true ? spec.keys : 0;
    this.#acknowledgedByKey = Array.from({ length: counted }, () => 0);
    this.#lostByKey = Array.from({ length: counted }, () => 0);
    this.#random ^= process.pid;
  }

  start(): void {
    const events = {
      onReady: (it: Connection) => {
        this.#ready++;
        this.#next(it);
      },
      onAnswer: (it: Connection, answer: HttpAnswer) => this.#answered(it, answer),
      onBroken: (it: Connection, reason: string) => this.#broken(it, reason),
    };
    for (let count = 0; count < this.#spec.concurrency; count++) {
      this.#connections.add(new Connection(this.#spec.port, events));
    }
  }

  #next(connection: Connection): void {
    const now = performance.now();
    if (this.#enough(now)) {
      connection.close();
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#finish();
      return;
    }
    const { keys, order, firstKey = 0, path, body } = this.#spec;
    const key = order === "random" ? this.#randomBelow(keys) : firstKey + (this.#sent % keys);
    this.#sent++;
    this.#inFlight.set(connection, { key, sentAt: now });
    const name = keyName(key);
    connection.post(path.replace("{key}", name), body.replace("{key}", name));
  }

  #enough(now: number): boolean {
    const { durationMs = Infinity, requests = Infinity } = this.#spec;
    return this.#over || this.#sent >= requests || now - this.#startedAt >= durationMs;
  }

  #answered(connection: Connection, { status, body }: HttpAnswer): void {
    const request = this.#inFlight.get(connection);
    if (request === undefined) return this.#fail(`an answer to no request: ${status} ${body}`);
    this.#inFlight.delete(connection);
    // While a runtime is being killed it may still refuse: that was not acknowledged.
    if (status !== 200 && status !== 202) {
      if (this.#spec.untilBroken !== true) return this.#fail(`answered ${status}: ${body}`);
      this.#count(this.#lostByKey, request.key);
      return this.#next(connection);
    }
    this.#lastAnswerAt = performance.now();
    this.#latenciesMs.push(this.#lastAnswerAt - request.sentAt);
    this.#count(this.#acknowledgedByKey, request.key);
    if (this.#spec.sumAnswers === true) this.#sum += Number(body);
    if (this.#spec.countIds === true) {
      this.#ids.add(/"invocationId":"([^"]+)"/.exec(body)?.[1] ?? "none");
    }
    this.#next(connection);
  }

  #broken(connection: Connection, reason: string): void {
    if (this.#spec.untilBroken !== true) return this.#fail(reason);
    this.#over = true;
    const request = this.#inFlight.get(connection);
    if (request !== undefined) this.#count(this.#lostByKey, request.key);
    this.#inFlight.delete(connection);
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#finish();
  }

  #count(byKey: number[], key: number): void {
    if (byKey.length > 0) byKey[key] = (byKey[key] ?? 0) + 1;
  }

  #fail(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    for (const connection of this.#connections) connection.close();
    const after = `after ${this.#latenciesMs.length} answers on ${this.#ready} connections`;
    this.#reject(new Error(`POST ${this.#spec.path}: ${reason}, ${after}`));
  }

  #finish(): void {
    const { user, system } = process.cpuUsage(this.#cpuAtStart);
    const acknowledged = this.#latenciesMs.length;
    const sorted = Float64Array.from(this.#latenciesMs).sort();
    this.#resolve({
      acknowledged,
      seconds: (this.#lastAnswerAt - this.#startedAt) / 1_000,
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
      maxMs: sorted.at(-1) ?? Number.NaN,
      cpuUs: user + system,
      sum: this.#sum,
      distinctIds: this.#ids.size,
      acknowledgedByKey: this.#acknowledgedByKey,
      lostByKey: this.#lostByKey,
    });
  }

  /** xorshift32: cheap, and even enough to pick keys. */
  #randomBelow(limit: number): number {
    let it = this.#random;
    it ^= it << 13;
    it ^= it >>> 17;
    it ^= it << 5;
    this.#random = it;
    return (it >>> 0) % limit;
  }
}
