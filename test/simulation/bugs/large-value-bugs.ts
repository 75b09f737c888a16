/** Bugs of large state values, which leave a journal with the end of their invocation, and not before. */
import { bug, edit, type SeededBug } from "./seeded-bug.ts";

const core = (file: string): string => `runtime/core/${file}.ts`;

export const LARGE_VALUE_BUGS: readonly SeededBug[] = [
  bug(
    "a large value leaves the journal at once",
    "rule 8: a replay is held against what was recorded",
    edit(
      core("large-values"),
      "const row = encodeJournalEntry(entry);",
      "const row = encodeJournalEntry({ ...entry, command: withoutValue(entry.command) });",
    ),
  ),
  bug(
    "a large value leaves the journal, and its place is that of the entry after it",
    "I7: a sealed journal is what its rows were",
    edit(core("seal"), "shortRows.get(index)", "shortRows.get(index - 1)"),
  ),
];
