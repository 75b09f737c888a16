/** Runtime, services and callers of Holdfast in one process; it drives its own load when asked to. */
import { object, service, type ObjectContext, type ObjectDefinition } from "holdfast";
import { connect } from "holdfast/client";
import { startRuntime } from "holdfast/runtime";
import { quantile } from "../harness/numbers.ts";
import { makeServices } from "../services.ts";
import { Tally } from "../worker-control.ts";
import type { EmbeddedLoad, EmbeddedLoadAnswer } from "./embedded-load.ts";

type Counter = ObjectDefinition<
  "counter",
  {
    add: (ctx: ObjectContext, amount: number) => Promise<number>;
    read: (ctx: ObjectContext) => Promise<number>;
  }
>;

const counter: Counter = { name: "counter" };
const [, , dataDir = ""] = process.argv;
const runtime = await startRuntime({
  dataDir,
  services: makeServices({ object, service }, new Tally()),
  ingressPort: 0,
  adminPort: 0,
  workerPort: 0,
});
const client = connect({ runtime });

process.on("message", (load: EmbeddedLoad) => {
  drive(load).then(
    (answer) => process.send?.(answer),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.once("SIGTERM", () => {
  process.disconnect();
  void runtime.close();
});
process.once("disconnect", () => setTimeout(() => process.exit(), 5_000).unref());
console.log(`embedded ready ${runtime.ingressUrl}`);

async function drive(load: EmbeddedLoad): Promise<EmbeddedLoadAnswer> {
  const { concurrency, keys, durationMs = Infinity, requests = Infinity } = load;
  let sent = 0;
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  const caller = async (): Promise<void> => {
    while (performance.now() - startedAt < durationMs && sent++ < requests) {
      const sentAt = performance.now();
      const key = `k${Math.floor(Math.random() * keys)}`;
      await client.objectClient(counter, key).add(1);
      latenciesMs.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const seconds = (performance.now() - startedAt) / 1_000;
  const sorted = Float64Array.from(latenciesMs).sort();
  return {
    kind: "driven",
    acknowledged: latenciesMs.length,
    seconds,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
  };
}
