/**
 * Bugs of chained starts: who may follow, on which state, and when that is void.
 *
 * Not here: that one with a signal is taken over as announced (`takeFollower` does not ask `hasJournal`).
 * A signal would have to come between its announcement and its turn, and its code to wait after that: not
 * seen in 250 seeds; test/core/followers.test.ts sees it. That one which has a signal is announced at all
 * (`mayFollow` does not ask) does no harm: it is not taken over, and starts anew. That one
 * which is to pause keeps its place in the chain: found after 111 seeds or not in 400; what it then says is
 * nobody's, and test/core/followers.test.ts sees it.
 */
import { bug, edit, type SeededBug } from "./seeded-bug.ts";

const core = (file: string): string => `runtime/core/${file}.ts`;
const SESSION = "sdk/worker/worker-session.ts";

export const FOLLOWER_BUGS: readonly SeededBug[] = [
  bug(
    "a follower runs on the state that the one before it began with",
    "rule 3",
    edit(
      "sdk/attempt/state-view.ts",
      "  set(name: string",
      '  #first: Start["state"] | undefined;\n  set(name: string',
    ),
    edit(
      "sdk/attempt/state-view.ts",
      "    this.#complete = complete;\n    this.#entries = entries;",
      "    this.#complete = complete;\n    this.#first = { complete, entries };\n    this.#entries = entries;",
    ),
    edit(
      "sdk/attempt/state-view.ts",
      "return { complete: this.#complete, entries };",
      "return this.#first ?? { complete: this.#complete, entries };",
    ),
  ),
  bug(
    "what the one before it cleared is still there for a follower",
    "rule 3",
    edit(
      "sdk/attempt/state-view.ts",
      "if (value !== null) entries.push([name, value]);",
      "entries.push([name, value ?? new Uint8Array([34, 34])]);",
    ),
  ),
  bug(
    "a follower does not wait for the one before it",
    "rule 4",
    edit(
      SESSION,
      "    this.#followers.add(start);\n",
      "    this.#followers.add(start);\n    const next = this.#followers.after(start.attempt, new StateView(start.state));\n    if (next) this.#start(next);\n",
    ),
    edit(SESSION, "import type { StateView }", "import { StateView }"),
  ),
  bug(
    "a chain is still valid after the one before it was suspended and came back",
    "rule 6",
    edit(
      core("start"),
      "const EMPTY = new Uint8Array(0);",
      "const EMPTY = new Uint8Array(0);\nconst KEPT = new Map();",
    ),
    edit(
      core("start"),
      "voidFollowers(step, connection, invocation, attempt.followers);",
      "KEPT.set(`${connection.id}/${invocation.sequence}`, attempt.followers);",
    ),
    edit(
      core("start"),
      "followers: chain.announced };",
      "followers: KEPT.get(`${connection.id}/${invocation.sequence}`) ?? chain.announced };",
    ),
  ),
  bug(
    "a follower is taken over by whatever worker has room",
    "rule 4",
    edit(
      core("followers"),
      "if (connection !== handover.connection || hasJournal(invocation)) return undefined;",
      "if (hasJournal(invocation)) return undefined;",
    ),
    edit(
      core("ready"),
      "if (handover?.connection === connection && handover.followers.length > 0) return connection;",
      "",
    ),
  ),
  bug(
    "who left an inbox keeps its place in the chain",
    "I17",
    edit(
      core("inbox"),
      "export function leaveInbox(step: Step, invocation: Invocation): void {\n  withdrawFollower(step, invocation);",
      "export function leaveInbox(step: Step, invocation: Invocation): void {\n  void withdrawFollower;",
    ),
  ),
  bug(
    "those of a chain that nobody takes are not void",
    "rule 4",
    edit(
      core("inbox"),
      "  if (handover) voidFollowers(step, handover.connection, invocation, handover.followers);\n",
      "  void voidFollowers;\n",
    ),
  ),
];
