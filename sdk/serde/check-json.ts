/** Walks a value before it is written as JSON, and refuses with its path what JSON would lose. */

/** Deeper values would overflow the stack of some reader. */
const DEPTH_MAX = 1_000;

export interface JsonFacts {
  /** JSON can write -0, but `JSON.stringify` does not. */
  readonly hasNegativeZero: boolean;
}

const NOTHING_SPECIAL: JsonFacts = { hasNegativeZero: false };
const NEGATIVE_ZERO: JsonFacts = { hasNegativeZero: true };

/** @throws TypeError with the path of the first value that JSON cannot carry */
export function checkJson(value: unknown): JsonFacts {
  if (typeof value === "number" && Number.isFinite(value)) {
    return Object.is(value, -0) ? NEGATIVE_ZERO : NOTHING_SPECIAL;
  }
  if (typeof value === "string" || typeof value === "boolean" || value === null) {
    return NOTHING_SPECIAL;
  }
  const walk = new Walk();
  walk.visit(value);
  return walk;
}

class Walk implements JsonFacts {
  hasNegativeZero = false;
  readonly #path: (string | number)[] = [];
  readonly #ancestors = new Set<object>();

  visit(value: unknown): void {
    switch (typeof value) {
      case "string":
      case "boolean":
        return;
      case "number":
        if (!Number.isFinite(value)) this.#refuse(`${value}`, "JSON has no such number");
        if (Object.is(value, -0)) this.hasNegativeZero = true;
        return;
      case "bigint":
        return this.#refuse("a bigint", "give it as a string or a number");
      case "undefined":
        return this.#refuse("undefined", "use null, or leave it out");
      case "symbol":
      case "function":
        return this.#refuse(`a ${typeof value}`, "it cannot be stored");
      case "object":
        if (value !== null) this.#visitObject(value);
    }
  }

  #visitObject(value: object): void {
    if (this.#ancestors.has(value)) this.#refuse("a cycle", "the value contains itself");
    if (this.#ancestors.size === DEPTH_MAX) {
      this.#refuse(`nested deeper than ${DEPTH_MAX} levels`, "give it a flatter shape");
    }
    this.#ancestors.add(value);
    if (Array.isArray(value)) this.#visitArray(value);
    else this.#visitMembers(value);
    this.#ancestors.delete(value);
  }

  #visitArray(array: readonly unknown[]): void {
    if (array.constructor?.name !== "Array") {
      this.#refuse(nameOf(array), "it would come back as a plain array");
    }
    for (let index = 0; index < array.length; index++) {
      this.#path.push(index);
      if (!(index in array)) this.#refuse("a hole in an array", "fill it with null");
      this.visit(array[index]);
      this.#path.pop();
    }
    // No holes, so more keys than items are members of the array's own (as on the match of a RegExp).
    const keys = Object.keys(array);
    const extra = keys[array.length];
    if (extra !== undefined) {
      this.#path.push(extra);
      this.#refuse("a named member of an array", "copy the items: [...array]");
    }
    this.#refuseSymbolKeys(array);
  }

  #visitMembers(value: object): void {
    if (!isPlain(value)) {
      this.#refuse(nameOf(value), "it would not come back as one: give plain data or use a serde");
    }
    for (const [key, member] of Object.entries(value)) {
      // A member that is undefined is an absent one, as for JSON.stringify and for who reads it.
      if (member === undefined) continue;
      this.#path.push(key);
      this.visit(member);
      this.#path.pop();
    }
    this.#refuseSymbolKeys(value);
  }

  #refuseSymbolKeys(value: object): void {
    for (const symbol of Object.getOwnPropertySymbols(value)) {
      if (!Object.prototype.propertyIsEnumerable.call(value, symbol)) continue;
      this.#path.push(String(symbol));
      this.#refuse("a member named by a symbol", "name it by a string");
    }
  }

  #refuse(what: string, advice: string): never {
    throw new TypeError(`JSON cannot carry ${what} at ${formatPath(this.#path)}: ${advice}`);
  }
}

/** Made by `{}`, `JSON.parse` or `Object.create(null)`, in this realm or another one. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(Object(prototype), "__proto__");
}

function nameOf(value: object): string {
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: unknown } } | null; // says any
  const name = prototype?.constructor?.name;
  return typeof name === "string" && name !== "" ? `a ${name} object` : "an object of a class";
}

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** `$.items[3]["a b"]`: the value itself is `$`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = "$";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (typeof step === "symbol") text += `[${String(step)}]`;
    else text += IDENTIFIER.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  }
  return text;
}
