/** What the bench asks of a worker, over the channel between their processes. */

export interface TallyReport {
  readonly kind: "tally";
  readonly counts: Readonly<Record<string, number>>;
  readonly records: readonly number[];
  readonly texts: readonly string[];
}

export type WorkerRequest =
  /** Answered with a report. */
  | { readonly kind: "tell" }
  /** Answered with a report as soon as this count or this many records are reached. */
  | { readonly kind: "tell at"; readonly name: string; readonly count: number };

export function isTallyReport(message: unknown): message is TallyReport {
  return (message as { readonly kind?: unknown } | null)?.kind === "tally";
}

/** Counts what handlers did in this process, retries and replays included. */
export class Tally {
  readonly #counts = new Map<string, number>();
  readonly #records: number[] = [];
  readonly #texts: string[] = [];
  #awaited: { readonly name: string; readonly count: number } | undefined;

  add(name: string): void {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    if (this.#awaited !== undefined) this.#tellIfReached();
  }

  record(value: number): void {
    this.#records.push(value);
    this.add("records");
  }

  note(name: string, text: string): void {
    this.#texts.push(text);
    this.add(name);
  }

  /** Answers the bench. */
  attach(): void {
    process.on("message", (request: WorkerRequest) => {
      if (request.kind === "tell") return this.#tell();
      this.#awaited = request;
      this.#tellIfReached();
    });
    // Of no use without the bench: it was killed. The channel alone keeps no process alive.
    process.once("disconnect", () => process.exit());
    process.channel?.unref();
  }

  #tellIfReached(): void {
    if (this.#awaited === undefined) return;
    if ((this.#counts.get(this.#awaited.name) ?? 0) < this.#awaited.count) return;
    this.#awaited = undefined;
    this.#tell();
  }

  #tell(): void {
    const counts = Object.fromEntries(this.#counts);
    const report: TallyReport = {
      kind: "tally",
      counts,
      records: this.#records,
      texts: this.#texts,
    };
    process.send?.(report);
  }
}
