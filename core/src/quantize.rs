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

use crate::kernel::{ScanKernel, gamma};
use crate::metric::{Metric, norm};
use crate::rows::{Positions, Rows, remove_rows};

/// Fewer rows, or shorter ones, are scanned as they are: codes would not pay. So are rows so long that a sum of products might leave an `i32`.
const LEAST_ROWS: usize = 1024;
const DIMS: std::ops::Range<usize> = 32..1 << 16;

/// A row whose scale would be below this counts as nothing, which its error bound says: the product of two such scales loses precision to underflow.
const LEAST_SCALE: f32 = 1e-15;

/// A query at least this long keeps underflow below what intervals are widened by.
pub(crate) const LEAST_QUERY_NORM: f32 = 1e-12;

/// The codes of rows.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    dim: usize,
    codes: Vec<i8>,
    /// What a code of 1 stands for.
    scales: Vec<f32>,
    /// At least `|x - x'|`.
    errors: Vec<f32>,
    /// At least `|x|`, by no more than rounding.
    norms: Vec<f32>,
}

/// Codes one row, and gives its scale and the bound of its error.
fn encode(row: &[f32], codes: &mut [i8]) -> (f32, f32) {
    let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let scale = most / 127.0;
    if scale < LEAST_SCALE {
        codes.fill(0);
        return (0.0, up(norm(row)));
    }
    let factor = 1.0 / scale;
    let mut squares = 0.0f64;
    for (code, &x) in codes.iter_mut().zip(row) {
        // At most 127.0001 by size, which the cast brings to 127.
        *code = (x * factor).round_ties_even() as i8;
        let difference = f64::from(x) - f64::from(scale) * f64::from(*code);
        squares += difference * difference;
    }
    (scale, up(squares.sqrt() as f32))
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

    pub(crate) fn of(rows: Rows<'_>) -> Self {
        let mut codes = Self {
            dim: rows.dim(),
            codes: Vec::new(),
            scales: Vec::new(),
            errors: Vec::new(),
            norms: Vec::new(),
        };
        codes.append(rows);
        codes
    }

    /// Takes in rows added at the end.
    pub(crate) fn append(&mut self, rows: Rows<'_>) {
        let before = self.codes.len();
        if before == 0 {
            self.codes.reserve_exact(rows.data().len());
        }
        self.codes.resize(before + rows.data().len(), 0);
        for (row, code) in rows.iter().zip(self.codes[before..].chunks_exact_mut(self.dim)) {
            let (scale, error) = encode(row, code);
            self.scales.push(scale);
            self.errors.push(error);
            self.norms.push(up(norm(row)));
        }
    }

    /// Forgets rows taken out.
    pub(crate) fn remove(&mut self, positions: &Positions) {
        remove_rows(&mut self.codes, self.dim, positions);
        remove_rows(&mut self.scales, 1, positions);
        remove_rows(&mut self.errors, 1, positions);
        remove_rows(&mut self.norms, 1, positions);
    }

    pub(crate) fn bytes(&self) -> u64 {
        let floats = self.scales.capacity() + self.errors.capacity() + self.norms.capacity();
        (self.codes.capacity() + floats * size_of::<f32>()) as u64
    }
}

/// A query on its way through codes.
pub(crate) struct CodedQuery {
    metric: Metric,
    code: Vec<i8>,
    scale: f32,
    error: f32,
    norm: f32,
    /// By how much rounding may widen an interval, for each unit of `(|q| + |x|)^2`.
    rounding: f32,
}

/// The best and the worst key that a row can have; lower is better.
pub(crate) type Interval = (f32, f32);

impl CodedQuery {
    pub(crate) fn new(metric: Metric, query: &[f32]) -> Self {
        let mut code = vec![0; query.len()];
        let (scale, error) = encode(query, &mut code);
        let rounding = (8.0 * gamma(query.len()) + 16.0 * f64::from(f32::EPSILON)) as f32;
        Self { metric, code, scale, error, norm: up(norm(query)), rounding }
    }

    /// The intervals of consecutive rows, one for each slot of `out`; `products` is room for as many.
    pub(crate) fn intervals(
        &self,
        kernel: &dyn ScanKernel,
        codes: &Codes,
        start: usize,
        products: &mut [i32],
        out: &mut [Interval],
    ) {
        let (dim, end) = (codes.dim, start + out.len());
        let tiny = dim as f32 * f32::MIN_POSITIVE;
        kernel.dot_i8(&self.code, &codes.codes[start * dim..end * dim], products);
        let rows =
            codes.scales[start..end].iter().zip(&codes.errors[start..end]).zip(&codes.norms[start..end]);
        for ((out, &product), ((&scale, &error), &norm)) in out.iter_mut().zip(&*products).zip(rows) {
            let about = product as f32 * (self.scale * scale);
            let slack = (self.norm + norm) * (self.norm + norm) * self.rounding;
            let error = self.norm * error + self.error * (norm + error) + slack + tiny;
            *out = match self.metric {
                Metric::L2 => {
                    let about = self.norm * self.norm + norm * norm - 2.0 * about;
                    (about - 2.0 * error, about + 2.0 * error)
                }
                Metric::InnerProduct => (-about - error, -about + error),
                Metric::Cosine => {
                    let lengths = self.norm * norm;
                    ((-about - error) / lengths, (-about + error) / lengths)
                }
            };
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
            let codes = Codes::of(rows);
            for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
                let coded = CodedQuery::new(metric, &query);
                let (mut products, mut intervals) = (vec![0; rows.len()], vec![(0.0, 0.0); rows.len()]);
                coded.intervals(&Portable, &codes, 0, &mut products, &mut intervals);
                for (i, (row, (best, worst))) in rows.iter().zip(intervals).enumerate() {
                    let length = norm(row);
                    if metric == Metric::Cosine && length < 1e-12 {
                        continue;
                    }
                    let score = metric.score(&query, norm(&query), row, length);
                    let key = crate::topk::key(metric, score);
                    assert!(best <= key && key <= worst, "{metric} {dim} row {i}: {best} {key} {worst}");
                }
            }
        }
    }
}
