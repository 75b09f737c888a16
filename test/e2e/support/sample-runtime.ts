/** A whole runtime on disk with the sample services in its process, for the tests of one file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRuntime, type Runtime } from "holdfast/runtime";
import { afterAll, beforeAll } from "vitest";
import { send as sendTo, type Answered, type Sent } from "../../support/scripted-core.ts";
import { chat, greeter, signup } from "./sample-services.ts";

let dataDir: string;
let runtime: Runtime;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "holdfast-ingress-"));
  runtime = await startRuntime({
    dataDir,
    ingressPort: 0,
    adminPort: 0,
    workerPort: 0,
    services: [greeter, chat, signup],
    logLevel: "silent",
    limits: { bodyBytesMax: 100_000 },
  });
});
afterAll(async () => {
  await runtime.close();
  rmSync(dataDir, { recursive: true, force: true });
});

export const json = { "content-type": "application/json" };

export const ingressUrl = (): string => runtime.ingressUrl;

export async function get(path: string, sent: Sent = {}): Promise<Answered> {
  return await sendTo({ port: Number(new URL(runtime.ingressUrl).port) }, path, sent);
}

export async function post(
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  const sent = { method: "POST", body: JSON.stringify(body) };
  return await get(path, { ...sent, headers: { ...json, ...headers } });
}

export async function admin(method: string, path: string): Promise<Answered> {
  return await sendTo({ port: Number(new URL(runtime.adminUrl).port) }, path, { method });
}

export function idOf(answer: Answered): string {
  return String(answer.headers["x-restate-id"]);
}
