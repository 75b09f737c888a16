/** The client over HTTP: what a time limit means beside retries, and keys that a URL cannot hold. */
import { expect, test } from "vitest";
import { connect, Opts } from "../../sdk/client/index.ts";
import type { ObjectDefinition } from "../../sdk/definition.ts";

type Counter = ObjectDefinition<"counter", { add: (ctx: never, n: number) => Promise<number> }>;
const counter = { name: "counter" } as Counter;
const busy = () => new Response("busy", { status: 503 });

/** Answers like that, for ever, and counts. */
function connected(answer: (signal: AbortSignal | null | undefined) => Promise<Response>) {
  const urls: string[] = [];
  const ingress = connect({
    url: "http://runtime",
    retry: { initialInterval: 60_000, maxInterval: 60_000, maxDuration: { hours: 1 } },
    fetch: (url, init) => {
      urls.push(url instanceof Request ? url.url : String(url));
      return answer(init?.signal);
    },
  });
  return { urls, client: (key: string) => ingress.objectClient(counter, key) };
}

const hangs = (signal: AbortSignal | null | undefined): Promise<Response> =>
  new Promise((_, reject) =>
    signal?.addEventListener("abort", () => reject(signal.reason as Error)),
  );

// It counted for each request by itself: with the default of six, five seconds were thirty and more.
test("a timeout is for the whole call: it is not tried again after it, nor waited for beyond it", async () => {
  for (const answer of [hangs, async () => busy()]) {
    const { urls, client } = connected(answer);
    const options = Opts.from<number, number>({ idempotencyKey: "1", timeout: 20 });
    await expect(client("a").add(1, options)).rejects.toThrow(/timeout/);
    expect(urls.length).toBe(1);
  }
});

test("a signal that aborts ends the wait before another try", async () => {
  const { urls, client } = connected(async () => busy());
  const signal = AbortSignal.abort(new Error("enough"));
  const options = Opts.from<number, number>({ idempotencyKey: "1", signal });
  await expect(client("a").add(1, options)).rejects.toThrow("enough");
  expect(urls.length).toBe(1);
});

// "/counter/../add" is "/add" once a URL is made of it, also as "%2e%2e": another handler, or none.
test.each([".", ".."])("the key %j is refused, since a URL takes it for a step", async (key) => {
  const { urls, client } = connected(async () => busy());
  await expect(async () => client(key).add(1)).rejects.toThrow(
    `the key ${JSON.stringify(key)} cannot stand in a URL`,
  );
  expect(urls).toEqual([]);
});

test("any other key arrives as it is", async () => {
  const { urls, client } = connected(async () => new Response("3"));
  expect(await client("a/../b c").add(1)).toBe(3);
  expect(urls).toEqual(["http://runtime/counter/a%2F..%2Fb%20c/add"]);
});
