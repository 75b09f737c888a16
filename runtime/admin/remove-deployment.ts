import { HttpProblem, json, type Answer } from "../http/answer.ts";
import { askOrRefuse } from "../http/ask-or-refuse.ts";
import type { Call } from "../http/route.ts";
import type { AdminApi } from "./admin.ts";
import type { RemovedBody } from "./views.ts";

export async function removeDeployment(call: Call<AdminApi>): Promise<Answer> {
  const { ask } = call.api.core();
  const version = call.part("version");
  const question = { kind: "remove-deployment", version } as const;
  const response = await askOrRefuse(ask, question, call.request.signal);
  if (response.kind === "controlled") {
    const body: RemovedBody = { effect: response.effect };
    return json(200, body);
  }
  if (response.kind !== "refused") {
    throw new Error(`the machine answered a removal with "${response.kind}"`);
  }
  if (response.code !== 404) throw new HttpProblem(response.code, response.message);
  throw new HttpProblem(404, `The requested deployment '${version}' does not exist`);
}
