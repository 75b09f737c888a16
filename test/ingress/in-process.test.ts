/** The ingress without HTTP: what cannot be seen with a whole runtime behind it. */
import { expect, test } from "vitest";
import type { AskIngress, IngressRequest } from "../../protocol/in-process.ts";
import type { Response } from "../../runtime/core/effect.ts";
import { DEFAULT_HTTP_LIMITS } from "../../runtime/http/http-limits.ts";
import { createInProcessIngress } from "../../runtime/ingress/in-process.ts";
import { completed, deferred, scriptedApp, type Script } from "../support/scripted-core.ts";

const GREET: IngressRequest = {
  method: "POST",
  path: "/Greeter/greet",
  headers: { "content-type": "application/json" },
  body: new TextEncoder().encode('"Ann"'),
  signal: undefined,
};

function open(script: Script): { ask: AskIngress; asked: ReturnType<typeof scriptedApp>["asked"] } {
  const { app, asked } = scriptedApp(script);
  return { ask: createInProcessIngress(app, { ...DEFAULT_HTTP_LIMITS, ...script.http }), asked };
}

test("an answer is there when the machine has answered, and not before", async () => {
  const answer = deferred<Response>();
  const { ask } = open({ answer: () => answer.promise });
  let answered = false;
  const waiting = ask(GREET).then((it) => {
    answered = true;
    return it;
  });
  await new Promise(setImmediate);
  expect(answered).toBe(false);
  answer.resolve(completed('"Hello"'));
  expect((await waiting).status).toBe(200);
});

test("neither side sees what the other does with its bytes", async () => {
  const response = completed("kept");
  const { ask, asked } = open({ answer: () => response });
  const body = Uint8Array.of(1, 2, 3);
  const answer = await ask({ ...GREET, body });
  body.fill(9);
  answer.body.fill(9);
  expect(asked[0]?.question).toMatchObject({ parameter: Uint8Array.of(1, 2, 3) });
  expect(new TextDecoder().decode((await ask(GREET)).body)).toBe("kept");
});

test("beyond requestsMax is a 429, and there is room again once one was answered", async () => {
  const answer = deferred<Response>();
  const { ask } = open({ answer: () => answer.promise, http: { requestsMax: 2 } });
  const waiting = [ask(GREET), ask(GREET)];
  expect(await ask(GREET)).toMatchObject({ status: 429, headers: { "retry-after": "1" } });
  answer.resolve(completed("1"));
  expect((await Promise.all(waiting)).map((it) => it.status)).toEqual([200, 200]);
  expect((await ask(GREET)).status).toBe(200);
});

test("the machine is told of who gives up, and hears nothing of who had before", async () => {
  const { ask, asked } = open({
    answer: (_question, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("the client went away")));
      }),
  });
  const leaving = new AbortController();
  const waiting = ask({ ...GREET, signal: leaving.signal });
  await new Promise(setImmediate);
  leaving.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect(ask({ ...GREET, signal: leaving.signal })).rejects.toThrow("enough");
  expect(asked).toHaveLength(1);
});
