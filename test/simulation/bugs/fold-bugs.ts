/** Bugs of what is suspended and has its history in its record. */
import { bug, edit, type SeededBug } from "./seeded-bug.ts";

const core = (file: string): string => `runtime/core/${file}.ts`;

export const FOLD_BUGS: readonly SeededBug[] = [
  bug(
    "what is folded leaves its input behind",
    "I20: a part is in the record or in rows, never in both",
    edit(core("fold"), "  tx.remove(inputKey(sequence));\n", "  void [tx, inputKey, sequence];\n"),
  ),
  bug(
    "what is folded goes without its last entry",
    "I7: a folded journal is what its rows were",
    edit(
      core("fold"),
      "packKept(entries, invocation)",
      "packKept(entries.slice(0, -1), invocation)",
    ),
  ),
  bug(
    "a journal that has grown too large to be folded again loses what has come since",
    "I7: what is recorded is never lost",
    edit(
      core("fold"),
      "if (packed.length > bytesMax) return before;",
      "if (packed.length > bytesMax && before === null) return before;",
    ),
    edit(
      core("fold"),
      "to: count }, entries);\n  return packed;",
      "to: count }, entries);\n  return packed.length > bytesMax ? before : packed;",
    ),
  ),
  bug(
    "what was folded is lost when there is no room for all of it at the end",
    "I20: a journal has as many entries as are recorded",
    edit(core("seal"), "journal: all ?? folded.journal", "journal: all"),
  ),
  bug(
    "a replay has only what came after the last suspension",
    "T1: a replay is what was recorded",
    edit(
      core("history"),
      "const inRecord = first.slice(from, to);",
      "const inRecord = first.slice(from, to).slice(0, 1);",
    ),
  ),
];
