/**
 * The HTTP ingress: requests become questions to the state machine, its responses become answers.
 *
 * Owns paths, parameters, headers, limits of syntax, and the shapes of answers. The state machine
 * owns whether a service exists, what it accepts, and everything that depends on state.
 *
 * 1. Refusals of syntax go at once; every other answer comes from the machine, and so waits for the
 *    batch on which it depends.
 * 2. Bodies pass as bytes: nothing here looks into them, but for the few that are addressed to the
 *    ingress itself.
 * 3. A client that goes away is forgotten. What it has begun goes on.
 */
import { randomBytes } from "node:crypto";
import type { Ask } from "../ask.ts";
import type { Limits } from "../core/limits.ts";
import { HttpProblem, type Answer } from "../http/answer.ts";
import { ClientGoneError } from "../http/body.ts";
import { crossOriginHeaders, preflight, type CrossOrigin } from "../http/cross-origin.ts";
import type { HttpApp } from "../http/listen.ts";
import { promised } from "../http/promised.ts";
import type { HttpRequest } from "../http/request.ts";
import { dispatch } from "../http/route.ts";
import { EXPIRES_HEADER, ID_HEADER, problemAnswer, SOURCE_HEADER } from "./answers.ts";
import { BAD_PATH, routesFor } from "./routes.ts";
import type { ServiceDirectory } from "./service-directory.ts";

export interface IngressCore {
  readonly ask: Ask;
  readonly directory: ServiceDirectory;
}

export interface IngressOptions {
  /** `undefined` while the runtime is starting: requests are then refused with 503. */
  readonly core: () => IngressCore | undefined;
  readonly limits: Limits;
  /** Origins whose pages may call; none by default. "*": any. */
  readonly corsOrigins: readonly string[];
  readonly onError: (error: unknown) => void;
  /** 24 random bytes as a binary string; for tests. */
  readonly entropy?: () => string;
}

/** The routes' surroundings, per request. */
export interface IngressApi extends IngressCore {
  readonly limits: Limits;
  readonly entropy: () => string;
}

/**
 * The ingress as an app for `listen`.
 *
 * @example
 * const app = createIngress({ core: () => core, limits: DEFAULT_LIMITS, corsOrigins: [], onError });
 * const ingress = await listen({ app, host: "127.0.0.1", port: 8080, portSetting: "--ingress-port", limits });
 */
export function createIngress(options: IngressOptions): HttpApp {
  const { limits, onError, entropy = entropyPool() } = options;
  const crossOrigin: CrossOrigin = {
    origins: options.corsOrigins,
    methods: "GET, POST",
    exposedHeaders: [ID_HEADER, SOURCE_HEADER, EXPIRES_HEADER].join(", "),
  };
  // The same for all requests, once it is there.
  let api: IngressApi | undefined;
  const serve = (request: HttpRequest): Promise<Answer> | Answer => {
    const core = options.core();
    if (core === undefined) throw starting();
    api ??= { ...core, limits, entropy };
    const answer = dispatch(routesFor(request.segments), request, api);
    if (answer === undefined) throw new HttpProblem(400, BAD_PATH);
    return answer;
  };
  const answerOf = (request: HttpRequest): Promise<Answer> =>
    promised(() => serve(request)).catch((error: unknown) => problemFor(error, request, onError));
  return {
    problem: problemAnswer,
    onError,
    handle: (request) =>
      promised(() => {
        const headers = crossOriginHeaders(request, crossOrigin);
        const early = preflight(request, crossOrigin, headers);
        if (early !== undefined) return withHeaders(early, headers);
        const answer = answerOf(request);
        // Mostly there are none.
        for (const _ in headers) return answer.then((it) => withHeaders(it, headers));
        return answer;
      }),
  };
}

function withHeaders(answer: Answer, headers: Readonly<Record<string, string>>): Answer {
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

function problemFor(
  error: unknown,
  request: HttpRequest,
  onError: (error: unknown) => void,
): Answer {
  if (request.signal.aborted) throw new ClientGoneError("the client went away");
  if (error instanceof ClientGoneError) throw error;
  if (error instanceof HttpProblem) return problemAnswer(error);
  onError(error);
  return problemAnswer(new HttpProblem(500, "internal error; the log of the runtime says more"));
}

function starting(): HttpProblem {
  const message = "the runtime is starting: it has not read its data yet. Retry in a moment.";
  return new HttpProblem(503, message, { headers: { "retry-after": "1" } });
}

const ENTROPY_BYTES = 24;
const POOL_BYTES = 170 * ENTROPY_BYTES;

/** Drawn from the system in pieces of 4 KiB, each byte given out once. */
function entropyPool(): () => string {
  let pool = Buffer.alloc(0);
  let at = 0;
  return () => {
    if (at === pool.length) {
      pool = randomBytes(POOL_BYTES);
      at = 0;
    }
    at += ENTROPY_BYTES;
    return pool.toString("latin1", at - ENTROPY_BYTES, at);
  };
}
