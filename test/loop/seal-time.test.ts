import { describe, expect, test } from "vitest";
import type { Effect } from "../../runtime/core/effect.ts";
import { decodeBatch } from "../../runtime/store/batch.ts";
import { SealTime } from "../../runtime/seal-time.ts";
import type { Go, Start } from "../../protocol/message.ts";
import { LoopWorld } from "../support/loop-world.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A loop whose turns and commits come when the test says, with a worker that ends nothing by itself. */
class Turns {
  readonly #turns: (() => void)[] = [];
  readonly #commits: (() => void)[] = [];
  /** The kinds of rows that were written, as their keys begin, in order; batch by batch. */
  readonly batches: string[] = [];
  readonly world = new LoopWorld({
    later: (what, act) => {
      if (what === "turn") this.#turns.push(act);
      else if (what === "commit") this.#commits.push(act);
    },
    onStart: () => undefined,
  });

  static async ready(): Promise<Turns> {
    const it = new Turns();
    const { store, loop } = it.world;
    const commit = store.commit.bind(store);
    store.commit = (bytes) => {
      it.batches.push(
        decodeBatch(bytes)
          .writes.map(({ key }) => key.charAt(0))
          .join(""),
      );
      return commit(bytes);
    };
    const starting = loop.start();
    await it.durable();
    await starting;
    it.world.connect(1);
    await it.turn();
    await it.durable();
    await it.turn();
    it.batches.length = 0;
    return it;
  }

  async turn(): Promise<void> {
    for (const act of this.#turns.splice(0)) act();
    await settle();
  }

  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.turn();
  }

  async durable(): Promise<void> {
    await settle();
    for (const act of this.#commits.splice(0)) act();
    await settle();
  }

  /** Begins so many, each with a key of its own. */
  async begin(count: number): Promise<readonly Start[]> {
    const before = this.world.starts.length;
    for (let i = 0; i < count; i++) this.world.invoke(`k${before + i}`);
    await this.turn();
    return this.world.starts.slice(before);
  }

  end(...starts: readonly (Start | undefined)[]): void {
    for (const start of starts) if (start) this.world.end(1, start);
  }
}

describe("a batch that somebody waits for", () => {
  test("is closed in that turn when nothing that began in it is at work", async () => {
    const it = await Turns.ready();
    it.end(...(await it.begin(1)));
    await it.turn();
    expect(it.batches).toHaveLength(1);
  });

  test("waits for those that began in it: what begins and ends in it is a record and little more", async () => {
    const it = await Turns.ready();
    const [first, second] = await it.begin(2);
    it.end(first);
    await it.turn();
    expect(it.batches).toEqual([]);
    it.end(second);
    await it.turn();
    expect(it.batches).toEqual(["CIIceen"]);
  });

  test("waits no more than two turns in which nothing comes", async () => {
    const it = await Turns.ready();
    const [first] = await it.begin(2);
    it.end(first);
    await it.turns(2);
    expect(it.batches).toEqual([]);
    await it.turn();
    expect(it.batches).toEqual(["CIIaceikn"]);
  });

  test("waits for a bounded number of turns, whatever comes", async () => {
    const it = await Turns.ready();
    const starts = await it.begin(30);
    for (const [turn, start] of starts.entries()) {
      it.end(start);
      await it.turn();
      if (it.batches.length > 0) {
        expect(turn).toBe(8);
        return;
      }
    }
    expect.unreachable("it was never closed");
  });

  test("waits no longer than any batch may stay open, however long turns take", async () => {
    const it = await Turns.ready();
    const starts = await it.begin(30);
    for (const start of starts.slice(0, 2)) {
      it.end(start);
      it.world.nowMs += 5;
      await it.turn();
    }
    expect(it.batches).toHaveLength(1);
  });

  test("waits as well when it gathered for long behind a slow disk", async () => {
    const it = await Turns.ready();
    it.end(...(await it.begin(1)));
    await it.turn();
    const [first] = await it.begin(2);
    it.end(first);
    await it.turn();
    it.world.nowMs += 50;
    await it.durable();
    await it.turn();
    expect(it.batches).toHaveLength(1);
  });

  test("what would begin meanwhile begins in the next one", async () => {
    const it = await Turns.ready();
    const [first, second] = await it.begin(2);
    it.end(first);
    expect(await it.begin(1)).toEqual([]);
    it.end(second);
    await it.turn();
    expect(it.batches).toEqual(["CIIceen"]);
    await it.turn();
    expect(it.world.starts).toHaveLength(3);
  });

  test("no request waits longer for it than a bounded number of turns", async () => {
    const it = await Turns.ready();
    const starts = await it.begin(30);
    it.world.invoke("late");
    for (const start of starts.slice(0, 10)) {
      it.end(start);
      await it.turn();
    }
    expect(it.world.starts).toHaveLength(31);
  });
});

describe("a request", () => {
  test("waits for a bounded number of turns, although each of them closes a batch for a worker", async () => {
    const it = await Turns.ready();
    const [first, ...others] = await it.begin(30);
    it.end(first);
    await it.turns(3);
    await it.durable();
    it.world.invoke("late");
    for (const start of others.slice(0, 20)) {
      it.end(start);
      await it.turn();
      // As where the disk is quicker than the handlers: in the next turn there is a slot again.
      await it.durable();
    }
    expect(it.batches.length).toBeGreaterThan(10);
    expect(it.world.starts).toHaveLength(31);
  });
});

describe("as long as the disk has nothing to do", () => {
  test("a bounded number begins, and the rest while that is being written", async () => {
    const it = await Turns.ready();
    const starts = await it.begin(64);
    expect(starts).toHaveLength(32);
    it.end(...starts);
    await it.turns(2);
    expect(it.batches).toEqual([`C${"I".repeat(32)}c${"e".repeat(32)}n`]);
    expect(it.world.starts).toHaveLength(64);
  });

  test("the rest begins all the same when the first ones are long at work", async () => {
    const it = await Turns.ready();
    await it.begin(64);
    await it.turns(9);
    expect(it.world.starts).toHaveLength(64);
  });
});

describe("an attempt that began in the open batch", () => {
  const started = (attempt: number): Effect => message(attempt, { kind: "start" } as Start);
  const went = (attempt: number): Effect => message(attempt, { kind: "go" } as Go);

  function message(attempt: number, body: Start | Go): Effect {
    return { kind: "message", when: "now", demand: false, connection: 1, attempt, message: body };
  }

  function took(time: SealTime, kind: "end" | "idle", attempt: number): void {
    const body = { kind, attempt, result: { ok: true, value: new Uint8Array(0) }, deliveries: 0 };
    time.took({ kind: "worker-message", connection: 1, ordinal: 1, message: body as never });
  }

  test("is waited for until it ends, and not for whatever else it says", () => {
    const time = new SealTime();
    time.made(started(1));
    took(time, "idle", 1);
    expect(time.pays).toBe(true);
    took(time, "end", 1);
    expect(time.pays).toBe(false);
  });

  test("is not waited for when it waits for the commit itself, or its worker is lost", () => {
    const time = new SealTime();
    time.made(started(1));
    time.made(went(1));
    expect(time.pays).toBe(false);
    time.made(started(2));
    time.took({ kind: "worker-lost", connection: 1, reason: "test" });
    expect(time.pays).toBe(false);
  });

  test("is none of the next batch, and its end says nothing about those of that", () => {
    const time = new SealTime();
    time.made(started(1));
    time.sealed();
    expect(time.pays).toBe(false);
    time.made(started(2));
    took(time, "end", 1);
    expect(time.pays).toBe(true);
  });
});
