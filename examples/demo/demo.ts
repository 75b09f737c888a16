/**
 * A conversation with the agent session, told as a story: processes are killed in the middle of it,
 * by the very shop that they talk to, and everything comes out right. It checks itself.
 *
 *   npm run demo
 *   npm run demo -- --sabotage token|ledger|state     breaks something on purpose, and must fail
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Message } from "../agent-session/model.js";
import { killAll, start, type Started } from "./processes.js";
import type { Arrival } from "./shop-process.js";

const SABOTAGES = ["token", "ledger", "state"];
const CLI = fileURLToPath(new URL("../../cli/main.js", import.meta.url));
const SHOP = fileURLToPath(new URL("./shop-process.js", import.meta.url));
const WORKER = fileURLToPath(new URL("./worker-process.js", import.meta.url));
const SESSION = "ann";
const PRICE = 20;
const OPENING_BALANCE = 100;
const DEADLINE_MS = 55_000;

type Victim = "worker" | "runtime";

const ORDERS: readonly (readonly [item: string, victim: Victim])[] = [
  ["kettle", "worker"],
  ["teapot", "runtime"],
  ["cup", "worker"],
  ["spoon", "runtime"],
];

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

class Demo {
  readonly #sabotage: string | undefined;
  readonly #dataDir = mkdtempSync(join(tmpdir(), "holdfast-demo-"));
  readonly kills: Record<Victim, number> = { worker: 0, runtime: 0 };
  #shop!: Started; // set by begin
  #shopUrl = "";
  #runtime!: Started; // set by begin
  #worker!: Started; // set by begin
  #urls = { ingress: "", admin: "", worker: "" };
  #message = 0;

  constructor(sabotage: string | undefined) {
    this.#sabotage = sabotage;
  }

  async begin(): Promise<void> {
    const args = this.#sabotage === "ledger" ? [SHOP, "--sabotage-ledger"] : [SHOP];
    this.#shop = await start(args, /^shop ready/);
    this.#shopUrl = this.#shop.line.replace(/^.*url=/, "");
    await this.#startRuntime();
    await this.#startWorker();
    tell(
      "Three processes are up: a runtime (journal and state on disk), a worker (the agent's code),",
    );
    tell("and a shop outside that writes down every order that arrives.\n");
  }

  /** Says something to the agent, and goes on asking for the answer whatever dies meanwhile. */
  async say(text: string): Promise<string> {
    const key = `message-${++this.#message}`;
    tell(`you:    ${text}`);
    const answer = await this.#post(`/agentSession/${SESSION}/message`, text, key);
    tell(`agent:  ${answer}\n`);
    return answer;
  }

  /** Orders something; while the shop holds the request open it kills the victim. */
  async orderThroughKill(item: string, victim: Victim): Promise<void> {
    const process = victim === "worker" ? this.#worker : this.#runtime;
    await fetch(`${this.#shopUrl}/traps`, {
      method: "POST",
      body: JSON.stringify({ item, pid: process.pid }),
    });
    const answered = this.say(`order ${item}`);
    await process.ended;
    this.kills[victim]++;
    tell(
      `        The shop has the order of the ${item}, and kills the ${victim} before it answers.`,
    );
    if (victim === "worker") {
      await this.#startWorker();
      tell("        A new worker replays the journal: the payment is recorded and does not happen");
      tell(
        "        again; the order has no recorded result and is sent again, with the same token.",
      );
    } else {
      await this.#startRuntime();
      tell(
        "        A new runtime reads the journal from disk; the worker dials in again, and the order",
      );
      tell("        is sent again, with the same token. Everything before it stands.");
    }
    await answered;
  }

  /** A refund waits for a human; here the demo is the human. */
  async refundWithApproval(amount: number): Promise<void> {
    const answered = this.say(`refund ${amount}`);
    const waiting = await this.#untilWaiting();
    tell(`        A human is asked: "${waiting.question}" - and says yes, by its awakeable's id.`);
    await this.#post(`/restate/awakeables/${waiting.awakeableId}/resolve`, true);
    await answered;
  }

  async sabotageState(): Promise<void> {
    if (this.#sabotage === "state") await this.#post(`/account/${SESSION}/debit`, 1);
  }

  sabotagesToken(): boolean {
    return this.#sabotage === "token";
  }

  async ledger(): Promise<Arrival[]> {
    return (await (await fetch(`${this.#shopUrl}/ledger`)).json()) as Arrival[];
  }

  async history(): Promise<Message[]> {
    return (await this.#get(`/agentSession/${SESSION}/history`)) as Message[];
  }

  async balance(): Promise<number> {
    return (await this.#get(`/account/${SESSION}/balance`)) as number;
  }

  /** Attempts beyond the first, of everything that ran. */
  async replays(): Promise<number> {
    const response = await fetch(`${this.#urls.admin}/invocations?limit=1000`);
    const body = (await response.json()) as { invocations: { attempts: number }[] };
    return body.invocations.reduce((sum, it) => sum + Math.max(0, it.attempts - 1), 0);
  }

  end(): void {
    killAll();
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  async #startRuntime(): Promise<void> {
    const port = (url: string): string => (url === "" ? "0" : new URL(url).port);
    const { ingress, admin, worker } = this.#urls;
    const ports = ["--ingress-port", port(ingress), "--admin-port", port(admin)];
    const args = [
      CLI,
      "start",
      "--data-dir",
      this.#dataDir,
      ...ports,
      "--worker-port",
      port(worker),
    ];
    this.#runtime = await start(args, /^holdfast ready /);
    const [, i = "", a = "", w = ""] =
      /ingress=(\S+) admin=(\S+) worker=(\S+)/.exec(this.#runtime.line) ?? [];
    this.#urls = { ingress: i, admin: a, worker: w };
  }

  async #startWorker(): Promise<void> {
    const args = this.sabotagesToken() ? [WORKER, "--sabotage-token"] : [WORKER];
    const env = { HOLDFAST_URL: this.#urls.worker, SHOP_URL: this.#shopUrl };
    this.#worker = await start(args, /^holdfast worker ready/, env);
  }

  async #untilWaiting(): Promise<{ question: string; awakeableId: string }> {
    for (;;) {
      const status = (await this.#get(`/agentSession/${SESSION}/status`)) as {
        waiting: { question: string; awakeableId: string } | null;
      };
      if (status.waiting) return status.waiting;
      await pause();
    }
  }

  async #get(path: string): Promise<unknown> {
    return (await fetch(`${this.#urls.ingress}${path}`)).json();
  }

  /** The same key on every try: whatever the first one did is found, not done again. */
  async #post(path: string, body: unknown, idempotencyKey?: string): Promise<string> {
    const headers = {
      "content-type": "application/json",
      ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
    };
    for (;;) {
      try {
        const init = { method: "POST", headers, body: JSON.stringify(body) };
        const response = await fetch(`${this.#urls.ingress}${path}`, init);
        const text = await response.text();
        if (!response.ok && response.status !== 503) throw new Error(`${response.status} ${text}`);
        if (response.ok) return text === "" ? "" : String(JSON.parse(text));
      } catch (error) {
        // The runtime was killed under this request: ask again.
        if (!(error instanceof TypeError) || idempotencyKey === undefined) throw error;
      }
      await pause();
    }
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 25));
}

/** What must be true at the end. Gives what is not. */
async function check(demo: Demo): Promise<string[]> {
  const wrong: string[] = [];
  const expect = (holds: boolean, otherwise: string): void => {
    if (!holds) wrong.push(otherwise);
  };
  const ledger = await demo.ledger();
  for (const [item] of ORDERS) {
    const arrived = ledger.filter((it) => it.item === item);
    const tokens = new Set(arrived.map((it) => it.token));
    expect(
      arrived.length === 2,
      `${item} arrived ${arrived.length} times, not twice: cut off, and again`,
    );
    expect(
      tokens.size === 1,
      `${item} was ordered under ${tokens.size} tokens, so ${tokens.size} times`,
    );
  }
  expect(ledger.length === 2 * ORDERS.length, `the ledger has ${ledger.length} arrivals`);

  const balance = await demo.balance();
  const due = OPENING_BALANCE - ORDERS.length * PRICE + PRICE;
  expect(balance === due, `the balance is ${balance}, not ${due}`);

  const history = await demo.history();
  const said = history.filter((it) => it.role === "user").map((it) => it.content);
  const expected = ["balance", ...ORDERS.map(([item]) => `order ${item}`), `refund ${PRICE}`];
  expect(said.join() === expected.join(), `the history holds: ${said.join()}`);
  const tools = history.filter((it) => it.role === "tool").length;
  expect(tools === 2 + 2 * ORDERS.length, `the history holds ${tools} tool results`);
  return wrong;
}

const HOW_TO_GO_ON = `
Go on yourself:
  npx holdfast start                                           the runtime, data in .holdfast
  node dist/examples/agent-session/main.js                     the agent (OPENAI_API_KEY for a real model)
  curl localhost:8080/agentSession/me/message --json '"order a kettle"'
  npx holdfast invocations list                                what ran, what waits and for what
  examples/agent-session/                                      the code to copy
`;

async function main(): Promise<number> {
  const flag = process.argv.indexOf("--sabotage");
  const sabotage = flag < 0 ? undefined : process.argv[flag + 1];
  if (flag >= 0 && !SABOTAGES.includes(sabotage ?? "")) {
    process.stderr.write(`--sabotage takes one of ${SABOTAGES.join(", ")}\n`);
    return 2;
  }
  const demo = new Demo(sabotage);
  const stop = (code: number): void => {
    demo.end();
    process.exit(code);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop(130));
  setTimeout(() => {
    process.stderr.write("demo failed: it took too long\n");
    stop(1);
  }, DEADLINE_MS).unref();
  try {
    return await tellStory(demo);
  } finally {
    demo.end();
  }
}

async function tellStory(demo: Demo): Promise<number> {
  await demo.begin();
  await demo.say("balance");
  for (const [item, victim] of ORDERS) await demo.orderThroughKill(item, victim);
  await demo.refundWithApproval(PRICE);
  await demo.sabotageState();

  const wrong = await check(demo);
  if (wrong.length > 0) {
    process.stderr.write(`demo failed:\n  ${wrong.join("\n  ")}\n`);
    return 1;
  }
  const ledger = await demo.ledger();
  const repeats = ledger.filter((it) => it.repeated).length;
  tell(
    "The ledger, the account and the conversation are exact: every order twice at the door, and",
  );
  tell("once in the books.");
  tell(HOW_TO_GO_ON);
  tell(
    `demo ok worker_kills=${demo.kills.worker} runtime_kills=${demo.kills.runtime} replays=${await demo.replays()} arrivals=${ledger.length} repeats=${repeats}`,
  );
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(
      `demo failed: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    killAll();
    process.exit(1);
  },
);
