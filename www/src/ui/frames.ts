/** How long the page's own thread was busy, at most, while it searched: what a person feels as a stutter. */
export class Frames {
  #searching = 0;
  #longestFrame = 0;
  #longestTask = 0;
  #tasks = 0;
  #last: number | undefined;
  #until = 0;

  constructor() {
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

  #since = Infinity;

  /** Watches while something is done. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#searching++ === 0) {
      this.#last = undefined;
      this.#since = Math.min(this.#since, performance.now());
      this.#until = Infinity;
      requestAnimationFrame(this.#tick);
    }
    try {
      return await work();
    } finally {
      if (--this.#searching === 0) this.#until = performance.now() + 50;
    }
  }

  readonly #tick = (time: number): void => {
    if (this.#last !== undefined) this.#longestFrame = Math.max(this.#longestFrame, time - this.#last);
    this.#last = time;
    if (this.#searching > 0) requestAnimationFrame(this.#tick);
  };

  /** Since the page was opened, in milliseconds. */
  get longest(): { frame: number; task: number; tasks: number } {
    return { frame: this.#longestFrame, task: this.#longestTask, tasks: this.#tasks };
  }
}
