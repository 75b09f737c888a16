/**
 * The runtime closes the connection of a worker that breaks the protocol, and with it go all its other
 * attempts: at every retry again. So what no message could carry must not leave the code that made it.
 *
 * What was: `headers: { trace: undefined }` (of a header that was not sent, past a cast) ended the whole
 * worker process, and embedded the process of the user, again at each start; a number for an idempotency
 * key, a serde that gave text, an error with a code of its own or much metadata cut off the connection.
 */
import { describe, expect, test } from "vitest";
import { encodeFrames, workerMessageDecoder } from "../../protocol/codec.ts";
import type { WorkerMessage } from "../../protocol/message.ts";
import { messageBytesMax } from "../../protocol/wire-limits.ts";
import type { WorkflowContext } from "../../sdk/context.ts";
import { RetryableError, TerminalError } from "../../sdk/errors.ts";
import type { Serde } from "../../sdk/serde.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;
const PAYLOAD_BYTES_MAX = 100_000;
const FRAME_BYTES_MAX = 64 * 1024;
const call = { service: "plain", method: "run", parameter: null };
const LONG = "x".repeat(3_000_000);
const many = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`name-${i}`, "x"]));
/** From JavaScript, or past a cast, anything comes. */
const anything = (value: unknown): never => value as never;
const textSerde: Serde<unknown> = {
  serialize: (value) => anything(JSON.stringify(value)),
  deserialize: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as unknown,
};

/** What the code got to hear, and all that left the worker: each message as the runtime would read it. */
async function answerTo(code: (ctx: Ctx) => unknown): Promise<unknown> {
  const h = new LiveHarness<Ctx>(code, { payloadBytesMax: PAYLOAD_BYTES_MAX });
  const request = h.core.invoke("object/k/run");
  await h.settle();
  for (const message of h.sent) expectReadable(message);
  return h.answerOf(request);
}

function expectReadable(message: WorkerMessage): void {
  const decoder = workerMessageDecoder({
    frameBytesMax: FRAME_BYTES_MAX,
    messageBytesMax: messageBytesMax(PAYLOAD_BYTES_MAX),
  });
  const frames = encodeFrames(0, [message], FRAME_BYTES_MAX);
  expect(frames.flatMap((frame) => decoder.decode(frame).messages)).toEqual([message]);
}

const REFUSED: Readonly<Record<string, readonly [(ctx: Ctx) => unknown, said: string]>> = {
  "a header that is undefined": [
    (ctx) => ctx.genericSend({ ...call, headers: { trace: anything(undefined) } }),
    'the header "trace" of a send must be a string, got undefined',
  ],
  "a header that is a number": [
    (ctx) => ctx.genericCall({ ...call, headers: { trace: anything(5) } }),
    'the header "trace" of a call must be a string, got number',
  ],
  "an idempotency key that is a number": [
    (ctx) => ctx.genericSend({ ...call, idempotencyKey: anything(42) }),
    "the idempotency key of a send must be a string, got number",
  ],
  "a key that is a number": [
    (ctx) => ctx.genericCall({ ...call, key: anything(5) }),
    "the key of a call must be a string, got number",
  ],
  "no service": [
    (ctx) => ctx.genericCall({ ...call, service: anything(undefined) }),
    "the service of a call must be a string, got undefined",
  ],
  "a label that is a number": [
    (ctx) => ctx.sleep(1, anything(5)),
    "the name of a sleep must be a string, got number",
  ],
  "a name of a state that is none": [
    (ctx) => ctx.get(anything(undefined)),
    "the name of a state must be a string, got undefined",
  ],
  "a name of a signal that is none": [
    (ctx) => ctx.signal(anything(7)),
    "the name of a signal must be a string, got number",
  ],
  "a label without end": [(ctx) => ctx.sleep(1, LONG), "the texts of a sleep have 3000000 bytes"],
  "a header without end": [
    (ctx) => ctx.genericSend({ ...call, headers: { trace: LONG } }),
    "the texts of a send have 30000",
  ],
  "too many headers": [
    (ctx) => ctx.genericSend({ ...call, headers: many(1_001) }),
    "a send has 1001 headers, the limit is 1000",
  ],
  "a serde that gives text, for a state": [
    (ctx) => ctx.set("a", 1, textSerde),
    "a serde gives a Uint8Array, this one gave string",
  ],
  "a serde that gives text, for a parameter": [
    (ctx) => ctx.genericCall({ ...call, inputSerde: textSerde }),
    "a serde gives a Uint8Array, this one gave string",
  ],
  "a serde that gives text, for a run": [
    (ctx) => ctx.run("r", () => 1, { serde: textSerde }),
    "a serde gives a Uint8Array, this one gave string",
  ],
  "a serde that gives text, for an awakeable": [
    (ctx) => ctx.resolveAwakeable(ctx.awakeable().id, 1, textSerde),
    "a serde gives a Uint8Array, this one gave string",
  ],
  "an error with more metadata than a message has room for": [
    () => new TerminalError("no", { metadata: { text: LONG } }),
    "metadata of an error has 3000004 bytes, the limit is 262144",
  ],
  "an error with too many members of metadata": [
    () => new TerminalError("no", { metadata: many(1_001) }),
    "metadata of an error has 1001 members, the limit is 1000",
  ],
};

describe("refused where the code can hear it", () => {
  test.each(Object.entries(REFUSED))("%s", async (_, [code, said]) => {
    const answer = await answerTo(async (ctx) => {
      try {
        await code(ctx);
      } catch (error) {
        return String(error);
      }
      return "taken";
    });
    expect(answer).toContain(said);
  });
});

describe("sent in a form that a message can have", () => {
  const changed = (change: object): TerminalError =>
    Object.assign(new TerminalError("no", { errorCode: 418 }), change);

  test.each([
    ["a code of the user's own", { code: 1001 }, "500 no"],
    ["a code that is a text", { code: "ENOENT" }, "500 no"],
    ["metadata that is no text", { metadata: { count: 5 } }, "418 no"],
    ["metadata that is none", { metadata: "text" }, "418 no"],
    ["metadata without end", { metadata: { text: LONG } }, "418 no"],
    ["metadata that cannot be read", { metadata: new Proxy({}, unreadable()) }, "418 no"],
  ])("an error that was changed after it was made: %s", async (_, change, answer) => {
    const got = await answerTo(() => {
      throw changed(change);
    });
    expect(got).toBe(answer);
  });

  test("a time to wait that is none", async () => {
    const answer = await answerTo(() => {
      throw Object.assign(new RetryableError("later"), { retryAfterMs: "soon" });
    });
    expect(answer).toBeUndefined();
  });

  test("a handler whose output serde gives text fails, and says so", async () => {
    const h = new LiveHarness<Ctx>(() => 1, { output: textSerde });
    h.core.invoke("object/k/run");
    await h.settle();
    for (const message of h.sent) expectReadable(message);
    expect(h.warnings.join()).toContain("a serde gives a Uint8Array, this one gave string");
  });
});

function unreadable(): ProxyHandler<object> {
  return {
    ownKeys: () => {
      throw new Error("no");
    },
  };
}
