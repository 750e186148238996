// @ts-check
/**
 * Projects that use the package: a fresh folder each, where npm installs the tarball, and with the tools that
 * the project asks for, laid as npm would lay them, but without a network and in a second.
 */

import { spawn } from 'node:child_process';
import {
  constants,
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const MODULES = resolve(HERE, '../node_modules');

/**
 * No colours to read past, no messages home, no settings of the shell that runs the tests.
 *
 * @type {NodeJS.ProcessEnv}
 */
const ENVIRONMENT = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NO_COLOR: '1' };
for (const name of ['FORCE_COLOR', 'NODE_ENV', 'NODE_OPTIONS', 'NODE_PATH']) delete ENVIRONMENT[name];

/** Makes projects from one tarball. Closing it stops what they run and removes them. */
export class Workshop {
  #folder = mkdtempSync(join(tmpdir(), 'twindex-packaging-'));
  #tarball = join(this.#folder, 'package.tgz');
  /** @type {Project[]} */
  #projects = [];

  /** @param {string} tarball what `npm pack` made */
  constructor(tarball) {
    copyFileSync(tarball, this.#tarball); // all of them get the same, even if it is packed again meanwhile
  }

  /**
   * A fresh copy of a project.
   *
   * @param {string} name its folder beside this file
   * @param {Record<string, string>} [tools] what else is installed: the name it has there, and its name in
   *   `tests/js/package.json`
   */
  async project(name, tools = {}) {
    const project = new Project(mkdtempSync(join(this.#folder, `${name}-`)));
    this.#projects.push(project);
    cpSync(join(HERE, name), project.folder, { recursive: true });
    copyFileSync(join(HERE, 'scenario.mjs'), project.path('scenario.mjs'));
    await project.run(
      'npm',
      'install',
      '--offline',
      '--no-save',
      '--no-package-lock',
      '--no-audit',
      '--no-fund',
      this.#tarball,
    );
    const manifest = readFileSync(project.path('node_modules', 'twindex', 'package.json'), 'utf8');
    project.version = JSON.parse(manifest).version;
    for (const [as, tool] of Object.entries(tools)) install(tool, as, project.path('node_modules'));
    return project;
  }

  async close() {
    await Promise.all(this.#projects.map((project) => project.stop()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A project in its folder, and what runs there. */
export class Project {
  /** @type {Set<import('node:child_process').ChildProcess>} */
  #running = new Set();
  /** The version of the package, as its `package.json` has it. */
  version = '';

  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder;
  }

  /** @param {string[]} names */
  path(...names) {
    return join(this.folder, ...names);
  }

  /**
   * Runs a command to its end, and gives what it printed. If it fails, so does this.
   *
   * @param {string} command
   * @param {string[]} args
   */
  async run(command, ...args) {
    const { child, printed } = this.#start(command, args);
    const status = await new Promise((ended, failed) => {
      child.once('error', failed);
      child.once('close', (code, signal) => ended(code ?? signal));
    });
    if (status !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${status}\n${printed.all}`);
    return printed.out;
  }

  /**
   * Runs a module or a tool with Node, and gives what the last line it printed says in JSON.
   *
   * @param {string[]} args
   */
  async node(...args) {
    const printed = await this.run(process.execPath, ...args);
    return JSON.parse(printed.trimEnd().split('\n').at(-1) ?? '');
  }

  /**
   * Starts a server with Node and gives the address it prints.
   *
   * @param {string[]} args
   * @returns {Promise<string>}
   */
  server(...args) {
    const { child, printed } = this.#start(process.execPath, args);
    return new Promise((listening, failed) => {
      child.stdout?.on('data', () => {
        const [address] = printed.out.match(/http:\/\/127\.0\.0\.1:\d+/) ?? [];
        if (address !== undefined) listening(address);
      });
      child.once('error', failed);
      child.once('close', (status) =>
        failed(new Error(`${args.join(' ')} ended with ${status}\n${printed.all}`)),
      );
    });
  }

  /**
   * Ends what still runs, at once. Asked to end, `next start` waits for every connection to close, and a browser
   * keeps those that it opened in advance and never used for as long as it likes.
   */
  async stop() {
    await Promise.all(
      [...this.#running].map(
        (child) =>
          new Promise((ended) => {
            child.once('exit', ended);
            child.kill('SIGKILL');
          }),
      ),
    );
  }

  /**
   * @param {string} command
   * @param {string[]} args
   */
  #start(command, args) {
    const child = spawn(command, args, {
      cwd: this.folder,
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed = { out: '', all: '' };
    child.stdout.setEncoding('utf8').on('data', (text) => {
      printed.out += text;
      printed.all += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => (printed.all += text));
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    return { child, printed };
  }
}

/**
 * Lays a tool and all that it depends on into a `node_modules`.
 *
 * @param {string} tool
 * @param {string} as
 * @param {string} modules
 */
function install(tool, as, modules) {
  const source = join(MODULES, tool);
  if (!existsSync(source)) throw new Error(`${tool} is missing: run \`npm ci\` in tests/js`);
  const seen = new Set([source]);
  link(source, join(modules, as));
  for (const folder of seen) {
    const { dependencies, optionalDependencies } = JSON.parse(
      readFileSync(join(folder, 'package.json'), 'utf8'),
    );
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = resolveFrom(folder, name);
      // Those for other systems are not there. Those inside another package's folder came along with it.
      if (found === undefined || seen.has(found)) continue;
      seen.add(found);
      const place = join(modules, name);
      if (found === join(MODULES, name) && !existsSync(place)) link(found, place);
    }
  }
}

/**
 * The folder of a package, as Node finds it from another package's.
 *
 * @param {string} folder
 * @param {string} name
 */
function resolveFrom(folder, name) {
  for (let at = folder; at.startsWith(MODULES); at = dirname(at)) {
    const candidate = basename(at) === 'node_modules' ? join(at, name) : join(at, 'node_modules', name);
    if (existsSync(candidate)) return candidate;
  }
  return undefined;
}

/**
 * Copies a folder by hard links, or truly where the file system has none across folders.
 *
 * @param {string} from
 * @param {string} to
 */
function link(from, to) {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) link(source, target);
    else {
      try {
        linkSync(source, target);
      } catch {
        copyFileSync(source, target, constants.COPYFILE_FICLONE);
      }
    }
  }
}
