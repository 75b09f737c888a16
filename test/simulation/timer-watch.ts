/**
 * Each timer of an invocation's own life stands for what its record says, whenever a step is over: one
 * that is scheduled has its start, one that backs off its retry, one that is suspended and given time its
 * resume; and whoever has left that status, by whatever way, has left no timer behind.
 */
import type { Invocation } from "../../runtime/core/invocation.ts";
import { parseTimerKey, timerKey, TIMERS, type Sequence } from "../../runtime/core/keys.ts";
import { must } from "./violation.ts";

export class TimerWatch {
  readonly #timers = new Map<Sequence, Set<string>>();
  /** Of whom something has changed since the last look. */
  readonly #touched = new Set<Sequence>();

  onRecord(sequence: Sequence): void {
    this.#touched.add(sequence);
  }

  onSet(key: string): void {
    const sequence = ownerOf(key);
    if (sequence === undefined) return;
    const timers = this.#timers.get(sequence) ?? new Set<string>();
    this.#timers.set(sequence, timers.add(key));
    this.#touched.add(sequence);
  }

  onRemove(key: string): void {
    const sequence = ownerOf(key);
    if (sequence === undefined) return;
    this.#timers.get(sequence)?.delete(key);
    this.#touched.add(sequence);
  }

  /** Between two batches. */
  check(find: (sequence: Sequence) => Invocation | undefined): void {
    for (const sequence of this.#touched) {
      const invocation = find(sequence);
      const expected = invocation && timerOf(invocation);
      const timers = this.#timers.get(sequence) ?? new Set<string>();
      const fits = expected === undefined ? timers.size === 0 : timers.has(expected);
      const status = invocation?.status ?? "gone";
      const there = [...timers].map((it) => parseTimerKey(it).kind).join() || "no timer";
      must(fits && timers.size <= 1, `I19: ${sequence} is ${status}, and has ${there}`);
    }
    this.#touched.clear();
  }
}

/** Whose status a timer belongs to; those of what an invocation waits for are other business. */
function ownerOf(key: string): Sequence | undefined {
  if (!key.startsWith(TIMERS)) return undefined;
  const { kind, sequence } = parseTimerKey(key);
  return kind === "start" || kind === "retry" || kind === "resume" ? sequence : undefined;
}

function timerOf(invocation: Invocation): string | undefined {
  const { status, sequence, scheduledForMs, nextAttemptAtMs } = invocation;
  const dueAtMs = status === "scheduled" ? scheduledForMs : nextAttemptAtMs;
  if (dueAtMs === null) return undefined;
  if (status === "scheduled") return timerKey({ dueAtMs, sequence, kind: "start", id: 0 });
  if (status === "backing-off") return timerKey({ dueAtMs, sequence, kind: "retry", id: 0 });
  if (status === "suspended") return timerKey({ dueAtMs, sequence, kind: "resume", id: 0 });
  return undefined;
}
