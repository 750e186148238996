import './style.css';
import type { Choice } from './compare/view.ts';
import { readSite } from './data.ts';
import { DictionaryView } from './dictionary/view.ts';
import { Model } from './embed/model.ts';
import { watchOffline } from './offline/register.ts';
import { acceptDrops } from './own/drops.ts';
import type { OwnView } from './own/view.ts';
import { describe } from './problems.ts';
import { fill, h } from './ui/dom.ts';
import { Frames } from './ui/frames.ts';

interface View {
  element: HTMLElement;
  /** Called whenever it is about to be shown. */
  show?(): Promise<void>;
  focus?(): void;
}

const main = document.querySelector('main') as HTMLElement;
const links = [...document.querySelectorAll<HTMLAnchorElement>('nav a')];

/** Makes something when it is first asked for; anew, where that failed. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

async function start(): Promise<void> {
  const { site, problem } = await readSite();
  const model = new Model(site, problem);
  const frames = new Frames();
  const dictionary = new DictionaryView(site, problem, model, frames);

  // What is seldom needed first is loaded when it is asked for.
  const text = once((): Promise<OwnView> => import('./own/view.ts').then(({ OwnView }) => OwnView.open(model, frames)));
  const indexes = async (): Promise<Choice[]> => {
    // What cannot be opened is told where it would be.
    const own = (await text().catch(() => undefined))?.choice;
    return [dictionary.choice, own].filter((choice) => choice !== undefined);
  };
  const views = {
    dictionary: async (): Promise<View> => dictionary,
    text: text as () => Promise<View>,
    compare: once((): Promise<View> => import('./compare/view.ts').then(({ CompareView }) => new CompareView(frames, indexes))),
  };

  let shown: keyof typeof views | undefined;
  const route = async (): Promise<void> => {
    const wanted = location.hash.slice(1);
    const name = Object.hasOwn(views, wanted) ? (wanted as keyof typeof views) : 'dictionary';
    if (name === shown) return;
    const first = shown === undefined;
    shown = name;
    for (const link of links) {
      if (link.hash === `#${name}`) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    try {
      const view = await views[name]();
      await view.show?.();
      if (shown !== name) return;
      main.replaceChildren(view.element);
      document.title = `${view.element.querySelector('h1')?.textContent ?? ''} · Twindex`;
      if (!first || matchMedia('(pointer: fine)').matches) view.focus?.();
    } catch (error) {
      fill(main, h('p', { class: 'message problem', role: 'alert' }, describe(error)));
    }
  };
  addEventListener('hashchange', () => void route());
  acceptDrops((found) => {
    location.hash = '#text';
    // That it cannot be had is told where it would be.
    void text().then((view) => view.take(found), () => {});
  });
  addEventListener('keydown', (event) => {
    const typing = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
    if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    main.querySelector<HTMLInputElement>('.question')?.focus();
  });
  document.querySelector('.skip')?.addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });

  // Somebody who saves data is asked first.
  const saving = (navigator as { connection?: { saveData?: boolean } }).connection?.saveData === true;
  const opened = dictionary.load().then(async () => {
    // That it cannot be had is told where it would be.
    if (shown === 'compare') await views.compare().then((view) => view.show?.(), () => {});
  });
  const loaded = Promise.all([opened, saving ? undefined : model.load()]);
  watchOffline(document.querySelector('#offline') as HTMLElement, loaded.then(() => dictionary.isKept && model.isKept));
  await route();
  await loaded;
}

await start();
