/** Numbers as people read them. */

const whole = new Intl.NumberFormat('en');

/** `20,000`. */
export const count = (value: number): string => whole.format(value);

/** `1 entry`, `2 entries`. */
export const counted = (value: number, one: string, many = `${one}s`): string => `${count(value)} ${value === 1 ? one : many}`;

/** `40 µs`, `0.8 ms`, `21 ms`, `1.4 s`. */
export function duration(milliseconds: number): string {
  if (milliseconds > 0 && milliseconds < 0.1) return `${Math.ceil(milliseconds * 1000)} µs`;
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}

/** `31 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ['kB', 'MB', 'GB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
