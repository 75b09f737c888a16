/** A delivery to an attempt that is live: recorded, and told in the order in which it was recorded. */
import type { Delivery } from "../../protocol/command.ts";
import { appendDelivery } from "./journal.ts";
import { tell, type Attempt, type Step } from "./step.ts";

/** `sent` is what goes over the wire when it may be shorter than what is recorded. */
export function handOver(
  step: Step,
  attempt: Attempt,
  delivery: Delivery,
  sent: Delivery = delivery,
): void {
  appendDelivery(step, attempt.invocation, delivery);
  attempt.idle = false;
  const message = { kind: "deliver", attempt: attempt.handle, delivery: sent } as const;
  // While a closure may be reaching outside, the code beside it sees only what is durable.
  tell(step, attempt, message, attempt.runs.size > 0 ? "durable" : "now");
}
