import type { Serde } from "../serde.ts";
import { formatPath } from "./check-json.ts";
import { json } from "./json.ts";
import type {
  InferOutput,
  StandardIssue,
  StandardResult,
  StandardSchema,
} from "./standard-schema.ts";

/**
 * JSON whose values are checked by a Standard Schema, when they are written and when they are read.
 *
 * What is written is what the schema gave back, so members that it strips do not leave. A schema that
 * transforms must accept its own output: it runs again when the value is read.
 *
 * @throws TypeError from both directions, listing each issue with its path; also for a schema that
 * validates asynchronously, because a value is encoded at once
 * @example handlers.handler({ input: serde.schema(z.object({ name: z.string() })) }, async (ctx, input) => ...)
 */
export function schema<S extends StandardSchema>(standardSchema: S): Serde<InferOutput<S>> {
  if (typeof standardSchema?.["~standard"]?.validate !== "function") {
    throw new TypeError(
      "serde.schema takes a Standard Schema (Zod 3.24 or later, Valibot 1, ArkType 2, ...): this value has no ~standard.validate",
    );
  }
  return {
    contentType: "application/json",
    serialize: (value: InferOutput<S>): Uint8Array =>
      json.serialize(validate(standardSchema, value)),
    deserialize: (bytes: Uint8Array): InferOutput<S> =>
      validate(standardSchema, json.deserialize(bytes)),
  };
}

function validate<S extends StandardSchema>(standardSchema: S, value: unknown): InferOutput<S> {
  const { vendor, validate: check } = standardSchema["~standard"];
  const result: StandardResult<unknown> | PromiseLike<StandardResult<unknown>> = check(value);
  if ("then" in result) {
    throw new TypeError(
      `the ${vendor} schema validates asynchronously: take out its async refinements and transforms`,
    );
  }
  if (result.issues !== undefined) {
    throw new TypeError(`validation failed: ${result.issues.map(formatIssue).join("; ")}`);
  }
  return result.value;
}

function formatIssue(issue: StandardIssue): string {
  const path = (issue.path ?? []).map((step) => (typeof step === "object" ? step.key : step));
  return `${formatPath(path)}: ${issue.message}`;
}
