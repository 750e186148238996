// @ts-check
/**
 * A static server on loopback for pages under test.
 *
 * @example
 * const site = await serve(folder, { csp: "default-src 'none'; script-src 'self'" });
 * // ... open `${site.url}/page.html` in a browser ...
 * site.requests; // what was asked for, in order, and the status it got
 * await site.close();
 */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';

const TYPES = /** @type {Record<string, string>} */ ({
  '.css': 'text/css; charset=utf-8',
  '.cjs': 'text/javascript; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
});

const REPORTS = '/csp-report';

/**
 * Answers a request in place of a file.
 *
 * @typedef {(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse)
 *   => void | Promise<void>} Route
 */

/**
 * @typedef {object} ServeOptions
 * @property {Record<string, string>} [headers] sent with every answer
 * @property {string} [csp] a Content-Security-Policy for every answer; what breaks it, in pages and in their
 *   workers, lands in `violations`
 * @property {Record<string, Route>} [routes] answers of paths that are no files, such as `/wrong-type.wasm`
 */

/** @typedef {{ method: string, path: string, status: number }} Served */

/**
 * What a browser said about a breach of the policy.
 *
 * @typedef {object} Violation
 * @property {string} directive the directive that was broken, such as `script-src`
 * @property {string} blocked what was blocked: an address, or a word such as `eval`
 * @property {string} source where the code that did it came from
 */

/**
 * @typedef {object} Site
 * @property {string} url the origin, without a slash at the end
 * @property {Served[]} requests what was answered so far
 * @property {Violation[]} violations what was reported so far
 * @property {(matches: (violation: Violation) => boolean) => Promise<Violation>} violation the first such
 *   report, past or to come
 * @property {() => Promise<void>} close
 */

/**
 * Serves a folder. A path that ends in a slash is its `index.html`; what does not exist is 404.
 *
 * @param {string} folder
 * @param {ServeOptions} [options]
 * @returns {Promise<Site>}
 */
export async function serve(folder, { headers = {}, csp, routes = {} } = {}) {
  const root = resolve(folder);
  /** @type {Served[]} */
  const requests = [];
  /** @type {Violation[]} */
  const violations = [];
  /** @type {Set<() => void>} */
  const waiting = new Set();

  /** @type {Record<string, Route>} */
  const answers = {
    '/favicon.ico': (_, response) => void response.writeHead(204).end(),
    ...routes,
    [REPORTS]: async (request, response) => {
      violations.push(toViolation(JSON.parse(await text(request))));
      for (const look of waiting) look();
      response.writeHead(204).end();
    },
  };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (csp !== undefined) response.setHeader('content-security-policy', `${csp}; report-uri ${REPORTS}`);
    response.setHeader('cache-control', 'no-store');
    response.once('close', () => {
      if (pathname !== REPORTS) {
        requests.push({ method: request.method ?? '', path: pathname, status: response.statusCode });
      }
    });
    try {
      const answer = Object.hasOwn(answers, pathname) ? answers[pathname] : undefined;
      await (answer ?? file(root, pathname))(request, response);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end(String(error));
    }
  });
  await new Promise((listening, failed) => {
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => listening(undefined));
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    violations,
    violation: (matches) =>
      new Promise((found) => {
        const look = () => {
          const violation = violations.find(matches);
          if (violation === undefined) return;
          waiting.delete(look);
          found(violation);
        };
        waiting.add(look);
        look();
      }),
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

/**
 * @param {string} root
 * @param {string} pathname
 * @returns {Route}
 */
function file(root, pathname) {
  return async (_, response) => {
    const path = join(root, decodeURIComponent(pathname), pathname.endsWith('/') ? 'index.html' : '');
    const found = path.startsWith(root + sep) ? await stat(path).catch(() => undefined) : undefined;
    if (!found?.isFile()) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`no ${pathname}`);
      return;
    }
    response.writeHead(200, {
      'content-length': found.size,
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
    });
    await pipeline(createReadStream(path), response);
  };
}

/** @param {import('node:http').IncomingMessage} request */
async function text(request) {
  /** @type {Buffer[]} */
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * @param {{ 'csp-report': Record<string, string> }} report
 * @returns {Violation}
 */
function toViolation({ 'csp-report': report }) {
  return {
    directive: report['effective-directive'] ?? report['violated-directive'] ?? '',
    blocked: report['blocked-uri'] ?? '',
    source: report['source-file'] ?? '',
  };
}
