//! 1-bit codes of rows, for searches that may miss a little: an eighth of the memory of 8-bit codes to read.
//!
//! The method is RaBitQ (Gao and Long, SIGMOD 2024, <https://arxiv.org/abs/2405.12497>), without its clusters. A row `x` is taken from a center `c`, the mean of the rows
//! the codes were made of, and rotated: `y = P (x - c)`, of which the signs `b` are kept. For a query `z = P (q - c)`
//!
//! ```text
//! y.z  =~  f b.z      with f = |y|^2 / (sum of |y_i|)
//! ```
//!
//! and if the rotation is random the error of this is as good as normal, with a standard deviation of about `f |z| sqrt(1 - 2 / pi)`, since the part of `y` that `b`
//! does not say lies in any direction. With `m` of these added, each row has a score that it exceeds with a probability of at most `1 - recall`. The rows that
//! may be among the best by that are searched by their 8-bit codes, and those that are left are scored by the portable kernel: what is
//! found has the scores of an exact search, and each of the best `k` is missed with that probability at most.
//!
//! The sums `b.z` are looked up, as in FAISS's fast-scan kernels: four signs choose one of 16 sums of four numbers of `z`, which are whole numbers up to
//! [`MOST_ENTRY`], and one instruction looks up those of 16 rows.
//!
//! The rotation is fixed: signs that look random, Hadamard's transform, three times over.

use std::collections::TryReserveError;
use std::ops::Range;

use crate::kernel::{ScanKernel, for_each_part};
use crate::metric::{Metric, norm};
use crate::quantize::longer;
use crate::rows::{Positions, Rows};
use crate::topk::lowest;

/// Rows of a block: the codes of four dimensions of all of them are side by side.
pub const ROWS: usize = 32;

/// Signs of four dimensions of a block of rows: of row `i` the lower half of byte `i`, of row `16 + i` its upper half.
type Group = [u8; ROWS / 2];

/// The greatest number in a table: eight of them fit in 8 bits.
const MOST_ENTRY: f32 = 31.0;

/// Rotated vectors have a multiple of so many dimensions, so that groups come in fours.
const STEP: usize = 16;

/// Fewer rows are searched exactly, which is as fast; of more dimensions the sums might leave 16 bits.
const LEAST_ROWS: usize = 4096;
const DIMS: Range<usize> = 64..8193;

/// Blocks whose bounds are computed in one call: they stay in the first-level cache.
const TOGETHER: usize = 32;

/// `sqrt(1 - 2 / pi)`: how far the direction of a random vector is from that of its signs.
const UNSAID: f32 = 0.602_810_3;

/// 1-bit codes of rows.
#[derive(Debug, Clone)]
pub(crate) struct BitCodes {
    metric: Metric,
    rotation: Rotation,
    center: Vec<f32>,
    count: usize,
    groups: Vec<Group>,
    /// For each row, also for those that fill up the last block: what a product with its signs is multiplied by, and what is added.
    factors: Vec<f32>,
    terms: Vec<f32>,
}

/// 1-bit codes of consecutive blocks of rows.
#[derive(Debug, Clone, Copy)]
pub struct BitRows<'a> {
    groups: &'a [Group],
    factors: &'a [f32],
    terms: &'a [f32],
}

/// 1-bit codes of a block of rows.
#[derive(Debug, Clone, Copy)]
pub struct BitBlock<'a> {
    /// Signs, four dimensions at a time.
    pub codes: &'a [Group],
    /// What products are multiplied by.
    pub factors: &'a [f32; ROWS],
    /// What is then added.
    pub terms: &'a [f32; ROWS],
}

/// A query as it is multiplied by signs: sums of four of its numbers with each choice of signs, as whole numbers.
#[derive(Debug, Clone)]
pub struct BitQuery {
    tables: Vec<[u8; 16]>,
    step: f32,
    offset: f32,
}

impl BitQuery {
    /// A query by its tables, a multiple of four; a sum of their entries stands for `step` times as much, and `offset` more.
    ///
    /// # Panics
    /// If there are too many tables, a number of them that is not a multiple of four, or an entry above 31.
    #[must_use]
    pub fn new(tables: Vec<[u8; 16]>, step: f32, offset: f32) -> Self {
        assert!(tables.len().is_multiple_of(STEP / 4) && 4 * tables.len() < DIMS.end, "tables of a query");
        assert!(tables.as_flattened().iter().all(|&entry| f32::from(entry) <= MOST_ENTRY), "small entries");
        Self { tables, step, offset }
    }

    /// For each four dimensions 16 entries, at most 31 each.
    #[must_use]
    pub fn tables(&self) -> &[[u8; 16]] {
        &self.tables
    }

    /// What a sum of 1 stands for, and a sum of 0.
    #[must_use]
    pub fn scale(&self) -> (f32, f32) {
        (self.step, self.offset)
    }

    /// The greatest product of query and signs, by the sum of the entries that these choose.
    #[inline(always)]
    #[must_use]
    pub fn product(&self, sum: u16) -> f32 {
        self.step * f32::from(sum) + self.offset
    }
}

impl<'a> BitRows<'a> {
    /// Sees codes as blocks of rows: as many groups of signs for each as a query has tables.
    ///
    /// # Panics
    /// If rows do not come in blocks of [`ROWS`], or lengths do not fit together.
    #[must_use]
    pub fn new(groups: &'a [Group], factors: &'a [f32], terms: &'a [f32]) -> Self {
        let blocks = factors.len() / ROWS;
        assert!(factors.len() == terms.len() && blocks * ROWS == factors.len(), "whole blocks of rows");
        assert!(blocks > 0 && groups.len().is_multiple_of(blocks), "as many signs for each block");
        Self { groups, factors, terms }
    }

    /// Block after block.
    #[inline(always)]
    pub fn blocks(&self) -> impl Iterator<Item = BitBlock<'a>> + use<'a> {
        let (factors, terms) = (self.factors.as_chunks::<ROWS>().0, self.terms.as_chunks::<ROWS>().0);
        let groups = self.groups.chunks_exact((self.groups.len() / factors.len()).max(1));
        groups.zip(factors).zip(terms).map(|((codes, factors), terms)| BitBlock { codes, factors, terms })
    }

    /// Asserts what every kernel needs.
    ///
    /// # Panics
    /// If the query has another number of dimensions, or there is no slot for each row and each block.
    pub fn assert_shapes(&self, query: &BitQuery, bounds: &[f32], best: &[f32]) {
        assert_eq!(self.factors.len(), bounds.len(), "one result for each row");
        assert_eq!(self.factors.len(), best.len() * ROWS, "one result for each block");
        assert_eq!(
            query.tables.len() * best.len(),
            self.groups.len(),
            "the query's dimensions are those of the rows"
        );
    }
}

impl BitBlock<'_> {
    /// The best score that each row may have, by the sum of the entries that its signs choose, and the best of these.
    #[inline(always)]
    pub fn bounds(&self, query: &BitQuery, sums: &[u16; ROWS], bounds: &mut [f32; ROWS], best: &mut f32) {
        *best = f32::NEG_INFINITY;
        for (at, bound) in bounds.iter_mut().enumerate() {
            *bound = self.factors[at] * query.product(sums[at]) + self.terms[at];
            *best = if *bound > *best { *bound } else { *best };
        }
    }
}

impl BitCodes {
    /// Whether rows of this shape are worth coding.
    pub(crate) fn pay(count: usize, dim: usize) -> bool {
        count >= LEAST_ROWS && DIMS.contains(&dim)
    }

    /// Codes rows, on the threads of the kernel; `None` where there is no memory for them.
    pub(crate) fn of(kernel: &dyn ScanKernel, metric: Metric, rows: Rows<'_>) -> Option<Self> {
        let mut center = vec![0.0; rows.dim()];
        for row in rows.iter() {
            let length = length_for(metric, row);
            center.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(x / length));
        }
        let center = center.into_iter().map(|sum| (sum / rows.len() as f64) as f32).collect();
        let mut made = Self {
            metric,
            rotation: Rotation::new(rows.dim()),
            center,
            count: 0,
            groups: Vec::new(),
            factors: Vec::new(),
            terms: Vec::new(),
        };
        made.append(kernel, rows).then_some(made)
    }

    fn groups_per_row(&self) -> usize {
        self.rotation.dim / 4
    }

    /// Makes room for so many rows. Those that fill up the last block can be no candidates.
    fn resize(&mut self, count: usize) -> Result<(), TryReserveError> {
        let blocks = count.div_ceil(ROWS);
        let groups = blocks * self.groups_per_row();
        fit(&mut self.groups, groups)?;
        fit(&mut self.factors, blocks * ROWS)?;
        fit(&mut self.terms, blocks * ROWS)?;
        self.factors[count..].fill(0.0);
        self.terms[count..].fill(f32::NEG_INFINITY);
        Ok(())
    }

    /// Takes in rows added at the end. Where there is no memory for them this gives `false`, and the codes are of no use any more.
    #[must_use]
    pub(crate) fn append(&mut self, kernel: &dyn ScanKernel, rows: Rows<'_>) -> bool {
        let start = self.count;
        if self.resize(start + rows.len()).is_err() {
            return false;
        }
        self.count += rows.len();
        self.code(kernel, start, rows);
        true
    }

    /// Codes rows from a position on.
    fn code(&mut self, kernel: &dyn ScanKernel, start: usize, rows: Rows<'_>) {
        let (first, groups) = (start / ROWS, self.groups_per_row());
        let Self { metric, rotation, center, groups: all, factors, terms, .. } = self;
        let coder = Coder { kernel, metric: *metric, rotation, center };
        let parts = all[first * groups..]
            .chunks_mut(groups)
            .zip(factors[first * ROWS..].chunks_mut(ROWS))
            .zip(terms[first * ROWS..].chunks_mut(ROWS))
            .map(|((groups, factors), terms)| Part { groups, factors, terms });
        for_each_part(kernel, parts, &|at, part| coder.code_block((first + at) * ROWS, part, start, rows));
    }

    /// Forgets rows taken out.
    pub(crate) fn remove(&mut self, positions: &Positions) {
        let groups = self.groups_per_row();
        let mut to = 0;
        for from in (0..self.count).filter(|&from| !positions.contains(from)) {
            if from != to {
                for group in 0..groups {
                    let codes = self.groups[from / ROWS * groups + group];
                    set(&mut self.groups[to / ROWS * groups + group], to % ROWS, get(&codes, from % ROWS));
                }
                self.factors[to] = self.factors[from];
                self.terms[to] = self.terms[from];
            }
            to += 1;
        }
        self.count = to;
        // It only gets shorter.
        let _ = self.resize(to);
    }

    pub(crate) fn bytes(&self) -> u64 {
        let numbers =
            self.factors.capacity() + self.terms.capacity() + self.rotation.signs.len() + self.center.len();
        (self.groups.capacity() * size_of::<Group>() + numbers * size_of::<f32>()) as u64
    }

    fn rows(&self, blocks: Range<usize>) -> BitRows<'_> {
        let Range { start, end } = blocks;
        let (groups, lanes) = (self.groups_per_row(), start * ROWS..end * ROWS);
        BitRows::new(
            &self.groups[start * groups..end * groups],
            &self.factors[lanes.clone()],
            &self.terms[lanes],
        )
    }
}

/// Makes a list so long, with zeros.
fn fit<T: Clone + bytemuck::Zeroable>(numbers: &mut Vec<T>, len: usize) -> Result<(), TryReserveError> {
    longer(numbers, len.saturating_sub(numbers.len()))?;
    numbers.truncate(len);
    Ok(())
}

/// The length that a row is divided by before anything else.
fn length_for(metric: Metric, row: &[f32]) -> f32 {
    if metric == Metric::Cosine { norm(row) } else { 1.0 }
}

/// Sets the signs of a row in a group of them.
#[inline(always)]
fn set(group: &mut Group, lane: usize, signs: u8) {
    let (at, shift) = (lane % (ROWS / 2), lane / (ROWS / 2) * 4);
    group[at] = group[at] & !(15 << shift) | signs << shift;
}

#[inline(always)]
fn get(group: &Group, lane: usize) -> u8 {
    group[lane % (ROWS / 2)] >> (lane / (ROWS / 2) * 4) & 15
}

/// The codes of a block, on their way.
struct Part<'a> {
    groups: &'a mut [Group],
    factors: &'a mut [f32],
    terms: &'a mut [f32],
}

/// What codes a row.
#[derive(Clone, Copy)]
struct Coder<'a> {
    kernel: &'a dyn ScanKernel,
    metric: Metric,
    rotation: &'a Rotation,
    center: &'a [f32],
}

impl Coder<'_> {
    /// Codes those rows of a block that are among these, of which the first has the position `start`.
    fn code_block(&self, block: usize, part: Part<'_>, start: usize, rows: Rows<'_>) {
        let Part { groups, factors, terms } = part;
        for lane in 0..ROWS {
            let row = (block + lane).checked_sub(start).filter(|&row| row < rows.len());
            if let Some(row) = row {
                (factors[lane], terms[lane]) =
                    self.code(rows.row(row), |group, signs| set(&mut groups[group], lane, signs));
            }
        }
    }

    /// A vector from the center, rotated; and the center's own part in it, `c.(x - c)`.
    fn turn(&self, vector: &[f32]) -> (Vec<f32>, f32) {
        let length = length_for(self.metric, vector);
        let mut turned = vec![0.0; self.rotation.dim];
        let mut along = 0.0;
        for ((to, x), c) in turned.iter_mut().zip(vector).zip(self.center) {
            *to = x / length - c;
            along += *to * c;
        }
        self.kernel.turn(self.rotation, &mut turned);
        (turned, along)
    }

    /// Gives the signs of each four dimensions of a row, and returns its factor and its term.
    fn code(&self, row: &[f32], mut signs: impl FnMut(usize, u8)) -> (f32, f32) {
        let (turned, along) = self.turn(row);
        let (mut squares, mut sizes) = (0.0, 0.0);
        for (at, four) in turned.as_chunks::<4>().0.iter().enumerate() {
            let mut code = 0;
            for (bit, x) in four.iter().enumerate() {
                code |= u8::from(*x > 0.0) << bit;
                squares += x * x;
                sizes += x.abs();
            }
            signs(at, code);
        }
        let factor = if sizes > 0.0 { squares / sizes } else { 0.0 };
        match self.metric {
            Metric::L2 => (2.0 * factor, -squares),
            Metric::InnerProduct | Metric::Cosine => (factor, along),
        }
    }
}

/// A vector that is searched for, with what its bounds mean.
struct Asked {
    query: BitQuery,
    metric: Metric,
    /// What all bounds lack: `q.c`, or the squared distance of the query and the center.
    base: f32,
}

impl Asked {
    /// A query whose bounds a row exceeds with a probability of at most `1 - recall`.
    fn new(kernel: &dyn ScanKernel, codes: &BitCodes, vector: &[f32], recall: f32) -> Self {
        let coder = Coder { kernel, metric: codes.metric, rotation: &codes.rotation, center: &codes.center };
        let (turned, along) = coder.turn(vector);
        let fours = turned.as_chunks::<4>().0;
        let size = |four: &[f32; 4]| four.iter().map(|x| x.abs()).sum::<f32>();
        let (largest, total) = fours.iter().fold((0.0f32, 0.0), |(largest, total), four| {
            (if size(four) > largest { size(four) } else { largest }, total + size(four))
        });
        let step = 2.0 * largest / MOST_ENTRY;
        let factor = if step > 0.0 { 1.0 / step } else { 0.0 };
        let table = |four: &[f32; 4]| {
            std::array::from_fn(|code| {
                let signed =
                    four.iter().enumerate().map(|(bit, &x)| if code >> bit & 1 == 1 { x } else { -x });
                ((signed.sum::<f32>() + size(four)) * factor + 0.5) as u8
            })
        };
        let squares: f32 = turned.iter().map(|x| x * x).sum();
        // Entries are rounded: each is off by anything up to half a step.
        let deviation = (UNSAID * UNSAID * squares + step * step * fours.len() as f32 / 12.0).sqrt();
        let query =
            BitQuery::new(fours.iter().map(table).collect(), step, deviations(recall) * deviation - total);
        let center: f32 = codes.center.iter().map(|c| c * c).sum();
        let base = if codes.metric == Metric::L2 { squares } else { along + center };
        Self { query, metric: codes.metric, base }
    }

    /// The least bound of rows that may reach a score.
    fn reach(&self, score: f32) -> f32 {
        let bound = if self.metric == Metric::L2 { self.base - score } else { score - self.base };
        bound - (self.base.abs() + score.abs()) * 16.0 * f32::EPSILON
    }
}

/// How many standard deviations a normal variable exceeds with a probability of `1 - recall`; at least none. (Abramowitz and Stegun, 26.2.23.)
fn deviations(recall: f32) -> f32 {
    let tail = (1.0 - recall).clamp(1e-9, 0.5);
    let t = (-2.0 * tail.ln()).sqrt();
    t - (2.515_517 + t * (0.802_853 + t * 0.010_328))
        / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}

/// What finds candidates by 1-bit codes.
pub(crate) struct BitSearch<'a> {
    pub(crate) kernel: &'a dyn ScanKernel,
    pub(crate) codes: &'a BitCodes,
    pub(crate) k: usize,
    pub(crate) among: Option<&'a Positions>,
    pub(crate) recall: f32,
    /// A query that has more candidates than this is searched in vain.
    pub(crate) most: usize,
}

impl BitSearch<'_> {
    /// The rows that may be among the best `k`; `None` if they are too many to have helped, or a filter leaves too few where the best seem to be.
    ///
    /// `kth` scores rows exactly and gives the k-th best score of them.
    pub(crate) fn candidates(
        &self,
        query: &[f32],
        kth: impl Fn(&[usize]) -> Option<f32>,
    ) -> Option<Vec<usize>> {
        let asked = Asked::new(self.kernel, self.codes, query, self.recall);
        let mut best = vec![f32::NEG_INFINITY; self.codes.factors.len() / ROWS];
        let mut bounds = [0.0; TOGETHER * ROWS];
        for (at, best) in best.chunks_mut(TOGETHER).enumerate() {
            let start = at * TOGETHER;
            let rows = self.codes.rows(start..start + best.len());
            self.kernel.bounds(&asked.query, rows, &mut bounds[..best.len() * ROWS], best);
        }
        let first = highest(best.iter().copied().enumerate(), self.k);
        let mut seeds = Vec::new();
        for at in first {
            self.visit(&asked, at, |position, bound| seeds.push((position, bound)));
        }
        let seeds = highest(seeds.into_iter(), self.k);
        let least = asked.reach(kth(&seeds)?);
        let mut found = Vec::new();
        for (at, &best) in best.iter().enumerate() {
            if best >= least {
                self.visit(&asked, at, |position, bound| {
                    if bound >= least {
                        found.push(position);
                    }
                });
                if found.len() > self.most {
                    return None;
                }
            }
        }
        // However rounding fell.
        let missing: Vec<usize> = seeds.into_iter().filter(|seed| !found.contains(seed)).collect();
        found.extend(missing);
        Some(found)
    }

    /// The rows of a block that are searched, with their bounds.
    fn visit(&self, asked: &Asked, block: usize, mut row: impl FnMut(usize, f32)) {
        let mut bounds = [0.0; ROWS];
        self.kernel.bounds(&asked.query, self.codes.rows(block..block + 1), &mut bounds, &mut [0.0]);
        let start = block * ROWS;
        for (at, bound) in bounds.into_iter().enumerate().take(self.codes.count.saturating_sub(start)) {
            if self.among.is_none_or(|among| among.contains(start + at)) {
                row(start + at, bound);
            }
        }
    }
}

/// Those of the highest bounds: `count`, and more where the last are equal.
fn highest(bounds: impl Iterator<Item = (usize, f32)>, count: usize) -> Vec<usize> {
    lowest(bounds.map(|(at, bound)| (at, -bound)), count)
}

/// A fixed rotation that spreads every vector over all dimensions.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Dimensions of rotated vectors.
    dim: usize,
    signs: Vec<f32>,
}

/// Times that a vector is turned.
const TURNS: usize = 3;

impl Rotation {
    fn new(dim: usize) -> Self {
        let dim = dim.next_multiple_of(STEP);
        // Marsaglia's xorshift.
        let mut state = 0x2545_f491_u32;
        let signs = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            if state >> 31 == 0 { 1.0 } else { -1.0 }
        });
        Self { dim, signs: signs.take(TURNS * dim).collect() }
    }

    /// Rotates a vector in place.
    ///
    /// Each turn changes signs, transforms as many dimensions as there is a power of two of, from both ends, and, where the two do not cover each other, mixes the halves.
    #[inline(always)]
    pub fn turn(&self, vector: &mut [f32]) {
        let power = 1 << self.dim.ilog2();
        for signs in self.signs.chunks_exact(self.dim) {
            vector.iter_mut().zip(signs).for_each(|(x, sign)| *x *= sign);
            hadamard(&mut vector[..power]);
            if power < self.dim {
                hadamard(&mut vector[self.dim - power..]);
                let (low, high) = vector.split_at_mut(self.dim / 2);
                butterfly(low, high, std::f32::consts::FRAC_1_SQRT_2);
            }
        }
    }
}

/// Sums and differences of two halves.
#[inline(always)]
fn butterfly(low: &mut [f32], high: &mut [f32], scale: f32) {
    for (a, b) in low.iter_mut().zip(high) {
        (*a, *b) = ((*a + *b) * scale, (*a - *b) * scale);
    }
}

/// Hadamard's transform, of a power of two of numbers, keeping their length.
#[inline(always)]
fn hadamard(numbers: &mut [f32]) {
    let mut half = numbers.len() / 2;
    while half > 0 {
        for part in numbers.chunks_exact_mut(2 * half) {
            let (low, high) = part.split_at_mut(half);
            butterfly(low, high, 1.0);
        }
        half /= 2;
    }
    let scale = 1.0 / (numbers.len() as f32).sqrt();
    numbers.iter_mut().for_each(|x| *x *= scale);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::flat::FlatIndex;
    use crate::index::VectorIndex;
    use crate::testkit::{Generator, OnCodes, brute_force};
    use crate::topk::Neighbor;

    const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

    /// Rows around a few hundred centers, themselves far from zero, as embeddings are.
    fn clustered(random: &mut Generator, count: usize, dim: usize) -> Vec<f32> {
        let centers = random.floats(300 * dim);
        let all = random.floats(dim);
        let mut data = Vec::with_capacity(count * dim);
        for _ in 0..count {
            let center = random.below(300) * dim;
            data.extend((0..dim).map(|i| all[i] + 0.6 * centers[center + i] + 0.5 * random.float()));
        }
        data
    }

    fn index(metric: Metric, dim: usize, data: &[f32]) -> FlatIndex {
        let mut index = FlatIndex::new(dim, metric, Arc::new(OnCodes::default())).unwrap();
        index.append(Rows::new(data, dim).unwrap()).unwrap();
        index
    }

    /// How many of the true neighbours are found by these queries, all with their exact scores.
    fn found(index: &FlatIndex, queries: Rows<'_>, k: usize, among: Option<&Positions>, recall: f32) -> f32 {
        let rows = index.rows().unwrap();
        let answers = index.search_approximately(queries, k, among, recall).unwrap();
        let mut hits = 0;
        for (query, answer) in queries.iter().zip(&answers) {
            let truth = brute_force(index.metric(), rows, query, k, among);
            assert_eq!(answer.len(), truth.len());
            for neighbor in answer {
                let Neighbor { position, score } = *neighbor;
                assert!(among.is_none_or(|among| among.contains(position)));
                assert_eq!(
                    Neighbor::scored(index.metric(), query, rows.row(position), position).score,
                    score
                );
                hits += usize::from(truth.contains(neighbor));
            }
            assert!(answer.is_sorted_by(|a, b| Neighbor::order(index.metric(), a, b).is_lt()));
        }
        hits as f32 / (queries.len() * k) as f32
    }

    #[test]
    fn as_many_of_the_best_are_found_as_were_asked_for() {
        let mut random = Generator::new(41);
        for (dim, count) in [(64, 6000), (100, 5000), (384, 5000)] {
            let data = clustered(&mut random, count + 40, dim);
            let (asked, data) = data.split_at(40 * dim);
            let queries = Rows::new(asked, dim).unwrap();
            let most = Positions::try_filter(count, |p| Ok::<_, ()>(p % 4 != 1)).unwrap();
            for metric in METRICS {
                let index = index(metric, dim, data);
                for among in [None, Some(&most)] {
                    for recall in [0.9, 0.99] {
                        let found = found(&index, queries, 10, among, recall);
                        assert!(found >= recall, "{metric}, {dim} dimensions: {found} of {recall}");
                    }
                }
                assert_eq!(found(&index, queries.slice(0..5), 10, None, 0.999_999_9), 1.0);
            }
        }
    }

    #[test]
    fn few_rows_are_looked_at() {
        let mut random = Generator::new(42);
        let (dim, count) = (256, 8000);
        let data = clustered(&mut random, count, dim);
        let rows = Rows::new(&data, dim).unwrap();
        let kernel = OnCodes::default();
        for metric in METRICS {
            let codes = BitCodes::of(&kernel, metric, rows).unwrap();
            let search =
                BitSearch { kernel: &kernel, codes: &codes, k: 10, among: None, recall: 0.9, most: count };
            let query = rows.row(17);
            let kth = |of: &[usize]| {
                let mut scores: Vec<_> =
                    of.iter().map(|&p| Neighbor::scored(metric, query, rows.row(p), p)).collect();
                crate::topk::sort_and_cut(metric, &mut scores, 10);
                Some(scores[9].score)
            };
            let found = search.candidates(query, kth).unwrap();
            assert!(found.contains(&17) && found.len() < count / 20, "{metric}: {} rows", found.len());
            assert!(BitSearch { most: 5, ..search }.candidates(query, kth).is_none(), "it gives up");
        }
    }

    #[test]
    fn codes_follow_what_is_added_and_taken_out() {
        let mut random = Generator::new(43);
        let (dim, count) = (80, 5000);
        let data = clustered(&mut random, count, dim);
        let rows = Rows::new(&data, dim).unwrap();
        let kernel = OnCodes { threads: 3, ..OnCodes::default() };
        for metric in METRICS {
            let mut grown = BitCodes::of(&kernel, metric, rows.slice(0..4301)).unwrap();
            assert!(
                grown.append(&kernel, rows.slice(4301..4302))
                    && grown.append(&kernel, rows.slice(4302..count))
            );
            let gone = Positions::try_filter(count, |p| Ok::<_, ()>(p % 7 == 3 || p > 4990)).unwrap();
            grown.remove(&gone);
            let kept: Vec<usize> = (0..count).filter(|&p| !gone.contains(p)).collect();
            let mut fresh = BitCodes {
                center: grown.center.clone(),
                ..BitCodes::of(&kernel, metric, rows.slice(0..1)).unwrap()
            };
            fresh.remove(&Positions::try_filter(1, |_| Ok::<_, ()>(true)).unwrap());
            assert!(fresh.append(&kernel, rows.pick(&kept).rows()));
            assert_eq!(grown.count, kept.len());
            let signs = |codes: &BitCodes| -> Vec<u8> {
                let groups = codes.groups_per_row();
                (0..codes.count * groups)
                    .map(|at| (at / groups, at % groups))
                    .map(|(row, group)| get(&codes.groups[row / ROWS * groups + group], row % ROWS))
                    .collect()
            };
            assert!(signs(&grown) == signs(&fresh), "{metric}: signs");
            assert!(grown.factors == fresh.factors && grown.terms == fresh.terms, "{metric}: numbers");
        }
    }

    #[test]
    fn rows_that_signs_cannot_tell_apart_are_searched_exactly() {
        let (dim, count) = (64, 5000);
        let mut random = Generator::new(44);
        let mut data = random.floats(dim).repeat(count);
        data[70 * dim..71 * dim].copy_from_slice(&random.floats(dim));
        let query = random.floats(dim);
        for metric in METRICS {
            let index = index(metric, dim, &data);
            let rows = index.rows().unwrap();
            for query in [&query[..], rows.row(0), rows.row(70)] {
                let found =
                    index.search_approximately(Rows::new(query, dim).unwrap(), 10, None, 0.5).unwrap();
                let scores = |found: &[Neighbor]| found.iter().map(|n| n.score).collect::<Vec<_>>();
                assert_eq!(
                    scores(&found[0]),
                    scores(&brute_force(metric, rows, query, 10, None)),
                    "{metric}"
                );
            }
        }
    }

    #[test]
    fn a_rotation_keeps_lengths_and_spreads_what_was_in_one_place() {
        for dim in [64, 100, 112, 384, 500, 768, 1023] {
            let rotation = Rotation::new(dim);
            for at in [0, dim / 2, dim - 1] {
                let mut vector = vec![0.0; rotation.dim];
                vector[at] = 3.0;
                rotation.turn(&mut vector);
                assert!((norm(&vector) - 3.0).abs() < 1e-4, "{dim}");
                let sizes: f32 = vector.iter().map(|x| x.abs()).sum();
                let along = sizes / (rotation.dim as f32).sqrt() / 3.0;
                assert!(along > 0.7, "{dim}, {at}: {along}");
            }
        }
    }

    #[test]
    fn deviations_are_those_of_the_normal_distribution() {
        for (recall, expected) in
            [(0.3, 0.0), (0.5, 0.0), (0.841_344_7, 1.0), (0.977_249_9, 2.0), (0.99, 2.326_35)]
        {
            assert!((deviations(recall) - expected).abs() < 1e-3, "{recall}");
        }
    }
}
