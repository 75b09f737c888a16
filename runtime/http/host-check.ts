/**
 * Refuses requests whose Host is a name that somebody else controls: a page on such a name, pointed
 * at 127.0.0.1 by its DNS, would be of the same origin as the admin API (DNS rebinding). An address
 * cannot be rebound, and neither can a loopback name.
 */
import { isIP } from "node:net";
import { HttpProblem } from "./answer.ts";
import type { HttpRequest } from "./request.ts";

/** `hosts`: further names under which the listener is reached. */
export function checkHost(request: HttpRequest, hosts: readonly string[]): void {
  const sent = request.fields.get("host");
  // Only HTTP/1.0 comes without, and no browser speaks that.
  if (sent === undefined) return;
  const name = hostName(sent);
  if (isIP(name) !== 0 || name === "localhost" || name.endsWith(".localhost")) return;
  if (hosts.some((it) => it.toLowerCase() === name)) return;
  const message = `the host '${sent.slice(0, 100)}' is not one of this runtime's; use an address or localhost, or allow the name with --admin-hosts (HOLDFAST_ADMIN_HOSTS)`;
  throw new HttpProblem(403, message);
}

/** Without port, brackets and the dot that may end a name; in lower case. */
function hostName(host: string): string {
  const bare = /^\[([^\]]*)\](?::\d*)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, "");
  return bare.toLowerCase().replace(/\.$/, "");
}
