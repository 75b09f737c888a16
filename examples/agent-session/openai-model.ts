/** Any endpoint that speaks the OpenAI chat API: OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_MODEL. */
import { RetryableError, TerminalError } from "holdfast";
import type { AssistantMessage, Message, Model, ModelRequest, ToolCall } from "./model.js";

export interface OpenAiOptions {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
}

export function openAiModel({ baseUrl, apiKey, model }: OpenAiOptions): Model {
  return {
    complete: async ({ messages, tools, signal }: ModelRequest) => {
      const response = await fetch(`${baseUrl.replace(/\/+$/, "")}/chat/completions`, {
        method: "POST",
        signal,
        headers: { "content-type": "application/json", authorization: `Bearer ${apiKey}` },
        body: JSON.stringify({
          model,
          messages: messages.map(toWire),
          tools: tools.map((it) => ({ type: "function", function: it })),
        }),
      });
      if (!response.ok) throw await refusal(response);
      // A body that was cut off is not JSON: that throws, and the step is tried again.
      return fromWire((await response.json()) as WireAnswer);
    },
  };
}

interface WireToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

interface WireAnswer {
  readonly choices?: readonly {
    readonly message?: {
      readonly content?: string | null;
      readonly tool_calls?: readonly WireToolCall[];
    };
  }[];
}

/** Too many requests and server errors pass; anything else would be refused again. */
async function refusal(response: Response): Promise<Error> {
  const text = (await response.text()).slice(0, 500);
  const message = `the model answered ${response.status}: ${text}`;
  if (response.status === 429 || response.status >= 500) {
    const seconds = Number(response.headers.get("retry-after"));
    return new RetryableError(message, seconds > 0 ? { retryAfter: { seconds } } : {});
  }
  return new TerminalError(message, { errorCode: 502 });
}

function toWire(message: Message): object {
  if (message.role === "tool") {
    return { role: "tool", tool_call_id: message.toolCallId, content: message.content };
  }
  if (message.role !== "assistant" || message.toolCalls.length === 0) {
    return { role: message.role, content: message.content };
  }
  const calls = message.toolCalls.map((it) => ({
    id: it.id,
    type: "function",
    function: { name: it.name, arguments: JSON.stringify(it.arguments) },
  }));
  return { role: "assistant", content: message.content, tool_calls: calls };
}

function fromWire(answer: WireAnswer): AssistantMessage {
  const message = answer.choices?.[0]?.message;
  if (message === undefined) throw new Error("the model's answer has no message");
  const toolCalls = (message.tool_calls ?? []).map((it): ToolCall => ({
    id: it.id,
    name: it.function.name,
    arguments: JSON.parse(it.function.arguments || "{}") as Record<string, unknown>,
  }));
  return { role: "assistant", content: message.content ?? "", toolCalls };
}
