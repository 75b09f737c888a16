/**
 * The outside: an HTTP service that remembers every arrival, the repeated ones too, and can hold a
 * request open while the test does something to the processes.
 */
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Arrival {
  readonly step: string;
  readonly token: string;
}

export class OutsideService {
  readonly arrivals: Arrival[] = [];
  readonly #server: Server;
  readonly #held = new Map<string, ServerResponse[]>();
  readonly #holding = new Set<string>();
  readonly #answers = new Map<string, string>();
  #waiting: { readonly enough: () => boolean; readonly resolve: () => void }[] = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      const step = decodeURIComponent((request.url ?? "/").slice(1));
      const token = String(request.headers["idempotency-key"] ?? "");
      this.arrivals.push({ step, token });
      if (this.#holding.has(step)) {
        this.#held.set(step, [...(this.#held.get(step) ?? []), response]);
      } else answer(response, this.#answers.get(step) ?? `${step} done`);
      this.#waiting = this.#waiting.filter(({ enough, resolve }) => {
        if (enough()) resolve();
        return !enough();
      });
    });
  }

  static async start(): Promise<OutsideService> {
    const service = new OutsideService();
    service.#server.listen(0, "127.0.0.1");
    await once(service.#server, "listening");
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`; // a TCP server has a TCP address
  }

  /** Requests for this step are held open from now on. */
  hold(step: string): void {
    this.#holding.add(step);
  }

  /** Requests for this step get this from now on, in place of "<step> done". */
  answerWith(step: string, text: string): void {
    this.#answers.set(step, text);
  }

  /** Answers what is held and holds no longer. */
  release(step: string): void {
    this.#holding.delete(step);
    for (const response of this.#held.get(step) ?? []) answer(response, `${step} done`);
    this.#held.delete(step);
  }

  /** Resolves as soon as a step has arrived this many times. */
  async arrived(step: string, times = 1): Promise<void> {
    const enough = (): boolean => this.countOf(step) >= times;
    if (enough()) return;
    await new Promise<void>((resolve) => this.#waiting.push({ enough, resolve }));
  }

  countOf(step: string): number {
    return this.arrivals.filter((it) => it.step === step).length;
  }

  tokensOf(step: string): Set<string> {
    return new Set(this.arrivals.filter((it) => it.step === step).map((it) => it.token));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function answer(response: ServerResponse, text: string): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(text));
}
