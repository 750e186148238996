// @ts-check
/** Lines on logarithmic axes, side by side, as SVG that follows the reader's light or dark mode. */

/** @typedef {{ name: string, dashed: boolean, points: number[][] }} Line */
/** @typedef {{ title: string, lines: Line[] }} Chart */

const [WIDTH, HEIGHT] = [560, 420];
const MARGIN = { left: 56, right: 36, top: 40, bottom: 40 };
const LEGEND_LINE = 18;
/** Told apart by people who see colours differently (Okabe and Ito), each on light and on dark. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8c8c8c', '#5c5c5c'];

/** @param {Chart[]} charts */
export function plot(charts) {
  const names = charts[0]?.lines ?? [];
  const height = HEIGHT + LEGEND_LINE * Math.ceil(names.length / 2) + 24;
  const width = WIDTH * charts.length;
  const legend = names.map(({ name, dashed }, i) => {
    const [x, y] = [MARGIN.left + (i % 2) * WIDTH, HEIGHT + 16 + Math.floor(i / 2) * LEGEND_LINE];
    return `<path d="M${x} ${y}h28" ${stroke(i, names, dashed)}/><text x="${x + 36}" y="${y + 4}">${name}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<style>
svg { background: #fff; color: #222; font: 12px system-ui, sans-serif } text { fill: currentColor } .grid { stroke: currentColor; stroke-opacity: 0.15 } .title { font-size: 14px; font-weight: 600 }
@media (prefers-color-scheme: dark) { svg { background: #16181c; color: #ddd } .line { filter: brightness(1.35) } }
</style>
${charts.map((chart, i) => `<g transform="translate(${i * WIDTH} 0)">${axesAndLines(chart)}</g>`).join('\n')}
${legend.join('\n')}
</svg>
`;
}

/** Native lines and dashed ones are numbered apart, so that what is alike has one colour. @param {number} at @param {Line[]} lines @param {boolean} dashed */
function stroke(at, lines, dashed) {
  const before = lines.slice(0, at).filter((line) => line.dashed === dashed).length;
  return `class="line" fill="none" stroke="${COLOURS[before % COLOURS.length]}" stroke-width="2"${dashed ? ' stroke-dasharray="6 4"' : ''}`;
}

/** @param {Chart} chart */
function axesAndLines({ title, lines }) {
  const points = lines.flatMap(({ points }) => points);
  const horizontal = scale(points.map(([x = 1]) => x), MARGIN.left, WIDTH - MARGIN.right);
  const vertical = scale(points.map(([, y = 1]) => y), HEIGHT - MARGIN.bottom, MARGIN.top);
  const right = WIDTH - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const grid = [
    ...horizontal.ticks.map((value) => `<path class="grid" d="M${horizontal.at(value)} ${MARGIN.top}V${bottom}"/><text x="${horizontal.at(value)}" y="${bottom + 18}" text-anchor="middle">${value.toLocaleString('en')}</text>`),
    ...vertical.ticks.map((value) => `<path class="grid" d="M${MARGIN.left} ${vertical.at(value)}H${right}"/><text x="${MARGIN.left - 6}" y="${vertical.at(value) + 4}" text-anchor="end">${value.toLocaleString('en', { maximumFractionDigits: 4 })}</text>`),
  ];
  const drawn = lines.map(({ dashed, points }, i) => {
    const path = points.map(([x = 1, y = 1], j) => `${j === 0 ? 'M' : 'L'}${horizontal.at(x)} ${vertical.at(y)}`).join('');
    return path === '' ? '' : `<path d="${path}" ${stroke(i, lines, dashed)}/>`;
  });
  return `<text class="title" x="${MARGIN.left}" y="24">${title}</text>\n${grid.join('\n')}\n${drawn.join('\n')}`;
}

/**
 * Powers of ten around these values, and where values lie between two places.
 *
 * @param {number[]} values
 * @param {number} from
 * @param {number} to
 */
function scale(values, from, to) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
    /** @param {number} value */
    at: (value) => Math.round((from + ((Math.log10(value) - low) / (high - low)) * (to - from)) * 10) / 10,
  };
}
