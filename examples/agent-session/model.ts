/** A language model as the agent sees it: a conversation goes in, one message comes out. */

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export type Message =
  | { readonly role: "system" | "user"; readonly content: string }
  | {
      readonly role: "assistant";
      readonly content: string;
      readonly toolCalls: readonly ToolCall[];
    }
  | { readonly role: "tool"; readonly toolCallId: string; readonly content: string };

export type AssistantMessage = Message & { readonly role: "assistant" };

export interface ToolDescription {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments. */
  readonly parameters: object;
}

export interface ModelRequest {
  readonly messages: readonly Message[];
  readonly tools: readonly ToolDescription[];
  readonly signal: AbortSignal;
}

export interface Model {
  /**
   * @throws TerminalError when asking again would not help
   * @throws any other error, which is tried again
   */
  complete(request: ModelRequest): Promise<AssistantMessage>;
}
