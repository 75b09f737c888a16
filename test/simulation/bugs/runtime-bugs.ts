/** Bugs of the runtime: what may be seen when, who may start, what is kept. */
import { bug, edit, type SeededBug } from "./seeded-bug.ts";

const core = (file: string): string => `runtime/core/${file}.ts`;

const UNDURABLE: readonly SeededBug[] = [
  bug(
    "an answer leaves before its commit",
    "rule 1",
    edit(
      core("step"),
      'step.effects.push({ kind: "respond", when: "durable", demand: true, request, response });',
      'step.effects.push({ kind: "respond", when: "now", demand: true, request, response } as never);',
    ),
  ),
  bug(
    "an answer leaves when what it says is visible, not when it is durable",
    "rule 1",
    edit(
      "runtime/loop.ts",
      "if (batch > this.#watermark) this.#outlet.untilDurable(effect, batch);",
      "if (batch < 0) this.#outlet.untilDurable(effect, batch);",
    ),
  ),
  bug(
    "an effect waits for the batch before its own",
    "rule 2",
    edit(
      "runtime/loop.ts",
      "const batch = openWrites > 0 ? openNumber : openNumber - 1;",
      "const batch = openNumber - 1;",
    ),
  ),
  bug(
    "a refusal leaves before what it speaks of is durable",
    "rule 2: an error answer from state that was not durable",
    edit(
      core("step"),
      'respond(step, request, { kind: "refused", code, message, invocationId: null, source });',
      'step.effects.push({ kind: "respond", when: "now", demand: true, request, response: { kind: "refused", code, message, invocationId: null, source } } as never);',
    ),
  ),
  bug(
    "a go leaves before its command and its try are durable",
    "rule 2",
    edit(core("gos"), 'tell(step, attempt, go, "durable");', 'tell(step, attempt, go, "now");'),
  ),
  bug(
    "an abort leaves before what caused it is durable",
    "rule 2",
    edit(
      core("leave-status"),
      'tell(step, attempt, message, "durable");',
      'tell(step, attempt, message, "now");',
    ),
  ),
  bug(
    "a welcome leaves before the registration is durable",
    "rule 2: an outbox message before its commit",
    edit(
      core("workers"),
      '// The worker may say "registered" to its user: that must not be taken back by a crash.\n    { when: "durable", demand: true },',
      '{ when: "now", demand: true },',
    ),
  ),
  bug(
    "an acknowledgement leaves before the message is durable",
    "rule 1",
    edit(
      core("workers"),
      'tellWorker(step, id, { kind: "ack", upTo }, { when: "durable", demand: false });',
      'tellWorker(step, id, { kind: "ack", upTo }, { when: "now", demand: false });',
    ),
  ),
  bug(
    "a closure at work sees a completion that is not durable",
    "rule 2: a closure that saw an undurable completion",
    edit(
      core("hand-over"),
      'attempt.runs.size > 0 ? "durable" : "now"',
      'attempt.runs.size < 0 ? "durable" : "now"',
    ),
  ),
  bug(
    "a commit that failed counts as done",
    "rule 11",
    edit("runtime/committer.ts", "this.#failed(error);", "this.#settled(sealed);"),
  ),
];

const FENCES: readonly SeededBug[] = [
  bug(
    "what an attempt says after its end is taken",
    "rule 4: the attempt fence",
    edit(core("start"), "connection.attempts.delete(handle);", ""),
  ),
  bug(
    "a message is valid on another connection",
    "rule 4",
    edit(
      core("workers"),
      "  const connection = step.memory.connections.get(id);\n  if (connection === undefined) return;\n  acknowledge(step, id, ordinal);\n  const attempt",
      "  const connection = step.memory.connections.get(id) ?? [...step.memory.connections.values()][0];\n  if (connection === undefined) return;\n  acknowledge(step, id, ordinal);\n  const attempt",
    ),
  ),
  bug(
    "attempt numbers are reused, and trusted wherever they come from",
    "rule 4: an attempt number reused from a lost history",
    edit(
      core("start"),
      "const handle = connection.nextHandle++;",
      "const handle = invocation.sequence * 100 + invocation.commands % 100;",
    ),
    edit(
      core("workers"),
      "  if (connection === undefined) return;\n  acknowledge(step, id, ordinal);\n  const attempt = connection.attempts.get(message.attempt);",
      "  const attempt = [...step.memory.attempts.values()].find((it) => it.handle === message.attempt);",
    ),
  ),
  bug(
    "an epoch comes back after a restart",
    "rule 4",
    edit(
      "runtime/store/memory.ts",
      "this.epoch = ++disk.epoch;",
      "this.epoch = disk.epoch = Math.max(1, disk.epoch);",
    ),
  ),
  bug(
    "a second runtime does not fence the first",
    "rule 11",
    edit("runtime/store/memory.ts", "if (this.#disk.epoch === this.epoch) return;", "return;"),
    edit(
      "runtime/store/memory.ts",
      "checkFollows(batch, {",
      "void ((_: unknown, __: unknown) => 0)(batch, {",
    ),
  ),
  bug(
    "an invocation does not wait while the one before it is suspended",
    "rule 4",
    edit(
      core("inbox"),
      "  addWaiting(step, lock, row, 1);\n",
      '  if (load(step, decodeLock(row).holder)?.status === "suspended") return makeReady(step, invocation);\n  addWaiting(step, lock, row, 1);\n',
    ),
  ),
];

const ORDER: readonly SeededBug[] = [
  bug(
    "the key goes to whoever came last",
    "rule 5",
    edit(
      core("inbox"),
      "const [first] = step.tx.range({ from, to: prefixEnd(prefix), limit: 1 });",
      "const first = step.tx.range({ from: prefix, to: prefixEnd(prefix), limit: 1000 }).at(-1);\n  void from;",
    ),
  ),
  bug(
    "places in the inbox are given by the clock",
    "rule 5",
    edit(
      core("inbox"),
      "invocation.inboxOrder = nextSequence(step);",
      "invocation.inboxOrder = step.nowMs;",
    ),
  ),
  bug(
    "a key that holds NUL is taken for the start of another",
    "I21",
    edit(
      core("keys"),
      "return String.fromCharCode(bytes.length >>> 8, bytes.length & 255) + bytes;",
      "return `${bytes}\\0`;",
    ),
  ),
];

const LOST: readonly SeededBug[] = [
  bug(
    "the key is released in another commit than the end",
    "rule 3",
    edit(
      core("finish"),
      "if (held) releaseKey(step, invocation, handover);",
      "if (held) setImmediate(() => releaseKey(step, invocation, handover));",
    ),
  ),
  bug(
    "the output is kept in memory only",
    "rule 1",
    edit(
      core("finish"),
      "  seal(step, invocation, { result, contentType }, { kept, shortRows });\n",
      "  void [seal, contentType, kept, shortRows];\n",
    ),
  ),
  bug(
    "what is sealed loses its last entry",
    "I7: a sealed journal is what its rows were",
    edit(
      core("sealed-history"),
      "  return packValue(entries);\n",
      "  return packValue(entries.slice(0, -1));\n",
    ),
  ),
  bug(
    "what is sealed leaves the rows of its journal behind",
    "I20: a part is in the record or in rows, never in both",
    edit(core("seal"), "if (!kept?.[index]?.joined) tx.remove(journalKey(sequence, index));", ""),
  ),
  bug(
    "a journal is sealed before what has come last is in it",
    "I7: the end of a journal belongs to its seal",
    edit(
      core("seal"),
      "const entries = invocation.commands + invocation.deliveries;\n  const read",
      "const entries = invocation.commands + invocation.deliveries - (invocation.attempts > 1 ? 1 : 0);\n  const read",
    ),
  ),
  bug(
    "a sealed journal outlives its retention",
    "T18",
    edit(core("purge"), "invocation.inRecord = { ...inRecord, journal: null };", ""),
  ),
  bug(
    "the name of an idempotent invocation is written only if it is delayed",
    "I12: the idempotency row is written after the start",
    edit(
      core("admit"),
      "  nameIt(step, invocation);\n",
      "  if (scheduledForMs !== null) nameIt(step, invocation);\n",
    ),
  ),
  bug(
    "a recovery leaves out what was running",
    "rule 6",
    edit(core("recover"), "  restartActive(step);\n", ""),
  ),
  bug(
    "after a restart nobody looks who was ready",
    "rule 6",
    edit(
      core("workers"),
      "for (const { prefix } of connection.queues) step.memory.queues.suspect(prefix);",
      "",
    ),
  ),
  bug(
    "a recovery takes numbers again that were given out",
    "rule 4",
    edit(
      core("recover"),
      "bound === undefined ? 1 : readVital(() => decodeNumber(bound));",
      "bound === undefined ? 1 : Math.max(1, decodeNumber(bound) - 1024);",
    ),
  ),
  bug(
    "an awakeable is completed only while it is awaited",
    "I11: a resolve before the await is dropped",
    edit(
      core("commands/others"),
      "if (isAwakeable(step, invocation, completionId)) {",
      'if (isAwakeable(step, invocation, completionId) && invocation.status === "suspended") {',
    ),
  ),
  bug(
    "a completion of what is suspended wakes nobody",
    "rule 6",
    edit(
      core("deliver"),
      'if (invocation.status === "suspended") resume(step, invocation);',
      "void resume;",
    ),
  ),
  bug(
    "a suspension does not look whether something came meanwhile",
    "rule 6",
    edit(
      core("workers"),
      "if (invocation.deliveries > deliveries || runsNow) resume",
      "if (runsNow) resume",
    ),
  ),
  bug(
    "a ready queue is forgotten while somebody stands in it",
    "rule 6: the scan of an inbox hides entries",
    edit(
      core("ready-queues"),
      "if (ahead.length === 0 && queue.complete) this.#queues.delete(prefix);",
      "this.#queues.delete(prefix);",
    ),
  ),
  bug(
    "a child is asked for again when its parent's call is replayed",
    "I16: the id of a child is random",
    edit(
      core("commands/calls"),
      "const entropy = childEntropy(invocation.seed, index);",
      "const entropy = (void childEntropy, void index, String.fromCharCode(...Array.from({ length: 24 }, () => Math.floor(Math.random() * 256))));",
    ),
  ),
  bug(
    "the result of a run is recorded, and the run stays open",
    "rule 3",
    edit(
      core("runs"),
      "const plain = takePlain(step, invocation, command);\n    if (!plain) removeRun(step, invocation, command);",
      "const plain = false;\n    attempt.runs.delete(command);",
    ),
  ),
  bug(
    "code that has gone ahead of a cancellation is believed",
    "rule 8: the order of the deliveries",
    edit(core("runs"), 'if (made < seen) return "void";', 'if (made < seen) return "taken";'),
  ),
  bug(
    "an at-most-once run that was cut off starts again",
    "rule 3",
    edit(core("gos"), 'run.mode === "at-most-once" && run.tries > 0', "run.tries < 0"),
  ),
  bug(
    "a run with a probe starts again without the question",
    "rule 3",
    edit(core("gos"), 'run.mode === "probe" && run.mayHaveHappened', "run.tries < 0"),
  ),
];

const TIME: readonly SeededBug[] = [
  bug(
    "a timer that is due is gone before what it completes",
    "I10",
    edit(
      core("due"),
      'complete(step, invocation, id, { kind: "void" });',
      'if (invocation.status !== "suspended") complete(step, invocation, id, { kind: "void" });',
    ),
  ),
  bug(
    "an earlier timer does not bring the alarm forward",
    "I10: a wake-up is lost when the deadline is already past",
    edit(
      core("timers"),
      'memory.nextDueAtMs !== "unknown" && timer.dueAtMs < memory.nextDueAtMs',
      'memory.nextDueAtMs !== "unknown" && timer.dueAtMs < 0',
    ),
  ),
  bug(
    "time goes back with the clock",
    "I10: a clock that is set back hides timers",
    edit(
      "runtime/loop.ts",
      "this.#nowMs = Math.max(this.#nowMs, this.#options.clock.nowMs());",
      "this.#nowMs = this.#options.clock.nowMs();",
    ),
  ),
  bug(
    "time goes back across a restart",
    "I10",
    edit(
      "runtime/loop.ts",
      "if (this.#nowMs === this.#highWaterMs) return;",
      "if (this.#nowMs >= 0) return;",
    ),
  ),
  bug(
    "a kill leaves the timer of a retry",
    "I19",
    edit(
      core("leave-status"),
      "if (nextAttemptAtMs !== null) {",
      "if (nextAttemptAtMs !== null && abort === null) {",
    ),
  ),
  bug(
    "a resume leaves the timer of the retry",
    "I18: a retry timer is not fenced",
    edit(
      core("control"),
      'case "backing-off":\n      leaveStatus(step, invocation, null);',
      'case "backing-off":',
    ),
  ),
  bug(
    "a resume leaves the timer of a run that backs off",
    "I19",
    edit(
      core("runs"),
      "if (run === undefined || run.nextTryAtMs === null) continue;\n    clearRetry(step, invocation, index, run);",
      "if (run === undefined || run.nextTryAtMs === null) continue;",
    ),
  ),
  bug(
    "a failed attempt is tried again at once",
    "I18",
    edit(
      core("fail"),
      'setStatus(invocation, "backing-off", step.nowMs);\n  invocation.nextAttemptAtMs = nextAtMs;\n  setTimer(step, { dueAtMs: nextAtMs, sequence, kind: "retry", id: 0 });',
      "void setTimer;\n  void sequence;\n  makeReady(step, invocation);",
    ),
  ),
];

const CONTROL: readonly SeededBug[] = [
  bug(
    "a kill does not reach the calls that are waited for",
    "I17",
    edit(
      core("control"),
      'for (const child of openCalls(step, invocation)) reachLater(step, child, "kill", 0);',
      "void openCalls;",
    ),
  ),
  bug(
    "a cancellation does not reach the calls that are waited for",
    "I17",
    edit(
      core("control"),
      'if (pending.kind === "call") reachLater(step, pending.child, "cancel", 0);',
      "",
    ),
  ),
  bug(
    "a pause leaves the attempt at work",
    "F15",
    edit(core("control"), '      leaveStatus(step, invocation, "paused");\n', ""),
  ),
  bug(
    "what was purged leaves its journal behind",
    "I20: the prefix of a deletion is wrong",
    edit(core("purge"), "step.tx.remove(journalKey(sequence, index));", "void sequence;"),
  ),
  bug(
    "nobody who already stood in a queue asks a worker for room as it fills up",
    "rule 6: found by this simulation",
    edit(core("ready"), "if (leavesSomebody(step, connection)) askForRoom(step, connection);", ""),
  ),
  bug(
    "room is asked for by as many as a worker has places, and by nobody after them",
    "rule 6",
    edit(core("room"), "if (connection.roomAsked > 0) connection.roomAsked--;", ""),
  ),
  bug(
    "a deadlock is found by nobody",
    "rule 9",
    edit(core("deadlock"), "if (waits === undefined) return;", "if (waits !== null) return;"),
  ),
  bug(
    "a deadlock is seen where one only waits",
    "rule 9: a false alarm",
    edit(
      core("deadlock"),
      "if (wait === undefined) return undefined;",
      "if (wait === undefined) continue;",
    ),
    edit(core("deadlock"), "if (waits.length === before) return undefined;", ""),
  ),
  bug(
    "a worker that does not read is given more",
    "F20: bufferedAmount is ignored",
    edit(
      "runtime/hub/hub.ts",
      "if (channel.bufferedBytes() < CONGESTED_BYTES) return;",
      "if (channel.bufferedBytes() >= 0) return;",
    ),
  ),
  bug(
    "a frame is larger than it may be by its own head",
    "T22: a limit that is off",
    edit(
      "protocol/codec.ts",
      "const size = frameBytesMax - PIECE_HEAD_BYTES;",
      "const size = frameBytesMax;",
    ),
  ),
];

export const RUNTIME_BUGS: readonly SeededBug[] = [
  ...UNDURABLE,
  ...FENCES,
  ...ORDER,
  ...LOST,
  ...TIME,
  ...CONTROL,
];
