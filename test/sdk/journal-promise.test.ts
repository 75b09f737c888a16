import { expect, test } from "vitest";
import { JournalPromise } from "../../sdk/attempt/journal-promise.ts";

const noTimer = (): never => {
  throw new Error("no timer is wanted here");
};

test.each([
  ["a rejection", (_: unknown, reject: (reason: Error) => void) => reject(new Error("no"))],
  [
    "a value that is a promise and rejects",
    (resolve: (value: unknown) => void) => resolve(Promise.reject(new Error("no"))),
  ],
])("%s that nobody looks at ends nothing", async (_what, act) => {
  const heard: unknown[] = [];
  const listen = (reason: unknown): void => void heard.push(reason);
  process.on("unhandledRejection", listen);
  const promise = new JournalPromise<unknown>(noTimer, act);
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off("unhandledRejection", listen);
  expect(heard).toEqual([]);
  await expect(promise).rejects.toThrow("no");
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

test.each(["as it is made", "later"])(
  "a value that throws when asked for `then` rejects it, %s",
  async (when) => {
    let settle = (): void => undefined;
    const promise = new JournalPromise<unknown>(noTimer, (resolve) => {
      settle = () => resolve(noThen);
      if (when === "as it is made") settle();
    });
    expect(() => settle()).not.toThrow();
    await expect(promise).rejects.toThrow("it has no then");
  },
);
