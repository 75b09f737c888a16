import { resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
// Types only: the runtime is loaded when it is started, so that `holdfast --help` is instant.
import type { Runtime } from "../runtime/index.ts";
import { DEFAULT_LIMITS } from "../runtime/core/limits.ts";
import { DEFAULT_HTTP_LIMITS } from "../runtime/http/http-limits.ts";
import { tuneV8 } from "./tune-v8.ts";
import { directoryError } from "./directory-error.ts";
import type { Output } from "./output.ts";

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "silent"] as const;

interface StartCommandOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly ingressPort: number;
  readonly adminPort: number;
  readonly workerPort: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly corsOrigins: string[];
  readonly adminHosts: string[];
  readonly idempotencyPayloadCheck: boolean;
  readonly limit: Readonly<Record<string, number>>;
}

const HELP = `
Prints one line on stdout when it has recovered and all ports accept:
  holdfast ready ingress=URL admin=URL worker=URL pid=N
Logs go to stderr, as JSON when that is not a terminal. A flag with an "env" can be given by that
variable; HOLDFAST_WORKER_TOKEN, if it is set, is what workers must show. Exit codes: 0 after SIGTERM or SIGINT, 2 wrong usage, 3 the data directory is in use,
4 the data has a format that this version does not know, 1 anything else.

Examples:
  $ holdfast start
  $ holdfast start --data-dir /var/lib/holdfast --log-level warn
  $ HOLDFAST_INGRESS_PORT=8081 holdfast start
`;

export function addStart(program: Command, output: Output): void {
  program
    .command("start")
    .description("start a runtime: it keeps the journals and takes the calls")
    .addOption(
      new Option("--data-dir <path>", "where everything durable is kept; made if it does not exist")
        .env("HOLDFAST_DATA_DIR")
        .default(".holdfast"),
    )
    .addOption(
      new Option("--host <address>", "address to listen on; there is no authentication")
        .env("HOLDFAST_HOST")
        .default("127.0.0.1"),
    )
    .addOption(port("--ingress-port <port>", "calls over HTTP", "HOLDFAST_INGRESS_PORT", 8080))
    .addOption(port("--admin-port <port>", "admin API over HTTP", "HOLDFAST_ADMIN_PORT", 9070))
    .addOption(port("--worker-port <port>", "workers dial it", "HOLDFAST_WORKER_PORT", 9080))
    .addOption(
      new Option("--log-level <level>", "what is worth a line of log")
        .env("HOLDFAST_LOG_LEVEL")
        .choices(LOG_LEVELS)
        .default("info"),
    )
    .addOption(
      new Option(
        "--cors-origins <origins>",
        "whose pages may call the ingress, with commas between",
      )
        .env("HOLDFAST_CORS_ORIGINS")
        .default([], "none")
        .argParser(parseList),
    )
    .addOption(
      new Option(
        "--admin-hosts <names>",
        "names under which the admin API is reached, beside addresses and localhost",
      )
        .env("HOLDFAST_ADMIN_HOSTS")
        .default([], "none")
        .argParser(parseList),
    )
    .option(
      "--limit <name=number>",
      "a limit of docs/limits.md, in bytes, ms or a count; again for more",
      parseLimit,
      {},
    )
    .option(
      "--no-idempotency-payload-check",
      "an idempotency key that comes again with another payload gives the first result, not 422",
    )
    .addHelpText("after", HELP)
    .action((options: StartCommandOptions) => start(options, output));
}

/** Resolves when a signal has ended the runtime and all is closed. */
async function start(options: StartCommandOptions, output: Output): Promise<void> {
  const stopped = stopSignal();
  const runtime = await open(options);
  const { ingressUrl, adminUrl, workerUrl } = runtime;
  output.out(
    `holdfast ready ingress=${ingressUrl} admin=${adminUrl} worker=${workerUrl} pid=${process.pid}\n`,
  );
  await stopped;
  await runtime.close();
}

async function open(options: StartCommandOptions): Promise<Runtime> {
  tuneV8();
  const { startRuntime } = await import("../runtime/index.ts");
  try {
    const { limit, ...rest } = options;
    return await startRuntime({ ...rest, dataDir: resolve(options.dataDir), limits: limit });
  } catch (error) {
    throw directoryError(error, "the runtime did not start");
  }
}

/** The first SIGTERM or SIGINT closes in good order, also when it comes before all is up. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      // Once: the second signal finds no listener, and ends the process at once.
      process.once(signal, () => resolve());
    }
  });
}

function port(flags: string, description: string, variable: string, fallback: number): Option {
  return new Option(flags, `${description}; 0 for any free port`)
    .env(variable)
    .default(fallback)
    .argParser((text) => {
      if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
        throw new InvalidArgumentError("It is a number from 0 to 65535.");
      }
      return Number(text);
    });
}

function parseList(text: string): string[] {
  const parts = text.split(",").map((part) => part.trim());
  // An empty variable names none.
  return parts.filter((part) => part !== "");
}

function parseLimit(text: string, soFar: Readonly<Record<string, number>>): Record<string, number> {
  const [, name = "", number] = /^(\w+)=(\d+)$/.exec(text) ?? [];
  const known = Object.keys({ ...DEFAULT_LIMITS, ...DEFAULT_HTTP_LIMITS });
  if (number === undefined || !known.includes(name)) {
    throw new InvalidArgumentError(`It is one of these, = and a number: ${known.join(", ")}.`);
  }
  return { ...soFar, [name]: Number(number) };
}
