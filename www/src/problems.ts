/** What went wrong, in words for the person in front of the page. */

/** What the codes of Twindex mean here. Codes that are not listed tell their own message. */
const MEANINGS: Record<string, string> = {
  quota_exceeded: 'There is no room left in this browser’s storage.',
  storage_unavailable: 'This browser lets this page keep nothing (a private window, perhaps).',
  not_a_store: 'This is not a Twindex file.',
  newer_version: 'This file was written by a newer version of Twindex.',
  truncated: 'This file is cut short: it was not copied or downloaded to its end.',
  checksum_mismatch: 'This file is damaged: its checksum does not match.',
  corrupt: 'This file is damaged, or is no Twindex file at all.',
  out_of_memory: 'This is more than fits into the memory that this tab may use.',
  worker_failed: 'The part of this page that searches has stopped.',
  wasm_unavailable: 'The program that searches could not be loaded.',
  simd_unavailable: 'This browser is too old: it has no WebAssembly SIMD (Chromium 91, Firefox 89, Safari 16.4).',
  embeddings_model_file: 'A file of the language model is missing or cannot be read.',
  embeddings_model: 'The language model’s files are damaged, or are of another kind of model.',
};

/** The stable name of what happened, if it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A sentence or two. */
export function describe(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const meaning = MEANINGS[codeOf(error) ?? ''];
  return meaning === undefined ? sentence(message) : `${meaning} (${message})`;
}

const sentence = (text: string): string => {
  const trimmed = text.trim();
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}${/[.!?…]$/.test(trimmed) ? '' : '.'}`;
};

/** Whether the worker with the stores is gone, and all that was not kept with it. */
export const isGone = (error: unknown): boolean => codeOf(error) === 'worker_failed' || codeOf(error) === 'store_freed';

/** Whether a call was cancelled, which is no problem. */
export const isCancelled = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

/** Something that is wrong with what a person gave, in words made for them. */
export class Refused extends Error {
  override name = 'Refused';
}
