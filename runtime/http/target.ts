/** The target of a request: where its path ends, and what the parts of the path are. */
import { HttpProblem } from "./answer.ts";

/** Nobody changes a query. */
const NO_QUERY = new URLSearchParams();

export interface RequestTarget {
  /** As it was sent, without the query. */
  readonly path: string;
  /** Parts of the path, not decoded; a slash at the end is not a part. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

export function readTarget(url: string): RequestTarget {
  const { path, query } = splitUrl(url);
  return {
    path,
    segments: splitPath(path),
    query: query === "" ? NO_QUERY : new URLSearchParams(query),
  };
}

/** Takes the query off, and the origin when the target came in absolute form. */
function splitUrl(url: string): { path: string; query: string } {
  const target = url.startsWith("/") ? null : /^https?:\/\/[^/?]*/i.exec(url);
  const local = target ? url.slice(target[0].length) || "/" : url;
  const mark = local.indexOf("?");
  return mark < 0
    ? { path: local, query: "" }
    : { path: local.slice(0, mark), query: local.slice(mark + 1) };
}

function splitPath(path: string): string[] {
  if (!path.startsWith("/")) {
    throw new HttpProblem(400, `bad path '${path.slice(0, 100)}': a path begins with a slash`);
  }
  const inner = path.endsWith("/") ? path.slice(1, -1) : path.slice(1);
  return inner === "" ? [] : inner.split("/");
}
