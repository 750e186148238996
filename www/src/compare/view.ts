import { fetchKept, type Site } from '../data.ts';
import { describe } from '../problems.ts';
import type { Collection } from '../search/collection.ts';
import { fill, h } from '../ui/dom.ts';
import { count, counted, duration } from '../ui/format.ts';
import type { Frames } from '../ui/frames.ts';
import type { Measured, Order } from './measure.ts';

/** An index that can be measured. */
export interface Choice {
  /** What people know it by. */
  name: string;
  collection: Collection;
  /** What one of its documents is called, and several. */
  one: string;
  many: string;
  /** The same documents in an approximate index. */
  approximate: Site['approximate'];
  /** What the native program takes for a question to it. */
  native: Site['native'];
}

const QUERIES = 30;
const K = 10;

/** Times the search against a plain loop: on the dictionary or on one's own text, on this machine, now. */
export class CompareView {
  readonly element: HTMLElement;
  readonly #frames: Frames;
  readonly #choices: () => Promise<Choice[]>;
  #offered: Choice[] = [];
  readonly #choice = h('select', { 'aria-label': 'Index to compare on' });
  readonly #pick = h('label', { class: 'pick', hidden: true }, h('span', {}, 'On'), this.#choice);
  readonly #result = h('div', { class: 'view', 'aria-live': 'polite' });
  readonly #start = h('button', { type: 'button', class: 'main', onclick: () => void this.#compare() }, 'Compare');

  constructor(frames: Frames, choices: () => Promise<Choice[]>) {
    this.#frames = frames;
    this.#choices = choices;
    this.element = h('div', { class: 'view' },
      h('h1', {}, 'How fast, and how exact'),
      h('p', { class: 'lead' }, `Up to ${QUERIES} entries of an index are taken as questions, and their ${K} nearest are found by Twindex, which is exact; by Twindex again, asked for 99 of 100 of them; by an approximate index of FAISS’s kind where there is one, which looks at a part of the entries; and by the loop that one would write in JavaScript. All in one worker, one question after another.`),
      h('div', { class: 'row' }, this.#pick, this.#start),
      this.#result,
    );
  }

  /** Offers what there is by now, and keeps what was chosen. */
  async show(): Promise<void> {
    const chosen = this.#chosen?.name;
    this.#offered = await this.#choices();
    fill(this.#choice, this.#offered.map(({ name }, i) => h('option', { value: i, selected: name === chosen }, name)));
    this.#pick.hidden = this.#offered.length < 2;
  }

  get #chosen(): Choice | undefined {
    return this.#offered[Number(this.#choice.value)];
  }

  async #compare(): Promise<void> {
    this.#start.disabled = true;
    // Collections come, go and grow while this page is shown.
    await this.show();
    const choice = this.#chosen;
    if (choice === undefined) {
      this.#start.disabled = false;
      return void fill(this.#result, h('p', { class: 'note' }, 'There is no index here yet: the dictionary is not loaded, and there is no text of your own.'));
    }
    const bar = h('progress', { max: 1, 'aria-label': 'Comparing' });
    fill(this.#result, bar);
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    try {
      const content = await choice.collection.store.serialize();
      const approximate = await approximateOf(choice);
      const measured = await new Promise<Measured>((resolve, reject) => {
        worker.onerror = (event) => reject(new Error(event.message || 'the worker that measures has stopped'));
        worker.onmessage = ({ data }: MessageEvent<{ part: number } | { measured: Measured } | { problem: string }>) => {
          if ('part' in data) bar.value = data.part;
          else if ('measured' in data) resolve(data.measured);
          else reject(new Error(data.problem));
        };
        worker.postMessage({ content, approximate, queries: QUERIES, k: K } satisfies Order, [content.buffer]);
      });
      this.#draw(measured, choice);
    } catch (error) {
      fill(this.#result, h('p', { class: 'message problem', role: 'alert' }, describe(error)));
    } finally {
      worker.terminate();
      this.#start.disabled = false;
    }
  }

  #draw({ rows, dim, simd, queries, k, figures }: Measured, { name: index, one, many, native }: Choice): void {
    const exact = figures.find(({ kind }) => kind === 'exact');
    const loop = figures.find(({ kind }) => kind === 'loop');
    const { frame, task, tasks } = this.#frames.longest;
    fill(this.#result,
      h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Figures' }, h('table', { class: 'figures' },
        h('caption', {}, `${index}: ${counted(rows, one, many)} of ${dim} numbers, ${counted(queries, 'question')}, the ${k} nearest; medians. Scanned by ${simd}.`),
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'How'), h('th', { scope: 'col', class: 'number' }, 'One question'), h('th', { scope: 'col', class: 'number optional' }, 'Slowest'), h('th', { scope: 'col', class: 'number' }, 'Same answers'), h('th', { scope: 'col', class: 'number' }, 'Of the nearest, found'))),
        h('tbody', {}, figures.map(({ name, median, slowest, agreeing, recall }, i) => h('tr', {},
          h('th', { scope: 'row' }, name),
          h('td', { class: 'number' }, duration(median)),
          h('td', { class: 'number optional' }, duration(slowest)),
          h('td', { class: 'number' }, i === 0 ? 'reference' : `${agreeing} of ${queries}`),
          h('td', { class: 'number' }, `${(100 * recall).toFixed(i === 0 ? 0 : 1)} %`),
        ))),
      )),
      exact !== undefined && loop !== undefined && h('p', {}, verdict(loop.median / exact.median, rows)),
      h('p', { class: 'lead' }, tasks === 0 && frame === 0 ? 'Search for something first, and this says how long this page stuttered meanwhile.' : `While you searched, the longest gap between two frames of this page was ${duration(frame)}; ${tasks === 0 ? 'no task of its own thread took 50 ms or more' : `the longest task of its own thread took ${duration(task)}`}.`),
      native !== null && h('p', { class: 'lead' }, `The native program, on the machine that built this dictionary: ${duration(native.questionMs)} to embed and search a question (${native.questions} in one call).`),
    );
  }
}

/** How many times as fast exact search is as the loop, in words. */
function verdict(times: number, rows: number): string {
  if (times < 1.1) return `With ${count(rows)} rows there is little to search, and asking costs more than looking: the loop is as fast. Larger indexes are where it falls behind.`;
  return `Exact search is ${times.toFixed(1)} times as fast as the loop, and leaves nothing out: it proves from 8-bit codes which entries cannot be among the nearest, and looks at the rest in full.`;
}

/** The approximate index; without one, and without a network, the comparison goes on without it. */
async function approximateOf({ approximate }: Choice): Promise<Order['approximate']> {
  if (approximate === null) return undefined;
  try {
    return { content: (await fetchKept(approximate, () => {})).content, name: approximate.kind };
  } catch {
    return undefined;
  }
}
