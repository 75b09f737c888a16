/** HTTP calls of end-to-end tests, as a careful client makes them. */
import { setTimeout as delay } from "node:timers/promises";

const JSON_TYPE = { "content-type": "application/json" };

export async function post(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { ...JSON_TYPE, ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: parse(await response.text()) };
}

/**
 * Calls with an idempotency key, again and again while the runtime is away: what a client does
 * whose server may be killed under it.
 */
export async function callThroughKills(
  url: string,
  body: unknown,
  idempotencyKey: string,
): Promise<{ readonly status: number; readonly body: unknown }> {
  for (;;) {
    try {
      const answer = await post(url, body, { "idempotency-key": idempotencyKey });
      // 503: it is back, and recovering.
      if (answer.status !== 503) return answer;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    // The runtime is being restarted; nothing tells us when it serves again.
    await delay(20);
  }
}

export async function send(url: string, body: unknown): Promise<string> {
  const answer = await post(`${url}/send`, body);
  if (answer.status !== 202)
    throw new Error(`send: ${answer.status} ${JSON.stringify(answer.body)}`);
  return (answer.body as { invocationId: string }).invocationId;
}

export async function get(
  url: string,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(url);
  return { status: response.status, body: parse(await response.text()) };
}

/** Asks until the answer is as wanted: for what nothing announces. The test's own timeout ends it. */
export async function until<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    await delay(20);
  }
}

function parse(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
