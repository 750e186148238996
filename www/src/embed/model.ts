import type { LocalEmbeddings } from 'twindex/embed';
import { describe } from '../problems.ts';
import { Restarts } from '../restarts.ts';
import type { Site } from '../data.ts';
import { type Embedder, MEANING_DIM } from './embedder.ts';

export type ModelState =
  | { is: 'unasked' }
  | { is: 'loading'; loaded: number; total: number | null }
  | { is: 'ready'; embedder: Embedder }
  /** `problem` says why it is not known whether there is one. */
  | { is: 'absent'; problem: string | undefined }
  | { is: 'failed'; why: string };

/** The model of this page, in a worker of its own. Tells `change` whenever its state does. */
export class Model extends EventTarget {
  #state: ModelState = { is: 'unasked' };
  #site: Site;
  #loaded: LocalEmbeddings | undefined;
  readonly #restarts = new Restarts();

  constructor(site: Site, problem: string | undefined) {
    super();
    this.#site = site;
    if (site.model === null) this.#state = { is: 'absent', problem };
  }

  get state(): ModelState {
    return this.#state;
  }

  /** What embeds, once it is there. */
  get embedder(): Embedder | undefined {
    return this.#state.is === 'ready' ? this.#state.embedder : undefined;
  }

  /** Whether the next visit needs no network for it: of a model that is not there, too. */
  get isKept(): boolean {
    return this.#state.is === 'absent' || (this.#loaded?.cached ?? false);
  }

  /** Loads the model, unless it is there or on its way. */
  async load(): Promise<void> {
    const { model } = this.#site;
    if (model === null || this.#state.is === 'loading' || this.#state.is === 'ready') return;
    this.#become({ is: 'loading', loaded: 0, total: model.bytes });
    try {
      const { LocalEmbeddings } = await import('twindex/embed');
      const embedder = await LocalEmbeddings.load({
        model: model.url,
        onProgress: ({ loaded, total }) => this.#become({ is: 'loading', loaded, total: total ?? model.bytes }),
      });
      if (embedder.dim !== MEANING_DIM) throw new Error(`this model's vectors have ${embedder.dim} numbers, the dictionary's ${MEANING_DIM}`);
      this.#loaded = embedder;
      this.#become({ is: 'ready', embedder });
    } catch (error) {
      this.#become({ is: 'failed', why: describe(error) });
    }
  }

  /** Loads it anew, from the network, where the copy that was kept may be the damaged one. */
  async reload(): Promise<void> {
    const { model } = this.#site;
    if (model === null) return;
    this.#loaded?.free();
    this.#become({ is: 'unasked' });
    const { LocalEmbeddings } = await import('twindex/embed');
    await LocalEmbeddings.removeCached({ model: model.url }).catch(() => false);
    await this.load();
  }

  /** Starts it again after its worker has stopped; not for ever, and once for all who met it stopped. */
  async restart(why: unknown): Promise<void> {
    if (this.#state.is !== 'ready') return;
    this.#loaded?.free();
    if (!this.#restarts.another()) return this.#become({ is: 'failed', why: describe(why) });
    this.#become({ is: 'unasked' });
    await this.load();
  }

  /** Resolves once the model is there, or will not come. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#state.is === 'loading') return;
        this.removeEventListener('change', look);
        resolve();
      };
      this.addEventListener('change', look);
      look();
    });
  }

  #become(state: ModelState): void {
    this.#state = state;
    this.dispatchEvent(new Event('change'));
  }
}
