/** Milliseconds that are looked back. */
const WITHIN = 60_000;
/** What fails more often than this within that time will fail again. */
const MOST = 3;

/** Counts how often something that had stopped was started again. */
export class Restarts {
  #times: number[] = [];

  /** Counts another one. Whether it is worth trying. */
  another(): boolean {
    const now = performance.now();
    this.#times = [...this.#times.filter((time) => now - time < WITHIN), now];
    return this.#times.length <= MOST;
  }
}
