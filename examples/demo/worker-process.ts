/** The worker of the demo: the agent session of the example, with the offline model. */
import { randomUUID } from "node:crypto";
import { serve } from "holdfast";
import { account } from "../agent-session/account.js";
import { agentSession } from "../agent-session/agent.js";
import { offlineModel } from "../agent-session/offline-model.js";
import { httpShop, type Shop } from "../agent-session/shop.js";

const shop = httpShop(process.env["SHOP_URL"] ?? "");

/** Sabotaged: a new token for every try, so that the shop cannot know a repeated order. */
const tokenless: Shop = {
  order: (item, request) => shop.order(item, { ...request, idempotencyToken: randomUUID() }),
};

const agent = agentSession({
  model: offlineModel,
  shop: process.argv.includes("--sabotage-token") ? tokenless : shop,
  askForApproval: () => undefined,
  remindAfter: { hours: 1 },
  giveUpAfter: { hours: 1 },
});

await serve({ services: [agent, account] });
