/**
 * What must hold when everything is healed and quiet: nothing lost, nothing stuck, nothing twice, and
 * each result is what the reference model says.
 */
import type { Result } from "../../protocol/payload.ts";
import { invocationIdOf, type Invocation } from "../../runtime/core/invocation.ts";
import { prefixEnd, statePrefix } from "../../runtime/core/keys.ts";
import type { Answers } from "./answers.ts";
import { nameOf, type Durable, type Journal } from "./durable.ts";
import { shortened } from "./handlers.ts";
import { checkRows, decode } from "./invariants.ts";
import { Model, type State } from "./model.ts";
import type { Program } from "./program.ts";
import { must } from "./violation.ts";
import type { World } from "./world.ts";

export interface Ending {
  /** Whether programs may call back to who called them. */
  readonly circles: boolean;
  readonly durable: Durable;
  readonly answers: Answers;
  readonly world: World;
  readonly nowMs: number;
}

export function checkEnding(ending: Ending): void {
  const { durable, answers } = ending;
  const invocations = durable.invocations();
  const open = invocations.filter((it) => it.status !== "completed");
  must(
    open.length === 0,
    `I2: never ended: ${open.map((it) => `${nameOf(it)} ${it.status} ${it.lastFailure?.failure.message ?? ""}`).join(", ")}`,
  );
  for (const it of invocations) {
    const known = answers.tags.has(it.tag) || durable.children.has(it.sequence);
    must(known, `I3: nobody ever asked for ${nameOf(it)}`);
  }
  checkCalls(ending, invocations);
  for (const it of invocations) checkJournal(ending, it);
  checkKeys(ending, invocations);
  checkRealTime(ending);
  checkRows(durable);
}

/** I16: each call has one child of its own, and got that child's outcome. */
function checkCalls({ durable }: Ending, invocations: readonly Invocation[]): void {
  const parents = new Map<number, string>();
  for (const parent of invocations) {
    for (const { command, child } of durable.journal(parent.sequence)?.commands ?? []) {
      if (command.kind !== "call" && command.kind !== "send") continue;
      const shared = command.idempotencyKey !== null || command.target.service === "flow";
      if (child === null || shared) continue;
      const other = parents.get(child);
      must(
        other === undefined,
        `I16: ${child} is the child of ${other ?? ""} and of ${nameOf(parent)}`,
      );
      parents.set(child, nameOf(parent));
      if (command.kind !== "call") continue;
      checkCall(durable, parent, command.completionId, child);
      checkReached(durable, parent, command, child);
    }
  }
}

function checkCall(
  durable: Durable,
  parent: Invocation,
  completionId: number,
  child: number,
): void {
  const outcome = durable.outcome(child);
  const answer = durable.journal(parent.sequence)?.completions.get(completionId)?.result;
  if (outcome === undefined || answer === undefined) return;
  must(
    textOf(outcome) === (answer.kind === "failure" ? answer.failure.message : textOfValue(answer)),
    `I16: ${nameOf(parent)} got another outcome than its child ${child} had`,
  );
}

/** In one turn a kill or a cancellation reaches the callees; a restart may come between. */
const REACH_MS_MAX = 200;

/** I17: whoever is killed or cancelled takes along the calls that it waits for. */
function checkReached(
  durable: Durable,
  parent: Invocation,
  { after, completionId }: { readonly after: number; readonly completionId: number },
  sequence: number,
): void {
  const child = durable.invocation(sequence);
  const outcome = durable.outcome(sequence);
  const journal = durable.journal(parent.sequence);
  if (child?.parent?.sequence !== parent.sequence || outcome === undefined) return;
  const completion = journal?.completions.get(completionId);
  const killed = outcome.ok === false && outcome.failure.message === "killed";
  const endedBy = (atMs: number): boolean => (child.completedAtMs ?? 0) <= atMs + REACH_MS_MAX;
  const end = durable.outcome(parent.sequence);
  if (end?.ok === false && end.failure.message === "killed" && completion === undefined) {
    const reached = killed || endedBy(parent.completedAtMs ?? 0);
    must(reached, `I17: ${nameOf(child)} went on after ${nameOf(parent)} was killed`);
  }
  for (const { ordinal, atMs } of journal?.cancellations ?? []) {
    if (after >= ordinal || (completion !== undefined && completion.ordinal < ordinal)) continue;
    const told = durable.journal(sequence)?.cancellations.length !== 0;
    const reached = killed || told || endedBy(atMs);
    must(reached, `I17: ${nameOf(child)} went on after ${nameOf(parent)} was cancelled`);
  }
}

function textOf(result: Result): string {
  return result.ok ? Buffer.from(result.value).toString("base64") : result.failure.message;
}

function textOfValue(result: { readonly kind: string; readonly value?: Uint8Array }): string {
  return Buffer.from(result.value ?? new Uint8Array(0)).toString("base64");
}

/** I10: no sleep ends before its time. I8: a recorded result is one that a closure returned. */
function checkJournal({ durable, answers, circles }: Ending, invocation: Invocation): void {
  const journal = durable.journal(invocation.sequence);
  const name = nameOf(invocation);
  for (const { command, atMs } of journal?.commands ?? []) {
    if (command.kind !== "sleep") continue;
    const completion = journal?.completions.get(command.completionId);
    must(
      completion === undefined || completion.atMs >= atMs + command.durationMs,
      `I10: a sleep of ${command.durationMs} ms of ${name} ended after ${(completion?.atMs ?? 0) - atMs} ms`,
    );
  }
  const result = durable.outcome(invocation.sequence);
  must(result !== undefined, `${name} has ended without an outcome`);
  if (!result.ok) checkFailure({ durable, answers, circles }, invocation, result.failure.message);
  for (const { result: it } of journal?.completions.values() ?? []) {
    const isDeadlock = it.kind === "failure" && it.failure.name === "DeadlockError";
    must(circles || !isDeadlock, `rule 9: ${name} is told of a deadlock, and there is no circle`);
  }
}

/** A failure has a reason. */
function checkFailure(
  { durable, answers, circles }: Pick<Ending, "durable" | "answers" | "circles">,
  invocation: Invocation,
  message: string,
): void {
  const name = nameOf(invocation);
  const journal = durable.journal(invocation.sequence);
  const parent = invocation.parent && durable.invocation(invocation.parent.sequence);
  const id = invocationIdOf(invocation);
  if (message === "killed") {
    const above = parent && durable.outcome(parent.sequence);
    const byParent = above?.ok === false && above.failure.message === "killed";
    // Its parent may have gone before it, and with that who killed the parent (seed 1233242).
    const ended = parent?.status === "completed" || parent === undefined;
    const gone = invocation.parent !== null && ended && above === undefined;
    must(answers.killed.has(id) || byParent || gone, `nobody killed ${name}`);
  } else if (message === "Cancelled") {
    // Its journal may have gone before the rest of it; then nothing says who its callees were.
    const told = invocation.cancelledAt > 0 || journal === undefined || hasCancelledCallee(journal);
    must(told || invocation.attempts === 0, `nobody cancelled ${name}`);
  } else if (message.startsWith("deadlock: ")) {
    must(circles && invocation.attempts === 0, `rule 9: ${name} ended as a deadlock`);
  } else {
    must(/^op\d+ is terminal$/.test(message), `${name} failed for no reason: ${message}`);
  }
}

function hasCancelledCallee(journal: Journal): boolean {
  return [...journal.completions.values()].some(
    ({ result }) => result.kind === "failure" && result.failure.message === "Cancelled",
  );
}

/** I4, I5, I6 and the results: every key by the model, in the order of the starts. */
function checkKeys(ending: Ending, invocations: readonly Invocation[]): void {
  const { durable } = ending;
  const byKey = new Map<string, Invocation[]>();
  for (const it of invocations) {
    const exclusive = it.target.handler === "run" && it.target.key !== null;
    if (!exclusive) checkShared(ending, it);
    else {
      const at = JSON.stringify([it.target.service, it.target.key]);
      byKey.set(at, [...(byKey.get(at) ?? []), it]);
    }
  }
  for (const [at, owners] of byKey) {
    const [service, key] = JSON.parse(at) as [string, string]; // written above
    const stored = stateOf(durable, service, key);
    const order = service === "flow" ? owners : orderOf(durable, stored, owners);
    const state: State = new Map();
    for (const it of order) applyTo(ending, it, state);
    must(
      textOfState(state) === textOfState(stored),
      `I6: ${at} holds ${textOfState(stored)}, the model says ${textOfState(state)}`,
    );
  }
}

function checkShared(ending: Ending, invocation: Invocation): void {
  applyTo(ending, invocation, new Map(), true);
}

/** The order of their marks; who has none has never started. */
function orderOf(
  durable: Durable,
  stored: ReadonlyMap<string, string>,
  owners: readonly Invocation[],
): Invocation[] {
  const list = JSON.parse(stored.get("entries") ?? "[]") as string[]; // written by the handlers
  const markOf = new Map<string, Invocation>();
  for (const it of owners) {
    markOf.set(`undone ${invocationIdOf(it)}`, it);
    for (const step of programOf(durable, it)) if (step.op === "append") markOf.set(step.id, it);
  }
  const order: Invocation[] = [];
  for (const mark of list) {
    const owner = markOf.get(mark);
    must(owner !== undefined, `I6: ${mark} belongs to nobody`);
    if (order.at(-1) !== owner) order.push(owner);
  }
  must(new Set(list).size === list.length, `I6: an entry stands twice in ${list.join()}`);
  must(new Set(order).size === order.length, `I4: two invocations were mixed: ${list.join()}`);
  const prompt = order.filter((it) => it.scheduledForMs === null).map((it) => it.sequence);
  const sorted = [...prompt].sort((a, b) => a - b);
  must(prompt.join() === sorted.join(), `I5: they were served in the order ${prompt.join()}`);
  for (const it of owners) {
    const marked = order.includes(it) || it.commands === 0;
    must(
      marked || !durable.outcome(it.sequence)?.ok,
      `I6: ${nameOf(it)} ended well and left no mark`,
    );
  }
  return order;
}

function applyTo(ending: Ending, invocation: Invocation, state: State, shared = false): void {
  const { durable, world, answers, nowMs } = ending;
  const journal = durable.journal(invocation.sequence);
  const outcome = durable.outcome(invocation.sequence);
  if (journal === undefined || outcome === undefined || !outcome.ok) {
    applyJournal(journal, state);
    return;
  }
  const id = invocationIdOf(invocation);
  const seen = decode(outcome.value) as string[]; // what a handler of the simulation returns
  const model = new Model(state, seen, {
    journal,
    returned: (step, text) =>
      world.executions.get(`${id}/${step}`)?.some((it) => shortened(it.value) === text) ?? false,
    submitted: (step) => {
      const awakeable = world.awakeables.get(`${id}/${step}`) ?? "";
      const values = answers.resolutions.get(awakeable) ?? [];
      return new Set([...values].map((it) => JSON.stringify(it)));
    },
    nowMs,
    shared,
  });
  try {
    model.run(programOf(durable, invocation));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    must(false, `model: ${nameOf(invocation)}: ${why}`);
  }
}

/** Of what did not end well the journal says how far it came. */
function applyJournal(journal: Journal | undefined, state: State): void {
  for (const { command } of journal?.commands ?? []) {
    if (command.kind === "set-state") {
      state.set(command.key, new TextDecoder().decode(command.value));
    } else if (command.kind === "clear-state") state.delete(command.key);
    else if (command.kind === "clear-all-state") state.clear();
  }
}

/** I15: what had been answered before something else was asked for comes before it. */
function checkRealTime({ durable, answers }: Ending): void {
  const lists = new Map<string, string[]>();
  for (const { question, response, askedAt, answeredAt } of answers.asked) {
    if (question.kind !== "invoke" || response === undefined) continue;
    // Under an idempotency key an earlier one may have been found.
    if (question.idempotencyKey !== null) continue;
    if (!("invocationId" in response) || response.invocationId === null) continue;
    const invocation = durable.find(response.invocationId);
    if (invocation === undefined || answeredAt === undefined) continue;
    if (invocation.target.service !== "cell" || invocation.target.handler !== "run") continue;
    if (invocation.scheduledForMs !== null || response.kind !== "completed") continue;
    const key = invocation.target.key ?? "";
    const list = lists.get(key) ?? [];
    lists.set(key, list);
    list.push(`${askedAt} ${answeredAt} ${invocation.sequence}`);
  }
  for (const list of lists.values()) checkOrder(list.map((it) => it.split(" ").map(Number)));
}

function checkOrder(calls: readonly number[][]): void {
  for (const [, answeredAt = 0, first = 0] of calls) {
    for (const [askedAt = 0, , second = 0] of calls) {
      if (askedAt <= answeredAt) continue;
      must(first <= second, `I15: ${first} was answered before ${second} was asked for`);
    }
  }
}

function programOf(durable: Durable, invocation: Invocation): Program {
  const parameter = durable.parameter(invocation.sequence);
  must(parameter !== undefined, `${nameOf(invocation)} has no input`);
  return decode(parameter) as Program; // written by the simulation
}

function textOfState(state: ReadonlyMap<string, string>): string {
  return JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function stateOf(durable: Durable, service: string, key: string): Map<string, string> {
  const prefix = statePrefix(service, key);
  const rows = durable.disk.rows.range({ from: prefix, to: prefixEnd(prefix), limit: 1_000_000 });
  return new Map(
    rows.map(([row, value]) => [
      Buffer.from(row.slice(prefix.length), "latin1").toString(),
      new TextDecoder().decode(value),
    ]),
  );
}
