/** The outside service that takes orders: over HTTP, with a token so that a repeated request is known. */
import { RetryableError, TerminalError } from "holdfast";

export interface Shop {
  order(item: string, request: ShopRequest): Promise<string>;
}

export interface ShopRequest {
  readonly idempotencyToken: string;
  readonly signal: AbortSignal;
}

export function httpShop(baseUrl: string): Shop {
  return {
    order: async (item, { idempotencyToken, signal }) => {
      const response = await fetch(`${baseUrl}/orders`, {
        method: "POST",
        signal,
        headers: { "content-type": "application/json", "idempotency-key": idempotencyToken },
        body: JSON.stringify({ item }),
      });
      const text = await response.text();
      if (response.ok) return text;
      const message = `the shop answered ${response.status}: ${text}`;
      if (response.status >= 500) throw new RetryableError(message);
      throw new TerminalError(message, { errorCode: 502 });
    },
  };
}

/** Without a shop to call. */
export const paperShop: Shop = {
  order: (item, { idempotencyToken }) =>
    Promise.resolve(`order of ${item} (${idempotencyToken.slice(-3)})`),
};
