/** One bug that somebody might have written: what stands in the sources, and what would stand there. */
export interface SeededBug {
  /** What it does, as a person who found it would say. */
  readonly name: string;
  /** The rule of the design that it breaks, or the finding behind it. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
}

export interface Edit {
  /** From the top of the project. */
  readonly file: string;
  /** Must stand there exactly once. */
  readonly find: string;
  readonly replace: string;
}

export function bug(name: string, breaks: string, ...edits: readonly Edit[]): SeededBug {
  return { name, breaks, edits };
}

export function edit(file: string, find: string, replace: string): Edit {
  return { file, find, replace };
}
