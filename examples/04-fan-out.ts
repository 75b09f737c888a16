/**
 * Fan-out and fan-in with plain promises: a call per word, all at once, and one sum. Kill the worker
 * in the middle: calls that had ended are not made again.
 *
 *   curl localhost:8080/essay/count --json '"to be or not to be"'
 */
import { fileURLToPath } from "node:url";
import { serve, service, type Context } from "holdfast";

export const word = service({
  name: "word",
  handlers: {
    length: async (ctx: Context, text: string): Promise<number> =>
      ctx.run("count letters", () => text.length),
  },
});

export const essay = service({
  name: "essay",
  handlers: {
    count: async (ctx: Context, text: string): Promise<number> => {
      const words = text.split(/\s+/).filter((it) => it !== "");
      const lengths = await Promise.all(words.map((it) => ctx.serviceClient(word).length(it)));
      return lengths.reduce((sum, length) => sum + length, 0);
    },
  },
});

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve({ services: [essay, word] });
