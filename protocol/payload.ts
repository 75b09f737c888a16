import type { Failure } from "./failure.ts";

/** User bytes. The runtime never looks inside: what they mean is the SDK's business. */
export type Payload = Uint8Array;

/** How something ended: with a value, or with a failure that no retry will mend. */
export type Result =
  | { readonly ok: true; readonly value: Payload }
  | { readonly ok: false; readonly failure: Failure };
