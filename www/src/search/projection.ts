/** Where vectors lie on the plane that shows most of their differences: their first two principal components. */

export type Point = readonly [x: number, y: number];

/** Power iteration has long settled by then; where it has not, two directions are as good as each other. */
const ROUNDS = 64;

/**
 * Points for vectors of one length each, and for one more that has no say in where the plane lies. Between 0 and 1, as large as fits with `aspect` times as much room across as down;
 * vectors that do not differ lie in the middle.
 */
export function project(vectors: readonly Float32Array[], also: Float32Array, aspect: number): { points: Point[]; also: Point } {
  const units = vectors.map(unit);
  const mean = average(units);
  const centred = units.map((vector) => vector.map((x, i) => x - mean[i]!));
  const products = centred.map((one) => centred.map((other) => dot(one, other)));
  const first = strongest(products);
  const second = strongest(products.map((row, i) => row.map((product, j) => product - first.value * first.vector[i]! * first.vector[j]!)));
  const axes = [first, second].map(({ value, vector }) => ({ value, vector, direction: mean.map((_, i) => (value > 0 ? vector.reduce((sum, u, row) => sum + u * centred[row]![i]!, 0) / Math.sqrt(value) : 0)) }));
  const asked = unit(also).map((x, i) => x - mean[i]!);
  const raw = vectors.map((_, row) => axes.map(({ value, vector }) => Math.sqrt(Math.max(0, value)) * vector[row]!));
  const place = fitting([...raw, axes.map(({ direction }) => dot(direction, asked))], aspect);
  const placed = [...raw.map(place), place(axes.map(({ direction }) => dot(direction, asked)))];
  return { points: placed.slice(0, -1), also: placed[placed.length - 1]! };
}

type Numbers = Float32Array | readonly number[];

function dot(one: Numbers, other: Numbers): number {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i]! * other[i]!;
  return sum;
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(dot(vector, vector));
  return length > 0 ? vector.map((x) => x / length) : vector;
}

function average(vectors: readonly Float32Array[]): number[] {
  return Array.from(vectors[0] ?? [], (_, i) => vectors.reduce((sum, vector) => sum + vector[i]!, 0) / vectors.length);
}

/** The eigenvector of the greatest eigenvalue of a matrix that has no negative one, its largest number made positive. */
function strongest(matrix: readonly (readonly number[])[]): { value: number; vector: number[] } {
  // Any start will do that is not across it.
  let vector = matrix.map((_, i) => 1 + Math.sin(i + 1));
  let value = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const next = matrix.map((row) => dot(row, vector));
    value = Math.sqrt(dot(next, next));
    if (!(value > 1e-12)) return { value: 0, vector: matrix.map(() => 0) };
    vector = next.map((x) => x / value);
  }
  const largest = vector.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0);
  return { value, vector: largest < 0 ? vector.map((x) => -x) : vector };
}

/** Puts places of any size into the room there is, one scale for both directions. */
function fitting(places: readonly (readonly number[])[], aspect: number): (place: readonly number[]) => Point {
  const [across, down] = [0, 1].map((axis) => {
    const values = places.map((place) => place[axis] ?? 0);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return { middle: (low + high) / 2, size: high - low };
  }) as [{ middle: number; size: number }, { middle: number; size: number }];
  const size = Math.max(across.size / aspect, down.size) || 1;
  return ([x = 0, y = 0]) => [0.5 + (x - across.middle) / (size * aspect), 0.5 + (y - down.middle) / size];
}
