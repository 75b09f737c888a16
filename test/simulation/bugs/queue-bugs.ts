/** Bugs of what memory remembers of queues in the rows: where they begin. */
import { bug, edit, type SeededBug } from "./seeded-bug.ts";

const core = (file: string): string => `runtime/core/${file}.ts`;

export const QUEUE_BUGS: readonly SeededBug[] = [
  bug(
    "who comes late to a ready queue, with an early number, is forgotten",
    "rule 6",
    edit(
      core("ready-queues"),
      "ahead.splice(at, 0, sequence);",
      "if (at === ahead.length) ahead.push(sequence);",
    ),
  ),
  bug(
    "a timer for a moment that others have fired at already is passed over",
    "rule 6",
    edit(core("timers"), "if (key < memory.timersFrom) memory.timersFrom = key;", ""),
  ),
];
