import { fill, h } from '../ui/dom.ts';

/** Registers the service worker, once the page is up, and says when everything that the page needs is kept. */
export function watchOffline(place: HTMLElement): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  const { serviceWorker } = navigator;
  addEventListener('offline', () => tell(place));
  addEventListener('online', () => tell(place));
  void serviceWorker.ready.then(() => tell(place));
  const register = (): void => void serviceWorker.register(new URL('service-worker.js', document.baseURI)).catch(() => {});
  if (document.readyState === 'complete') register();
  else addEventListener('load', register, { once: true });

  // A new version waits until somebody wants it, so that nothing changes under anybody's hands.
  void serviceWorker.getRegistration().then((registration) => {
    registration?.addEventListener('updatefound', () => {
      const { installing } = registration;
      installing?.addEventListener('statechange', () => {
        if (installing.state !== 'installed' || serviceWorker.controller === null) return;
        fill(place, 'A new version is here. ', h('button', { type: 'button', class: 'quiet', onclick: () => installing.postMessage('take over') }, 'Reload'));
        serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
      });
    });
  });
}

const tell = (place: HTMLElement): void => fill(place, navigator.onLine ? 'Works offline' : 'Offline, and working');
