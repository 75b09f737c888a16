/**
 * A manifest as a worker announces it: JSON text, checked member by member. Unknown members are
 * ignored, so that a newer SDK can say more; names are bounded, and never looked up in an object
 * that has a prototype.
 */
import { ProtocolError } from "./fields.ts";
import type {
  HandlerManifest,
  HandlerMode,
  Manifest,
  RetryPolicy,
  ServiceKind,
  ServiceManifest,
} from "./manifest.ts";
import { MANIFEST_LENGTH_MAX } from "./wire-limits.ts";

const SERVICE_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;
const HANDLER_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const SERVICES_MAX = 1_000;
const HANDLERS_MAX = 1_000;
const TEXT_MAX = 10_000;
const METADATA_MAX = 100;

const MODES: Readonly<Record<ServiceKind, readonly HandlerMode[]>> = {
  service: ["stateless"],
  object: ["exclusive", "shared"],
  workflow: ["exclusive", "shared"],
};

/** Throws ProtocolError with the path of what is wrong. */
export function parseManifest(text: string): Manifest {
  if (text.length > MANIFEST_LENGTH_MAX) {
    const message = `a manifest of ${text.length} characters, the limit is ${MANIFEST_LENGTH_MAX}`;
    throw new ProtocolError(message, { tooLarge: true });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ProtocolError("the manifest is not JSON");
  }
  const services = list(json, "manifest", "services", SERVICES_MAX).map(parseService);
  refuseTwice(services, "services");
  return { services };
}

function parseService(json: unknown, index: number): ServiceManifest {
  const at = `services[${index}]`;
  const name = string(json, at, "name");
  if (!SERVICE_NAME.test(name)) throw wrong(`${at}.name`, `a service name like ${SERVICE_NAME}`);
  const kind = oneOf(json, at, "kind", ["service", "object", "workflow"] as const);
  const handlers = list(json, at, "handlers", HANDLERS_MAX).map((handler, i) =>
    parseHandler(handler, `${at}.handlers[${i}]`, kind),
  );
  if (handlers.length === 0) throw wrong(`${at}.handlers`, "a list of at least one handler");
  refuseTwice(handlers, `${at}.handlers`);
  if (kind === "workflow") checkWorkflow(handlers, at);
  return { name, kind, handlers, ...describing(json, at) };
}

function checkWorkflow(handlers: readonly HandlerManifest[], at: string): void {
  const exclusive = handlers.filter((it) => it.mode === "exclusive").map((it) => it.name);
  if (exclusive.length !== 1 || exclusive[0] !== "run") {
    throw wrong(`${at}.handlers`, "a workflow's: exactly one exclusive handler, named run");
  }
}

function parseHandler(json: unknown, at: string, kind: ServiceKind): HandlerManifest {
  const name = string(json, at, "name");
  if (!HANDLER_NAME.test(name)) throw wrong(`${at}.name`, `a handler name like ${HANDLER_NAME}`);
  const retry = member(json, at, "retry");
  return {
    name,
    mode: oneOf(json, at, "mode", MODES[kind]),
    inputContentType: string(json, at, "inputContentType"),
    inputRequired: boolean(json, at, "inputRequired"),
    outputContentType: string(json, at, "outputContentType"),
    ingressPrivate: boolean(json, at, "ingressPrivate"),
    retry: retry === null ? null : parseRetry(retry, `${at}.retry`),
    inactivityTimeoutMs: numberOrNull(json, at, "inactivityTimeoutMs"),
    idempotencyRetentionMs: numberOrNull(json, at, "idempotencyRetentionMs"),
    journalRetentionMs: numberOrNull(json, at, "journalRetentionMs"),
    workflowRetentionMs: numberOrNull(json, at, "workflowRetentionMs"),
    lazyState: boolean(json, at, "lazyState"),
    ...describing(json, at),
  };
}

function parseRetry(json: unknown, at: string): RetryPolicy {
  return {
    initialIntervalMs: number(json, at, "initialIntervalMs"),
    factor: number(json, at, "factor"),
    maxIntervalMs: number(json, at, "maxIntervalMs"),
    maxAttempts: wholeOrNull(json, at, "maxAttempts"),
    maxDurationMs: numberOrNull(json, at, "maxDurationMs"),
    jitter: share(json, at, "jitter"),
    onMaxAttempts: oneOf(json, at, "onMaxAttempts", ["pause", "kill"] as const),
  };
}

function describing(
  json: unknown,
  at: string,
): { description: string; metadata: Record<string, string> } {
  const metadata = member(json, at, "metadata");
  if (!isObject(metadata) || Object.keys(metadata).length > METADATA_MAX) {
    throw wrong(`${at}.metadata`, `an object of at most ${METADATA_MAX} strings`);
  }
  const pairs = Object.entries(metadata).map(([key, value], index) => {
    if (typeof value !== "string" || key.length + value.length > TEXT_MAX) {
      const expected = `a string of at most ${TEXT_MAX} characters, its name among them`;
      throw wrong(`${at}.metadata, member ${index},`, expected);
    }
    return [key, value] as const;
  });
  return { description: string(json, at, "description"), metadata: Object.fromEntries(pairs) };
}

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function member(json: unknown, at: string, name: string): unknown {
  if (!isObject(json)) throw wrong(at, "an object");
  if (!Object.hasOwn(json, name)) throw wrong(`${at}.${name}`, "there");
  return json[name];
}

function string(json: unknown, at: string, name: string): string {
  const value = member(json, at, name);
  if (typeof value !== "string" || value.length > TEXT_MAX) {
    throw wrong(`${at}.${name}`, `a string of at most ${TEXT_MAX} characters`);
  }
  return value;
}

function boolean(json: unknown, at: string, name: string): boolean {
  const value = member(json, at, name);
  if (typeof value !== "boolean") throw wrong(`${at}.${name}`, "a boolean");
  return value;
}

function number(json: unknown, at: string, name: string): number {
  const value = member(json, at, name);
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
    throw wrong(`${at}.${name}`, "a number that is not negative");
  }
  return value;
}

function numberOrNull(json: unknown, at: string, name: string): number | null {
  return member(json, at, name) === null ? null : number(json, at, name);
}

/** A count: null when there is no limit. */
function wholeOrNull(json: unknown, at: string, name: string): number | null {
  const value = numberOrNull(json, at, name);
  if (value !== null && !Number.isSafeInteger(value))
    throw wrong(`${at}.${name}`, "a whole number");
  return value;
}

function share(json: unknown, at: string, name: string): number {
  const value = number(json, at, name);
  if (value > 1) throw wrong(`${at}.${name}`, "a number from 0 to 1");
  return value;
}

function list(json: unknown, at: string, name: string, itemsMax: number): unknown[] {
  const value = member(json, at, name);
  if (!Array.isArray(value) || value.length > itemsMax) {
    throw wrong(`${at}.${name}`, `a list of at most ${itemsMax} items`);
  }
  return value as unknown[]; // Array.isArray says any[]
}

function oneOf<T extends string>(json: unknown, at: string, name: string, values: readonly T[]): T {
  const value = member(json, at, name);
  const found = values.find((it) => it === value);
  if (found === undefined) throw wrong(`${at}.${name}`, `one of ${values.join(", ")}`);
  return found;
}

function refuseTwice(items: readonly { readonly name: string }[], at: string): void {
  const names = new Set<string>();
  for (const { name } of items) {
    if (names.has(name)) throw wrong(at, `a list without a second "${name}"`);
    names.add(name);
  }
}

function wrong(path: string, expected: string): ProtocolError {
  return new ProtocolError(`in the manifest, ${path} is not ${expected}`);
}
