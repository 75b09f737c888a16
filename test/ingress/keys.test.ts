import fc from "fast-check";
import { expect, test } from "vitest";
import type { Question } from "../../runtime/ask.ts";
import { DEFAULT_LIMITS } from "../../runtime/core/limits.ts";
import { decodePercent } from "../../runtime/http/text.ts";
import { ACCEPTED, completed, post, send, startIngress } from "../support/scripted-core.ts";

/** Any text that a key may be: well-formed, without NUL, within the limit. */
const keys = fc
  .string({ unit: "binary", minLength: 1, maxLength: 120 })
  .filter((key) => !key.includes("\0") && Buffer.byteLength(key) <= DEFAULT_LIMITS.keyBytesMax);
const tricky = fc.constantFrom(
  ..."/ // . .. ../.. a/b %2F %252F %00 + & ? # ; \\ : @ restate send \u{10ffff} e\u0301 \u00e9".split(
    " ",
  ),
  " ",
  "\t",
  "\r\n",
);
const anyKey = fc.oneof({ weight: 3, arbitrary: keys }, { weight: 1, arbitrary: tricky });
const settings = { numRuns: 200 };

function keyOf(question: Question | undefined): unknown {
  return question?.kind === "invoke" ? question.target.key : undefined;
}

test("every key in a path arrives as it was, whatever it holds", async () => {
  const ingress = await startIngress({
    answer: (question) =>
      question.kind === "invoke" && question.mode === "send" ? ACCEPTED : completed(""),
  });
  await fc.assert(
    fc.asyncProperty(
      anyKey,
      fc.constantFrom(
        "/C/*/get",
        "/C/*/get/send",
        "/restate/call/C/*/get",
        "/restate/send/C/*/get",
      ),
      async (key, form) => {
        const path = form.replace("*", () => encodeURIComponent(key));
        const answer = await post(ingress, path, "{}");
        expect(answer.status).toBeLessThan(300);
        expect(keyOf(ingress.asked.at(-1)?.question)).toBe(key);
      },
    ),
    settings,
  );
});

test("every idempotency key and workflow key in a path arrives as it was", async () => {
  const ingress = await startIngress();
  await fc.assert(
    fc.asyncProperty(anyKey, async (text) => {
      fc.pre(Buffer.byteLength(text) <= DEFAULT_LIMITS.idempotencyKeyBytesMax);
      const encoded = encodeURIComponent(text);
      await send(ingress, `/restate/invocation/C/k/get/${encoded}/attach`);
      expect(ingress.asked.at(-1)?.question).toMatchObject({ ref: { idempotencyKey: text } });
      await send(ingress, `/restate/workflow/W/${encoded}/output`);
      expect(ingress.asked.at(-1)?.question).toMatchObject({ ref: { key: text } });
    }),
    settings,
  );
});

test("a key is decoded exactly once", async () => {
  const ingress = await startIngress();
  await send(ingress, "/C/a%252Fb/get");
  expect(keyOf(ingress.asked[0]?.question)).toBe("a%2Fb");
  await send(ingress, "/C/%2e%2e/get");
  expect(keyOf(ingress.asked[1]?.question)).toBe("..");
  await send(ingress, "/C/../get");
  expect(keyOf(ingress.asked[2]?.question)).toBe("..");
});

test("a plus in a path is a plus", async () => {
  const ingress = await startIngress();
  await send(ingress, "/C/a+b/get");
  expect(keyOf(ingress.asked[0]?.question)).toBe("a+b");
});

test("keys that look alike are not made the same", async () => {
  const ingress = await startIngress();
  await send(ingress, `/C/${encodeURIComponent("\u00e9")}/get`);
  await send(ingress, `/C/${encodeURIComponent("e\u0301")}/get`);
  expect(ingress.asked.map((it) => keyOf(it.question))).toEqual(["\u00e9", "e\u0301"]);
});

test("any sequence of percent-encoded bytes is decoded as UTF-8 or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), (bytes) => {
      const encoded = [...bytes].map((it) => `%${it.toString(16).padStart(2, "0")}`).join("");
      const decoded = decodePercent(encoded);
      if (decoded === undefined) {
        const text = Buffer.from(bytes).toString();
        expect(bytes.includes(0) || !Buffer.from(text).equals(bytes)).toBe(true);
      } else {
        expect([...Buffer.from(decoded)]).toEqual([...bytes]);
      }
    }),
  );
});
