/** Serves the agent: with a real model when OPENAI_API_KEY is set, else with the offline one. */
import { serve } from "holdfast";
import { account } from "./account.js";
import { agentSession } from "./agent.js";
import type { Model } from "./model.js";
import { offlineModel } from "./offline-model.js";
import { openAiModel } from "./openai-model.js";
import { httpShop, paperShop } from "./shop.js";

const { OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_MODEL, SHOP_URL } = process.env;

const model: Model =
  OPENAI_API_KEY === undefined
    ? offlineModel
    : openAiModel({
        apiKey: OPENAI_API_KEY,
        baseUrl: OPENAI_BASE_URL ?? "https://api.openai.com/v1",
        model: OPENAI_MODEL ?? "gpt-4o-mini",
      });

const agent = agentSession({
  model,
  shop: SHOP_URL === undefined ? paperShop : httpShop(SHOP_URL),
  askForApproval: (question, awakeableId) => {
    process.stderr.write(
      `${question} Approve with: curl localhost:8080/restate/awakeables/${awakeableId}/resolve --json true\n`,
    );
  },
  remindAfter: { hours: 1 },
  giveUpAfter: { days: 1 },
});

await serve({ services: [agent, account] });
