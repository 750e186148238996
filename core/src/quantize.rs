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
use std::sync::{Mutex, PoisonError};

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
const TASK: usize = 4096;

/// Rows of which is told at once whether any of them can be a candidate.
const LANES: usize = 16;

/// The codes of rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codes {
    dim: usize,
    codes: Vec<i8>,
    scales: Vec<f32>,
    errors: Vec<f32>,
    norms: Vec<f32>,
    sums: Vec<i32>,
}

/// What is known of a vector beside its codes.
#[derive(Debug, Clone, Copy, Default)]
struct About {
    /// What a code of 1 stands for.
    scale: f32,
    /// At least `|x - x'|`.
    error: f32,
    /// At least `|x|`, by no more than rounding.
    norm: f32,
    /// Of the codes.
    sum: i32,
}

/// The nearest whole number, of two the even one, of a number between -2^22 and 2^22. (Adding this leaves no bits for a fraction. Written so, it is
/// a vector instruction or two on every machine; `round_ties_even` is a call on some.)
#[inline(always)]
fn whole(x: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT).to_bits() as i32 - SHIFT.to_bits() as i32
}

/// Codes one vector by whole numbers up to `most`.
fn encode(vector: &[f32], most: i8, codes: &mut [i8]) -> About {
    let largest = vector.iter().fold(0.0f32, |largest, x| if x.abs() > largest { x.abs() } else { largest });
    let length = up(norm(vector));
    let scale = largest / f32::from(most);
    if scale < LEAST_SCALE {
        codes.fill(0);
        return About { scale: 0.0, error: length, norm: length, sum: 0 };
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
    for ((lane, &x), &code) in squares.iter_mut().zip(rest).zip(&*code_rest) {
        take(lane, x, code);
    }
    let error = squares.iter().sum::<f64>().sqrt() as f32;
    About { scale, error: up(error), norm: length, sum }
}

/// Adds zeros. A first, large batch is held without slack; later ones grow as vectors do.
fn longer<T: Clone + Default>(numbers: &mut Vec<T>, more: usize) -> Result<(), TryReserveError> {
    if numbers.is_empty() {
        numbers.try_reserve_exact(more)?
    } else {
        numbers.try_reserve(more)?
    }
    numbers.resize(numbers.len() + more, T::default());
    Ok(())
}

/// A little more, so that it is a bound however it was rounded.
fn up(x: f32) -> f32 {
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
        let before = self.sums.len();
        let extended = self.extend(rows.len()).is_ok();
        if extended {
            self.fill(kernel, before, rows);
        }
        extended
    }

    fn extend(&mut self, more: usize) -> Result<(), TryReserveError> {
        longer(&mut self.codes, more * self.dim)?;
        longer(&mut self.scales, more)?;
        longer(&mut self.errors, more)?;
        longer(&mut self.norms, more)?;
        longer(&mut self.sums, more)
    }

    /// Codes rows, from this position on.
    fn fill(&mut self, kernel: &dyn ScanKernel, start: usize, rows: Rows<'_>) {
        let dim = self.dim;
        let codes = self.codes[start * dim..].chunks_mut(TASK * dim);
        let scales = self.scales[start..].chunks_mut(TASK).zip(self.errors[start..].chunks_mut(TASK));
        let norms = self.norms[start..].chunks_mut(TASK).zip(self.sums[start..].chunks_mut(TASK));
        let tasks: Vec<_> = codes.zip(scales).zip(norms).map(Mutex::new).collect();
        kernel.spread(tasks.len(), &|task| {
            let mut part = tasks[task].lock().unwrap_or_else(PoisonError::into_inner);
            let ((codes, (scales, errors)), (norms, sums)) = &mut *part;
            let rows = rows.slice(task * TASK..task * TASK + sums.len());
            for (i, (row, codes)) in rows.iter().zip(codes.chunks_exact_mut(dim)).enumerate() {
                let about = encode(row, MOST, codes);
                (scales[i], errors[i], norms[i], sums[i]) = (about.scale, about.error, about.norm, about.sum);
            }
        });
    }

    /// Forgets rows taken out.
    pub(crate) fn remove(&mut self, positions: &Positions) {
        remove_rows(&mut self.codes, self.dim, positions);
        for numbers in [&mut self.scales, &mut self.errors, &mut self.norms] {
            remove_rows(numbers, 1, positions);
        }
        remove_rows(&mut self.sums, 1, positions);
    }

    pub(crate) fn bytes(&self) -> u64 {
        let floats = self.scales.capacity() + self.errors.capacity() + self.norms.capacity();
        (self.codes.capacity() + floats * size_of::<f32>() + self.sums.capacity() * size_of::<i32>()) as u64
    }

    fn rows(&self, range: Range<usize>) -> CodeRows<'_> {
        let Range { start, end } = range;
        CodeRows::new(self.dim, &self.codes[start * self.dim..end * self.dim], &self.sums[start..end])
    }
}

/// By how much rounding may widen an interval.
#[derive(Debug, Clone, Copy)]
struct Rounding {
    /// For each unit of `(|q| + |x|)^2`.
    relative: f32,
    underflow: f32,
}

fn rounding(dim: usize) -> Rounding {
    let relative = (8.0 * gamma(dim) + 16.0 * f64::from(f32::EPSILON)) as f32;
    Rounding { relative, underflow: dim as f32 * f32::MIN_POSITIVE }
}

/// A vector that is searched for, by its code.
#[derive(Debug)]
struct Query {
    /// Of the vector that is searched for, as [`About`] is of a row.
    about: About,
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
                let about = encode(query, kernel.most_query_code(), codes);
                Query { about, candidates: Certain::new(k), gave_up: false }
            })
            .collect();
        Self { metric, codes, queries, rounding: rounding(dim), most, products: Vec::new() }
    }

    /// Takes in some consecutive rows.
    pub(crate) fn take(&mut self, kernel: &dyn ScanKernel, codes: &Codes, range: Range<usize>) {
        if self.queries.iter().all(|query| query.gave_up) {
            return;
        }
        let count = range.len();
        self.products.resize(self.queries.len() * count, 0);
        kernel.dot_i8(&self.codes, codes.rows(range.clone()), &mut self.products);
        let block = Block::new(codes, range);
        let rounding = self.rounding;
        for (query, products) in self.queries.iter_mut().zip(self.products.chunks_exact(count)) {
            if query.gave_up {
                continue;
            }
            match self.metric {
                Metric::L2 => query.take(&block, products, rounding, squared_l2),
                Metric::InnerProduct => query.take(&block, products, rounding, inner_product),
                Metric::Cosine => query.take(&block, products, rounding, cosine),
            }
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
    fn new(codes: &'a Codes, range: Range<usize>) -> Self {
        let greatest =
            |numbers: &[f32]| numbers.iter().fold(0.0f32, |most, &x| if x > most { x } else { most });
        let (errors, norms) = (&codes.errors[range.clone()], &codes.norms[range.clone()]);
        let (error, norm) = (greatest(errors), greatest(norms));
        Self { start: range.start, scales: &codes.scales[range], errors, norms, error, norm }
    }
}

// A key (lower is better) by an inner product and the lengths of query and row; it falls as the product grows.

#[inline(always)]
fn squared_l2(product: f32, query: f32, row: f32) -> f32 {
    (query * query + row * row) - 2.0 * product
}

#[inline(always)]
fn inner_product(product: f32, _: f32, _: f32) -> f32 {
    -product
}

#[inline(always)]
fn cosine(product: f32, query: f32, row: f32) -> f32 {
    -product / (query * row)
}

impl Query {
    /// At least by how much the inner product with a row may differ from that of the codes.
    #[inline(always)]
    fn slack(&self, error: f32, norm: f32, rounding: Rounding) -> f32 {
        let lengths = self.about.norm + norm;
        self.about.norm * error
            + self.about.error * (norm + error)
            + lengths * lengths * rounding.relative
            + rounding.underflow
    }

    /// Takes in rows by the products of their codes.
    ///
    /// What a row's best key is at most, with the slack of the worst row of the block, costs little; only where that is not too bad is the
    /// row's own interval looked at. Every step of both is the same and rounds the same way, and grows with the slack, so no row is lost.
    #[inline(always)]
    fn take(
        &mut self,
        block: &Block<'_>,
        products: &[i32],
        rounding: Rounding,
        key: impl Fn(f32, f32, f32) -> f32,
    ) {
        let query = self.about;
        let most = self.slack(block.error, block.norm, rounding);
        let rows = block.scales.chunks(LANES).zip(block.norms.chunks(LANES));
        for (chunk, (products, (scales, norms))) in products.chunks(LANES).zip(rows).enumerate() {
            let product = |i: usize| products[i] as f32 * (query.scale * scales[i]);
            let limit = self.candidates.limit();
            let mut any = false;
            for i in 0..products.len().min(scales.len()).min(norms.len()) {
                any |= key(product(i) + most, query.norm, norms[i]) <= limit;
            }
            if !any {
                continue;
            }
            for i in 0..products.len() {
                let at = chunk * LANES + i;
                let slack = self.slack(block.errors[at], norms[i], rounding);
                let best = key(product(i) + slack, query.norm, norms[i]);
                if best <= self.candidates.limit() {
                    let worst = key(product(i) - slack, query.norm, norms[i]);
                    self.candidates.push(best, worst, block.start + at);
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
                    let about = encode(&query, most, &mut code);
                    let mut products = vec![0; rows.len()];
                    Portable.dot_i8(&code, codes.rows(0..rows.len()), &mut products);
                    let (rounding, key): (_, fn(f32, f32, f32) -> f32) = (
                        rounding(dim),
                        match metric {
                            Metric::L2 => squared_l2,
                            Metric::InnerProduct => inner_product,
                            Metric::Cosine => cosine,
                        },
                    );
                    let asked = Query { about, candidates: Certain::new(1), gave_up: false };
                    for (i, row) in rows.iter().enumerate() {
                        let length = norm(row);
                        if metric == Metric::Cosine && length < 1e-12 {
                            continue;
                        }
                        let product = products[i] as f32 * (about.scale * codes.scales[i]);
                        let slack = asked.slack(codes.errors[i], codes.norms[i], rounding);
                        let [best, worst] =
                            [slack, -slack].map(|slack| key(product + slack, about.norm, codes.norms[i]));
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
