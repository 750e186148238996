import { fill, h } from '../ui/dom.ts';

/**
 * Registers the service worker once the page is up, and says that the page works offline once all that it needs is kept: what it is made of, by the service
 * worker, and its data, by itself. A new version waits until somebody wants it, so that nothing changes under anybody's hands.
 */
export function watchOffline(place: HTMLElement, dataIsKept: Promise<boolean>): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  const { serviceWorker } = navigator;
  let isKept = false;
  let next: ServiceWorker | undefined;
  const tell = (): void => {
    if (next !== undefined) fill(place, 'A new version is here. ', h('button', { type: 'button', class: 'quiet', onclick: () => next?.postMessage('take over') }, 'Reload'));
    else if (isKept) fill(place, navigator.onLine ? 'Works offline' : 'Offline, and working');
  };
  addEventListener('offline', tell);
  addEventListener('online', tell);
  void Promise.all([serviceWorker.ready, dataIsKept]).then(([, kept]) => {
    isKept = kept;
    tell();
  });
  const offer = (version: ServiceWorker): void => {
    // The first one is no news.
    if (serviceWorker.controller === null) return;
    if (next === undefined) serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
    next = version;
    tell();
  };
  const register = async (): Promise<void> => {
    const registration = await serviceWorker.register(new URL('service-worker.js', document.baseURI));
    const watchNext = (): void => {
      const { installing } = registration;
      installing?.addEventListener('statechange', () => installing.state === 'installed' && offer(installing));
    };
    if (registration.waiting !== null) offer(registration.waiting);
    watchNext();
    registration.addEventListener('updatefound', watchNext);
  };
  const start = (): void => void register().catch((error: unknown) => console.warn('this page will not work offline:', error));
  if (document.readyState === 'complete') start();
  else addEventListener('load', start, { once: true });
}
