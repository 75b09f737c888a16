/** Every example does what its head says, on an embedded runtime. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, HttpCallError, type Ingress } from "holdfast/client";
import { startRuntime, type Runtime } from "holdfast/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { counter } from "../../examples/01-counter.ts";
import { checkout, stock } from "../../examples/02-checkout.ts";
import { mailbox, signup } from "../../examples/03-signup-workflow.ts";
import { essay, word } from "../../examples/04-fan-out.ts";
import { parcel } from "../../examples/05-webhook.ts";
import { countTwice } from "../../examples/06-embedded.ts";
import { bank, notes, payout, printer } from "../../examples/07-unknown-outcomes.ts";

let dataDir: string;
let runtime: Runtime;
let ingress: Ingress;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "holdfast-examples-"));
  runtime = await startRuntime({
    dataDir,
    ingressPort: 0,
    adminPort: 0,
    workerPort: 0,
    services: [counter, checkout, stock, signup, essay, word, parcel, payout],
  });
  ingress = connect({ runtime });
});
afterAll(async () => {
  await runtime.close();
  rmSync(dataDir, { recursive: true, force: true });
});

test("01 counts per name", async () => {
  expect(await ingress.objectClient(counter, "ann").add(2)).toBe(2);
  expect(await ingress.objectClient(counter, "ann").add(3)).toBe(5);
  expect(await ingress.objectClient(counter, "bob").total()).toBe(0);
});

test("02 undoes the reservation when the card is declined", async () => {
  const client = ingress.serviceClient(checkout);
  expect(await client.place({ item: "kettle", card: "4242" })).toContain("charged 4242");
  const declined = client.place({ item: "kettle", card: "declined" });
  await expect(declined).rejects.toThrow(HttpCallError);
  await expect(declined).rejects.toMatchObject({ status: 402 });
  expect(await ingress.objectClient(stock, "kettle").release()).toBe(3);
});

test("03 waits for the click, reminds, and welcomes", async () => {
  const ann = ingress.workflowClient(signup, "ann");
  await ann.workflowSubmit({ email: "ann@example.org", remindAfter: 1, giveUpAfter: { days: 2 } });
  expect((await ann.workflowOutput()).ready).toBe(false);
  while (!mailbox.includes("ann@example.org: reminder"))
    await new Promise((go) => setTimeout(go, 5));
  const secret = mailbox[0]?.split(": ")[1] ?? "";
  await ann.click(secret);
  expect(await ann.workflowAttach()).toBe("welcome, ann");
});

test("03 gives up in time", async () => {
  const bob = ingress.workflowClient(signup, "bob");
  await bob.workflowSubmit({ email: "bob@example.org", remindAfter: 1, giveUpAfter: 10 });
  await expect(bob.workflowAttach()).rejects.toMatchObject({ status: 408 });
});

test("04 fans out and adds up", async () => {
  expect(await ingress.serviceClient(essay).count("to be or not to be")).toBe(13);
});

test("05 waits for the courier's call", async () => {
  const sent = await ingress.objectSendClient(parcel, "p-1").deliver();
  let callback: string | null = null;
  while (callback === null) callback = await ingress.objectClient(parcel, "p-1").callback();
  await ingress.resolveAwakeable(callback, "signed by Ann");
  expect(await ingress.result(sent)).toBe("signed by Ann");
});

test("06 goes on counting after a restart", async () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-embedded-"));
  expect(await countTwice(directory)).toBe(2);
  expect(await countTwice(directory)).toBe(4);
  rmSync(directory, { recursive: true, force: true });
});

test("07 moves the money once although the bank's answer is lost", async () => {
  bank.losesAnswer = true;
  const client = ingress.serviceClient(payout);
  expect(await client.send({ to: "ann", cents: 500 })).toBe("transfer of 500 to ann");
  expect([...bank.transfers.values()]).toEqual(["transfer of 500 to ann"]);
  expect(printer.printed).toEqual(["transfer of 500 to ann"]);
  expect(notes).toEqual(["ann: transfer of 500 to ann is on its way"]);
});
