import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

const PUBLIC = join(import.meta.dirname, 'public');

/** Writes into the service worker which files the page is made of. What lies in `data/` is not one of them. */
function listFiles(): Plugin {
  return {
    name: 'list-files',
    apply: 'build',
    enforce: 'post',
    generateBundle(_, bundle) {
      const digest = createHash('sha256');
      const files = ['./'];
      for (const [name, item] of Object.entries(bundle).sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (name === 'service-worker.js' || name.endsWith('.map')) continue;
        digest.update(name).update(item.type === 'chunk' ? item.code : item.source);
        if (name !== 'index.html') files.push(name);
      }
      for (const name of readdirSync(PUBLIC).sort()) {
        if (name === 'data' || name.startsWith('.')) continue;
        digest.update(name).update(readFileSync(join(PUBLIC, name)));
        files.push(name);
      }
      const worker = bundle['service-worker.js'];
      if (worker?.type !== 'chunk') throw new Error('the service worker is not in the bundle');
      const code = worker.code.replaceAll(/\bFILES\b/g, JSON.stringify(files)).replaceAll(/\bVERSION\b/g, JSON.stringify(digest.digest('hex').slice(0, 16)));
      if (code === worker.code) throw new Error('the service worker has no place for the list of files');
      worker.code = code;
    },
  };
}

/** What others' licences ask for: their texts beside their work. */
const licences: Plugin = {
  name: 'licences',
  apply: 'build',
  buildStart() {
    const text = ['@fontsource/newsreader', 'pdfjs-dist'].map((name) => `${name}\n\n${readFileSync(join(import.meta.dirname, 'node_modules', name, 'LICENSE'), 'utf8')}`);
    this.emitFile({ type: 'asset', fileName: 'licences.txt', source: text.join('\n\n') });
  },
};

/** What PDF.js reads Chinese, Japanese and Korean texts with, where a PDF names a character set and does not bring it: fetched when it is asked for. */
const characterMaps: Plugin = {
  name: 'character-maps',
  apply: 'build',
  buildStart() {
    const folder = join(import.meta.dirname, 'node_modules/pdfjs-dist/cmaps');
    for (const name of readdirSync(folder)) this.emitFile({ type: 'asset', fileName: `cmaps/${name}`, source: readFileSync(join(folder, name)) });
  },
};

/** The policy is for what is built: while one develops, Vite puts styles into the page. */
const noPolicyInDevelopment: Plugin = {
  name: 'no-policy-in-development',
  apply: 'serve',
  transformIndexHtml: (html) => html.replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, ''),
};

export default defineConfig({
  base: './',
  // What is not there is 404, not the page.
  appType: 'mpa',
  plugins: [licences, characterMaps, listFiles(), noPolicyInDevelopment],
  worker: { format: 'es' },
  // The package finds its WebAssembly beside its own files.
  optimizeDeps: { exclude: ['twindex'] },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { index: join(import.meta.dirname, 'index.html'), 'service-worker': join(import.meta.dirname, 'src/offline/service-worker.ts') },
      output: { entryFileNames: ({ name }) => (name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js') },
    },
  },
  server: { host: '127.0.0.1' },
  preview: { host: '127.0.0.1' },
});
