/** The admin reads over the rows of a scripted machine. */
import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import type { Target } from "../../protocol/command.ts";
import { createAdminReads } from "../../runtime/admin/reads.ts";
import type {
  AdminReads,
  InvocationDescription,
  JournalRequest,
  WaitGraph,
  WaitView,
} from "../../runtime/admin/views.ts";
import { CoreHarness, ScriptedAttempt } from "../support/core-harness.ts";

export class AdminHarness extends CoreHarness {
  /** Connected workers by version, as the hub would count them; those that serve the target asked for. */
  readonly workers = new Map<string, { connected: number; serving: number }>();
  confirmed = 0;
  readonly reads: AdminReads = createAdminReads(
    {
      get: (key) => this.tx.get(key),
      range: (range) => this.tx.range(range),
      confirm: () => {
        this.confirmed++;
        return Promise.resolve();
      },
    },
    {
      workersOf: (version: string, serving?: Target) => {
        const known = this.workers.get(version) ?? { connected: 0, serving: 0 };
        return serving === undefined ? known.connected : known.serving;
      },
      quarantined: () => 0,
      nowMs: () => this.nowMs,
    },
  );

  /** Accepts a send and gives its id. */
  accept(path: string, delayMs = 0): InvocationId {
    return this.admittedId(this.invoke(path, { mode: "send", delayMs }));
  }

  /** The attempt that runs this invocation on a connection. */
  attemptOf(connection: number, id: InvocationId): ScriptedAttempt {
    const start = this.starts(connection).findLast((it) => it.invocationId === id);
    if (start === undefined) throw new Error(`${id} has no attempt on connection ${connection}`);
    return new ScriptedAttempt(this, connection, start);
  }

  async describe(
    id: InvocationId,
    journal: JournalRequest = { from: null, limit: 100 },
  ): Promise<InvocationDescription> {
    const found = await this.reads.describeInvocation(partsOf(id), journal);
    if (found === undefined) throw new Error(`${id} is not there`);
    return found;
  }

  async waits(id: InvocationId): Promise<readonly WaitView[]> {
    return (await this.describe(id)).waitsFor;
  }

  async graph(id: InvocationId, nodesMax = 200): Promise<WaitGraph> {
    const found = await this.reads.graphOf(partsOf(id), nodesMax);
    if (found === undefined) throw new Error(`${id} is not there`);
    return found;
  }
}

function partsOf(id: InvocationId) {
  const parts = parseInvocationId(id);
  if (parts === undefined) throw new Error(`not an id: ${id}`);
  return parts;
}
