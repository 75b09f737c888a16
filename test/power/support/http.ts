/** One HTTP client: one request after the other, on a connection of its own. */
import { Agent, request } from "node:http";

export interface Asked {
  readonly path: string;
  /** JSON. */
  readonly asked: string;
  /** "" for none. */
  readonly idempotencyKey: string;
}

export interface Answer {
  readonly status: number;
  readonly id: string;
  readonly body: string;
}

export class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #ingressUrl: string;

  constructor(ingressUrl: string) {
    this.#ingressUrl = ingressUrl;
  }

  /** Rejects with a system error when the connection breaks: what became of the request is unknown. */
  post({ path, asked, idempotencyKey }: Asked): Promise<Answer> {
    const headers = {
      "content-type": "application/json",
      ...(idempotencyKey === "" ? {} : { "idempotency-key": idempotencyKey }),
    };
    const options = { method: "POST", agent: this.#agent, headers };
    return new Promise((resolve, reject) => {
      const outgoing = request(this.#ingressUrl + path, options, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.once("error", reject);
        response.once("end", () => {
          const id = String(response.headers["x-restate-id"] ?? "");
          const status = response.statusCode ?? 0;
          resolve({ status, id, body: Buffer.concat(parts).toString("utf8") });
        });
      });
      outgoing.once("error", reject);
      outgoing.end(asked);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Whether a request failed with its connection. Anything else is a mistake in the test. */
export function isConnectionError(error: unknown): boolean {
  return error instanceof Error && "code" in error;
}
