/**
 * What the clients of a recording do: each one request after the other, on a connection of its own.
 * Some requests carry an idempotency key, and of those some are sent a second time, also after the
 * runtime was killed under the first.
 */
import { Random } from "../../simulation/random.ts";
import { Client, isConnectionError, type Answer, type Asked } from "./http.ts";

/** A request with an idempotency key, and an answer to it that reached the client. */
export interface Observed extends Asked, Answer {}

const KEYS = ["a", "b", "c", "d"] as const;
const CLIENTS = 6;

export class Load {
  /** Answers to requests with an idempotency key, those to second requests too. */
  readonly observed: Observed[] = [];
  readonly #seed: number;
  readonly #submitted: Asked[] = [];
  #tenure = 0;
  #stopped = false;
  #answers = 0;
  #enough: { readonly answers: number; readonly resolve: () => void } | undefined;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Until `stop`, or until the runtime is gone. */
  async run(ingressUrl: string): Promise<void> {
    this.#tenure++;
    this.#stopped = false;
    const clients = Array.from({ length: CLIENTS }, (_, i) => this.#client(ingressUrl, i));
    await Promise.all(clients);
  }

  /** Resolves when this many more answers have come. */
  answered(more: number): Promise<void> {
    return new Promise((resolve) => {
      this.#enough = { answers: this.#answers + more, resolve };
    });
  }

  stop(): void {
    this.#stopped = true;
  }

  async #client(ingressUrl: string, number: number): Promise<void> {
    const name = `${this.#tenure}.${number}`;
    const random = new Random(this.#seed, name);
    const client = new Client(ingressUrl);
    try {
      for (let i = 0; !this.#stopped; i++) {
        const repeat = this.#submitted.length > 0 && random.chance(0.15);
        const submission = repeat
          ? random.pick(this.#submitted)
          : this.#invent(random, `${name}.${i}`);
        await this.#ask(client, submission);
      }
    } catch (error) {
      // The runtime was killed. What the client had asked may have been done or not.
      if (!isConnectionError(error)) throw error;
    } finally {
      client.close();
    }
  }

  #invent(random: Random, entry: string): Asked {
    const keys = [random.pick(KEYS), random.pick(KEYS)] as const;
    const [path, body] = random.pick([
      [`/list/${keys[0]}/append`, entry],
      [`/list/${keys[0]}/append/send`, entry],
      [`/list/${keys[0]}/nap`, entry],
      ["/relay/forward", { keys, entry }],
      ["/relay/forward/send", { keys, entry }],
    ] as const);
    const idempotencyKey = random.chance(0.6) ? `key of ${entry}` : "";
    const submission = { path, asked: JSON.stringify(body), idempotencyKey };
    if (idempotencyKey !== "") this.#submitted.push(submission);
    return submission;
  }

  async #ask(client: Client, submission: Asked): Promise<void> {
    const answer = await client.post(submission);
    if (answer.status !== 200 && answer.status !== 202) {
      throw new Error(`${submission.path} was answered ${answer.status} ${answer.body}`);
    }
    this.#answers++;
    if (this.#enough && this.#answers >= this.#enough.answers) this.#enough.resolve();
    if (submission.idempotencyKey !== "") this.observed.push({ ...submission, ...answer });
  }
}
