/**
 * Headers as HTTP carries them, also where there is no HTTP: names in lower case, values without space
 * around them, and what cannot be sent is refused with the same error.
 *
 * @throws TypeError for a name or a value that is none
 */
export function asCarried(
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  for (const name in headers) {
    if (!PLAIN_NAME.test(name) || !PLAIN_VALUE.test(headers[name] ?? "")) {
      return Object.fromEntries(new Headers({ ...headers }));
    }
  }
  return headers;
}

/** Of these `Headers` changes nothing. It costs microseconds, and nearly all are such. */
const PLAIN_NAME = /^[a-z0-9-]+$/;
const PLAIN_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
