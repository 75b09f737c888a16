/** Bugs of what steps have in common: one object serves them all. */
import { bug, edit, type SeededBug } from "./seeded-bug.ts";

export const STEP_BUGS: readonly SeededBug[] = [
  bug(
    "an invocation that was written once is not written again",
    "rule 1",
    edit("runtime/core/step.ts", "    invocation.changed = false;\n", ""),
  ),
];
