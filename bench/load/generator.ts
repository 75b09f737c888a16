/** The load generator: a process of its own, told what to do by the bench. */
import { closedLoop } from "./closed-loop.ts";
import type { LoadAnswer, LoadRequest } from "./load.ts";

process.on("message", (message: LoadRequest) => {
  const answer = (it: LoadAnswer): void => void process.send?.(it);
  closedLoop(message.spec).then(
    (result) => answer({ kind: "loaded", result }),
    (error: unknown) =>
      answer({
        kind: "load failed",
        reason: error instanceof Error ? error.message : String(error),
      }),
  );
});
process.once("disconnect", () => process.exit());
