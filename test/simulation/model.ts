/**
 * The reference model: a program is executed against the state of its key, in the order in which the
 * runtime started those of the key, and must come out as the runtime said.
 *
 * What the model cannot know (which value a closure returned, which branch was first) it takes from
 * what the invocation says it saw, and holds it against the journal and against the world.
 */
import type { CompletionResult } from "../../protocol/command.ts";
import type { Journal } from "./durable.ts";
import { shortened } from "./handlers.ts";
import type { Operation, Program } from "./program.ts";
import { must } from "./violation.ts";

export type State = Map<string, string>;

/** What the model may ask about the world as it came to be. */
export interface Oracle {
  readonly journal: Journal;
  /** Whether some closure of this step has ever returned this value. */
  readonly returned: (step: string, text: string) => boolean;
  /** What clients had submitted for the awakeable of this step. */
  readonly submitted: (step: string) => ReadonlySet<string>;
  /** No date is later. */
  readonly nowMs: number;
  /** It runs beside others that write what it reads. */
  readonly shared: boolean;
}

export class Model {
  readonly #state: State;
  readonly #oracle: Oracle;
  readonly #seen: readonly string[];
  #at = 0;

  constructor(state: State, seen: readonly string[], oracle: Oracle) {
    this.#state = state;
    this.#seen = seen;
    this.#oracle = oracle;
  }

  /** Executes the whole of a program that ended well. */
  run(program: Program): void {
    for (const operation of program) this.#perform(operation);
    must(
      this.#at === this.#seen.length,
      `the model expects nothing after ${this.#seen.slice(0, this.#at).join(", ")}, they saw ${this.#seen.slice(this.#at).join(", ")}`,
    );
  }

  #perform(it: Operation): void {
    const { id } = it;
    const state = this.#state;
    switch (it.op) {
      case "append": {
        const before = state.get("entries");
        const entries = before === undefined ? [] : (JSON.parse(before) as string[]); // written by this model
        state.set("entries", JSON.stringify([...entries, id]));
        return;
      }
      case "get":
        if (this.#oracle.shared) return this.#outcome(id, () => true);
        return this.#expect(`${id}=${textOf(state.get(it.name)) ?? "nothing"}`);
      case "set":
        state.set(it.name, JSON.stringify(it.value));
        return it.beside ? this.#expect(`${id}=${it.value}`) : undefined;
      case "clear":
        state.delete(it.name);
        return;
      case "clear-all": {
        const entries = state.get("entries");
        state.clear();
        if (entries !== undefined) state.set("entries", entries);
        return;
      }
      case "state-keys":
        return this.#expect(`${id}=${JSON.stringify([...state.keys()].sort(byBytes))}`);
      case "sleep":
      case "outside":
      case "detached-sleep":
      case "send":
      case "send-signal":
      case "cancel":
      case "throw-transient":
        return;
      case "throw-terminal":
        return must(false, `the model expects ${id} to throw, and it came back`);
      case "patched":
        return this.#expect(`${id}=${this.#oracle.journal.patches.has(id)}`);
      case "date":
        return this.#date(id);
      case "all":
        for (const branch of it.branches) for (const step of branch) this.#perform(step);
        return;
      case "any":
        return this.#anyOf(id, it.branches);
      case "race":
        if (this.#seen[this.#at] === `${id} slept`) this.#at++;
        else for (const step of it.program) this.#perform(step);
        return;
      case "run":
        return this.#outcome(id, (text) => this.#oracle.returned(id, text));
      case "awakeable":
        return this.#outcome(id, (text) => this.#oracle.submitted(id).has(text));
      case "fan-out":
        return this.#expect(`${id}=${it.count}`);
      case "call":
        return this.#outcome(id, (text) => text === shortened(valueOf(this.#completion(id))));
      default:
        return this.#outcome(id, () => true);
    }
  }

  /** They say which branch was first. */
  #anyOf(id: string, branches: readonly Program[]): void {
    const first = branches.findIndex((_, n) => this.#seen[this.#at] === `${id} branch ${n}`);
    must(first >= 0, `the model expects a branch of ${id}, they saw ${this.#seen[this.#at] ?? ""}`);
    this.#at++;
    for (const step of branches[first] ?? []) this.#perform(step);
  }

  #expect(text: string): void {
    const seen = this.#seen[this.#at++];
    must(seen === text, `the model expects ${text}, they saw ${seen ?? "nothing"}`);
  }

  #date(id: string): void {
    const seen = this.#seen[this.#at++] ?? "";
    const [name, ms] = seen.split("@");
    must(
      name === id && Number(ms) <= this.#oracle.nowMs,
      `the model expects a date for ${id}, they saw ${seen}`,
    );
  }

  /** `id=value` where the value stands the test, or `id failed: why`, as the journal has it. */
  #outcome(id: string, fits: (text: string) => boolean): void {
    const seen = this.#seen[this.#at++] ?? "nothing";
    if (seen.startsWith(`${id} failed: `)) {
      const completion = this.#completion(id);
      const why = seen.slice(`${id} failed: `.length);
      must(
        completion === undefined ||
          (completion.kind === "failure" && completion.failure.message === why),
        `the journal has another answer for ${id} than: ${why}`,
      );
      return;
    }
    must(seen.startsWith(`${id}=`), `the model expects an answer for ${id}, they saw ${seen}`);
    must(fits(seen.slice(id.length + 1)), `nobody ever gave ${seen}`);
  }

  #completion(id: string): CompletionResult | undefined {
    const { byName, completions } = this.#oracle.journal;
    const command = byName.get(id);
    if (command === undefined || !("completionId" in command)) return undefined;
    return completions.get(command.completionId)?.result;
  }
}

function valueOf(result: CompletionResult | undefined): unknown {
  if (result?.kind !== "value") return undefined;
  return result.value.length === 0 ? undefined : JSON.parse(new TextDecoder().decode(result.value));
}

function textOf(stored: string | undefined): string | undefined {
  return stored === undefined ? undefined : (JSON.parse(stored) as string); // written by this model
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
