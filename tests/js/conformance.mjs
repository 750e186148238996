// @ts-check
/**
 * Runs every case file of a folder on the packed npm package:
 * `node conformance.mjs DIR [--package PATH] [--entry worker]`.
 *
 * Prints a line for each case that fails and ends with `N passed, M failed`. Exit code 1 if any failed or
 * there was none to run, 2 if the folder or the package cannot be read. `--entry worker` runs them on
 * `twindex/worker`.
 */

import { command } from './lib/command.mjs';
import { readFolder } from './lib/oracle.mjs';
import { loadPackage } from './lib/package.mjs';
import { runAll } from './lib/runner.mjs';

const USAGE =
  'node conformance.mjs DIR [--package PATH] [--entry worker] (DIR: a folder of *.json case files)';

await command(USAGE, 1, async ({ folders: [folder = ''], packagePath, entry }) => {
  const cases = readFolder(folder);
  const summary = await runAll(await loadPackage(packagePath, entry), cases, console.log);
  if (cases.length === 0) console.log('no case was found, which counts as a failure');
  return summary;
});
