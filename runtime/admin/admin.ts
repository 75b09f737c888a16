/**
 * The admin API: looking at what the runtime holds, and taking hold of running work.
 *
 * Owns routes, parameters, status codes and error bodies. `AdminReads` owns the facts, the state
 * machine what a cancel or kill does.
 *
 * 1. Until recovery is done there are no facts: every route but the version answers 503.
 * 2. A page of another site cannot use it, not even by pointing its own name at this address.
 */
import type { Ask } from "../ask.ts";
import { HttpProblem, json, type Answer } from "../http/answer.ts";
import { crossOriginHeaders } from "../http/cross-origin.ts";
import { checkHost } from "../http/host-check.ts";
import type { HttpApp } from "../http/listen.ts";
import { dispatch } from "../http/route.ts";
import { ADMIN_ROUTES } from "./routes.ts";
import type { AdminErrorBody, AdminReads } from "./views.ts";

export interface AdminCore {
  readonly ask: Ask;
  readonly reads: AdminReads;
}

export interface AdminOptions {
  /** `undefined` until recovery is done. */
  readonly core: () => AdminCore | undefined;
  /** Of the package. */
  readonly version: string;
  /** Shown by `GET /version`; null while it does not listen. */
  readonly ingressUrl: () => string | null;
  /** Names, beside addresses and localhost, under which the API is reached. */
  readonly hosts: readonly string[];
  readonly onError: (error: unknown) => void;
}

/** The routes' surroundings. */
export interface AdminApi {
  readonly core: () => AdminCore;
  readonly version: string;
  readonly ingressUrl: () => string | null;
}

/** The admin API as an app for `listen`. */
export function createAdmin(options: AdminOptions): HttpApp {
  const { version, ingressUrl, hosts, onError } = options;
  const core = (): AdminCore => {
    const ready = options.core();
    if (ready !== undefined) return ready;
    const message = "the runtime is starting: recovery is not done. Retry in a moment.";
    throw new HttpProblem(503, message, { headers: { "retry-after": "1" } });
  };
  const api: AdminApi = { core, version, ingressUrl };
  return {
    problem,
    onError,
    handle: async (request) => {
      checkHost(request, hosts);
      crossOriginHeaders(request, { origins: [], methods: "", exposedHeaders: "" });
      const answer = dispatch(ADMIN_ROUTES, request, api);
      if (answer !== undefined) return await answer;
      const message = `there is nothing at '${request.path.slice(0, 100)}'; try /invocations, /services or /deployments`;
      throw new HttpProblem(404, message);
    },
  };
}

function problem({ status, message, headers, closes }: HttpProblem): Answer {
  const body: AdminErrorBody = { message, restate_code: null };
  const answer = json(status, body, headers);
  return closes ? { ...answer, closes } : answer;
}
