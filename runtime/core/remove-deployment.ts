/** Forgetting a deployment: only one that nothing needs any more. */
import { FailureCode } from "../../protocol/failure.ts";
import type { RequestId } from "./input.ts";
import { deploymentKey } from "./keys.ts";
import { refuse, respond, type Step } from "./step.ts";

export function onRemoveDeployment(step: Step, request: RequestId, version: string): void {
  // One whose row is damaged can be removed as well.
  if (step.tx.get(deploymentKey(version)) === undefined) {
    refuse(step, request, { code: FailureCode.notFound, message: "deployment not found" });
    return;
  }
  const need = neededFor(step, version);
  if (need !== undefined) {
    const message = `the deployment '${version}' is not drained: ${need}`;
    refuse(step, request, { code: FailureCode.conflict, message });
    return;
  }
  step.tx.remove(deploymentKey(version));
  step.memory.manifests.delete(version);
  const effect = `the deployment '${version}' is forgotten; a worker that announces it registers it anew`;
  respond(step, request, { kind: "controlled", applied: "now", effect });
}

/** Why it has to stay; undefined when it need not. */
function neededFor(step: Step, version: string): string | undefined {
  const { services, counts, connections } = step.memory;
  const taken = [...services].filter(([, it]) => it.version === version).map(([name]) => name);
  if (taken.length > 0) return `it takes the new invocations of ${taken.join(", ")}`;
  const pinned = counts.pinned.get(version) ?? 0;
  if (pinned > 0)
    return `${pinned} open ${pinned === 1 ? "invocation is" : "invocations are"} pinned to it`;
  const connected = [...connections.values()].some((it) => it.version === version);
  return connected ? "a worker of it is connected; stop it first" : undefined;
}
