// @ts-check
/**
 * Compares exact search with the exact neighbours of a data pack, on the packed npm package:
 * `node recall.mjs DIR [--package PATH] [--entry worker]`.
 *
 * Prints a line for each metric or filter, and ends with `N passed, M failed`, where every query counts once
 * one by one and once in a batch. Exit code 1 if any failed, 2 if the folder or the package cannot be read.
 * `--entry worker` searches with `twindex/worker`.
 */

import { command } from './lib/command.mjs';
import { loadPackage } from './lib/package.mjs';
import { Pack } from './lib/recall.mjs';

const USAGE =
  'node recall.mjs DIR [--package PATH] [--entry worker] (DIR: a folder laid out like data/wordnet)';

await command(USAGE, 1, async ({ folders: [folder = ''], packagePath, entry }) => {
  const pack = new Pack(folder);
  return pack.check(await loadPackage(packagePath, entry), console.log);
});
