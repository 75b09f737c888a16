/**
 * In the process of the runtime a serde gets the very bytes that the runtime keeps. What was: one that decodes in
 * place changed the state that the next invocation of its key read, and what a replay gave.
 */
import { expect, test } from "vitest";
import type { ObjectContext } from "../../sdk/context.ts";
import type { Serde } from "../../sdk/serde.ts";
import { LiveHarness } from "../support/live-harness.ts";

/** Each byte plus one, and back in place. */
const inPlace: Serde<string> = {
  serialize: (value) => new TextEncoder().encode(value).map((it) => it + 1),
  deserialize: (bytes) => {
    for (let at = 0; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) - 1;
    return new TextDecoder().decode(bytes);
  },
};

const scratch = new Uint8Array(16);
/** All that it makes stands in the same place. */
const reusing: Serde<string> = {
  serialize: (value) => scratch.subarray(0, new TextEncoder().encodeInto(value, scratch).written),
  deserialize: (bytes) => new TextDecoder().decode(bytes),
};

async function step(h: LiveHarness<ObjectContext>): Promise<unknown> {
  const request = h.core.invoke("object/k/run");
  await h.settle();
  return h.answerOf(request);
}

test("a serde that decodes in place changes no state", async () => {
  const h = new LiveHarness<ObjectContext>(async (ctx) => {
    const before = await ctx.get("text", inPlace);
    if (before === null) ctx.set("text", "abc", inPlace);
    return before;
  });
  const seen = [];
  for (let i = 0; i < 4; i++) seen.push(await step(h));
  expect(seen).toEqual([null, "abc", "abc", "abc"]);
});

test("a serde that decodes in place changes no result of a run", async () => {
  const seen: unknown[] = [];
  const h = new LiveHarness<ObjectContext>(async (ctx) => {
    seen.push(await ctx.run("make", () => "abc", { serde: inPlace }));
    await ctx.sleep(60_000);
  });
  await step(h);
  for (let i = 0; i < 2; i++) {
    h.crashWorker();
    await h.settle();
  }
  expect(seen).toEqual(["abc", "abc", "abc"]);
});

test("a serde that makes all values in one place gives each of them", async () => {
  const h = new LiveHarness<ObjectContext>(async (ctx) => {
    const made = ["abc", "xyz"].map((value) => ctx.run(value, () => value, { serde: reusing }));
    ctx.set("one", "1", reusing);
    ctx.set("two", "2", reusing);
    const kept = await Promise.all([ctx.get("one", reusing), ctx.get("two", reusing)]);
    return [...(await Promise.all(made)), ...kept];
  });
  expect(await step(h)).toEqual(["abc", "xyz", "1", "2"]);
});
