import { fetchKept, type Site } from '../data.ts';
import { describe } from '../problems.ts';
import type { Collection } from '../search/collection.ts';
import { fill, h } from '../ui/dom.ts';
import { count, duration } from '../ui/format.ts';
import type { Frames } from '../ui/frames.ts';
import type { Measured, Order } from './measure.ts';

const QUERIES = 30;
const K = 10;

/** Times the search against a plain loop: on this index, on this machine, now. */
export class CompareView {
  readonly element: HTMLElement;
  readonly #site: Site;
  readonly #frames: Frames;
  readonly #collection: () => Collection | undefined;
  readonly #result = h('div', { class: 'view', 'aria-live': 'polite' });
  readonly #start = h('button', { type: 'button', class: 'main', onclick: () => void this.#compare() }, 'Compare');

  constructor(site: Site, frames: Frames, collection: () => Collection | undefined) {
    this.#site = site;
    this.#frames = frames;
    this.#collection = collection;
    this.element = h('div', { class: 'view' },
      h('h1', {}, 'How fast, and how exact'),
      h('p', { class: 'lead' }, `${QUERIES} entries of the dictionary are taken as questions, and their ${K} nearest are found by Twindex, which is exact; by an approximate index of FAISS’s kind, which looks at a part of the entries; and by the loop that one would write in JavaScript. All in one worker, one question after another.`),
      h('div', { class: 'row' }, this.#start),
      this.#result,
    );
  }

  async #compare(): Promise<void> {
    const collection = this.#collection();
    if (collection === undefined) return void fill(this.#result, h('p', { class: 'note' }, 'The dictionary is not here yet.'));
    this.#start.disabled = true;
    const bar = h('progress', { max: 1, 'aria-label': 'Comparing' });
    fill(this.#result, bar);
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    try {
      const content = await collection.store.serialize();
      const approximate = await this.#approximate();
      const measured = await new Promise<Measured>((resolve, reject) => {
        worker.onerror = (event) => reject(new Error(event.message || 'the worker that measures has stopped'));
        worker.onmessage = ({ data }: MessageEvent<{ part: number } | { measured: Measured } | { problem: string }>) => {
          if ('part' in data) bar.value = data.part;
          else if ('measured' in data) resolve(data.measured);
          else reject(new Error(data.problem));
        };
        worker.postMessage({ content, approximate, queries: QUERIES, k: K } satisfies Order, [content.buffer]);
      });
      this.#draw(measured);
    } catch (error) {
      fill(this.#result, h('p', { class: 'message problem', role: 'alert' }, describe(error)));
    } finally {
      worker.terminate();
      this.#start.disabled = false;
    }
  }

  /** The approximate index; without one, and without a network, the comparison goes on without it. */
  async #approximate(): Promise<Order['approximate']> {
    const { approximate } = this.#site;
    if (approximate === null) return undefined;
    try {
      return { content: (await fetchKept(approximate, () => {})).content, name: approximate.kind };
    } catch {
      return undefined;
    }
  }

  #draw({ rows, dim, simd, queries, k, figures }: Measured): void {
    const exact = figures[0];
    const plain = figures.at(-1);
    const { native } = this.#site;
    const { frame, task, tasks } = this.#frames.longest;
    fill(this.#result,
      h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Figures' }, h('table', { class: 'figures' },
        h('caption', {}, `${count(rows)} entries of ${dim} numbers, ${queries} questions, the ${k} nearest; medians. Scanned by ${simd}.`),
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'How'), h('th', { scope: 'col', class: 'number' }, 'One question'), h('th', { scope: 'col', class: 'number optional' }, 'Slowest'), h('th', { scope: 'col', class: 'number' }, 'Same answers'), h('th', { scope: 'col', class: 'number' }, 'Of the nearest, found'))),
        h('tbody', {}, figures.map(({ name, median, slowest, agreeing, recall }, i) => h('tr', {},
          h('th', { scope: 'row' }, name),
          h('td', { class: 'number' }, duration(median)),
          h('td', { class: 'number optional' }, duration(slowest)),
          h('td', { class: 'number' }, i === 0 ? 'reference' : `${agreeing} of ${queries}`),
          h('td', { class: 'number' }, `${(100 * recall).toFixed(i === 0 ? 0 : 1)} %`),
        ))),
      )),
      exact !== undefined && plain !== undefined && h('p', {}, `Exact search is ${(plain.median / exact.median).toFixed(1)} times as fast as the loop, and leaves nothing out: it proves from 8-bit codes which entries cannot be among the nearest, and looks at the rest in full.`),
      h('p', { class: 'lead' }, tasks === 0 && frame === 0 ? 'Search for something first, and this says how long this page stuttered meanwhile.' : `While you searched, the longest gap between two frames of this page was ${duration(frame)}; ${tasks === 0 ? 'no task of its own thread took 50 ms or more' : `the longest task of its own thread took ${duration(task)}`}.`),
      native !== null && h('p', { class: 'lead' }, `The native program, on the machine that built this dictionary: ${duration(native.questionMs)} to embed and search a question (${native.questions} in one call).`),
    );
  }
}
