/** The agent session: its tools, the approval that a human gives, and a real model's wire. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "holdfast/client";
import { startRuntime, type Runtime } from "holdfast/runtime";
import { afterEach, describe, expect, test } from "vitest";
import { account } from "../../examples/agent-session/account.ts";
import { agentSession, type AgentOptions } from "../../examples/agent-session/agent.ts";
import { offlineModel } from "../../examples/agent-session/offline-model.ts";
import { openAiModel } from "../../examples/agent-session/openai-model.ts";
import { paperShop } from "../../examples/agent-session/shop.ts";

let runtime: Runtime;
let dataDir: string;
let stub: Server | undefined;

afterEach(async () => {
  await runtime.close();
  rmSync(dataDir, { recursive: true, force: true });
  stub?.close();
  stub = undefined;
});

async function startAgent(more: Partial<AgentOptions> = {}) {
  const asked: { question: string; id: string }[] = [];
  const agent = agentSession({
    model: offlineModel,
    shop: paperShop,
    askForApproval: (question, id) => void asked.push({ question, id }),
    remindAfter: { hours: 1 },
    giveUpAfter: { hours: 1 },
    ...more,
  });
  dataDir = mkdtempSync(join(tmpdir(), "holdfast-agent-"));
  const ports = { ingressPort: 0, adminPort: 0, workerPort: 0 };
  runtime = await startRuntime({ dataDir, services: [agent, account], ...ports });
  const ingress = connect({ runtime });
  const session = ingress.objectClient(agent, "ann");
  const arrive = async (times: number): Promise<void> => {
    while (asked.length < times) await new Promise((go) => setTimeout(go, 5));
  };
  return { ingress, session, asked, arrive };
}

describe("tools", () => {
  test("pay from the account and order outside", async () => {
    const { ingress, session } = await startAgent();
    expect(await session.message("order a kettle")).toMatch(
      /Paid 20, 80 left. Ordered a kettle: order of/,
    );
    expect(await ingress.objectClient(account, "ann").balance()).toBe(80);
    expect((await session.history()).map((it) => it.role)).toEqual([
      "user",
      "assistant",
      "tool",
      "assistant",
      "tool",
      "assistant",
    ]);
  });

  test("that fail for good are told to the model", async () => {
    const { ingress, session } = await startAgent();
    await ingress.objectClient(account, "ann").debit(90);
    expect(await session.message("order a kettle")).toContain("does not have that much");
  });
});

describe("a refund", () => {
  test("waits for a human, and is paid when approved", async () => {
    const { ingress, session, asked, arrive } = await startAgent();
    const answer = session.message("refund 20");
    await arrive(1);
    const status = await session.status();
    expect(status.waiting?.awakeableId).toBe(asked[0]?.id);
    await ingress.resolveAwakeable(asked[0]?.id ?? "", true);
    expect(await answer).toContain("the balance is 120");
    expect((await session.status()).waiting).toBeNull();
  });

  test("is reminded of once, and given up in time", async () => {
    const { session, asked } = await startAgent({ remindAfter: 5, giveUpAfter: 20 });
    expect(await session.message("refund 20")).toContain("Nobody approved the refund in time");
    expect(asked.map((it) => it.question)).toEqual([
      "Refund 20 to ann?",
      "Still open: Refund 20 to ann?",
    ]);
  });

  test("is not paid when a human says no", async () => {
    const { ingress, session, asked, arrive } = await startAgent();
    const answer = session.message("refund 20");
    await arrive(1);
    await ingress.resolveAwakeable(asked[0]?.id ?? "", false);
    expect(await answer).toContain("not approved");
  });
});

test("a real model's endpoint: tool calls, a 429 and a cut body are all got over", async () => {
  const requests: { messages: { role: string }[] }[] = [];
  const answers = [
    { status: 429, headers: { "retry-after": "0" }, body: "slow down" },
    { status: 200, headers: {}, body: '{"choices":[{"message":{"content":"half' },
    {
      status: 200,
      headers: {},
      body: JSON.stringify({
        choices: [
          {
            message: {
              content: null,
              tool_calls: [
                { id: "c1", type: "function", function: { name: "get_balance", arguments: "{}" } },
              ],
            },
          },
        ],
      }),
    },
    {
      status: 200,
      headers: {},
      body: JSON.stringify({ choices: [{ message: { content: "You have 100." } }] }),
    },
  ];
  stub = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      requests.push(JSON.parse(body) as (typeof requests)[number]);
      const answer = answers[requests.length - 1] ?? { status: 500, headers: {}, body: "" };
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  stub.listen(0, "127.0.0.1");
  await once(stub, "listening");
  const baseUrl = `http://127.0.0.1:${(stub.address() as AddressInfo).port}/v1`;
  const { session } = await startAgent({
    model: openAiModel({ baseUrl, apiKey: "k", model: "m" }),
  });
  expect(await session.message("how much have I got?")).toBe("You have 100.");
  expect(requests.length).toBe(4);
  expect(requests.at(-1)?.messages.map((it) => it.role)).toEqual(["user", "assistant", "tool"]);
});
