/** What a runtime can be told, with its defaults, checked. */
import { checkLimits } from "./check-limits.ts";
import { DEFAULT_LIMITS, type Limits } from "./core/limits.ts";
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from "./http/http-limits.ts";
import { LOG_LEVELS, type LogLevel } from "./log.ts";

export interface RuntimeOptions {
  /** Where everything durable is kept; made if it does not exist. One runtime at a time. */
  readonly dataDir: string;
  /** Address to listen on. Default 127.0.0.1: there is no authentication but the worker token. */
  readonly host?: string;
  /** Calls over HTTP. Default 8080; 0: any free port; false: none, clients are in this process. */
  readonly ingressPort?: number | false;
  /** Admin API. Default 9070; 0: any free port; false: none. */
  readonly adminPort?: number | false;
  /** Workers dial it. Default 9080; 0: any free port; false: none, all services are in this process. */
  readonly workerPort?: number | false;
  /** Default "info" when started by itself, "warn" embedded. */
  readonly logLevel?: LogLevel;
  /** Any of the limits of docs/limits.md. */
  readonly limits?: Partial<Limits & HttpLimits>;
  /**
   * Whether an idempotency key that comes again with another payload is refused (422). Default true;
   * false: the first result is given whatever the payload, as Restate does.
   */
  readonly idempotencyPayloadCheck?: boolean;
  /** Bearer token that workers must show. Default: HOLDFAST_WORKER_TOKEN, or none. */
  readonly workerToken?: string;
  /** Origins whose pages may call the ingress. Default: none. */
  readonly corsOrigins?: readonly string[];
  /** Names, beside addresses and localhost, under which the admin API is reached. Default: none. */
  readonly adminHosts?: readonly string[];
  /**
   * Told when the runtime can no longer vouch for what is on disk (a commit failed or is late, another
   * runtime took the directory). The process is killed right after: recovery is the only way back.
   */
  readonly onFatal?: (error: Error) => void;
}

export interface CheckedOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly ingressPort: number | false;
  readonly adminPort: number | false;
  readonly workerPort: number | false;
  readonly logLevel: LogLevel;
  readonly limits: Limits;
  readonly httpLimits: HttpLimits;
  readonly idempotencyPayloadCheck: boolean;
  readonly workerToken: string | undefined;
  readonly corsOrigins: readonly string[];
  readonly adminHosts: readonly string[];
  readonly onFatal: (error: Error) => void;
}

/** Throws TypeError or RangeError with what is wrong and what would be right. */
export function checkOptions(options: RuntimeOptions): CheckedOptions {
  if (typeof options.dataDir !== "string" || options.dataDir === "") {
    throw new TypeError("startRuntime needs a dataDir: a directory for everything durable");
  }
  const logLevel = options.logLevel ?? "info";
  if (!LOG_LEVELS.includes(logLevel)) {
    throw new RangeError(`logLevel is one of ${LOG_LEVELS.join(", ")}, not ${String(logLevel)}`);
  }
  const defaults = { ...DEFAULT_LIMITS, ...DEFAULT_HTTP_LIMITS };
  for (const name of Object.keys(options.limits ?? {})) {
    if (Object.hasOwn(defaults, name)) continue;
    throw new RangeError(
      `there is no limit ${name}; there are ${Object.keys(defaults).join(", ")}`,
    );
  }
  const limits = { ...defaults, ...environmentLimits(), ...options.limits };
  checkLimits(limits);
  return {
    dataDir: options.dataDir,
    host: options.host ?? "127.0.0.1",
    ingressPort: checkPort("ingressPort", options.ingressPort ?? 8080),
    adminPort: checkPort("adminPort", options.adminPort ?? 9070),
    workerPort: checkPort("workerPort", options.workerPort ?? 9080),
    logLevel,
    limits,
    httpLimits: limits,
    idempotencyPayloadCheck: options.idempotencyPayloadCheck ?? true,
    workerToken: options.workerToken ?? process.env["HOLDFAST_WORKER_TOKEN"],
    corsOrigins: (options.corsOrigins ?? []).map(checkOrigin),
    adminHosts: options.adminHosts ?? [],
    onFatal: options.onFatal ?? (() => undefined),
  };
}

function checkPort(name: string, port: number | false): number | false {
  if (port === false || (Number.isInteger(port) && port >= 0 && port <= 65_535)) return port;
  throw new RangeError(`${name} is a whole number from 0 to 65535, or false, not ${port}`);
}

/** As a browser sends it: anything else would never match, and nobody would say so. */
function checkOrigin(origin: string): string {
  if (origin === "*" || origin === "null") return origin;
  if (/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#]+$/.test(origin)) return origin;
  throw new RangeError(
    `an origin in corsOrigins is "*" or like https://app.example, nothing behind the host and port, not ${JSON.stringify(origin)}`,
  );
}

/** Two times that tests and operators turn. */
function environmentLimits(): Partial<Limits> {
  const workerTimeoutMs = fromEnvironment("HOLDFAST_WORKER_TIMEOUT_MS");
  const inactivityTimeoutMs = fromEnvironment("HOLDFAST_INACTIVITY_TIMEOUT_MS");
  return {
    ...(workerTimeoutMs === undefined ? {} : { workerTimeoutMs }),
    ...(inactivityTimeoutMs === undefined ? {} : { inactivityTimeoutMs }),
  };
}

function fromEnvironment(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined || text === "") return undefined;
  if (!/^\d+$/.test(text)) {
    throw new RangeError(`${name} is a whole number of milliseconds, not ${JSON.stringify(text)}`);
  }
  return Number(text);
}
