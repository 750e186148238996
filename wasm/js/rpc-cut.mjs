// @ts-check
// Cuts a store that is whole in one worker into slices for several.
import { VectorStoreError } from './error.mjs';

/** @typedef {import('./index.js').StoreInfo} StoreInfo */
/** @typedef {import('./rpc-client.mjs').Connection} Connection */
/** @typedef {import('./rpc-client.mjs').Functions} Functions */

/**
 * A store in one worker, with the functions that its calls may come back to.
 *
 * @typedef {{ connection: Connection, target: number, functions: Functions }} Store
 */

/** @typedef {Store & { count: number }} Slice A store that has some documents of the whole, so many. */

/**
 * Cuts a store: its first slice stays where it is. The store is let go of if it cannot be cut.
 *
 * @param {Store} whole
 * @param {StoreInfo} info The whole's.
 * @param {Connection[]} others Workers for the other slices.
 * @param {unknown} embeddings
 * @param {AbortSignal | null | undefined} signal
 * @returns {Promise<Slice[]>}
 */
export async function cut(whole, { kind, count }, others, embeddings, signal) {
  const slices = [{ ...whole, count }];
  try {
    if (kind !== 'Flat') throw unsupported(`an index of kind ${kind} cannot be held in several workers`);
    if (others.length > 0) {
      const ids = /** @type {string[]} */ (await ask(whole, 'ids'));
      const bytes = await ask(whole, 'serialize');
      const starts = Array.from({ length: others.length + 2 }, (_, i) =>
        Math.floor((count * i) / (others.length + 1)),
      );
      for (const [i, connection] of others.entries()) {
        const [start, end] = starts.slice(i + 1);
        const slice = await without(whole.connection, bytes, [...ids.slice(0, start), ...ids.slice(end)], signal);
        slices.push({ ...(await opened(connection, slice, embeddings, signal)), count: end - start });
      }
      slices[0].count -= Number(await ask(whole, 'delete', [{ ids: ids.slice(starts[1]) }]));
    }
    signal?.throwIfAborted();
    return slices;
  } catch (error) {
    for (const { connection, target } of slices) connection.release(target);
    throw error;
  }
}

/** @param {string} message */
const unsupported = (message) => new VectorStoreError(message, 'unsupported_by_index');

/**
 * @param {Store} store
 * @param {string} method
 * @param {unknown[]} [args]
 */
export const ask = ({ connection, target, functions }, method, args = []) =>
  connection.call({ target, method, args, known: [functions] });

/**
 * The bytes of a store without some of its documents.
 *
 * @param {Connection} connection
 * @param {unknown} bytes
 * @param {string[]} ids
 * @param {AbortSignal | null | undefined} signal
 */
async function without(connection, bytes, ids, signal) {
  const slice = await opened(connection, bytes, undefined, signal);
  try {
    await ask(slice, 'delete', [{ ids }]);
    return await ask(slice, 'serialize');
  } finally {
    connection.release(slice.target);
  }
}

/**
 * @param {Connection} connection
 * @param {unknown} bytes
 * @param {unknown} embeddings
 * @param {AbortSignal | null | undefined} signal
 * @returns {Promise<Store>}
 */
async function opened(connection, bytes, embeddings, signal) {
  /** @type {Functions} */
  const functions = new Map();
  const args = [bytes, embeddings, { signal: signal ?? undefined }];
  return { connection, target: await connection.call({ method: 'deserialize', args, functions }), functions };
}
