/** A careful client: asks again, with the same idempotency key, as long as the runtime is away. */
import { setTimeout as delay } from "node:timers/promises";

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  readonly invocationId: string | null;
}

export interface Ask {
  readonly method?: "GET" | "POST" | "PATCH";
  /** Which API. Default: the ingress. */
  readonly api?: "ingress" | "admin";
  readonly path: string;
  readonly body?: unknown;
  readonly idempotencyKey?: string;
}

const SILENCE_MS_MAX = 30_000;

export class Client {
  /** Set as the first runtime is ready. */
  baseUrl = "";
  adminUrl = "";
  /** Since when the runtime that serves now does so. */
  servedSinceMs = 0;
  /** Tries on connections to a runtime that had been killed, of which fetch never learnt. */
  silences = 0;

  /** One try; throws a TypeError when no answer came. */
  async try({ method = "POST", api, path, body, idempotencyKey }: Ask): Promise<HttpAnswer> {
    const response = await fetch(`${api === "admin" ? this.adminUrl : this.baseUrl}${path}`, {
      method,
      signal: AbortSignal.timeout(SILENCE_MS_MAX),
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, text, invocationId: response.headers.get("x-restate-id") };
  }

  /** What is asked and not answered yet, with what the last try gave. */
  readonly open = new Map<Ask, string>();

  /** Until there is an answer. Only for what may be asked twice. */
  async insist(ask: Ask): Promise<HttpAnswer> {
    for (let tries = 1; ; tries++) {
      const triedMs = performance.now();
      try {
        this.open.set(ask, `try ${tries} waits`);
        const answer = await this.try(ask);
        this.open.delete(ask);
        // 503: it is back, and recovering, or it goes.
        if (answer.status !== 503) return answer;
      } catch (error) {
        if (!(error instanceof TypeError)) {
          // A runtime that lives and does not answer is a violation; only a dead one may be silent.
          if (triedMs > this.servedSinceMs) {
            const what = `I2: a living runtime gave no answer in ${SILENCE_MS_MAX} ms to ${ask.path}`;
            throw new Error(what, { cause: error });
          }
          this.silences++;
        }
      }
      // Nothing tells when it serves again.
      await delay(20);
    }
  }
}
