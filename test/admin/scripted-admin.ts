/** The admin API on a real socket, with scripted facts and a scripted machine behind it. */
import type { Departure } from "../../runtime/http/client-signal.ts";
import type { Question } from "../../runtime/ask.ts";
import type { Response } from "../../runtime/core/effect.ts";
import { createAdmin } from "../../runtime/admin/admin.ts";
import type {
  AdminReads,
  DeploymentView,
  InvocationDescription,
  InvocationFilter,
  InvocationPage,
  InvocationSummary,
  JournalRequest,
  PageRequest,
  ServiceView,
  WaitGraph,
} from "../../runtime/admin/views.ts";
import { noTimeSpent } from "../../runtime/core/invocation.ts";
import type { Listening } from "../../runtime/http/listen.ts";
import { INVOCATION, serveApp } from "../support/scripted-core.ts";

export const summary: InvocationSummary = {
  id: INVOCATION,
  target: { service: "Chat", handler: "say", key: "room" },
  status: "backing-off",
  statusSince: "2026-11-23T21:45:34.658Z",
  createdAt: "2026-11-23T21:45:30.000Z",
  completedAt: null,
  deployment: "dev",
  attempts: 2,
  failures: 2,
  lastFailure: null,
  nextRetryAt: "2026-11-23T21:45:44.658Z",
  idempotencyKey: null,
  cancelRequested: false,
};
export const description: InvocationDescription = {
  ...summary,
  serviceKind: "object",
  mode: "exclusive",
  startedAt: null,
  expiresAt: null,
  parent: null,
  pauseRequested: false,
  waitsFor: [
    { kind: "retry", until: "2026-11-23T21:45:44.658Z", since: "2026-11-23T21:45:34.658Z" },
  ],
  waitsForCut: [],
  spentMs: noTimeSpent(),
  outcome: null,
  lastFailureStack: "",
  inputBytes: 2,
  journalLength: 0,
  journal: [],
};
export const graph: WaitGraph = {
  nodes: [
    {
      id: INVOCATION,
      target: summary.target,
      status: "backing-off",
      statusSince: summary.statusSince,
      edges: [],
      others: description.waitsFor,
    },
  ],
  cut: false,
  cycles: [],
  waitedForBy: { parent: null, attached: [], attachedCut: false, inbox: null },
};
export const service: ServiceView = {
  name: "Chat",
  kind: "object",
  deployment: "dev",
  handlers: [],
  pausedSince: null,
  description: "",
  metadata: {},
};
export const deployment: DeploymentView = {
  version: "v 1/2",
  createdAt: "2026-11-23T21:45:30.000Z",
  services: ["Chat"],
  status: "active",
  invocations: 3,
  workers: 1,
  warning: null,
};

interface Admin extends Listening {
  readonly lists: (readonly [InvocationFilter, PageRequest])[];
  readonly journals: JournalRequest[];
  readonly graphs: number[];
  readonly asked: Question[];
  readonly signals: Departure[];
}

interface Script {
  readonly starting?: boolean;
  readonly page?: InvocationPage;
  readonly described?: InvocationDescription | undefined;
  readonly answer?: Response;
  readonly hosts?: readonly string[];
}

export async function startAdmin(script: Script = {}): Promise<Admin> {
  const lists: (readonly [InvocationFilter, PageRequest])[] = [];
  const journals: JournalRequest[] = [];
  const graphs: number[] = [];
  const asked: Question[] = [];
  const signals: Departure[] = [];
  const reads: AdminReads = {
    listInvocations: (filter, page) => {
      lists.push([filter, page]);
      return Promise.resolve(
        script.page ?? { invocations: [summary], quarantined: [], next: null },
      );
    },
    describeInvocation: (_id, journal) => {
      journals.push(journal);
      return Promise.resolve("described" in script ? script.described : description);
    },
    graphOf: (_id, nodesMax) => {
      graphs.push(nodesMax);
      return Promise.resolve("described" in script ? undefined : graph);
    },
    countInvocations: () => Promise.resolve({ open: 7, pinned: { dev: 3 }, quarantined: 0 }),
    listServices: () => Promise.resolve([service]),
    listDeployments: () => Promise.resolve([deployment]),
    listPauses: () =>
      Promise.resolve([{ service: "Chat", key: "room", since: "2026-11-23T21:45:34.658Z" }]),
  };
  const ask = (question: Question, signal: Departure): Promise<Response> => {
    asked.push(question);
    signals.push(signal);
    return script.answer === undefined
      ? Promise.reject(new Error("stopping"))
      : Promise.resolve(script.answer);
  };
  const app = createAdmin({
    core: () => (script.starting ? undefined : { ask, reads }),
    version: "1.2.3",
    ingressUrl: () => "http://127.0.0.1:8080",
    hosts: script.hosts ?? [],
    onError: (error) => {
      throw error;
    },
  });
  return { ...(await serveApp(app)), lists, journals, graphs, asked, signals };
}
