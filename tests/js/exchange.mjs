// @ts-check
/**
 * Exchanges stores with the native library: `node exchange.mjs OUT DIR [--package PATH] [--cases CASES]...`.
 *
 * `cargo run --release -p twindex-tests --bin exchange -- DIR OUT` comes first: it writes the stores that are
 * read here, where DIR is laid out like data/wordnet. What is made here goes to `OUT/from-js`, which the same
 * command with `--check` reads. Ends with `N passed, M failed`: files that are byte for byte the same, and
 * answers that are the same to the last bit. Exit code 1 if any failed, 2 if something cannot be read or
 * written. `--cases CASES` takes other case files than those of this repository, in both programs.
 */

import { fileURLToPath } from 'node:url';

import { command } from './lib/command.mjs';
import { Exchange } from './lib/exchange.mjs';
import { readFolder } from './lib/oracle.mjs';
import { loadPackage } from './lib/package.mjs';
import { Pack } from './lib/recall.mjs';

const USAGE =
  'node exchange.mjs OUT DIR [--package PATH] [--cases CASES]... (OUT: written by the native exchange)';
const OWN_CASES = ['../data/oracle', '../data/table'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

await command(USAGE, 2, async ({ folders: [out = '', folder = ''], packagePath, entry, cases }) => {
  const exchange = new Exchange(await loadPackage(packagePath, entry), out, console.log);
  await exchange.exchangeCases((cases.length > 0 ? cases : OWN_CASES).flatMap(readFolder));
  await exchange.exchangePack(new Pack(folder));
  return exchange;
});
