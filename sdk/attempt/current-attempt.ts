/**
 * Which attempt the running code belongs to, through every await. An unhandled rejection in user
 * code fails its own attempt and nothing else; one outside any attempt ends the process as Node does.
 */
import { AsyncLocalStorage } from "node:async_hooks";

export interface ScopeHost {
  /** Nobody handled it. */
  rejected(reason: unknown): void;
}

export interface Scope {
  /** Name of the run whose closure this is; undefined in the handler itself. */
  readonly run: string | undefined;
  readonly attempt: ScopeHost;
}

const scopes = new AsyncLocalStorage<Scope>();
let listening = false;

export function runInScope<T>(scope: Scope, act: () => T): T {
  listen();
  return scopes.run(scope, act);
}

export function currentScope(): Scope | undefined {
  return scopes.getStore();
}

function listen(): void {
  if (listening) return;
  listening = true;
  process.on("unhandledRejection", (reason) => {
    const scope = scopes.getStore();
    if (scope) scope.attempt.rejected(reason);
    // What Node does when nobody listens; other listeners have been told as well.
    else if (process.listenerCount("unhandledRejection") === 1) throw reason;
  });
}
