/** What is packed without arrays in between has the bytes of the plain form. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { messageToPlain } from "../../protocol/encode-message.ts";
import { packCommand, packDelivery, packMessage } from "../../protocol/pack-messages.ts";
import { Packer } from "../../protocol/packer.ts";
import { commandToPlain, deliveryToPlain } from "../../protocol/plain.ts";
import type { Plain } from "../../protocol/fields.ts";
import {
  anyCommandOf,
  anyDelivery,
  anyRuntimeMessage,
  anyWorkerMessage,
  COMMAND_KINDS,
  RUNTIME_MESSAGES,
  WORKER_MESSAGES,
} from "../support/arbitrary-messages.ts";

const packer = new Packer();

function packed(pack: () => void): { readonly bytes: Uint8Array; readonly values: number } {
  packer.reset();
  pack();
  return { bytes: packer.copy(0, packer.length), values: packer.values };
}

function expectSameBytes<T>(
  values: fc.Arbitrary<T>,
  pack: (it: T) => void,
  plain: (it: T) => Plain,
): void {
  fc.assert(
    fc.property(values, (value) => {
      const expected = packed(() => packer.add(plain(value)));
      expect(packed(() => pack(value))).toEqual(expected);
    }),
    { numRuns: 200 },
  );
}

test("each message", () => {
  const messages = [...Object.values(WORKER_MESSAGES), ...Object.values(RUNTIME_MESSAGES)];
  for (const message of [...messages, anyWorkerMessage, anyRuntimeMessage]) {
    expectSameBytes(message, (it) => packMessage(packer, it), messageToPlain);
  }
});

test("each command", () => {
  for (const kind of COMMAND_KINDS) {
    expectSameBytes(anyCommandOf(kind), (it) => packCommand(packer, it), commandToPlain);
  }
});

test("each delivery", () => {
  expectSameBytes(anyDelivery, (it) => packDelivery(packer, it), deliveryToPlain);
});
