/**
 * A promise of what `act` gives; a rejected one of what it throws. What an async function does, for those
 * that wait for nothing: of its two promises each costs its hooks where AsyncLocalStorage is in use.
 */
export function promised<T>(act: () => Promise<T> | T): Promise<T> {
  try {
    const given = act();
    return given instanceof Promise ? given : Promise.resolve(given);
  } catch (error) {
    return Promise.reject(error);
  }
}
