/**
 * Keeps what the page is made of, so that it opens without a network. The build puts the list of files in place of `FILES`, and a digest of them in place
 * of `VERSION`. The dictionary and the model are kept by the page itself, in caches of their own.
 */
/// <reference lib="webworker" />

declare const FILES: readonly string[];
declare const VERSION: string;

const worker = self as unknown as ServiceWorkerGlobalScope;
const PREFIX = 'twindex-page-';
const CACHE = `${PREFIX}${VERSION}`;

worker.addEventListener('install', (event) => {
  event.waitUntil(
    caches.open(CACHE).then((cache) => cache.addAll(FILES.map((file) => new Request(new URL(file, worker.registration.scope), { cache: 'no-cache' })))),
  );
});

worker.addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
      await worker.clients.claim();
    })(),
  );
});

worker.addEventListener('message', (event) => {
  if (event.data === 'take over') void worker.skipWaiting();
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== worker.location.origin) return;
  const path = url.pathname.slice(new URL(worker.registration.scope).pathname.length);
  if (!path.startsWith('data/')) event.respondWith(kept(request));
});

/** What is kept, else the network's. */
async function kept(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const { scope } = worker.registration;
  const isPage = new URL(request.url).pathname === new URL('index.html', scope).pathname;
  return (await cache.match(isPage ? scope : request, { ignoreSearch: true, ignoreVary: true })) ?? fetch(request);
}
