import type { AskIngress } from "../../protocol/in-process.ts";

/** The ingress at `url`, over HTTP. */
export function fetchIngress(url: string, fetchIt: typeof fetch): AskIngress {
  const base = url.replace(/\/+$/, "");
  return async ({ method, path, headers, body, signal }) => {
    const response = await fetchIt(`${base}${path}`, {
      method,
      headers: { ...headers },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: new Uint8Array(await response.arrayBuffer()),
    };
  };
}
