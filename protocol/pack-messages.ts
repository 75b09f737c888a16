/**
 * What is said at every step of a handler, packed without arrays in between: a run, its result, its go, and
 * their entries in a journal. A step made a kilobyte of such arrays on either side (docs/performance.md).
 *
 * 1. The bytes are those of the plain form (plain.ts, encode-message.ts), which all else takes:
 *    test/protocol/pack-messages.test.ts holds the two against each other.
 */
import type { Command, Delivery } from "./command.ts";
import { MESSAGE_TYPE, messageToPlain } from "./encode-message.ts";
import type { RuntimeMessage, WorkerMessage } from "./message.ts";
import type { Packer } from "./packer.ts";
import type { Result } from "./payload.ts";
import { commandToPlain, deliveryToPlain, resultToPlain, RUN_CODE, runModeCode } from "./plain.ts";

export function packMessage(packer: Packer, message: RuntimeMessage | WorkerMessage): void {
  switch (message.kind) {
    case "command":
      packer.addArrayHead(3);
      packer.add(MESSAGE_TYPE.command);
      packer.add(message.attempt);
      packCommand(packer, message.command);
      return;
    case "run-result":
      packer.addArrayHead(6);
      packer.add(MESSAGE_TYPE["run-result"]);
      packer.add(message.attempt);
      packer.add(message.command);
      packer.add(message.try);
      packResult(packer, message.result);
      packer.add(message.deliveries);
      return;
    case "go":
      packer.addArrayHead(5);
      packer.add(MESSAGE_TYPE.go);
      packer.add(message.attempt);
      packer.add(message.command);
      packer.add(message.try);
      packer.add(message.probe);
      return;
    default:
      packer.add(messageToPlain(message));
  }
}

export function packCommand(packer: Packer, command: Command): void {
  if (command.kind !== "run" || command.retry !== null) {
    packer.add(commandToPlain(command));
    return;
  }
  packer.addArrayHead(8);
  packer.add(RUN_CODE);
  packer.add(command.index);
  packer.add(command.after);
  packer.add(command.outside);
  packer.add(command.name);
  packer.add(command.completionId);
  packer.add(null);
  packer.add(runModeCode(command.mode));
}

export function packDelivery(packer: Packer, delivery: Delivery): void {
  if (delivery.kind !== "completion" || delivery.result.kind !== "value") {
    packer.add(deliveryToPlain(delivery));
    return;
  }
  packer.addArrayHead(4);
  packer.add(1);
  packer.add(delivery.completionId);
  packer.add(1);
  packer.add(delivery.result.value);
}

function packResult(packer: Packer, result: Result): void {
  if (!result.ok) {
    packer.add(resultToPlain(result));
    return;
  }
  packer.addArrayHead(2);
  packer.add(true);
  packer.add(result.value);
}
