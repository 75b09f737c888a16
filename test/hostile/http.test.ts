/**
 * A hundred thousand hostile requests, raw over sockets, many per connection, in one go or each behind
 * the answer before it (which is how those that are plain get past Node). Each is answered below
 * 500, in its turn, or its connection is closed with an answer that says so; keys arrive as they were
 * meant. Most meet a scripted machine, some the whole runtime. `FUZZ_REQUESTS` sets how many.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import type { Question } from "../../runtime/ask.ts";
import type { Response } from "../../runtime/core/effect.ts";
import { Random } from "../simulation/random.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { bytes, handler, serviceOf } from "../support/core-harness.ts";
import { ACCEPTED, completed, DONE, post, startIngress } from "../support/scripted-core.ts";
import { removeTemporaryDirectories } from "../support/temporary-directory.ts";
import { BarePeer } from "./bare-peer.ts";
import { effort, report, SEED } from "./effort.ts";
import { exchange } from "./http-client.ts";
import { openRuntime, type OpenRuntime } from "./open-runtime.ts";
import { brokenRequest, hostileRequest, latin1, type HostileRequest } from "./request-generator.ts";

const REQUESTS = effort("FUZZ_REQUESTS", 110_000);
const CONNECTIONS_AT_ONCE = 8;
const TIMEOUT_MS = 60_000 + REQUESTS * 2;
const counts = { requests: 0, accepted: 0, "keys compared": 0, "connections cut": 0 };

afterAll(() => report("http", counts));

/** The requests of one connection. */
function batch(random: Random, name: string): HostileRequest[] {
  const size = random.pick([1, 2, 20, 60, 60]);
  const sound = Array.from({ length: size }, (_, i) => hostileRequest(random, `${name}.${i}`));
  return random.chance(0.3) ? [...sound, brokenRequest(random)] : sound;
}

/** Sends one batch, and checks what came back. */
async function checkBatch(port: number, requests: readonly HostileRequest[], name: string) {
  const said = (at: number): string =>
    `${name}, request ${at}: ${JSON.stringify(requests[at]?.bytes.toString("latin1").slice(0, 400))}`;
  const oneByOne = new Random(SEED, `${name}, how`).chance(0.1);
  const answers = await exchange(port, requests, { oneByOne }).catch((error: unknown) => {
    throw new Error(name, { cause: error });
  });
  counts.requests += answers.length;
  for (const [at, { status, closes }] of answers.entries()) {
    if (status >= 500) throw new Error(`${status} for ${said(at)}`);
    if (closes && at + 1 < answers.length) throw new Error(`an answer behind a close: ${said(at)}`);
    if (status < 300) counts.accepted++;
  }
  const sound = requests.filter((it) => !it.broken).length;
  const cut = answers.at(-1)?.closes === true;
  if (answers.length < sound && !cut) throw new Error(`no answer to ${said(answers.length)}`);
  return answers;
}

/** `left` requests over several connections at a time. */
async function hammer(
  stream: string,
  total: number,
  one: (requests: readonly HostileRequest[], name: string) => Promise<number>,
): Promise<void> {
  let left = total;
  let batches = 0;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      const name = `seed ${SEED}, ${stream} ${batches++}`;
      const answers = await one(batch(new Random(SEED, name), name), name);
      left -= answers;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS_AT_ONCE }, lane));
}

describe("a scripted machine", () => {
  const answer = (question: Question): Response =>
    question.kind === "complete-awakeable"
      ? DONE
      : question.kind === "invoke" && question.mode === "send"
        ? ACCEPTED
        : completed("1");

  test(
    "gets what was meant, and every request is answered below 500",
    async () => {
      const kinds = { Honest: "object", G: "service" } as const;
      const asked = new Map<string, Question>();
      const noting = (question: Question): Response => {
        asked.set(tagOf(question), question);
        return answer(question);
      };
      const ingress = await startIngress({ answer: noting, kinds });
      await hammer("scripted", REQUESTS * 0.85, async (requests, name) => {
        const answers = await checkBatch(ingress.port, requests, name);
        for (const [at, { key }] of requests.entries()) {
          if (key === undefined) continue;
          const question = asked.get(key.tag);
          asked.delete(key.tag);
          if (answers[at]?.status !== 200) continue;
          if (question?.kind !== "invoke") throw new Error(`${name}: ${key.tag} was not asked`);
          expect(question.target).toEqual({ service: "Honest", key: key.text, handler: "add" });
          counts["keys compared"]++;
        }
        ingress.asked.length = 0;
        return answers.length;
      });
      expect(ingress.errors).toEqual([]);
      expect(counts["keys compared"]).toBeGreaterThan(counts.requests / 20);
      expect((await post(ingress, "/G/g", "{}")).status).toBe(200);
    },
    TIMEOUT_MS,
  );

  const tagOf = (question: Question): string =>
    question.kind === "invoke"
      ? (question.headers.find(([name]) => name === "x-tag")?.[1] ?? "")
      : "";

  test(
    "a connection that is cut anywhere asks nothing by halves",
    { timeout: TIMEOUT_MS },
    async () => {
      const ingress = await startIngress({ answer });
      const whole = latin1("POST /G/g HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\n12345678"); // prettier-ignore
      const random = new Random(SEED, "cuts");
      for (let left = Math.ceil(REQUESTS / 50); left > 0; left--) {
        const socket = connect({ port: ingress.port, host: "127.0.0.1" });
        socket.on("error", () => undefined).resume();
        const length = random.int(0, whole.length - 1);
        await new Promise<void>((resolve) =>
          socket.write(whole.subarray(0, length), () => resolve()),
        );
        const close = once(socket, "close");
        if (random.chance(0.4)) socket.end();
        else if (random.chance(0.5)) socket.resetAndDestroy();
        else socket.destroy();
        await close;
        counts["connections cut"]++;
      }
      expect(ingress.asked).toEqual([]);
      expect(ingress.errors).toEqual([]);
      expect((await post(ingress, "/G/g", "{}")).status).toBe(200);
    },
  );

  test("damaged requests leave the listener as it was", { timeout: TIMEOUT_MS }, async () => {
    const ingress = await startIngress({ answer });
    const random = new Random(SEED, "damage");
    for (let left = Math.ceil(REQUESTS / 50); left > 0; left--) {
      const { bytes: sound } = hostileRequest(random, "x");
      const damaged = Buffer.from(sound.subarray(0, 2_000));
      for (let i = random.int(1, 3); i > 0 && damaged.length > 0; i--) {
        damaged[random.int(0, damaged.length - 1)] = random.int(0, 255);
      }
      const received = await sayAndEnd(ingress.port, damaged);
      if (/HTTP\/1\.1 5/.test(received)) throw new Error(damaged.toString("latin1"));
      counts.requests++;
    }
    expect(ingress.errors).toEqual([]);
    expect((await post(ingress, "/G/g", "{}")).status).toBe(200);
  });

  async function sayAndEnd(port: number, said: Buffer): Promise<string> {
    const socket = connect({ port, host: "127.0.0.1" });
    let received = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => (received += chunk));
    socket.on("error", () => undefined);
    socket.end(said);
    await once(socket, "close");
    return received;
  }
});

describe("the whole runtime", () => {
  test(
    "answers every request below 500, and every row is where it belongs",
    async () => {
      const runtime = await openRuntime();
      const honest = await honestWorker(runtime);
      for (const port of [runtime.ingress.port, runtime.admin.port]) {
        await hammer(
          `port ${port === runtime.admin.port ? "admin" : "ingress"}`,
          REQUESTS * 0.06,
          async (requests, name) =>
            // prettier-ignore
            (await checkBatch(port, requests, name)).length,
        );
      }
      await runtime.loop.idle();
      expect(brokenReferences(runtime.store)).toEqual([]);
      expect(runtime.fatal).toEqual([]);
      expect(runtime.errors).toEqual([]);
      const answer = await post(runtime.ingress, "/Honest/k/add", "1");
      expect([answer.status, answer.body]).toEqual([200, "1"]);
      honest.leave();
      await runtime.close();
      await removeTemporaryDirectories();
    },
    TIMEOUT_MS,
  );

  async function honestWorker(runtime: OpenRuntime): Promise<BarePeer> {
    const peer = await BarePeer.register(
      runtime.workerUrl,
      [
        serviceOf("Honest", "object", [handler("add", "exclusive", { inputContentType: "*/*" })]),
        serviceOf("G", "service", [handler("g", "stateless", { inputContentType: "*/*" })]),
      ],
      { version: "honest", concurrency: 1_000 },
    );
    let seen = 0;
    peer.socket.on("message", () => {
      const fresh = peer.heard.slice(seen);
      seen = peer.heard.length;
      const result = { ok: true, value: bytes("1") } as const;
      for (const it of fresh) if (it.kind === "start") peer.say({ kind: "end", attempt: it.attempt, result }); // prettier-ignore
    });
    return peer;
  }
});
