//! 8-bit codes of rows: a quarter of the memory to read, and a proof that nothing was missed.
//!
//! A row `x` is kept as whole numbers `c` from -127 to 127 and a scale `s`, so that `x' = s c` is near to it, with a bound `b` of `|x - x'|`. A query is coded
//! in the same way. The inner product of the codes is exact, and by Cauchy and Schwarz
//!
//! ```text
//! |q.x - q'.x'| = |q.(x - x') + (q - q').x'| <= |q| b + |q - q'| (|x| + b)  =: e
//! ```
//!
//! so the scan knows an interval in which the score of each row lies. With `T` the k-th best of the *worst* ends of all intervals, k rows are at least as good as
//! `T`, and a row whose *best* end is worse than `T` cannot be among the best k. All others are scored again by the portable kernel: the answer is
//! its answer, to the bit.
//!
//! Rounding. The portable kernel's score, and what is computed here in f32 from exact integers, differ from the exact numbers by no more than `gamma`
//! (see [`ScanKernel`](crate::kernel::ScanKernel)) times `(|q| + |x|)^2` in each of at most four terms, `q.x` twice in squared L2; intervals are
//! widened by eight times that, and by `d` times the smallest normal f32 for underflow. Lengths and bounds are rounded up.

use std::collections::TryReserveError;
use std::ops::Range;

use bytemuck::Zeroable;

use crate::exact::ALONE;
#[cfg(feature = "halves")]
use crate::halves::Halves;
use crate::kernel::{CodeRows, ScanKernel, gamma};
use crate::metric::{Metric, norm};
use crate::rows::{Positions, Rows, remove_rows};
use crate::topk::Certain;

/// Fewer rows, or shorter ones, are scanned as they are: codes would not pay. So are rows so long that a sum of products might leave an `i32`.
const LEAST_ROWS: usize = 1024;
const DIMS: Range<usize> = 32..1 << 16;

/// A row whose scale would be below this counts as nothing, which its error bound says: the product of two such scales loses precision to underflow.
const LEAST_SCALE: f32 = 1e-15;

/// A query at least this long keeps underflow below what intervals are widened by.
pub(crate) const LEAST_QUERY_NORM: f32 = 1e-12;

/// The greatest code of a row.
pub(crate) const MOST: i8 = 127;

/// Rows that are coded by one task.
#[cfg(not(target_family = "wasm"))]
const TASK: usize = 4096;

/// Rows of which is told at once whether any of them can be a candidate.
pub const LANES: usize = 16;

/// The codes of rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codes {
    dim: usize,
    codes: Vec<i8>,
    /// What is known of each row beside its codes, a list for each of [`Coded`]'s numbers. A sum of codes is a whole number that f32 has.
    numbers: [Vec<f32>; 4],
    /// The upper halves of the codes, for kernels that are fast on them.
    #[cfg(feature = "halves")]
    halves: Halves,
}

const SCALE: usize = 0;
const ERROR: usize = 1;
const NORM: usize = 2;
const SUM: usize = 3;

/// What is known of rows beside their codes, but for the sums.
#[cfg(feature = "halves")]
fn beside(numbers: &[Vec<f32>; 4]) -> [&[f32]; 3] {
    [SCALE, ERROR, NORM].map(|which| &*numbers[which])
}

/// What is known of a vector beside its codes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coded {
    /// What a code of 1 stands for.
    pub scale: f32,
    /// At least by how much the vector differs from what its codes stand for, in length.
    pub error: f32,
    /// The length of the vector, within rounding.
    pub norm: f32,
    /// The sum of the codes, a whole number of less than 2^23.
    pub sum: f32,
}

/// The nearest whole number, of two the even one, of a number between -2^22 and 2^22. (Adding this leaves no bits for a fraction. Written so, it is
/// a vector instruction or two on every machine; `round_ties_even` is a call on some.)
#[inline(always)]
fn whole(x: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT).to_bits() as i32 - SHIFT.to_bits() as i32
}

/// Codes a vector by whole numbers up to `most` by size, one for each component: see [`ScanKernel::encode`].
#[inline(always)]
#[must_use]
pub fn encode(vector: &[f32], most: i8, codes: &mut [i8]) -> Coded {
    let largest = vector.iter().fold(0.0f32, |largest, x| if x.abs() > largest { x.abs() } else { largest });
    let length = up(norm(vector));
    let scale = largest / f32::from(most);
    if scale < LEAST_SCALE {
        codes.fill(0);
        return Coded { scale: 0.0, error: length, norm: length, sum: 0.0 };
    }
    let factor = 1.0 / scale;
    // At most 127.0001 by size, which is 127.
    for (code, x) in codes.iter_mut().zip(vector) {
        *code = whole(x * factor) as i8;
    }
    let mut squares = [0.0f64; 8];
    let mut sum = 0;
    let mut take = |lane: &mut f64, x: f32, code: i8| {
        let difference = f64::from(x) - f64::from(scale) * f64::from(code);
        *lane += difference * difference;
        sum += i32::from(code);
    };
    let (codes, code_rest) = codes.as_chunks::<8>();
    let (numbers, rest) = vector.as_chunks::<8>();
    for (numbers, codes) in numbers.iter().zip(codes) {
        for ((lane, &x), &code) in squares.iter_mut().zip(numbers).zip(codes) {
            take(lane, x, code);
        }
    }
    for ((lane, &x), &code) in squares.iter_mut().zip(rest).zip(code_rest) {
        take(lane, x, code);
    }
    let error = squares.iter().sum::<f64>().sqrt() as f32;
    Coded { scale, error: up(error), norm: length, sum: sum as f32 }
}

/// Codes rows, on the threads of the kernel.
fn code(kernel: &dyn ScanKernel, rows: Rows<'_>, codes: &mut [i8], numbers: [&mut [f32]; 4]) {
    #[cfg(not(target_family = "wasm"))]
    if rows.len() > TASK {
        type Part<'a> = std::sync::Mutex<(&'a mut [i8], [&'a mut [f32]; 4])>;
        let mut numbers = numbers.map(|numbers| numbers.chunks_mut(TASK));
        let parts: Vec<Part<'_>> = codes
            .chunks_mut(TASK * rows.dim())
            .map(|codes| (codes, numbers.each_mut().map(|numbers| numbers.next().unwrap_or_default())).into())
            .collect();
        kernel.spread(parts.len(), &|part| {
            let rows = rows.slice(part * TASK..rows.len().min((part + 1) * TASK));
            let mut part = parts[part].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let (codes, numbers) = &mut *part;
            code(kernel, rows, codes, numbers.each_mut().map(|numbers| &mut **numbers));
        });
        return;
    }
    let mut numbers = numbers;
    for (at, (row, codes)) in rows.iter().zip(codes.chunks_exact_mut(rows.dim())).enumerate() {
        let Coded { scale, error, norm, sum } = kernel.encode(row, MOST, codes);
        for (numbers, number) in numbers.iter_mut().zip([scale, error, norm, sum]) {
            numbers[at] = number;
        }
    }
}

/// Adds zeros. A first, large batch is held without slack; later ones grow as vectors do.
pub(crate) fn longer<T: Clone + Zeroable>(numbers: &mut Vec<T>, more: usize) -> Result<(), TryReserveError> {
    if numbers.is_empty() {
        numbers.try_reserve_exact(more)?
    } else {
        numbers.try_reserve(more)?
    }
    numbers.resize(numbers.len() + more, T::zeroed());
    Ok(())
}

/// A little more, so that it is a bound however it was rounded.
#[inline(always)]
pub(crate) fn up(x: f32) -> f32 {
    x * (1.0 + 4.0 * f32::EPSILON) + f32::MIN_POSITIVE
}

impl Codes {
    /// Whether rows of this shape are worth coding.
    pub(crate) fn pay(count: usize, dim: usize) -> bool {
        count >= LEAST_ROWS && DIMS.contains(&dim)
    }

    /// Codes rows, on the threads of the kernel; `None` where there is no memory for them.
    pub(crate) fn of(kernel: &dyn ScanKernel, rows: Rows<'_>) -> Option<Self> {
        let mut made = Self { dim: rows.dim(), ..Self::default() };
        made.append(kernel, rows).then_some(made)
    }

    /// Takes in rows added at the end. Where there is no memory for them this gives `false`, and the codes are of no use any more.
    #[must_use]
    pub(crate) fn append(&mut self, kernel: &dyn ScanKernel, rows: Rows<'_>) -> bool {
        let before = self.len();
        let extended = longer(&mut self.codes, rows.data().len()).is_ok()
            && self.numbers.iter_mut().all(|numbers| longer(numbers, rows.len()).is_ok());
        if extended {
            let codes = &mut self.codes[before * rows.dim()..];
            code(kernel, rows, codes, self.numbers.each_mut().map(|numbers| &mut numbers[before..]));
        }
        extended && self.halve(kernel, before)
    }

    /// Brings the upper halves up to date from a row on.
    #[cfg(feature = "halves")]
    fn halve(&mut self, kernel: &dyn ScanKernel, from: usize) -> bool {
        let Self { dim, codes, numbers, halves } = self;
        let of_use = kernel.has_fast_halves() && Halves::can_hold(*dim);
        !of_use || halves.update(kernel, from, codes, beside(numbers)).is_ok()
    }

    #[cfg(not(feature = "halves"))]
    fn halve(&mut self, _: &dyn ScanKernel, _: usize) -> bool {
        true
    }

    /// The upper halves of the codes, of no rows where the kernel is not fast on them.
    #[cfg(feature = "halves")]
    pub(crate) fn halves(&self) -> &Halves {
        &self.halves
    }

    fn len(&self) -> usize {
        self.numbers[SUM].len()
    }

    /// Forgets rows taken out.
    pub(crate) fn remove(&mut self, positions: &Positions) {
        remove_rows(&mut self.codes, self.dim, positions);
        self.numbers.iter_mut().for_each(|numbers| remove_rows(numbers, 1, positions));
        #[cfg(feature = "halves")]
        self.halves.remove(positions, &self.codes, beside(&self.numbers));
    }

    pub(crate) fn bytes(&self) -> u64 {
        let numbers: usize = self.numbers.iter().map(Vec::capacity).sum();
        let bytes = (self.codes.capacity() + numbers * size_of::<f32>()) as u64;
        #[cfg(feature = "halves")]
        let bytes = bytes + self.halves.bytes();
        bytes
    }

    /// The codes of these rows, in this order.
    #[cfg(any(feature = "approximate", feature = "halves"))]
    pub(crate) fn pick(&self, rows: &[usize]) -> Self {
        let dim = self.dim;
        let mut codes = Vec::with_capacity(rows.len() * dim);
        rows.iter().for_each(|row| codes.extend_from_slice(&self.codes[row * dim..(row + 1) * dim]));
        let numbers = self.numbers.each_ref().map(|numbers| rows.iter().map(|&row| numbers[row]).collect());
        Self {
            dim,
            codes,
            numbers,
            #[cfg(feature = "halves")]
            halves: Halves::default(),
        }
    }

    fn rows(&self, range: Range<usize>) -> CodeRows<'_> {
        let Range { start, end } = range;
        CodeRows::new(self.dim, &self.codes[start * self.dim..end * self.dim], &self.numbers[SUM][start..end])
    }
}

/// By how much rounding may widen an interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounding {
    /// For each unit of `(|q| + |x|)^2`.
    relative: f32,
    underflow: f32,
}

pub(crate) fn rounding(dim: usize) -> Rounding {
    let relative = (8.0 * gamma(dim) + 16.0 * f64::from(f32::EPSILON)) as f32;
    Rounding { relative, underflow: dim as f32 * f32::MIN_POSITIVE }
}

/// A vector that is searched for, by its code.
#[derive(Debug)]
struct Query {
    /// Of the vector that is searched for, as [`Coded`] is of a row.
    coded: Coded,
    candidates: Certain,
    gave_up: bool,
}

/// Queries on their way through codes, together: each block of codes is read once for all of them.
#[derive(Debug)]
pub(crate) struct Scan {
    metric: Metric,
    codes: Vec<i8>,
    queries: Vec<Query>,
    rounding: Rounding,
    /// A query that has more candidates than this was scanned in vain.
    most: usize,
    products: Vec<i32>,
}

impl Scan {
    /// A scan for the best `k` by each query, which gives up on a query that has more than `most` candidates.
    pub(crate) fn new(
        kernel: &dyn ScanKernel,
        metric: Metric,
        queries: Rows<'_>,
        k: usize,
        most: usize,
    ) -> Self {
        let dim = queries.dim();
        let mut codes = vec![0; queries.data().len()];
        let coded = queries.iter().zip(codes.chunks_exact_mut(dim));
        let queries = coded
            .map(|(query, codes)| {
                let coded = kernel.encode(query, kernel.most_query_code(), codes);
                Query { coded, candidates: Certain::new(k), gave_up: false }
            })
            .collect();
        Self { metric, codes, queries, rounding: rounding(dim), most, products: Vec::new() }
    }

    /// Takes in some consecutive rows, [`ALONE`] at most, those of them that are in a set if there is one.
    pub(crate) fn take(
        &mut self,
        kernel: &dyn ScanKernel,
        codes: &Codes,
        range: Range<usize>,
        among: Option<&Positions>,
    ) {
        if self.queries.iter().all(|query| query.gave_up) {
            return;
        }
        let count = range.len();
        assert!(count <= ALONE, "at most a block of rows");
        self.products.resize(self.queries.len() * count, 0);
        kernel.dot_i8(&self.codes, codes.rows(range.clone()), &mut self.products);
        let block = Block::new(kernel, codes, range);
        let rounding = self.rounding;
        for (query, products) in self.queries.iter_mut().zip(self.products.chunks_exact(count)) {
            if query.gave_up {
                continue;
            }
            query.take(kernel, self.metric, &block, products, rounding, among);
            query.gave_up = query.candidates.exceeds(self.most);
        }
    }

    /// For each query the rows that can be among the best `k`; `None` if it gave up.
    pub(crate) fn finish(self) -> impl Iterator<Item = Option<Vec<usize>>> {
        self.queries.into_iter().map(move |query| {
            let kept: Vec<usize> = query.candidates.positions().collect();
            (!query.gave_up && kept.len() <= self.most).then_some(kept)
        })
    }
}

/// Consecutive rows, with the greatest error and the greatest length among them.
struct Block<'a> {
    start: usize,
    scales: &'a [f32],
    errors: &'a [f32],
    norms: &'a [f32],
    error: f32,
    norm: f32,
}

impl<'a> Block<'a> {
    fn new(kernel: &dyn ScanKernel, codes: &'a Codes, range: Range<usize>) -> Self {
        let [scales, errors, norms] = [SCALE, ERROR, NORM].map(|which| &codes.numbers[which][range.clone()]);
        let (error, norm) = (kernel.greatest(errors), kernel.greatest(norms));
        Self { start: range.start, scales, errors, norms, error, norm }
    }
}

/// At least by how much the inner product of a query with a row, of which this is known, may differ from that of what their codes stand for.
#[inline(always)]
pub(crate) fn slack_of(query: &Coded, error: f32, norm: f32, rounding: Rounding) -> f32 {
    let lengths = query.norm + norm;
    query.norm * error
        + query.error * (norm + error)
        + lengths * lengths * rounding.relative
        + rounding.underflow
}

/// A key (lower is better) by an inner product and the lengths of query and row; it falls as the product grows.
#[inline(always)]
pub(crate) fn key(metric: Metric, product: f32, query: f32, row: f32) -> f32 {
    match metric {
        Metric::L2 => (query * query + row * row) - 2.0 * product,
        Metric::InnerProduct => -product,
        Metric::Cosine => -product / (query * row),
    }
}

/// What tells soon that most rows are none of the best: their best keys, as if all had the slack of the worst of the block.
#[derive(Debug, Clone, Copy)]
pub struct Sieve {
    metric: Metric,
    scale: f32,
    norm: f32,
    slack: f32,
    limit: f32,
}

impl Sieve {
    /// For each [`LANES`] rows, whether any of them may be among the best: see [`ScanKernel::sift`].
    #[inline(always)]
    pub fn sift(&self, products: &[i32], scales: &[f32], norms: &[f32], any: &mut [bool]) {
        let Self { metric, scale, norm, slack, limit } = *self;
        let rows = products.chunks(LANES).zip(scales.chunks(LANES)).zip(norms.chunks(LANES));
        for (any, ((products, scales), norms)) in any.iter_mut().zip(rows) {
            *any = false;
            for ((&product, &row_scale), &row_norm) in products.iter().zip(scales).zip(norms) {
                let product = product as f32 * (scale * row_scale) + slack;
                *any |= key(metric, product, norm, row_norm) <= limit;
            }
        }
    }
}

impl Query {
    /// Takes in rows by the products of their codes.
    ///
    /// Only where the sieve lets rows through is their own interval looked at. Every step of both is the same, rounds the same way and grows with the slack,
    /// so no row is lost.
    fn take(
        &mut self,
        kernel: &dyn ScanKernel,
        metric: Metric,
        block: &Block<'_>,
        products: &[i32],
        rounding: Rounding,
        among: Option<&Positions>,
    ) {
        let Coded { scale, norm, .. } = self.coded;
        let slack = slack_of(&self.coded, block.error, block.norm, rounding);
        let sieve = Sieve { metric, scale, norm, slack, limit: self.candidates.limit() };
        let mut any = [true; ALONE / LANES];
        kernel.sift(&sieve, products, block.scales, block.norms, &mut any);
        for (chunk, _) in any.iter().enumerate().filter(|(_, any)| **any) {
            let first = chunk * LANES;
            for (at, &product) in products.iter().enumerate().skip(first).take(LANES) {
                let product = product as f32 * (scale * block.scales[at]);
                let slack = slack_of(&self.coded, block.errors[at], block.norms[at], rounding);
                let best = key(metric, product + slack, norm, block.norms[at]);
                let position = block.start + at;
                if best <= self.candidates.limit() && among.is_none_or(|among| among.contains(position)) {
                    let worst = key(metric, product - slack, norm, block.norms[at]);
                    self.candidates.push(best, worst, position);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::scalar::Portable;
    use crate::testkit::Generator;

    #[test]
    fn the_score_of_every_row_lies_in_its_interval() {
        let mut random = Generator::new(31);
        for dim in [32, 33, 100, 384, 1024] {
            let mut data = random.floats(300 * dim);
            // Rows of many lengths, of one large number, of nothing, of next to nothing, and the query itself.
            for (i, row) in data.chunks_exact_mut(dim).enumerate() {
                let factor = 10f32.powi(i as i32 % 13 - 6);
                row.iter_mut().for_each(|x| *x *= factor);
                match i % 7 {
                    1 => row[i % dim] = 1e4 * factor,
                    2 if i > 200 => row.fill(0.0),
                    3 if i > 200 => row.fill(1e-42),
                    _ => {}
                }
            }
            let query = random.floats(dim);
            data[..dim].copy_from_slice(&query);
            let rows = Rows::new(&data, dim).unwrap();
            let codes = Codes::of(&Portable, rows).unwrap();
            for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
                for most in [MOST, 63] {
                    let mut code = vec![0; dim];
                    let coded = encode(&query, most, &mut code);
                    let mut products = vec![0; rows.len()];
                    Portable.dot_i8(&code, codes.rows(0..rows.len()), &mut products);
                    let rounding = rounding(dim);
                    for (i, row) in rows.iter().enumerate() {
                        let length = norm(row);
                        if metric == Metric::Cosine && length < 1e-12 {
                            continue;
                        }
                        let product = products[i] as f32 * (coded.scale * codes.numbers[SCALE][i]);
                        let slack =
                            slack_of(&coded, codes.numbers[ERROR][i], codes.numbers[NORM][i], rounding);
                        let [best, worst] = [slack, -slack]
                            .map(|slack| key(metric, product + slack, coded.norm, codes.numbers[NORM][i]));
                        let score = metric.score(&query, norm(&query), row, length);
                        let exact = crate::topk::key(metric, score);
                        assert!(
                            best <= exact && exact <= worst,
                            "{metric} {dim} row {i}: {best} {exact} {worst}"
                        );
                    }
                }
            }
        }
    }
}
