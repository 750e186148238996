// @ts-check
/**
 * Opens what FAISS and LangChain wrote with the packed npm package, and compares it with what they hold and answer:
 * `node fixtures.mjs DIR [--package PATH] [--entry worker]`.
 *
 * Ends with `N passed, M failed`. Exit code 1 if any failed or there was none, 2 if the folder or the package cannot be read.
 */

import { command } from './lib/command.mjs';
import { check } from './lib/fixtures.mjs';
import { loadPackage } from './lib/package.mjs';

const USAGE =
  'node fixtures.mjs DIR [--package PATH] [--entry worker] (DIR: a folder laid out like tests/data/fixtures)';

await command(USAGE, 1, async ({ folders: [folder = ''], packagePath, entry }) =>
  check(await loadPackage(packagePath, entry), folder, console.log),
);
