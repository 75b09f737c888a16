/**
 * The rules of the house that no tool knows. Each rule takes files and returns complaints, so that
 * a test can plant a violation as a string: test/tidy.test.ts does, and runs them on the real files.
 */
import { posix } from "node:path";

export interface SourceFile {
  /** From the top of the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export type Rule = (files: readonly SourceFile[]) => string[];

interface Border {
  readonly from: RegExp;
  /** Files of ours, packages and `node:` modules. What none matches is refused. */
  readonly may: readonly RegExp[];
}

/** Who may import whom. The first row that matches a file rules. */
export const BORDERS: readonly Border[] = [
  { from: /^protocol\//, may: [/^protocol\//] },
  {
    from: /^runtime\/core\//,
    may: [/^runtime\/core\//, /^protocol\//, /^runtime\/machine\.ts$/],
  },
  { from: /^runtime\/embedded\.ts$/, may: [/^runtime\//, /^protocol\//, /^sdk\//, /^node:/] },
  {
    from: /^runtime\/store\//,
    may: [/^runtime\/store\//, /^runtime\/core\//, /^protocol\//, /^node:/, /^lmdb$/, /^sorted-/],
  },
  {
    from: /^runtime\//,
    may: [/^runtime\//, /^protocol\//, /^node:/, /^(ws|pino|p-queue|undici)$/],
  },
  { from: /^sdk\//, may: [/^sdk\//, /^protocol\//, /^node:/, /^ws$/] },
  {
    from: /^cli\//,
    may: [
      /^cli\//,
      /^runtime\/(index|admin\/views|core\/limits|http\/http-limits|verify\/directory)\.ts$/,
      /^sdk\/client\//,
      /^node:/,
      /^commander$/,
    ],
  },
  { from: /^examples\//, may: [/^examples\//, /^node:/, /^holdfast(\/|$)/] },
];

/** Packages with one door each: exactly one file on that side may import them. */
const ONE_DOOR = [
  { within: "runtime/", package: "lmdb" },
  { within: "runtime/", package: "ws" },
  { within: "sdk/", package: "ws" },
];

/** Each with what to use instead. */
const BANNED_IN_CORE: readonly (readonly [RegExp, string])[] = [
  [/\bDate\b|\bperformance\b/, "time comes in as nowMs"],
  [
    /\bMath\.random\b|\bcrypto\b/,
    "randomness comes in with the input, or from the invocation's seed",
  ],
  [/\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/, "timers are rows"],
  [/\b(await|async|Promise)\b/, "the core is synchronous"],
  [/\bconsole\b/, "return a warn effect"],
  [/\bprocess\b|\bglobalThis\b|["']node:/, "the core knows no process"],
  [/\bimport\s*\(/, "the core loads nothing by itself"],
];

// Written so that these patterns do not match their own text.
const LEFTOVERS = /\b(F[I]XME|T[O]DO|X[X]X)\b|\b(describe|suite|test|it)\.on[l]y\(/;
const FORBIDDEN =
  /(^|[^\w./-])\/(home|Users|w[o]rk|root)\/|registry\.npmjs|\bdeb\.debian\b|\bC[E]O\b|\ba[s] an AI\b|language model (wrote|generated)/i;

const LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;

export const borders: Rule = (files) =>
  files.flatMap((file) => {
    const border = BORDERS.find((row) => row.from.test(file.path));
    if (border === undefined) return [];
    return importsOf(file)
      .filter(({ target }) => !border.may.some((allowed) => allowed.test(target)))
      .map(({ target }) => `${file.path} must not import ${target}: see the table of borders`);
  });

export const oneDoor: Rule = (files) =>
  ONE_DOOR.flatMap((door) => {
    const users = files.filter(
      (file) =>
        file.path.startsWith(door.within) &&
        importsOf(file).some(({ target }) => target === door.package),
    );
    const names = users.map((file) => file.path).join(", ") || "none";
    return users.length === 1
      ? []
      : [`exactly one file in ${door.within} imports ${door.package}, but these do: ${names}`];
  });

export const purity: Rule = (files) =>
  files
    .filter((file) => file.path.startsWith("runtime/core/"))
    .flatMap((file) => {
      const code = withoutComments(file.text);
      return BANNED_IN_CORE.filter(([banned]) => banned.test(withoutStrings(code))).map(
        ([banned, instead]) => `${file.path} uses ${banned.source}: ${instead}`,
      );
    });

/** A cycle of value imports makes the order of loading matter. Cycles of types are harmless. */
export const cycles: Rule = (files) => {
  const edges = new Map(
    files.map((file) => [
      file.path,
      importsOf(file)
        .filter((entry) => entry.kind === "value")
        .map((entry) => entry.target),
    ]),
  );
  const done = new Set<string>();
  const complaints: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) complaints.push(`import cycle: ${[...trail.slice(start), path].join(" -> ")}`);
    if (start >= 0 || done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return complaints;
};

export const fileLength: Rule = (files) =>
  files
    .filter((file) => file.text.split("\n").length - 1 > LINES_MAX)
    .map((file) => `${file.path} has more than ${LINES_MAX} lines`);

/** Goes by indentation, which the formatter guarantees. */
export const functionLength: Rule = (files) =>
  files
    .filter((file) => !file.path.startsWith("test/"))
    .flatMap((file) => {
      const lines = file.text.split("\n");
      return lines.flatMap((line, at) => {
        if (!opensFunction(line)) return [];
        const indent = line.length - line.trimStart().length;
        const end = lines.findIndex(
          (other, i) => i > at && other.startsWith(`${" ".repeat(indent)}}`),
        );
        return end - at + 1 > FUNCTION_LINES_MAX
          ? [`${file.path}:${at + 1} opens a function of more than ${FUNCTION_LINES_MAX} lines`]
          : [];
      });
    });

export const leftovers: Rule = (files) => complainOfLines(files, LEFTOVERS, "is left over");
export const forbidden: Rule = (files) =>
  complainOfLines(files, FORBIDDEN, "speaks of a machine or a workplace, not of the project");

export const oneTitle: Rule = (files) =>
  files.flatMap((file) => {
    const prose = file.text.replace(/^```[\s\S]*?^```/gm, "");
    const titles = prose.match(/^# /gm)?.length ?? 0;
    return titles === 1 ? [] : [`${file.path} has ${titles} titles of one #; a document has one`];
  });

export const numberedDecisions: Rule = (files) =>
  files
    .map((file) => posix.basename(file.path))
    .sort()
    .flatMap((name, at) => {
      const number = String(at + 1).padStart(4, "0");
      return /^\d{4}-[a-z0-9-]+\.md$/.test(name) && name.startsWith(number)
        ? []
        : [`docs/decisions/${name} should be called ${number}-some-words.md`];
    });

interface Import {
  readonly target: string;
  readonly kind: "value" | "type" | "dynamic";
}

function importsOf(file: SourceFile): Import[] {
  const pattern =
    /^(?:import|export)\s+(type\s+)?(?:[^;"']*?\bfrom\s+)?["']([^"']+)["']|\bimport\s*\(\s*["']([^"']+)["']/gm;
  return [...withoutComments(file.text).matchAll(pattern)].map(([, type, named, dynamic]) => {
    const specifier = named ?? dynamic ?? "";
    const target = specifier.startsWith(".")
      ? posix.join(posix.dirname(file.path), specifier)
      : specifier;
    return { target, kind: dynamic ? "dynamic" : type ? "type" : "value" };
  });
}

const STRINGS_AND_COMMENTS =
  /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

function withoutComments(text: string): string {
  return text.replace(STRINGS_AND_COMMENTS, (whole, literal: string | undefined) =>
    literal === undefined ? whole.replace(/[^\n]/g, "") : literal,
  );
}

/** Of templates the expressions stay. */
function withoutStrings(code: string): string {
  return code.replace(STRINGS_AND_COMMENTS, (literal) => {
    if (literal.startsWith("`")) return (literal.match(/\$\{[^}]*\}/g) ?? []).join(" ");
    return /^["']node:/.test(literal) ? literal : '""';
  });
}

function opensFunction(line: string): boolean {
  if (!line.endsWith("{") || /^\s*(if|for|while|switch|catch|else|\}|\/?\*|\/\/)/.test(line)) {
    return false;
  }
  return /\bfunction\b|=> \{$|^\s*\).*\{$|^\s+[\w#][\w# ]*(<.*>)?\(.*\).*\{$/.test(line);
}

function complainOfLines(files: readonly SourceFile[], pattern: RegExp, what: string): string[] {
  return files.flatMap((file) =>
    file.text.split("\n").flatMap((line, at) => {
      const found = pattern.exec(line);
      return found ? [`${file.path}:${at + 1} "${found[0].trim()}" ${what}`] : [];
    }),
  );
}
