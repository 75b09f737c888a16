import type { WorkflowContext } from "../context.ts";
import { type Duration, durationToMs } from "../duration.ts";
import type { ContextDate } from "../request.ts";
import type { Read } from "./asked.ts";
import { unexpected } from "./read-value.ts";
import type { Here, Recorder } from "./recorder.ts";

export function bindSleep(recorder: Recorder): WorkflowContext["sleep"] {
  return (duration: Duration, name = "") => {
    const durationMs = durationToMs(duration, "the duration of ctx.sleep");
    return recorder.ask<void>({ kind: "sleep", name, durationMs }, readNothing).promise;
  };
}

export function bindDate(recorder: Recorder): ContextDate {
  const now = (): Promise<number> =>
    recorder.ask<number>({ kind: "date", name: "" }, readTime, NOW).promise;
  return { now, toJSON: async () => new Date(await now()).toJSON() };
}

const NOW: Here = {
  here: () => ({ kind: "date-here", name: "", timeMs: Date.now() }),
  // What a closure could see of it must not be undone by a crash.
  durableOnly: true,
};

const readTime: Read<number> = (result) => {
  if (result.kind !== "time") throw unexpected(result);
  return result.timeMs;
};

const readNothing = (): undefined => undefined;
