/**
 * A workflow that waits for days: mail a link, wait for the click or for the time to run out, remind
 * in between. While it waits it costs a row on disk, and no memory.
 *
 *   curl localhost:8080/signup/ann/run/send --json '{"email":"ann@example.org"}'
 *   curl localhost:8080/signup/ann/click --json '"the secret of the mail"'
 *   curl localhost:8080/restate/workflow/signup/ann/attach
 */
import { fileURLToPath } from "node:url";
import {
  serve,
  TerminalError,
  workflow,
  type Duration,
  type WorkflowContext,
  type WorkflowSharedContext,
} from "holdfast";

export interface Signup {
  readonly email: string;
  /** Default: a reminder after one day, the end after three. */
  readonly remindAfter?: Duration;
  readonly giveUpAfter?: Duration;
}

/** What was mailed, for whoever runs this example without a mail server. */
export const mailbox: string[] = [];

function mail(line: string): void {
  mailbox.push(line);
}

export const signup = workflow({
  name: "signup",
  handlers: {
    run: async (ctx: WorkflowContext, input: Signup): Promise<string> => {
      const secret = ctx.rand.uuidv4();
      await ctx.run("mail the link", () => mail(`${input.email}: ${secret}`));

      const clicked = ctx.promise<string>("clicked").get();
      const reminder = ctx.sleep(input.remindAfter ?? { days: 1 });
      const first = await Promise.race([clicked, reminder.map(() => undefined)]);
      if (first === undefined) await ctx.run("remind", () => mail(`${input.email}: reminder`));

      const given = first ?? (await clicked.orTimeout(input.giveUpAfter ?? { days: 2 }));
      if (given !== secret) throw new TerminalError("that is not the secret", { errorCode: 403 });
      ctx.set("confirmed", true);
      return `welcome, ${ctx.key}`;
    },
    /** Beside `run`: whoever comes with the secret completes the promise. */
    click: async (ctx: WorkflowSharedContext, secret: string): Promise<void> => {
      await ctx.promise<string>("clicked").resolve(secret);
    },
  },
});

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve({ services: [signup] });
