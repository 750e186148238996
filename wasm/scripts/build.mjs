// @ts-check
// Builds the npm package into `dist/`: `npm run build`, then `npm pack`.
//
// Rust to two binaries (plain SIMD, relaxed SIMD) that share one glue module, two more of the same with approximate search, and two for what is rarer; the JavaScript around it to one file per entry point. Prints what one
// visit downloads, and fails above the budget.

import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { shortenImports } from './imports.mjs';

/** What one visit may download: JavaScript and the one binary chosen, each by gzip -9. */
const BUDGET = 120_000;

const wasm = resolve(fileURLToPath(import.meta.url), '../..');
const repository = resolve(wasm, '..');
const work = join(wasm, 'build');
/** Takes the place of `dist/` when it is whole. */
const dist = join(work, 'dist');
const { version } = JSON.parse(readFileSync(join(wasm, 'package.json'), 'utf8'));

/** @param {string} what */
const say = (what) => console.log(`build: ${what}`);

/**
 * @param {string} command
 * @param {string[]} args
 */
function run(command, ...args) {
  execFileSync(command, args, { cwd: repository, stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Larger functions stay apart even if they have one caller: more bytes, but bytes that gzip packs 4% better. */
const SMALL = ['-Oz', '--converge', '--one-caller-inline-max-function-size=20'];

/**
 * How a crate is compiled.
 *
 * @typedef {object} Recipe
 * @property {string} [crate]
 * @property {string} [profile] Cargo's.
 * @property {string[]} [optimize] How wasm-opt is to go about it.
 * @property {string[]} [rust] More flags of rustc.
 * @property {string[]} [cargo] More flags of Cargo.
 */

/**
 * One binary and its glue.
 *
 * @param {string} name
 * @param {string} features
 * @param {Recipe} [recipe]
 */
function compile(name, features, { crate = 'twindex-wasm', profile = 'wasm', optimize = SMALL, rust = [], cargo = [] } = {}) {
  const target = 'wasm32-unknown-unknown';
  // Panics name their place; the place of the machine that built them is nobody's business, and differs.
  const crates = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry', 'src');
  const flags = [
    `-Ctarget-feature=${features}`,
    `--remap-path-prefix=${repository}=twindex`,
    ...readdirSync(crates).map((index) => `--remap-path-prefix=${join(crates, index)}=cargo`),
    ...rust,
  ];
  // Two folders: with one, each binary would be built from nothing every time.
  const folder = join(repository, 'target', name);
  const config = `target.${target}.rustflags=${JSON.stringify(flags)}`;
  run('cargo', 'build', '--locked', '--quiet', '--profile', profile, '-p', crate, '--target', target, '--config', config, '--target-dir', folder, ...cargo);
  const out = join(work, name);
  const input = join(folder, target, profile, `${crate.replaceAll('-', '_')}.wasm`);
  run('cargo', 'run', '--locked', '--quiet', '--release', '-p', 'twindex-bindgen', '--', 'web', input, out, 'glue');
  const optimizer = join(wasm, 'node_modules', 'binaryen', 'bin', 'wasm-opt');
  const enable = ['simd', 'relaxed-simd', 'bulk-memory', 'bulk-memory-opt', 'reference-types', 'multivalue', 'nontrapping-float-to-int', 'sign-ext', 'mutable-globals', 'call-indirect-overlong'];
  if (!features.includes('+relaxed-simd')) enable.splice(1, 1);
  run(process.execPath, optimizer, ...optimize, '--low-memory-unused', '--strip-debug', '--strip-producers', ...enable.map((feature) => `--enable-${feature}`), join(out, 'glue_bg.wasm'), '-o', join(out, 'optimized.wasm'));
  const { module, glue } = shortenImports(readFileSync(join(out, 'optimized.wasm')), readFileSync(join(out, 'glue.js'), 'utf8'));
  writeFileSync(join(dist, `${name}.wasm`), module);
  return `${glue}\n${START}`;
}

/**
 * The store's glue: what runs soon is ours to run, since a trap there would otherwise be nobody's.
 *
 * @param {string} glue
 */
function guarded(glue) {
  // Remarks tell places in one binary's table of functions, which the code does not.
  const bare = replaced(glue, /^\s*\/\/ Cast intrinsic for .*$/gm, '');
  const changed = replaced(bare, /^(\s+)queueMicrotask\((\w+)\);$/m, '$1soon($2);');
  return `import { soon } from './glue-support.mjs';\n${changed}`;
}

/**
 * @param {string} glue
 * @param {string | RegExp} what
 * @param {string} by
 */
function replaced(glue, what, by) {
  const changed = glue.replace(what, by);
  if (changed === glue) throw new Error(`the glue has changed: ${what} is not in it`);
  return changed;
}

/** In place of the glue's own ways to start, which fetch, and know modules of this realm only: edge runtimes have another. */
const START = `export async function startModule(module) {
  return __wbg_finalize_init(await WebAssembly.instantiate(module, __wbg_get_imports()), module);
}
`;

/** @type {import('esbuild').BuildOptions} */
const common = { bundle: true, minify: true, target: 'es2022', legalComments: 'none', absWorkingDir: work, logLevel: 'warning', charset: 'utf8', logOverride: { 'duplicate-object-key': 'silent' } };

/**
 * Leaves modules outside a bundle, under the names they have in `dist`.
 *
 * @param {Record<string, string>} names
 * @returns {import('esbuild').Plugin}
 */
const outside = (names) => ({
  name: 'outside',
  setup(build) {
    build.onResolve({ filter: /^\.\// }, ({ path, kind }) =>
      path in names && kind !== 'entry-point' ? { path: names[path], external: true } : undefined,
    );
  },
});

/**
 * For browsers: ES modules.
 *
 * @param {string} entry
 * @param {string} out
 * @param {Record<string, string>} names
 */
const forBrowsers = (entry, out, names) =>
  build({ ...common, entryPoints: [entry], outfile: join(dist, out), format: 'esm', platform: 'browser', plugins: [outside(names)] });

/**
 * For Node: CommonJS.
 *
 * @param {string} entry
 * @param {string} out
 * @param {Record<string, string>} names
 */
const forNode = (entry, out, names) =>
  build({ ...common, minify: false, entryPoints: [entry], outfile: join(dist, out), format: 'cjs', platform: 'node', plugins: [outside(names)] });

rmSync(work, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });

say('compiling with SIMD');
const glue = guarded(compile('twindex', '+simd128'));
say('compiling with relaxed SIMD');
if (guarded(compile('twindex-relaxed', '+simd128,+relaxed-simd')) !== glue) {
  throw new Error('the two binaries need different glue: they cannot share a module');
}

for (const [name, features, more] of [['twindex-approximate', '+simd128', 'approximate'], ['twindex-approximate-relaxed', '+simd128,+relaxed-simd', 'approximate,halves']]) {
  say(`compiling ${name}: searches to a recall target`);
  if (guarded(compile(name, features, { cargo: ['--features', more] })) !== glue) {
    throw new Error(`${name} and the first binary need different glue: they cannot share a module`);
  }
}

say('compiling the second module: other people\'s files, and indexes that are not flat');
const interopGlue = guarded(compile('twindex-interop', '+simd128', { cargo: ['--features', 'interop,approximate'] }));

say('compiling the module of local embeddings (minutes, the first time)');
const embedGlue = compile('twindex-embed', '+simd128', {
  crate: 'twindex-embed-wasm',
  profile: 'wasm-embed',
  optimize: ['-O1'], // LLVM has done the rest; more takes minutes and saves 2 percent
  rust: ['--cfg=getrandom_backend="wasm_js"'],
});

say('bundling');
for (const file of readdirSync(join(wasm, 'js'))) {
  if (/\.[cm]js$/.test(file)) copyFileSync(join(wasm, 'js', file), join(work, file));
}
writeFileSync(join(work, 'glue.mjs'), glue);
writeFileSync(join(work, 'interop-glue.mjs'), interopGlue);
writeFileSync(join(work, 'embed-glue.mjs'), embedGlue);
writeFileSync(join(work, 'version.mjs'), `export const version = ${JSON.stringify(version)};\n`);

const error = { './error.mjs': './error.mjs', './interop-entry.mjs': './interop.mjs' };
const errorCjs = { './error.mjs': './error.cjs', './places.cjs': './places.cjs', './interop-entry.mjs': './interop.cjs' };
await Promise.all([
  forBrowsers('error.mjs', 'error.mjs', {}),
  forBrowsers('web.mjs', 'index.mjs', error),
  forBrowsers('interop-entry.mjs', 'interop.mjs', error),
  forNode('interop-entry.mjs', 'interop.cjs', errorCjs),
  forBrowsers('edge.mjs', 'edge.mjs', error),
  forBrowsers('worker.mjs', 'worker.mjs', error),
  // One file, the second module's JavaScript in it: Vite's workers take no parts that are loaded later.
  forBrowsers('worker-host.mjs', 'worker-host.mjs', { './error.mjs': './error.mjs' }),
  forBrowsers('approximate.mjs', 'approximate.mjs', error),
  forNode('approximate-node.mjs', 'approximate-node.cjs', errorCjs),
  forBrowsers('embed.mjs', 'embed.mjs', error),
  forBrowsers('embed-host-web.mjs', 'embed-host.mjs', { './error.mjs': './error.mjs' }),
  forNode('error.mjs', 'error.cjs', {}),
  forNode('node.mjs', 'node.cjs', errorCjs),
  forNode('worker-node.mjs', 'worker-node.cjs', errorCjs),
  // One file: server bundlers copy it as it is.
  forNode('worker-host-node.mjs', 'worker-host-node.cjs', {}),
  forNode('embed-node.mjs', 'embed-node.cjs', errorCjs),
  forNode('embed-host-node.mjs', 'embed-host-node.cjs', {}),
]);
copyFileSync(join(wasm, 'js/places.cjs'), join(dist, 'places.cjs'));
copyFileSync(join(wasm, 'js/node-esm.mjs'), join(dist, 'node.mjs'));
copyFileSync(join(wasm, 'js/worker-node-esm.mjs'), join(dist, 'worker-node.mjs'));
copyFileSync(join(wasm, 'js/approximate-node-esm.mjs'), join(dist, 'approximate-node.mjs'));
copyFileSync(join(wasm, 'js/approximate-places.mjs'), join(dist, 'approximate-places.mjs'));
copyFileSync(join(wasm, 'js/embed-node-esm.mjs'), join(dist, 'embed-node.mjs'));
if (existsSync(join(work, "langchain.mjs"))) await build({ ...common, minify: false, entryPoints: ['langchain.mjs'], outfile: join(dist, 'langchain.mjs'), format: 'esm', packages: 'external' });
if (existsSync(join(work, "langchain.mjs"))) await build({ ...common, minify: false, entryPoints: ['langchain.mjs'], outfile: join(dist, 'langchain.cjs'), format: 'cjs', packages: 'external' });

for (const file of readdirSync(join(wasm, 'js'))) {
  if (!file.endsWith('.d.ts')) continue;
  const types = readFileSync(join(wasm, 'js', file), 'utf8');
  writeFileSync(join(dist, file), types);
  // The same for `require`, which takes relative types by the ending of its own kind.
  writeFileSync(join(dist, file.replace(/\.d\.ts$/, '.d.cts')), types.replaceAll(/(['"])(\.\/[\w-]+)\.js\1/g, '$1$2.cjs$1'));
}
for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(join(repository, licence), join(wasm, licence));

/** @param {string} file */
const compressed = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;

const code = compressed('index.mjs') + compressed('error.mjs');
let largest = 0;
for (const binary of ['twindex.wasm', 'twindex-relaxed.wasm']) {
  const size = compressed(binary);
  largest = Math.max(largest, size);
  const raw = readFileSync(join(dist, binary)).length;
  say(`${binary}: ${raw} bytes, ${size} by gzip -9`);
}
say(`twindex-interop.wasm: ${readFileSync(join(dist, 'twindex-interop.wasm')).length} bytes, ${compressed('twindex-interop.wasm')} by gzip -9, and ${compressed('interop.mjs')} of JavaScript, when they are needed`);
for (const binary of ['twindex-approximate.wasm', 'twindex-approximate-relaxed.wasm']) say(`${binary}: ${compressed(binary)} by gzip -9, in place of the first`);
say(`JavaScript: ${code} by gzip -9 (twindex/worker: ${compressed('worker.mjs')} in the page, ${compressed('worker-host.mjs')} more in the worker)`);
say(`twindex-embed.wasm: ${readFileSync(join(dist, 'twindex-embed.wasm')).length} bytes, ${compressed('twindex-embed.wasm')} by gzip -9, and ${compressed('embed.mjs') + compressed('embed-host.mjs')} of JavaScript, for twindex/embed alone`);
rmSync(join(wasm, 'dist'), { recursive: true, force: true });
renameSync(dist, join(wasm, 'dist'));
say(`one visit downloads ${code + largest} bytes by gzip -9, of ${BUDGET}`);
if (code + largest > BUDGET) {
  console.error(`build: above the budget by ${code + largest - BUDGET} bytes`);
  process.exit(1);
}
