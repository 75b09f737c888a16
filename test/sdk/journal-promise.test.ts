import { expect, test } from "vitest";
import { Asked, type Read } from "../../sdk/attempt/asked.ts";

const noTimers = {
  startTimer: (): never => {
    throw new Error("no timer is wanted here");
  },
};

/** What is read when the answer comes: as the call is made, or after it has returned. */
function ask(read: Read<unknown>, when: string): Promise<unknown> {
  const asked = new Asked<unknown>(noTimers, read);
  asked.command = { kind: "date", name: "", index: 0, after: 0, outside: false, completionId: 1 };
  if (when === "later") asked.made();
  expect(() => asked.settle({ kind: "void" })).not.toThrow();
  if (when !== "later") asked.made();
  return asked.promise;
}

const WHEN = ["as it is made", "later"];

test.each([
  [
    "a rejection",
    (): never => {
      throw new Error("no");
    },
  ],
  ["a value that is a promise and rejects", () => Promise.reject(new Error("no"))],
])("%s that nobody looks at ends nothing", async (_what, read) => {
  for (const when of WHEN) {
    const heard: unknown[] = [];
    const listen = (reason: unknown): void => void heard.push(reason);
    process.on("unhandledRejection", listen);
    const promise = ask(read, when);
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off("unhandledRejection", listen);
    expect(heard).toEqual([]);
    await expect(promise).rejects.toThrow("no");
  }
});

/** Looking for its `then` is what every promise does with a value: only that may hear of it. */
const noThen = new Proxy(
  {},
  {
    get: (_, name) => {
      throw new Error(`it has no ${String(name)}`);
    },
  },
);

test.each(WHEN)("a value that throws when asked for `then` rejects it, %s", async (when) => {
  await expect(ask(() => noThen, when)).rejects.toThrow("it has no then");
});

test("neither does what is derived from it by `map`", async () => {
  const heard: unknown[] = [];
  const listen = (reason: unknown): void => void heard.push(reason);
  process.on("unhandledRejection", listen);
  const asked = new Asked<unknown>(noTimers, () => 1);
  asked.made();
  const derived = asked.promise.map(() => {
    throw new Error("no");
  });
  asked.reject(new Error("no"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off("unhandledRejection", listen);
  expect(heard).toEqual([]);
  await expect(derived).rejects.toThrow("no");
});
