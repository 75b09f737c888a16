/** Moves an invocation to another deployment, for code that was mended under a new version. */
import { FailureCode } from "../../protocol/failure.ts";
import { withArticle } from "../../protocol/manifest.ts";
import { countPinned } from "./counts.ts";
import type { Invocation } from "./invocation.ts";
import { readDeployment } from "./registry.ts";
import { moveReady } from "./ready.ts";
import { changed, type Step } from "./step.ts";

interface Refused {
  readonly code: number;
  readonly message: string;
}

/**
 * `version`: a deployment, or "latest" for the one that takes the service's new invocations.
 * "not-here": nothing can be moved in its status.
 */
export function moveTo(
  step: Step,
  invocation: Invocation,
  version: string,
): "moved" | "not-here" | Refused {
  const { service } = invocation.target;
  const latest = step.memory.services.get(service)?.version;
  const to = version === "latest" ? latest : version;
  const refused = to === undefined ? noDeployment(version) : refusal(step, invocation, to);
  if (to === undefined || refused !== undefined) return refused ?? noDeployment(version);
  switch (invocation.status) {
    case "paused":
    case "backing-off":
    case "suspended":
      pin(step, invocation, to);
      return "moved";
    case "ready":
      moveReady(step, invocation, () => pin(step, invocation, to));
      return "moved";
    case "running":
      return { code: FailureCode.conflict, message: "the invocation is running: pause it first" };
    case "scheduled":
    case "inboxed":
    case "completed":
      return "not-here";
  }
}

function pin(step: Step, invocation: Invocation, version: string): void {
  countPinned(step, invocation.deployment, version);
  invocation.deployment = version;
  changed(step, invocation);
}

function refusal(step: Step, invocation: Invocation, version: string): Refused | undefined {
  const deployment = readDeployment(step.tx, version);
  if (deployment === undefined) return noDeployment(version);
  const { target, mode, serviceKind } = invocation;
  const service = deployment.services.find((it) => it.name === target.service);
  const handler = service?.handlers.find((it) => it.name === target.handler);
  if (service?.kind === serviceKind && handler?.mode === mode) return undefined;
  const message = `the deployment '${version}' does not serve ${target.service}/${target.handler} as ${mode} handler of ${withArticle(serviceKind)}`;
  return { code: FailureCode.badRequest, message };
}

function noDeployment(version: string): Refused {
  const message = `there is no deployment '${version}'; say keep, latest or the version of one that is registered`;
  return { code: FailureCode.badRequest, message };
}
