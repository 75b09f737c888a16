/** Bugs of what came and went, and is never written: within a batch, and within what is on its way to the rows. */
import { bug, edit, type SeededBug } from "./seeded-bug.ts";

export const NET_EFFECT_BUGS: readonly SeededBug[] = [
  bug(
    "what is put and removed within a batch leaves nothing behind, as if it were new",
    "rule 1: net effect",
    edit(
      "runtime/store/overlay.ts",
      "if (before?.inserted === true) {",
      "if (before !== undefined) {",
    ),
  ),
  bug(
    "a row that is put counts as one that was not there",
    "rule 1: net effect",
    edit(
      "runtime/store/overlay.ts",
      "this.#write(this.#open.get(key), key, value, undefined, false);",
      "this.#write(this.#open.get(key), key, value, undefined, true);",
    ),
  ),
];
