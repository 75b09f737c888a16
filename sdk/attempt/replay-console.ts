import type { Recorder } from "./recorder.ts";

/** The process's console, silent while the handler goes over what is recorded. */
export function replayConsole(recorder: Pick<Recorder, "replaying">): Console {
  return new Proxy(console, {
    get: (target, name, receiver) => {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown =>
        recorder.replaying ? undefined : Reflect.apply(value, target, args);
    },
  });
}
