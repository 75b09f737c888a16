/** No room: a disk that is nearly full, a full inbox, everything that has expired. With a whole runtime. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { object, type ObjectContext } from "holdfast";
import { startRuntime, type Runtime, type StartRuntimeOptions } from "holdfast/runtime";
import { afterEach, describe, expect, test } from "vitest";
import { send as sendTo, type Answered } from "../support/scripted-core.ts";
import { get, until } from "./support/ingress.ts";

const MIB = 2 ** 20;
const gates = new Map<string, () => void>();

const jobs = object({
  name: "Jobs",
  handlers: {
    run: async (ctx: ObjectContext, name: string) => {
      await ctx.run("wait", () => new Promise<void>((resolve) => gates.set(name, resolve)));
      ctx.objectSendClient<typeof jobs>({ name: "Jobs" }, "next").quick(name);
      return `did ${name}`;
    },
    quick: async (ctx: ObjectContext, name: string) => {
      ctx.set("last", name);
      return name;
    },
  },
});

let runtime: Runtime | undefined;
const undo: (() => void)[] = [];

afterEach(async () => {
  for (const open of gates.values()) open();
  gates.clear();
  await runtime?.close();
  runtime = undefined;
  for (const step of undo.splice(0).reverse()) step();
});

function newDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "holdfast-room-"));
  undo.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function start(
  dataDir: string,
  options: Partial<StartRuntimeOptions> = {},
): Promise<Runtime> {
  const ports = { ingressPort: 0, adminPort: 0, workerPort: 0 };
  const base = { dataDir, services: [jobs], logLevel: "silent", ...ports } as const;
  runtime = await startRuntime({ ...base, ...options });
  return runtime;
}

async function post(
  { ingressUrl }: Runtime,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  return await sendTo({ port: Number(new URL(ingressUrl).port) }, path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
}

/** The closure of this job is running, and waits for the test. */
const running = (name: string): Promise<unknown> =>
  until(
    async () => gates.get(name),
    (gate) => gate !== undefined,
  );

function expectNoRoom(answer: Answered): void {
  expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "5"]);
  expect(answer.json()).toMatchObject({
    message: expect.stringContaining("less than diskFreeBytesMin") as string,
    source: "ingress",
  });
}

describe("a disk that is nearly full", () => {
  test("refuses new work; what was accepted before goes on after a restart, and is found", async () => {
    const dataDir = newDirectory();
    const before = await start(dataDir);
    const sent = await post(before, "/Jobs/a/run/send", "old", { "idempotency-key": "k" });
    expect(sent.status).toBe(202);
    await running("old");
    gates.get("old")?.();
    gates.delete("old");
    await before.close();
    // More than any disk has free.
    const full = await start(dataDir, { limits: { diskFreeBytesMin: Number.MAX_SAFE_INTEGER } });
    expectNoRoom(await post(full, "/Jobs/b/quick", "new"));
    expectNoRoom(await post(full, "/Jobs/b/quick/send", "new"));
    void running("old").then(() => gates.get("old")?.());
    const again = await post(full, "/Jobs/a/run", "old", { "idempotency-key": "k" });
    expect([again.status, again.json()]).toEqual([200, "did old"]);
    // What it sent was accepted too.
    const list = `${full.adminUrl}/invocations?service=Jobs&handler=quick&key=next`;
    await until(
      () => get(list),
      ({ body }) => JSON.stringify(body).includes('"status":"completed"'),
    );
  });

  test("is noticed while it fills up, and when it has room again", async (context) => {
    const dataDir = newDirectory();
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", dataDir]);
    // Only root may mount, as in CI. Nothing else fills up a disk without filling that of the machine.
    if (mounted.status !== 0) context.skip("mounting a small file system is not permitted here");
    undo.push(() => spawnSync("umount", ["-l", dataDir]));
    const small = await start(join(dataDir, "data"), { limits: { diskFreeBytesMin: 20 * MIB } });
    expect((await post(small, "/Jobs/a/quick", "1")).status).toBe(200);
    const call = post(small, "/Jobs/b/run", "during");
    await running("during");
    mkdirSync(join(dataDir, "other"));
    writeFileSync(join(dataDir, "other", "file"), Buffer.alloc(50 * MIB));
    expectNoRoom(
      await until(
        () => post(small, "/Jobs/a/quick", "2"),
        ({ status }) => status !== 200,
      ),
    );
    gates.get("during")?.();
    expect((await call).json()).toBe("did during");
    rmSync(join(dataDir, "other", "file"));
    await until(
      () => post(small, "/Jobs/a/quick", "3"),
      ({ status }) => status === 200,
    );
  });
});

describe("room for one more", () => {
  test("in the inbox of a key: 429, and again once there is", async () => {
    const it = await start(newDirectory(), { limits: { inboxLengthMax: 1 } });
    const first = post(it, "/Jobs/a/run", "first");
    await running("first");
    expect((await post(it, "/Jobs/a/quick/send", "second")).status).toBe(202);
    const third = await post(it, "/Jobs/a/quick/send", "third");
    expect([third.status, third.headers["retry-after"]]).toEqual([429, "1"]);
    expect(third.json()).toMatchObject({
      message: expect.stringContaining("the limit inboxLengthMax is 1") as string,
    });
    gates.get("first")?.();
    await first;
    await until(
      () => post(it, "/Jobs/a/quick", "third"),
      ({ status }) => status === 200,
    );
  });
});

describe("what is kept, and for how long", () => {
  test("a result is read back until its retention is over; then the key is free", async () => {
    const it = await start(newDirectory(), { limits: { idempotencyRetentionMs: 1_500 } });
    const key = { "idempotency-key": "a/b" };
    const first = await post(it, "/Jobs/a/quick", "1", key);
    const id = String(first.headers["x-restate-id"]);
    const byKey = `${it.ingressUrl}/restate/invocation/Jobs/a/quick/a%2Fb`;
    for (const path of ["attach", "output"]) {
      expect((await get(`${byKey}/${path}`)).body).toBe("1");
      expect((await get(`${it.ingressUrl}/restate/${path}/${id}`)).body).toBe("1");
    }
    const gone = { code: 404, message: "invocation not found", source: "ingress" };
    await until(
      () => get(`${byKey}/output`),
      ({ status }) => status === 404,
    );
    for (const url of [`${byKey}/attach`, `${it.ingressUrl}/restate/attach/${id}`]) {
      expect((await get(url)).body).toEqual(gone);
    }
    expect((await get(`${it.adminUrl}/invocations/${id}`)).status).toBe(404);
    const other = await post(it, "/Jobs/a/quick", "2", key);
    expect([other.status, other.json()]).toEqual([200, "2"]);
    expect(other.headers["x-restate-id"]).not.toBe(id);
  });

  test("an operator's purge forgets a result at once", async () => {
    const it = await start(newDirectory());
    const key = { "idempotency-key": "k" };
    const first = await post(it, "/Jobs/a/quick", "1", key);
    const id = String(first.headers["x-restate-id"]);
    const admin = { port: Number(new URL(it.adminUrl).port) };
    const purged = await sendTo(admin, `/invocations/${id}/purge`, { method: "PATCH" });
    expect(purged.status).toBe(200);
    expect((await get(`${it.ingressUrl}/restate/output/${id}`)).status).toBe(404);
    const second = await post(it, "/Jobs/a/quick", "2", key);
    expect([second.status, second.json()]).toEqual([200, "2"]);
  });

  test("with the payload check off, the first result is given whatever the payload", async () => {
    const it = await start(newDirectory(), { idempotencyPayloadCheck: false });
    const key = { "idempotency-key": "k" };
    const first = await post(it, "/Jobs/a/quick", "1", key);
    const second = await post(it, "/Jobs/a/quick", "2", key);
    expect([second.status, second.body]).toEqual([200, first.body]);
  });
});
