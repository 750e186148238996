// @ts-check
/** Numbers and failures in words. */

/**
 * The line of an error's output that says what it was.
 *
 * @param {string} output
 */
export function messageOf(output) {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines[lines.length - 1] ?? 'no word of why';
}

/**
 * A number by its first three digits.
 *
 * @param {number} value
 */
export const short = (value) => (value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));

/**
 * The lines of a table, its columns as wide as they must be.
 *
 * @param {readonly (readonly string[])[]} rows the first one is the heading; all but the first column are numbers
 */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '));
}

/** @param {readonly number[]} numbers */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
