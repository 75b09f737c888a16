/**
 * A small model without a network: it follows simple sentences, the same way each time, so that the
 * example and its demo run anywhere.
 *
 *   "balance"                  asks the account
 *   "order <item>"             pays and orders
 *   "refund <amount>"          asks for a refund, which a human has to approve
 */
import type { AssistantMessage, Message, Model, ToolCall } from "./model.js";

export const offlineModel: Model = {
  complete: ({ messages }) => Promise.resolve(answerTo(messages)),
};

function answerTo(messages: readonly Message[]): AssistantMessage {
  const asked = messages.map((it) => it.role).lastIndexOf("user");
  const question = messages[asked]?.content ?? "";
  const results = messages.slice(asked + 1).flatMap((it) => (it.role === "tool" ? it.content : []));
  const calls = callsFor(question, `call-${asked}`);
  const next = calls[results.length];
  if (next !== undefined && !results.at(-1)?.startsWith("failed")) {
    return { role: "assistant", content: "", toolCalls: [next] };
  }
  const content = results.length === 0 ? `You said: ${question}` : `Done. ${results.join(" ")}`;
  return { role: "assistant", content, toolCalls: [] };
}

function callsFor(question: string, id: string): ToolCall[] {
  const [verb = "", ...rest] = question.trim().split(/\s+/);
  const subject = rest.join(" ");
  switch (verb.toLowerCase()) {
    case "balance":
      return [{ id: `${id}-1`, name: "get_balance", arguments: {} }];
    case "order":
      return [
        { id: `${id}-1`, name: "pay", arguments: { amount: 20 } },
        { id: `${id}-2`, name: "place_order", arguments: { item: subject } },
      ];
    case "refund":
      return [{ id: `${id}-1`, name: "refund", arguments: { amount: Number(subject) || 0 } }];
    default:
      return [];
  }
}
