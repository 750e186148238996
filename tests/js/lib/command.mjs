// @ts-check
/** What the runners have in common as commands: their arguments, and their exit codes. */

import { parseArgs } from 'node:util';

/**
 * @typedef {object} Arguments
 * @property {string[]} folders the folders named
 * @property {string | undefined} packagePath what `--package` names
 * @property {string | undefined} entry what `--entry` names
 * @property {string[]} cases what `--cases` names, each time
 */

/**
 * Runs a command: the exit code is 0 if everything passed and something did, 1 if not, 2 if it could not be
 * run.
 *
 * @param {string} usage
 * @param {number} folders how many it takes
 * @param {(args: Arguments) => Promise<{ passed: number, failed: number }>} run
 */
export async function command(usage, folders, run) {
  process.exitCode = 2;
  const args = readArguments(folders);
  if (args === null) {
    console.error(`usage: ${usage}`);
    return;
  }
  try {
    const { passed, failed } = await run(args);
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
  }
}

/**
 * @param {number} count
 * @returns {Arguments | null}
 */
function readArguments(count) {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        package: { type: 'string' },
        entry: { type: 'string' },
        cases: { type: 'string', multiple: true },
      },
    });
    const { package: packagePath, entry, cases = [] } = values;
    return positionals.length === count ? { folders: positionals, packagePath, entry, cases } : null;
  } catch {
    return null;
  }
}
