import { InvalidArgumentError, Option, type Command } from "commander";
import { CliError, ExitCode } from "./exit.ts";
import { refusal, send, tryJson, type HttpReply, type HttpRequest } from "./http.ts";
import { printJson, type Output } from "./output.ts";

interface InvokeOptions {
  readonly data?: string;
  readonly send?: true;
  readonly delay?: string;
  readonly idempotencyKey?: string;
  readonly json?: true;
  readonly ingressUrl: string;
}

const EXAMPLES = `
Examples:
  $ holdfast invoke greeter greet --data '"Ann"'
  $ holdfast invoke counter alice add --data 2
  $ holdfast invoke counter alice add --data 2 --idempotency-key order-17
  $ holdfast invoke reminders alice remind --send --delay 2h
`;

export function addInvoke(program: Command, output: Output): void {
  program
    .command("invoke")
    .description("call a handler over HTTP and print its result")
    .usage("<service> [key] <handler> [options]")
    .argument("<service>", "name of the service")
    .argument("<key-or-handler>", "the key of an object or workflow; of a service the handler")
    .argument("[handler]", "name of the handler, after a key")
    .option("--data <json>", "the handler's parameter, as JSON", parseData)
    .option("--send", "do not wait for the result: print the invocation's id")
    .option("--delay <duration>", "start later (with --send): 500ms, 10s, 2h, PT1H30M")
    .option("--idempotency-key <key>", "calls with the same key take effect once")
    .option("--json", "print one JSON document")
    .addOption(
      new Option("--ingress-url <url>", "where the runtime takes calls")
        .env("HOLDFAST_INGRESS_URL")
        .default("http://127.0.0.1:8080"),
    )
    .addHelpText("after", EXAMPLES)
    .action(
      async (
        service: string,
        second: string,
        third: string | undefined,
        options: InvokeOptions,
      ) => {
        const path = third === undefined ? [service, second] : [service, second, third];
        await invoke(path, options, output);
      },
    );
}

async function invoke(
  path: readonly string[],
  options: InvokeOptions,
  output: Output,
): Promise<void> {
  if (options.delay !== undefined && options.send === undefined) {
    throw new CliError("--delay works with --send only: a call waits for its result", 2);
  }
  const request = toRequest(path, options);
  const reply = await send(request);
  if (reply.status >= 300) throw explain(request, reply);
  if (options.send) printAccepted(reply, options, output);
  else printResult(reply, options, output);
}

function toRequest(path: readonly string[], options: InvokeOptions): HttpRequest {
  const mode = options.send ? "send" : "call";
  const query = options.delay === undefined ? "" : `?delay=${encodeURIComponent(options.delay)}`;
  const { data, idempotencyKey } = options;
  return {
    baseUrl: options.ingressUrl,
    urlFlag: "--ingress-url (HOLDFAST_INGRESS_URL)",
    method: "POST",
    path: `/restate/${mode}/${path.map(encodeURIComponent).join("/")}${query}`,
    headers: {
      ...(data === undefined ? {} : { "content-type": "application/json" }),
      ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
    },
    ...(data === undefined ? {} : { body: data }),
  };
}

/** Of a failed invocation the id, so that one can go and look. */
function explain(request: HttpRequest, reply: HttpReply): CliError {
  const error = refusal(request, reply);
  const id = idOf(reply);
  if (id === undefined || reply.headers["x-restate-error-source"] === "ingress") return error;
  const hint = `see \`holdfast invocations describe ${id}\``;
  return new CliError(`${error.message}; ${hint}`, ExitCode.failed, error.body);
}

function printAccepted(reply: HttpReply, options: InvokeOptions, output: Output): void {
  const body = tryJson(reply.text);
  if (options.json) return printJson(output, body);
  const known = typeof body === "object" && body !== null && "status" in body;
  output.out(`${idOf(reply) ?? reply.text} ${known ? String(body.status) : ""}`.trimEnd() + "\n");
}

function printResult(reply: HttpReply, options: InvokeOptions, output: Output): void {
  const result = readable(reply.text);
  if (options.json) {
    const json = reply.text === "" ? "null" : (result ?? JSON.stringify(reply.text));
    const id = JSON.stringify(idOf(reply) ?? null);
    // No line break stands inside a string of JSON.
    const indented = json.replaceAll("\n", "\n  ");
    output.out(`{\n  "invocationId": ${id},\n  "result": ${indented}\n}\n`);
    return;
  }
  const text = result ?? reply.text;
  if (text !== "") output.out(text.endsWith("\n") ? text : `${text}\n`);
}

/** JSON with a member a line; as it came where that would change what it says, like a large number. */
function readable(text: string): string | undefined {
  const value = tryJson(text);
  if (value === undefined) return undefined;
  return JSON.stringify(value) === text ? JSON.stringify(value, null, 2) : text.trim();
}

function idOf(reply: HttpReply): string | undefined {
  const id = reply.headers["x-restate-id"];
  return typeof id === "string" ? id : undefined;
}

function parseData(text: string): string {
  if (tryJson(text) === undefined) {
    throw new InvalidArgumentError("It is not JSON; a string needs its quotes: --data '\"Ann\"'.");
  }
  return text;
}
