/** Bugs of the SDK: what user code is given, and whether a replay is what it was the first time. */
import { bug, edit, type SeededBug } from "./seeded-bug.ts";

const attempt = (file: string): string => `sdk/attempt/${file}.ts`;

export const SDK_BUGS: readonly SeededBug[] = [
  bug(
    "the result of a run is given as it is, not as a replay would give it",
    "I9: a first-run value that is not round-tripped",
    edit(
      attempt("run-executor"),
      "if (bytes.length <= payloadBytesMax) return { ok: true, value: bytes };",
      "if (bytes.length <= payloadBytesMax) return { ok: true, value: bytes, raw: value } as never;",
    ),
    edit(
      attempt("bind-run"),
      "return decode(own, proposal.value);",
      "return (proposal as never as { raw: unknown }).raw;",
    ),
  ),
  bug(
    "two completions that came together are delivered in one turn",
    "rule 8: same-tick delivery of two completions",
    edit(
      attempt("machine"),
      "if (this.#started) this.#deliverNext();",
      "if (this.#started) do this.#deliverNext(); while (this.#hasDelivery);",
    ),
  ),
  bug(
    "what comes during a replay is delivered before what is recorded",
    "rule 8: deliveries in another order than the first time",
    edit(
      attempt("machine"),
      "if (this.#recorded.deliveriesLeft > 0) return this",
      "if (this.#recorded.deliveriesLeft > 0 && this.#received === undefined) return this",
    ),
  ),
  bug(
    "a get that is replayed follows the state that was sent, not the journal",
    "rule 8: an eager get that follows the state sent",
    edit(
      attempt("recorder"),
      "const answer = answerHere(issued);",
      "const answer = answerHere({ ...issued, ...here.here?.() } as Command);",
    ),
  ),
  bug(
    "state that an answer brought along overwrites what the attempt has set",
    "rule 3: a value that was set is not read back",
    edit(
      attempt("state-view"),
      "if (!this.#values.has(name)) this.#values.set(name, value);",
      "this.#values.set(name, value);",
    ),
  ),
  bug(
    "a delivery is made although commands of the turn are still missing",
    "rule 8",
    edit(
      attempt("machine"),
      'if (missing !== undefined || this.#recorded.firstOutside(this.#made)) return "await-outside";',
      "",
    ),
  ),
  bug(
    "code that does not match its journal is not noticed",
    "rule 7",
    edit(
      attempt("draft"),
      'if (familyOf(recorded.kind) !== familyOf(draft.kind)) return "another kind of call";',
      "if (recorded.kind !== undefined) return undefined;",
    ),
  ),
  bug(
    "a closure starts as soon as its run is recorded",
    "rule 2: an acknowledgement taken for a go",
    edit(
      attempt("run-executor"),
      "if (early) this.go(early);",
      "this.go(early ?? { command: run.command, try: 1, probe: false } as RunGo);",
    ),
  ),
  bug(
    "code goes ahead with the result of a run beside a closure at work",
    "rule 2: what is delivered beside a run waits for the disk",
    edit(attempt("run-executor"), "!run.unwanted && this.#runs.size === 1", "!run.unwanted"),
    edit(attempt("machine"), "this.#outstanding.size > 1 || ", ""),
  ),
  bug(
    "an attempt is suspended while a closure is at work",
    "rule 8",
    edit(
      attempt("run-executor"),
      "some((run) => !waitsOnlyForGo(run))",
      "some((run) => waitsOnlyForGo(run) && run.unwanted)",
    ),
  ),
  bug(
    "a run that failed for good keeps its attempt from ever being suspended",
    "rule 6: found by this simulation",
    edit(attempt("bind-run"), "runs.forget(of.index)", "void of"),
  ),
  bug(
    "what was outstanding as a cancellation came is not told",
    "I17",
    edit(
      attempt("machine"),
      'for (const waiter of waiting) waiter.settle({ kind: "failure", failure: CANCELLED });',
      'waiting[0]?.settle({ kind: "failure", failure: CANCELLED });',
    ),
  ),
  bug(
    "a value that was set is not seen by the code that set it",
    "rule 3",
    edit(attempt("bind-state"), "      view.set(name, bytes);\n", ""),
  ),
  bug(
    "an awakeable may be completed by who knew its id too early, and nobody hears of it",
    "I11: found by this simulation",
    edit(
      "runtime/core/commands/others.ts",
      'if (completionId > invocation.completionIdMax) return "unknown";',
      "",
    ),
  ),
];
