import { fill, h } from '../ui/dom.ts';

/**
 * Registers the service worker once the page is up, and says that the page works offline once all that it needs is kept: what it is made of, by the service
 * worker, and its data, by itself.
 */
export function watchOffline(place: HTMLElement, dataIsKept: Promise<boolean>): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  const { serviceWorker } = navigator;
  void Promise.all([serviceWorker.ready, dataIsKept]).then(([, isKept]) => {
    if (!isKept) return;
    const tell = (): void => fill(place, navigator.onLine ? 'Works offline' : 'Offline, and working');
    addEventListener('offline', tell);
    addEventListener('online', tell);
    tell();
  });
  const register = async (): Promise<void> => {
    const registration = await serviceWorker.register(new URL('service-worker.js', document.baseURI));
    registration.addEventListener('updatefound', () => offerUpdate(place, registration.installing));
  };
  const start = (): void => void register().catch((error: unknown) => console.warn('this page will not work offline:', error));
  if (document.readyState === 'complete') start();
  else addEventListener('load', start, { once: true });
}

/** A new version waits until somebody wants it, so that nothing changes under anybody's hands. */
function offerUpdate(place: HTMLElement, installing: ServiceWorker | null): void {
  const { serviceWorker } = navigator;
  installing?.addEventListener('statechange', () => {
    if (installing.state !== 'installed' || serviceWorker.controller === null) return;
    serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
    fill(place, 'A new version is here. ', h('button', { type: 'button', class: 'quiet', onclick: () => installing.postMessage('take over') }, 'Reload'));
  });
}
