/**
 * What clients were told, held against the disk at the moment at which they were told it.
 *
 * I1: acknowledged means durable. I12: one invocation per idempotency key, as long as it is kept;
 * another body is 422. I13: everybody gets the same outcome. I14: no read shows what is not durable.
 */
import { parseAwakeableId } from "../../protocol/ids.ts";
import type { Question } from "../../runtime/ask.ts";
import type { Response } from "../../runtime/core/effect.ts";
import type { Invocation } from "../../runtime/core/invocation.ts";
import { idempotencyKey } from "../../runtime/core/keys.ts";
import type { Durable } from "./durable.ts";
import { must } from "./violation.ts";

export interface Asked {
  readonly number: number;
  readonly question: Question;
  /** Counts everything that happens: tells what came before what. */
  readonly askedAt: number;
  answeredAt: number | undefined;
  response: Response | undefined;
}

export class Answers {
  readonly #durable: Durable;
  /** Invocations by idempotency key. */
  readonly #keyed = new Map<string, { id: string; parameter: Uint8Array }>();
  readonly #outcomes = new Map<string, string>();
  readonly asked: Asked[] = [];
  /** Tags of everything that was ever submitted: an invocation of another tag is a phantom (I3). */
  readonly tags = new Set<string>();
  readonly cancelled = new Set<string>();
  readonly killed = new Set<string>();
  readonly purged = new Set<string>();
  /** By awakeable: what was submitted. */
  readonly resolutions = new Map<string, Set<string>>();

  constructor(durable: Durable) {
    this.#durable = durable;
  }

  check(asked: Asked, response: Response): void {
    const { question } = asked;
    asked.response = response;
    if (response.kind === "refused") this.#checkConflict(question, response.message);
    if ("invocationId" in response && response.invocationId !== null) {
      this.#checkInvocation(asked, response.invocationId, response);
    }
    if (question.kind === "invoke") this.#checkIdempotency(question, response);
    else if (response.kind === "controlled" && "invocationId" in question) {
      this.#checkControl(question.kind, question.invocationId);
    } else if (question.kind === "complete-awakeable" && response.kind === "done") {
      this.#checkAwakeable(question.awakeableId);
    }
  }

  #checkInvocation(asked: Asked, id: string, response: Response): void {
    const invocation = this.#durable.find(id);
    // It may have been forgotten since: then its outcome is compared with what others were told.
    const forgotten = this.#outcomes.has(id) || this.purged.has(id) || this.#mayBeForgotten(asked);
    must(invocation !== undefined || forgotten, `I1: ${id} was answered for and is not on disk`);
    if (response.kind !== "completed") return;
    const told = JSON.stringify(response.result);
    const before = this.#outcomes.get(id);
    must(before === undefined || before === told, `I13: ${id} was told with two outcomes`);
    this.#outcomes.set(id, told);
    if (invocation === undefined) return;
    const stored = this.#durable.outcome(invocation.sequence);
    must(stored !== undefined, `I1: the outcome of ${id} was told and is not on disk`);
    must(JSON.stringify(stored) === told, "I13: an outcome was told that is not the stored one");
  }

  #mayBeForgotten({ question }: Asked): boolean {
    return question.kind !== "invoke" || question.target.service === "plain";
  }

  #checkIdempotency(question: Question & { readonly kind: "invoke" }, response: Response): void {
    if (question.idempotencyKey === null) return;
    const { service, handler, key } = question.target;
    const name = JSON.stringify([service, key, handler, question.idempotencyKey]);
    const known = this.#keyed.get(name);
    // One that is purged has given its key back; its rows follow in pieces.
    const still = known && this.#durable.find(known.id)?.purging === false;
    const same = known !== undefined && Buffer.compare(known.parameter, question.parameter) === 0;
    if (response.kind === "refused") {
      if (response.code === 422) this.#checkRefusal(question);
      if (response.code === 422) must(!still || !same, `I12: the same body is refused for ${name}`);
      return;
    }
    if (!("invocationId" in response) || response.invocationId === null) return;
    const id = response.invocationId;
    if (known && still) {
      must(known.id === id, `I12: two invocations for ${name}: ${known.id} and ${id}`);
      must(same, `I12: another body was taken for ${name}`);
    }
    this.#keyed.set(name, { id, parameter: question.parameter });
  }

  #checkConflict(question: Question, message: string): void {
    if (!("invocationId" in question) || message !== "the invocation has already completed") return;
    const status = this.#durable.find(question.invocationId)?.status ?? "completed";
    must(status === "completed", `rule 2: refused as completed, and on disk it is ${status}`);
  }

  /** Rule 2: a refusal that speaks of another invocation speaks of one that is on disk. */
  #checkRefusal({ target, idempotencyKey: key }: Question & { readonly kind: "invoke" }): void {
    if (target.service === "plain" || key === null) return;
    const row = this.#durable.disk.rows.get(idempotencyKey(target, key));
    must(row !== undefined, `rule 2: refused for the sake of ${key}, and that is not on disk`);
  }

  #checkControl(kind: Question["kind"], id: string): void {
    const invocation = this.#durable.find(id);
    if (kind === "purge") {
      // Its rows follow in pieces.
      const gone = invocation === undefined || invocation.purging;
      must(gone, `I1: ${id} is purged, they say, and is on disk`);
      return;
    }
    if (invocation === undefined) return;
    const { status } = invocation;
    if (kind === "kill") must(status === "completed", `I17: ${id} is killed, they say: ${status}`);
    if (kind === "cancel") {
      const seen = this.#durable.journal(invocation.sequence)?.cancellations.length ?? 0;
      must(seen > 0 || status === "completed", `I1: the cancellation of ${id} is not on disk`);
    }
  }

  #checkAwakeable(awakeableId: string): void {
    const owner = ownerOf(awakeableId, this.#durable);
    if (owner === undefined) return;
    const asked = owner.completionId <= owner.invocation.completionIdMax;
    must(asked, `I11: ${awakeableId} was completed, they say, and nobody has asked for it`);
    if (owner.invocation.status === "completed") return;
    const journal = this.#durable.journal(owner.invocation.sequence);
    const command = journal?.issued.get(owner.completionId);
    if (command?.kind !== "awakeable") return;
    // A cancellation covers it: nobody waits for it any more, and nothing of it is recorded.
    if (command.after < owner.invocation.cancelledAt) return;
    must(
      journal?.completions.has(owner.completionId) ?? false,
      `I1: a completion of ${awakeableId} was acknowledged and is not on disk`,
    );
  }
}

function ownerOf(
  awakeableId: string,
  durable: Durable,
): { readonly invocation: Invocation; readonly completionId: number } | undefined {
  const parts = parseAwakeableId(awakeableId);
  const invocation = parts && durable.invocation(parts.invocation.sequence);
  if (parts === undefined || invocation?.tag !== parts.invocation.tag) return undefined;
  return { invocation, completionId: parts.completionId };
}
