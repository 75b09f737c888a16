/** Bugs of what is not written, since the journal says it: rows of runs, and records that lag. */
import { bug, edit, type SeededBug } from "./seeded-bug.ts";

const core = (file: string): string => `runtime/core/${file}.ts`;

export const RECORD_BUGS: readonly SeededBug[] = [
  bug(
    "a run without a row is taken for one that was never let go",
    "rule 3",
    edit(
      core("plain-runs"),
      "return firstTry(found.command, found.atMs);",
      "return { ...firstTry(found.command, found.atMs), tries: 0, mayHaveHappened: false };",
    ),
  ),
  bug(
    "the row of a run that failed stands beside its place among those without",
    "rule 3",
    edit(
      core("run-rows"),
      "if (removePlain(invocation, index)) changed(step, invocation);",
      "if (invocation.runs < 0) changed(step, invocation);",
    ),
  ),
  bug(
    "a record that lags behind its journal is taken for the whole of it",
    "rule 3",
    edit(
      core("catch-up"),
      'if (invocation.status === "running") catchUp',
      "if (invocation.lag < 0) catchUp",
    ),
  ),
  bug(
    "what a record lags behind is read without its last entry",
    "rule 3",
    edit(
      core("catch-up"),
      "for (const [, row] of tx.range(range)) {",
      "for (const [, row] of tx.range(range).slice(0, -1)) {",
    ),
  ),
  bug(
    "a run that is asked for behind the record waits for a go that never comes",
    "rule 6",
    edit(
      core("catch-up"),
      "invocation.runs++;\n    addPlain(invocation, index);",
      "if (index < 0) addPlain(invocation, index);",
    ),
  ),
  bug(
    "a row that is on its way to the disk takes another entry in",
    "I7: what is recorded is never lost",
    edit(
      "runtime/store/overlay.ts",
      "const entry = this.#open.get(key);\n    if (entry?.inserted",
      "const entry = this.#open.get(key) ?? this.#newestSealed(key);\n    if (entry?.inserted",
    ),
  ),
  bug(
    "the second entry of a row is passed over where it is read from its middle",
    "rule 3",
    edit(core("joined-rows"), "return before && secondIn(before);", "return undefined;"),
  ),
  bug(
    "of a row of a journal the first entry is read and no other",
    "rule 3",
    edit(
      core("joined-rows"),
      "if (indexOf(at + 1) > indexOf(at) + 1) add(entries, secondIn(row));",
      "void at;",
    ),
  ),
  bug(
    "a record lags further than is read",
    "rule 3",
    edit(core("catch-up"), "limit: LAG_MAX,", "limit: 1,"),
  ),
  bug(
    "an attempt that begins on a journal keeps what comes for the whole of it",
    "rule 6",
    edit(core("start"), "    kept.addRead(row, entry);\n", ""),
  ),
  bug(
    "a replay leaves its last entry out",
    "rule 6",
    edit(
      "protocol/packed-replay.ts",
      "packer.addArrayHead(this.#entries.length);\n    for (const { kind, bytes, values } of this.#entries) {",
      "packer.addArrayHead(this.#entries.length - 1);\n    for (const { kind, bytes, values } of this.#entries.slice(0, -1)) {",
    ),
  ),
  bug(
    "a failure is put behind, and only memory knows",
    "the counts of failures",
    edit(
      core("tries"),
      "invocation.losses = 0;\n  changed(step, invocation);\n}\n\nexport function renewTries",
      "invocation.losses = 0;\n}\n\nexport function renewTries",
    ),
  ),
];
