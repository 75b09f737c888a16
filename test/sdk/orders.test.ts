/**
 * Combinators under every order of completions: what settles first live is first in every replay.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { AwakeableId } from "../../protocol/ids.ts";
import type { WorkflowContext } from "../../sdk/context.ts";
import { bytes } from "../support/core-harness.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;
type Disturbance = "nothing" | "crash" | "suspend";

interface Settled {
  readonly order: number[];
  readonly race: number;
  readonly any: number;
  readonly all: number[];
}

test("the order in which things came is the order in which the code sees them, live and replayed", async () => {
  const count = 4;
  const orders = fc.shuffledSubarray([0, 1, 2, 3], { minLength: count, maxLength: count });
  const disturbances = fc.array(fc.constantFrom<Disturbance>("nothing", "crash", "suspend"), {
    minLength: count,
    maxLength: count,
  });
  const together = fc.array(fc.boolean(), { minLength: count, maxLength: count });
  const property = fc.asyncProperty(orders, disturbances, together, async (order, plan, joined) => {
    let ids: AwakeableId[] = [];
    const h = new LiveHarness<Ctx>(async (ctx): Promise<Settled> => {
      const made = Array.from({ length: count }, () => ctx.awakeable<number>());
      ids = made.map((it) => it.id);
      const seen: number[] = [];
      const promises = made.map((it) => it.promise);
      for (const promise of promises) void promise.then((value) => seen.push(value));
      const [race, any, all] = await Promise.all([
        Promise.race(promises),
        Promise.any(promises),
        Promise.all(promises),
      ]);
      return { order: seen, race, any, all };
    });
    const request = h.core.invoke("object/k/run");
    await h.settle();
    for (const [at, value] of order.entries()) {
      const awakeableId = ids[value];
      if (awakeableId === undefined) throw new Error("every awakeable has an id");
      const result = { ok: true, value: bytes(String(value)) } as const;
      h.core.ask((asked) => ({ kind: "complete-awakeable", request: asked, awakeableId, result }));
      // Some come in one turn of the loop, with nothing between them.
      if (joined[at]) continue;
      await h.settle();
      if (plan[at] === "crash") h.crashWorker();
      else if (plan[at] === "suspend") h.suspendAll();
      await h.advance(2_000);
    }
    await h.advance(2_000);
    const first = order[0];
    const all = [0, 1, 2, 3];
    expect(h.answerOf(request)).toEqual({ order, race: first, any: first, all });
  });
  await fc.assert(property, { numRuns: 60 });
}, 120_000);
