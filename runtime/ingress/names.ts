/**
 * Names that came from outside, checked before they reach the machine: their length is limited
 * because they become parts of keys, and they are text that has a UTF-8 form.
 */
import type { Target } from "../../protocol/command.ts";
import type { Limits } from "../core/limits.ts";
import { HttpProblem } from "../http/answer.ts";
import { isCleanText, utf8Length } from "../http/text.ts";

export function checkTarget(target: Target, limits: Limits): Target {
  checkName("service name", target.service, limits, "serviceNameBytesMax");
  checkName("handler name", target.handler, limits, "handlerNameBytesMax");
  if (target.key !== null) checkName("key", target.key, limits, "keyBytesMax");
  return target;
}

/** Returns `text`; throws 400 when it is empty, too long, or no text. */
export function checkName(what: string, text: string, limits: Limits, limit: keyof Limits): string {
  const bytesMax = limits[limit];
  if (text === "") throw new HttpProblem(400, `the ${what} is empty; give one`);
  if (!isCleanText(text)) {
    const message = `the ${what} holds a NUL or half of a surrogate pair; use other characters`;
    throw new HttpProblem(400, message);
  }
  const sizeBytes = utf8Length(text);
  if (sizeBytes > bytesMax) {
    const message = `the ${what} has ${sizeBytes} bytes, the limit ${limit} is ${bytesMax}; use a shorter one`;
    throw new HttpProblem(400, message);
  }
  return text;
}
