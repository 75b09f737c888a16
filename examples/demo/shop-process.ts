/**
 * The outside service of the demo, as a process of its own. It keeps a ledger of every arrival, the
 * repeated ones too, and honours idempotency tokens: a repeated token gets the first receipt again.
 * And it is the assassin: told to, it kills a process while it holds a request open.
 *
 *   POST /orders  {item}          takes an order
 *   POST /traps   {item, pid}     kills `pid` when this item is ordered, and never answers that request
 *   GET  /ledger                  every arrival, in order
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Arrival {
  readonly item: string;
  readonly token: string;
  readonly repeated: boolean;
}

const arrivals: Arrival[] = [];
const receipts = new Map<string, string>();
const traps = new Map<string, number>();
const forgetful = process.argv.includes("--sabotage-ledger");

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
}

async function takeOrder(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const item = String((await readJson(request))["item"]);
  const token = String(request.headers["idempotency-key"]);
  const repeated = receipts.has(token);
  // Sabotaged, the shop forgets what it had seen.
  if (!(forgetful && repeated)) arrivals.push({ item, token, repeated });
  const receipt = receipts.get(token) ?? `receipt ${receipts.size + 1}`;
  receipts.set(token, receipt);
  const victim = traps.get(item);
  if (victim !== undefined) {
    traps.delete(item);
    process.kill(victim, "SIGKILL");
    return;
  }
  response.end(receipt);
}

async function serveRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
  switch (`${request.method} ${request.url}`) {
    case "POST /orders":
      await takeOrder(request, response);
      return;
    case "POST /traps": {
      const { item, pid } = await readJson(request);
      traps.set(String(item), Number(pid));
      response.end();
      return;
    }
    case "GET /ledger":
      response.end(JSON.stringify(arrivals));
      return;
    default:
      response.writeHead(404).end();
  }
}

const server = createServer((request, response) => {
  serveRequest(request, response).catch((error: unknown) => {
    process.stderr.write(`shop: ${String(error)}\n`);
    response.destroy();
  });
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`shop ready url=http://127.0.0.1:${port}\n`);
});
