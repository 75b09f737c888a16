/**
 * A whole runtime with its services in one process, which is quicker to start than two.
 *
 *     node embedded.js <data directory> [<limits as JSON>]
 */
import { startRuntime, type Limits } from "../../../runtime/index.ts";
import { SERVICES, VERSION } from "./services.ts";

const [dataDir = "", limits = "{}"] = process.argv.slice(2);
const runtime = await startRuntime({
  dataDir,
  services: SERVICES,
  version: VERSION,
  limits: JSON.parse(limits) as Partial<Limits>, // written by a test
  ingressPort: 0,
  adminPort: 0,
  workerPort: 0,
});
process.stdout.write(`ready ${runtime.ingressUrl} ${runtime.adminUrl}\n`);
process.once("SIGTERM", () => {
  void runtime.close().then(() => process.exit(0));
});
