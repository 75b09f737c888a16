import type { CompletionResult } from "../../protocol/command.ts";
import type { Result } from "../../protocol/payload.ts";
import type { WorkflowPromises } from "../context.ts";
import { toFailure } from "../failure.ts";
import type { ContextPromise, DurablePromise } from "../promise.ts";
import type { Serde } from "../serde.ts";
import { encode } from "../serde/encode.ts";
import { asTerminal, readValue, typed } from "./read-value.ts";
import type { Recorder } from "./recorder.ts";

export function bindPromise(
  recorder: Recorder,
  defaultSerde: Serde<unknown>,
): WorkflowPromises["promise"] {
  return <T>(name: string, serde?: Serde<T>) =>
    new WorkflowPromise<T>(recorder, name, serde ?? typed<T>(defaultSerde));
}

/** Stands for the promise; asks for it only when somebody awaits it. */
class WorkflowPromise<T> implements DurablePromise<T> {
  readonly [Symbol.toStringTag] = "DurablePromise";
  readonly #recorder: Recorder;
  readonly #name: string;
  readonly #serde: Serde<T>;
  #awaited: ContextPromise<T> | undefined;

  constructor(recorder: Recorder, name: string, serde: Serde<T>) {
    this.#recorder = recorder;
    this.#name = name;
    this.#serde = serde;
  }

  get(): ContextPromise<T> {
    const draft = { kind: "get-promise", name: "", promise: this.#name } as const;
    this.#awaited ??= this.#recorder.ask(draft, readValue(this.#serde)).promise;
    return this.#awaited;
  }

  peek(): ContextPromise<T | undefined> {
    const draft = { kind: "peek-promise", name: "", promise: this.#name } as const;
    const read = (
      result: CompletionResult,
      command: Parameters<ReturnType<typeof readValue<T>>>[1],
    ) => (result.kind === "void" ? undefined : readValue(this.#serde)(result, command));
    return this.#recorder.ask<T | undefined>(draft, read).promise;
  }

  resolve(value?: T): ContextPromise<void> {
    return this.#complete({ ok: true, value: encode(this.#serde, value as T) }); // left out: for T that takes undefined
  }

  reject(reason: Parameters<DurablePromise<T>["reject"]>[0]): ContextPromise<void> {
    return this.#complete({ ok: false, failure: toFailure(asTerminal(reason)) });
  }

  // A DurablePromise is awaited like a promise: that is what `get` is.
  then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onFailure?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.get().then(onValue, onFailure);
  }

  catch<B = never>(onFailure?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.get().catch(onFailure);
  }

  finally(onSettled?: (() => void) | null): Promise<T> {
    return this.get().finally(onSettled);
  }

  #complete(result: Result): ContextPromise<void> {
    const draft = { kind: "complete-promise", name: "", promise: this.#name, result } as const;
    return this.#recorder.ask<void>(draft, () => undefined).promise;
  }
}
