/**
 * Everything in one process: the runtime, the services and the caller. One npm install, no server, no
 * port: the client calls the runtime without HTTP, and its answers wait for the disk all the same.
 *
 *   node dist/examples/06-embedded.js        # and again: it goes on counting
 */
import { fileURLToPath } from "node:url";
import { connect } from "holdfast/client";
import { startRuntime } from "holdfast/runtime";
import { counter } from "./01-counter.js";

export async function countTwice(dataDir: string): Promise<number> {
  const ports = { ingressPort: false, adminPort: false, workerPort: false } as const;
  const runtime = await startRuntime({ dataDir, services: [counter], ...ports });
  try {
    const ann = connect({ runtime }).objectClient(counter, "ann");
    await ann.add(1);
    return await ann.add(1);
  } finally {
    await runtime.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`the counter stands at ${await countTwice(".holdfast-example")}\n`);
}
