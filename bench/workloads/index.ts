/** All workloads, in the order of the table. */
import { addC64 } from "./01-add-c64.ts";
import { addC256 } from "./02-add-c256.ts";
import { addC1 } from "./03-add-c1.ts";
import { hotKey } from "./04-hot-key.ts";
import { tenSteps } from "./05-ten-steps.ts";
import { oneStep } from "./06-one-step.ts";
import { chain } from "./07-chain.ts";
import { fanOut } from "./08-fan-out.ts";
import { acceptedSends } from "./09-accepted-sends.ts";
import { sleepers } from "./10-sleepers.ts";
import { restart, restartWithMany } from "./11-restart.ts";
import { memoryOfSleepers } from "./12-memory-of-sleepers.ts";
import { memory } from "./13-memory.ts";
import { disk } from "./14-disk.ts";
import { cpu } from "./15-cpu.ts";
import { state } from "./16-state.ts";
import { embedded } from "./17-embedded.ts";
import type { Workload } from "./workload.ts";

export const WORKLOADS: readonly Workload[] = [
  addC64,
  addC256,
  addC1,
  hotKey,
  tenSteps,
  oneStep,
  chain,
  fanOut,
  acceptedSends,
  sleepers,
  restart,
  restartWithMany,
  memoryOfSleepers,
  memory,
  disk,
  cpu,
  state,
  embedded,
];
