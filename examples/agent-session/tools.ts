/**
 * What the model may do. A tool reaches other objects through ctx, and the outside through ctx.run;
 * either way it happens once, whatever is killed when.
 */
import { TerminalError, TimeoutError, type Duration, type ObjectContext } from "holdfast";
import { account } from "./account.js";
import type { ToolCall, ToolDescription } from "./model.js";
import type { Shop } from "./shop.js";

export interface ToolBox {
  readonly shop: Shop;
  /** Sent to a human who may approve; the id completes the awakeable. */
  readonly askForApproval: (question: string, awakeableId: string) => Promise<void> | void;
  readonly remindAfter: Duration;
  readonly giveUpAfter: Duration;
}

type Tool = (ctx: ObjectContext, args: ToolCall["arguments"], box: ToolBox) => Promise<string>;

const TOOLS = new Map<string, Tool>([
  ["get_balance", getBalance],
  ["pay", pay],
  ["place_order", placeOrder],
  ["refund", refund],
]);

const amount = { type: "object", properties: { amount: { type: "number" } }, required: ["amount"] };
const item = { type: "object", properties: { item: { type: "string" } }, required: ["item"] };

export const TOOL_DESCRIPTIONS: readonly ToolDescription[] = [
  {
    name: "get_balance",
    description: "The customer's balance.",
    parameters: { type: "object", properties: {} },
  },
  { name: "pay", description: "Takes an amount from the customer's account.", parameters: amount },
  { name: "place_order", description: "Orders an item that was paid for.", parameters: item },
  {
    name: "refund",
    description: "Pays an amount back. A human has to approve it.",
    parameters: amount,
  },
];

/** A tool that fails for good tells the model so; anything else is tried again underneath. */
export async function callTool(ctx: ObjectContext, call: ToolCall, box: ToolBox): Promise<string> {
  const tool = TOOLS.get(call.name);
  if (tool === undefined) return `failed: there is no tool ${call.name}`;
  try {
    return await tool(ctx, call.arguments, box);
  } catch (error) {
    // A cancelled session ends; it is not for the model to talk about.
    if (error instanceof TerminalError && error.name !== "CancelledError") {
      return `failed: ${error.message}`;
    }
    throw error;
  }
}

async function getBalance(ctx: ObjectContext): Promise<string> {
  return `The balance is ${await ctx.objectClient(account, ctx.key).balance()}.`;
}

async function pay(ctx: ObjectContext, args: ToolCall["arguments"]): Promise<string> {
  const left = await ctx.objectClient(account, ctx.key).debit(Number(args["amount"]));
  return `Paid ${Number(args["amount"])}, ${left} left.`;
}

async function placeOrder(
  ctx: ObjectContext,
  args: ToolCall["arguments"],
  { shop }: ToolBox,
): Promise<string> {
  const ordered = String(args["item"]);
  const receipt = await ctx.run(`order ${ordered}`, (run) => shop.order(ordered, run));
  return `Ordered ${ordered}: ${receipt}.`;
}

/** Money goes back only when a human says so: asked once, reminded once, and then given up. */
async function refund(
  ctx: ObjectContext,
  args: ToolCall["arguments"],
  box: ToolBox,
): Promise<string> {
  const value = Number(args["amount"]);
  const approval = ctx.awakeable<boolean>();
  const question = `Refund ${value} to ${ctx.key}?`;
  ctx.set("waiting", { question, awakeableId: approval.id });
  await ctx.run("ask for approval", () => box.askForApproval(question, approval.id));
  try {
    if (!(await approved(ctx, approval.promise, question, approval.id, box))) {
      return "The refund was not approved.";
    }
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    return "Nobody approved the refund in time.";
  } finally {
    ctx.clear("waiting");
  }
  const balance = await ctx.objectClient(account, ctx.key).credit(value);
  return `Refunded ${value}, the balance is ${balance}.`;
}

async function approved(
  ctx: ObjectContext,
  decision: Promise<boolean> & { orTimeout(duration: Duration): Promise<boolean> },
  question: string,
  awakeableId: string,
  box: ToolBox,
): Promise<boolean> {
  const reminder = ctx.sleep(box.remindAfter).map(() => "remind" as const);
  const first = await Promise.race([decision, reminder]);
  if (first !== "remind") return first;
  await ctx.run("remind", () => box.askForApproval(`Still open: ${question}`, awakeableId));
  return decision.orTimeout(box.giveUpAfter);
}
