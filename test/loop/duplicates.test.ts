/**
 * The same call again while the first is not yet durable: it finds the first, waits for the same
 * batch, and after a crash in between nobody has been told anything. The end of an invocation is one
 * commit (T13): its output is never there without its end, nor its end without its output, and who
 * attaches while the runtime recovers waits, and is never told that it is not there.
 */
import { describe, expect, test } from "vitest";
import type { InvocationId } from "../../protocol/ids.ts";
import { MemoryDisk } from "../../runtime/store/memory.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { LoopWorld, type LoopWorldOptions } from "../support/loop-world.ts";

const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A runtime whose commits are done when the test says so. */
class Held {
  readonly world: LoopWorld;
  #commits: (() => void)[] = [];

  constructor(options: LoopWorldOptions = {}) {
    this.world = new LoopWorld({
      ...options,
      later: (what, act) => {
        if (what === "commit") this.#commits.push(act);
        else if (what === "turn") setImmediate(act);
      },
    });
  }

  async started(): Promise<this> {
    const starting = this.world.loop.start();
    await this.commit();
    await starting;
    this.world.connect(1);
    await this.commit();
    return this;
  }

  /** Everything that was asked for so far is durable. */
  async commit(): Promise<void> {
    await settle();
    while (this.#commits.length > 0) {
      for (const act of this.#commits.splice(0)) act();
      await settle();
    }
  }

  answers(...requests: number[]): unknown[] {
    return requests.map((it) => this.world.responses.get(it));
  }
}

const KEYED = { idempotencyKey: "k", body: "1" };
const none = (): void => undefined;

describe("while the first is not yet durable", () => {
  test("a duplicate waits for the same batch, whatever it asks", async () => {
    const held = await new Held({ onStart: none }).started();
    const { world } = held;
    const target = { service: "counter", key: "a", handler: "add" };
    const ref = { kind: "idempotency-key", target, idempotencyKey: "k" } as const;
    const asked = [
      world.invoke("a", { ...KEYED, mode: "send" }),
      world.invoke("a", { ...KEYED, mode: "send" }),
      world.invoke("a", { ...KEYED, body: "2", mode: "send" }),
      world.ask("output", ref),
    ];
    await settle();
    // They come in a later turn: the batch of the first is on its way to the disk.
    asked.push(world.invoke("a", { ...KEYED, mode: "send" }), world.ask("output", ref));
    await settle();
    expect(world.starts.length).toBe(1);
    expect(held.answers(...asked)).toEqual(asked.map(() => undefined));
    await held.commit();
    expect(held.answers(...asked)).toMatchObject([
      { status: "Accepted" },
      { status: "PreviouslyAccepted" },
      { code: 422 },
      { code: 470 },
      { status: "PreviouslyAccepted" },
      { code: 470 },
    ]);
  });

  test("calls and attaches are answered by the one that runs, in one batch", async () => {
    const held = await new Held().started();
    const { world } = held;
    const calls = [world.invoke("a", KEYED), world.invoke("a", KEYED), world.invoke("a", KEYED)];
    await settle();
    expect(held.answers(...calls)).toEqual([undefined, undefined, undefined]);
    await held.commit();
    expect(world.starts.length).toBe(1);
    const [first] = held.answers(...calls) as [{ invocationId: InvocationId }];
    for (const answer of held.answers(...calls)) {
      expect(answer).toMatchObject({ kind: "completed", invocationId: first.invocationId });
    }
  });

  test("a crash before the batch: nobody was told, and the duplicate begins anew, once", async () => {
    const disk = new MemoryDisk();
    const held = await new Held({ disk }).started();
    const asked = [held.world.invoke("a", KEYED), held.world.invoke("a", KEYED)];
    await settle();
    held.world.store.crash(0);
    expect(held.answers(...asked)).toEqual([undefined, undefined]);
    const next = await new Held({ disk }).started();
    const again = [next.world.invoke("a", KEYED), next.world.invoke("a", KEYED)];
    await next.commit();
    expect(next.world.starts.length).toBe(1);
    expect(next.answers(...again)).toMatchObject([{ kind: "completed" }, { kind: "completed" }]);
  });

  test("the payload check can be switched off: the first result is given", async () => {
    const held = await new Held({ payloadCheck: false }).started();
    const first = held.world.invoke("a", KEYED);
    await held.commit();
    const other = held.world.invoke("a", { ...KEYED, body: "2" });
    const sent = held.world.invoke("a", { ...KEYED, body: "3", mode: "send" });
    await held.commit();
    const [{ invocationId }] = held.answers(first) as [{ invocationId: InvocationId }];
    expect(held.answers(other, sent)).toMatchObject([
      { kind: "completed", invocationId },
      { status: "PreviouslyAccepted", invocationId },
    ]);
    expect(held.world.starts.length).toBe(1);
  });
});

describe("T13: output and end are one commit", () => {
  test.each([0, 1, 2, 3])("a crash with the first %i commits on the disk", async (keep) => {
    const disk = new MemoryDisk();
    const held = await new Held({ disk, onStart: none }).started();
    const { world } = held;
    const request = world.invoke("a", KEYED);
    await settle();
    const [start] = world.starts;
    if (start === undefined) throw new Error("the worker has room");
    world.end(1, start);
    await settle();
    world.store.crash(keep);
    expect(brokenReferences(world.store)).toEqual([]);

    const next = new Held({ disk });
    void next.world.loop.start();
    const target = { service: "counter", key: "a", handler: "add" };
    const ref = { kind: "idempotency-key", target, idempotencyKey: "k" } as const;
    // Asked before recovery is durable.
    const attached = next.world.ask("attach", ref);
    await settle();
    expect(next.answers(attached)).toEqual([undefined]);
    await next.commit();
    next.world.connect(1);
    await next.commit();
    if (keep === 0) {
      // It never was: nobody had been told of it.
      expect(world.responses.has(request)).toBe(false);
      expect(next.answers(attached)).toMatchObject([{ kind: "refused", code: 404 }]);
    } else expect(next.answers(attached)).toMatchObject([{ kind: "completed" }]);
    expect(brokenReferences(next.world.store)).toEqual([]);
  });

  test("who was told that it is accepted and attaches during recovery gets the result", async () => {
    const disk = new MemoryDisk();
    const held = await new Held({ disk, onStart: none }).started();
    const sent = held.world.invoke("a", { mode: "send" });
    await held.commit();
    const [{ invocationId }] = held.answers(sent) as [{ invocationId: InvocationId }];
    held.world.store.crash(0);
    const next = new Held({ disk });
    void next.world.loop.start();
    const ref = { kind: "id", invocationId } as const;
    const asked = [next.world.ask("attach", ref), next.world.ask("output", ref)];
    await settle();
    expect(next.answers(...asked)).toEqual([undefined, undefined]);
    await next.commit();
    expect(next.answers(...asked)).toMatchObject([undefined, { code: 470 }]);
    next.world.connect(1);
    await next.commit();
    expect(next.answers(...asked)).toMatchObject([{ kind: "completed" }, { code: 470 }]);
  });
});
