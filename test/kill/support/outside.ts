/** What lies outside every process that is killed: it numbers each arrival of a step and keeps all. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** One order for all that the test sees: who asked, who was answered, what arrived. */
export class Ticks {
  #last = 0;

  next(): number {
    return ++this.#last;
  }
}

export interface Arrival {
  readonly step: string;
  readonly number: number;
  readonly token: string;
  readonly worker: number;
  readonly at: number;
}

export class Outside {
  readonly #arrivals = new Map<string, Arrival[]>();
  readonly #server: Server;
  readonly #ticks: Ticks;
  readonly #onWake: (awakeableId: string) => void;
  #count = 0;
  #waiting: (() => void)[] = [];

  private constructor(ticks: Ticks, onWake: (awakeableId: string) => void) {
    this.#ticks = ticks;
    this.#onWake = onWake;
    this.#server = createServer((request, response) => {
      const number = this.#arrive(request);
      response.setHeader("content-type", "application/json");
      response.end(String(number));
    });
  }

  static async start(ticks: Ticks, onWake: (awakeableId: string) => void): Promise<Outside> {
    const outside = new Outside(ticks, onWake);
    outside.#server.listen(0, "127.0.0.1");
    await once(outside.#server, "listening");
    return outside;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`; // a TCP server has a TCP address
  }

  get executions(): number {
    return this.#count;
  }

  of(step: string): readonly Arrival[] {
    return this.#arrivals.get(step) ?? [];
  }

  forget(step: string): void {
    this.#arrivals.delete(step);
  }

  /** Resolves as soon as a handler reaches out again. */
  nextArrival(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #arrive({ url = "/", headers }: IncomingMessage): number {
    const step = decodeURIComponent(url.slice(1));
    const number = ++this.#count;
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (step.startsWith("wake ")) {
      this.#onWake(step.slice("wake ".length));
      return number;
    }
    const token = String(headers["idempotency-key"] ?? "");
    const arrival = { step, number, token, worker: Number(headers["x-worker"]) };
    const before = this.#arrivals.get(step) ?? [];
    this.#arrivals.set(step, [...before, { ...arrival, at: this.#ticks.next() }]);
    return number;
  }
}
