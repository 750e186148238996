// @ts-check
// Where the files that are not code lie. A server's bundler moves code and may leave them, or move them and tell the ES module only.
'use strict';

const { existsSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const { fileURLToPath } = require('node:url');

/** @type {Map<string, string>} */
const given = new Map();

/**
 * Says where a file is, as far as the ES module knows.
 *
 * @param {string} name
 * @param {string} url
 */
exports.give = (name, url) => {
  if (url.startsWith('file:')) given.set(name, fileURLToPath(url));
};

/**
 * The path of a file of this package.
 *
 * @param {string} name
 * @returns {string}
 */
exports.find = (name) => {
  const beside = join(__dirname, name);
  const candidates = [() => given.get(name), () => beside, () => installed(name)];
  for (const candidate of candidates) {
    const path = candidate();
    if (path && existsSync(path)) return path;
  }
  return beside;
};

/** @param {string} name */
function installed(name) {
  try {
    return join(createRequire(join(process.cwd(), '_')).resolve('twindex/package.json'), '..', 'dist', name);
  } catch {
    return undefined;
  }
}
