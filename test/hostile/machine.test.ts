/**
 * The bare machine and workers whose messages are well-formed and wrong: it never stops, and after
 * every input each row is where it belongs. `FUZZ_MACHINES` sets how many seeds.
 */
import { afterAll, expect, test } from "vitest";
import { brokenReferences, SeenRows } from "../support/check-rows.ts";
import { effort, report, SEED } from "./effort.ts";
import { messageCorpus } from "./hostile-worker.ts";
import { HostileWorld } from "./hostile-world.ts";

const STEPS = 150;
const WORLDS = effort("FUZZ_MACHINES", 150);
const corpus = messageCorpus(SEED);
const counts = { messages: 0, "connections closed": 0 };

afterAll(() => report("the machine", counts));

test.each(Array.from({ length: WORLDS }, (_, i) => SEED * 10_000 + i))(
  "seed %i: it never stops, and every row is where it belongs",
  (seed) => {
    const world = new HostileWorld(seed, corpus);
    const seen = new SeenRows();
    for (let step = 0; step < STEPS; step++) {
      let did = "";
      try {
        did = world.step();
      } catch (error) {
        throw new Error(`seed ${seed}, step ${step}, after ${did}`, { cause: error });
      }
      const broken = brokenReferences(world.h.tx, seen);
      if (broken.length > 0) throw new Error(`step ${step}, ${did}: ${broken.join("; ")}`);
    }
    counts.messages += world.messages;
    counts["connections closed"] += world.connectionsClosed;
    expect(world.h.tx.rows.size).toBeGreaterThan(0);
  },
);
