/** Milliseconds after a search in which what it found is drawn. */
const DRAWING = 50;

/** How long the page's own thread was busy, at most, while it searched: what a person feels as a stutter. */
export class Frames {
  #searching = 0;
  #longestFrame = 0;
  #longestTask = 0;
  #tasks = 0;
  /** Whether frames are watched, and when the one before was. */
  #watching = false;
  #last: number | undefined;
  #since = Infinity;
  #until = 0;

  constructor() {
    // Frames stand still while nobody looks.
    document.addEventListener('visibilitychange', () => (this.#last = undefined));
    try {
      // Told for tasks of 50 ms or more only; shorter ones show as gaps between frames.
      new PerformanceObserver((list) => {
        for (const { startTime, duration } of list.getEntries()) {
          if (startTime + duration < this.#since || startTime > this.#until) continue;
          this.#tasks++;
          this.#longestTask = Math.max(this.#longestTask, duration);
        }
      }).observe({ type: 'longtask' });
    } catch {
      // Only Chromium tells long tasks.
    }
  }

  /** Watches while something is done. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#searching++ === 0) {
      this.#since = Math.min(this.#since, performance.now());
      this.#until = Infinity;
      if (!this.#watching) requestAnimationFrame(this.#tick);
      this.#watching = true;
    }
    try {
      return await work();
    } finally {
      if (--this.#searching === 0) this.#until = performance.now() + DRAWING;
    }
  }

  readonly #tick = (time: number): void => {
    if (this.#last !== undefined) this.#longestFrame = Math.max(this.#longestFrame, time - this.#last);
    this.#watching = time <= this.#until;
    this.#last = this.#watching ? time : undefined;
    if (this.#watching) requestAnimationFrame(this.#tick);
  };

  /** Since the page was opened, in milliseconds. */
  get longest(): { frame: number; task: number; tasks: number } {
    return { frame: this.#longestFrame, task: this.#longestTask, tasks: this.#tasks };
  }
}
