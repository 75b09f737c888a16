/**
 * An assistant keyed by session id. Its conversation is state; each model call and each tool call is
 * a journaled step. Kill it at any moment: it goes on at the step where it was, and what had happened
 * does not happen again.
 */
import { handlers, object, type ObjectContext, type ObjectSharedContext } from "holdfast";
import type { Message, Model } from "./model.js";
import { callTool, TOOL_DESCRIPTIONS, type ToolBox } from "./tools.js";

export interface AgentOptions extends ToolBox {
  readonly model: Model;
  /** Older messages are dropped, so that a session of years stays small. Default 100. */
  readonly historyMax?: number;
}

export interface SessionStatus {
  readonly messages: number;
  /** A question that waits for a human, and the id that answers it. */
  readonly waiting: { readonly question: string; readonly awakeableId: string } | null;
}

/** Model calls per message: a model that never stops calling tools must not run for ever. */
const ROUNDS_MAX = 10;

export function agentSession({ model, historyMax = 100, ...box }: AgentOptions) {
  return object({
    name: "agentSession",
    handlers: {
      /** Exclusive: two messages to one session are answered one after the other. */
      message: async (ctx: ObjectContext, text: string): Promise<string> => {
        const history = (await ctx.get<Message[]>("history")) ?? [];
        history.push({ role: "user", content: text });
        for (let round = 1; round <= ROUNDS_MAX; round++) {
          const messages = history.slice(-historyMax);
          // Tried again when the model is away or busy; its answer is recorded and not asked for twice.
          const answer = await ctx.run(`model ${round}`, ({ signal }) =>
            model.complete({ messages, tools: TOOL_DESCRIPTIONS, signal }),
          );
          history.push(answer);
          if (answer.toolCalls.length === 0) break;
          for (const call of answer.toolCalls) {
            const content = await callTool(ctx, call, box);
            history.push({ role: "tool", toolCallId: call.id, content });
          }
        }
        ctx.set("history", history.slice(-historyMax));
        return history.at(-1)?.content ?? "";
      },

      history: handlers.object.shared(
        async (ctx: ObjectSharedContext): Promise<Message[]> =>
          (await ctx.get<Message[]>("history")) ?? [],
      ),

      status: handlers.object.shared(async (ctx: ObjectSharedContext): Promise<SessionStatus> => {
        const history = (await ctx.get<Message[]>("history")) ?? [];
        const waiting = await ctx.get<NonNullable<SessionStatus["waiting"]>>("waiting");
        return { messages: history.length, waiting };
      }),
    },
  });
}
