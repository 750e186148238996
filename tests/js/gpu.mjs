// @ts-check
/**
 * Opens an IVF index that an NVIDIA card made, and compares its answers with those that FAISS gave:
 * `node gpu.mjs FOLDER [--package PATH]`, where `gpu-check --only node --out FOLDER` wrote `gpu.twindex` and `gpu.json`.
 *
 * Ends with `N passed, M failed`: queries whose ids, order and scores are the same, scores to the last bit. Exit code
 * 1 if any failed, 2 if something cannot be read.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { command } from './lib/command.mjs';
import { loadPackage } from './lib/package.mjs';

/** @typedef {{ query: number[], ids: string[], scores: number[] }} Answer */

await command('node gpu.mjs FOLDER [--package PATH]', 1, async ({ folders: [folder = ''], packagePath }) => {
  const { VectorStore } = await loadPackage(packagePath);
  const store = await VectorStore.deserialize(readFileSync(join(folder, 'gpu.twindex')));
  /** @type {Answer[]} */
  const answers = JSON.parse(readFileSync(join(folder, 'gpu.json'), 'utf8'));
  let passed = 0;
  for (const { query, ids, scores } of answers) {
    const found = await store.similaritySearchVectorWithScore(Float32Array.from(query), { k: ids.length });
    const same = found.every(([document, score], i) => document.id === ids[i] && score === Math.fround(scores[i] ?? NaN));
    passed += Number(found.length === ids.length && same);
  }
  return { passed, failed: answers.length - passed };
});
