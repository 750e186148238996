//! The upper halves of 8-bit codes: half the memory to read, for one query at a time.
//!
//! Of each code `c` of a row (see `quantize`) the upper four bits, `h = (c + 128) >> 4`, are kept once more, 16 rows side by side. They stand for the middle
//! of the 16 codes that share them: the row is near to `x'' = s (16 h - 120.5)`, and `|x - x''|` is at most the bound of its 8-bit code and `s` times the
//! length of what the lower halves say. The score of each row lies in an interval made of this as it is made of 8-bit codes there.
//!
//! These intervals are wide, so their worst ends say little. Instead some rows with the best of best ends are scored by the portable kernel, and with `T` the
//! k-th best of these scores, k rows are at least as good as `T`: a row whose best end is worse cannot be among the best k. Those that are left, a
//! few in a thousand, are searched by their 8-bit codes.
//!
//! Rounding. `s` is at most `|x| / 127`, so `|x''|` is at most `|x| (1 + 8 sqrt(d) / 127)`, and what is rounded relative to it is off by less than the `gamma`
//! of `|x|` that intervals are widened by.

use std::collections::TryReserveError;
use std::ops::Range;

use crate::kernel::scalar::Portable;
use crate::kernel::{ScanKernel, for_each_part};
use crate::metric::Metric;
use crate::quantize::{Coded, Codes, LANES, Rounding, key, longer, rounding, slack_of, up};
use crate::rows::Positions;
use crate::topk::lowest;

/// Codes of eight dimensions of [`LANES`] rows: in bytes `4 i` to `4 i + 3` those of row `i`, four in the lower halves, and the next four in the upper.
pub type HalfGroup = [u8; 4 * LANES];

/// What is known of each row of a block beside its codes, as [`Coded`] has it: scales, errors (of upper halves), norms.
pub type Beside = [[f32; LANES]; 3];

/// Dimensions of a group.
pub const GROUP: usize = 8;

/// Fewer rows are searched by their 8-bit codes, which is as fast; of more dimensions the sums might leave 32 bits.
const LEAST_ROWS: usize = 4096;
const DIMS: usize = 8192;

/// Blocks of rows that show whether the others are worth a look.
const TRIAL: usize = 4096 / LANES;

/// For each neighbour that is wanted so many rows are scored first: more of them cost little and leave fewer candidates.
const SEEDS: usize = 2;

/// Blocks that are coded by one task.
const TASK: usize = 256;

/// Upper halves of the codes of rows, in whole blocks of [`LANES`] rows. Rows after the last block have none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halves {
    groups: Vec<HalfGroup>,
    beside: Vec<Beside>,
}

/// Upper halves of consecutive blocks of rows.
#[derive(Debug, Clone, Copy)]
pub struct HalfRows<'a> {
    groups: &'a [HalfGroup],
    beside: &'a [Beside],
}

/// Upper halves of one block of rows.
#[derive(Debug, Clone, Copy)]
pub struct HalfBlock<'a> {
    /// Eight dimensions at a time.
    pub groups: &'a [HalfGroup],
    /// What is known of the rows.
    pub beside: &'a Beside,
}

impl<'a> HalfRows<'a> {
    /// Sees codes as blocks of rows, each of which has as many groups.
    ///
    /// # Panics
    /// If groups cannot be shared out evenly.
    #[must_use]
    pub fn new(groups: &'a [HalfGroup], beside: &'a [Beside]) -> Self {
        assert!(groups.len().is_multiple_of(beside.len().max(1)), "as many groups for each block");
        Self { groups, beside }
    }

    /// Block after block.
    #[inline(always)]
    pub fn blocks(&self) -> impl Iterator<Item = HalfBlock<'a>> + use<'a> {
        let groups = self.groups.chunks_exact((self.groups.len() / self.beside.len().max(1)).max(1));
        groups.zip(self.beside).map(|(groups, beside)| HalfBlock { groups, beside })
    }

    /// Asserts what every kernel needs.
    ///
    /// # Panics
    /// If the query has another number of dimensions, or there is no slot for each row and each block.
    pub fn assert_shapes(&self, query: &HalfQuery, keys: &[f32], least: &[f32]) {
        assert_eq!(self.beside.len() * LANES, keys.len(), "one result for each row");
        assert_eq!(self.beside.len(), least.len(), "one result for each block");
        assert_eq!(
            query.codes.len() / GROUP * least.len(),
            self.groups.len(),
            "the query's dimensions are those of the rows"
        );
    }
}

/// A query as it is multiplied by upper halves.
#[derive(Debug, Clone)]
pub struct HalfQuery {
    metric: Metric,
    /// Filled up by zeros to whole groups.
    codes: Vec<i8>,
    coded: Coded,
    rounding: Rounding,
}

impl HalfQuery {
    /// Codes a query.
    #[must_use]
    pub fn new(kernel: &dyn ScanKernel, metric: Metric, query: &[f32]) -> Self {
        let mut codes = vec![0; query.len().next_multiple_of(GROUP)];
        let coded = kernel.encode(query, kernel.most_query_code(), &mut codes[..query.len()]);
        Self { metric, codes, coded, rounding: rounding(query.len()) }
    }

    /// The codes of each eight dimensions.
    #[must_use]
    pub fn groups(&self) -> &[[i8; GROUP]] {
        self.codes.as_chunks().0
    }

    /// The best key that each row of a block may have, by the products of the query's codes with upper halves as they are kept, 0 to 15. Returns the best of these.
    #[inline(always)]
    pub fn best_keys(&self, products: &[i32; LANES], beside: &Beside, keys: &mut [f32; LANES]) -> f32 {
        let [scales, errors, norms] = beside;
        let Coded { scale, norm, sum, .. } = self.coded;
        // Twice what the upper halves stand for is a whole number.
        let (bias, half) = (241 * sum as i32, 0.5 * scale);
        let mut least = [f32::INFINITY; LANES];
        for at in 0..LANES {
            let product = (32 * products[at] - bias) as f32 * (half * scales[at]);
            let slack = slack_of(&self.coded, errors[at], norms[at], self.rounding);
            keys[at] = key(self.metric, product + slack, norm, norms[at]);
        }
        least.copy_from_slice(keys);
        let mut width = LANES / 2;
        while width > 0 {
            for at in 0..width {
                least[at] = if least[at + width] < least[at] { least[at + width] } else { least[at] };
            }
            width /= 2;
        }
        least[0]
    }
}

/// The codes of one row that are kept of a group of eight.
#[inline(always)]
fn upper(codes: &[i8; GROUP]) -> [u8; 4] {
    let codes = u64::from_le_bytes(codes.map(|code| code as u8));
    // Adding 128 turns the sign over.
    let halves = (codes ^ 0x8080_8080_8080_8080) >> 4 & 0x0f0f_0f0f_0f0f_0f0f;
    (halves as u32 | (halves >> 32 << 4) as u32).to_le_bytes()
}

/// Keeps the upper halves of a row's codes in its lane of a block, and returns the length of what the lower halves say.
///
/// # Panics
/// If there is no such lane, or no group for some of the codes.
#[inline(always)]
#[must_use]
pub fn take_upper(codes: &[i8], lane: usize, groups: &mut [HalfGroup]) -> f64 {
    let (eights, rest) = codes.as_chunks::<GROUP>();
    for (group, eight) in groups.iter_mut().zip(eights) {
        group[4 * lane..4 * lane + 4].copy_from_slice(&upper(eight));
    }
    if !rest.is_empty() {
        let mut eight = [0; GROUP];
        eight[..rest.len()].copy_from_slice(rest);
        groups[eights.len()][4 * lane..4 * lane + 4].copy_from_slice(&upper(&eight));
    }
    // Twice the lower halves, from their middle.
    let squares: i64 =
        codes.chunks(1024).map(|codes| i64::from(codes.iter().map(lower_square).sum::<i32>())).sum();
    (squares as f64).sqrt() / 2.0
}

#[inline(always)]
fn lower_square(code: &i8) -> i32 {
    let off = 2 * i32::from(code & 15) - 15;
    off * off
}

impl Halves {
    /// Whether rows of so many dimensions can have them.
    pub(crate) fn can_hold(dim: usize) -> bool {
        dim < DIMS
    }

    /// Takes over the codes of all rows from a position on. `known` are the scales, errors and norms of the rows, as [`Coded`] has them.
    pub(crate) fn update(
        &mut self,
        kernel: &dyn ScanKernel,
        from: usize,
        codes: &[i8],
        known: [&[f32]; 3],
    ) -> Result<(), TryReserveError> {
        let rows = known[0].len();
        let blocks = rows / LANES;
        let first = blocks.min(from / LANES).min(self.blocks());
        let dim = codes.len() / rows.max(1);
        let groups = dim.div_ceil(GROUP);
        self.groups.truncate(first * groups);
        self.beside.truncate(first);
        longer(&mut self.groups, (blocks - first) * groups)?;
        longer(&mut self.beside, blocks - first)?;
        let tasks = self.groups[first * groups..]
            .chunks_mut((TASK * groups).max(1))
            .zip(self.beside[first..].chunks_mut(TASK));
        for_each_part(kernel, tasks, &|task, (groups_of_task, beside)| {
            let start = first + task * TASK;
            let blocks = groups_of_task.chunks_mut(groups).zip(beside);
            for (at, (groups, [scales, errors, norms])) in blocks.enumerate() {
                for lane in 0..LANES {
                    let row = (start + at) * LANES + lane;
                    let lost = kernel.take_upper(&codes[row * dim..(row + 1) * dim], lane, groups);
                    [scales[lane], errors[lane], norms[lane]] = known.map(|numbers| numbers[row]);
                    errors[lane] = up((f64::from(errors[lane]) + f64::from(scales[lane]) * lost) as f32);
                }
            }
        });
        Ok(())
    }

    /// Forgets rows taken out, given what is left of all codes.
    pub(crate) fn remove(&mut self, positions: &Positions, codes: &[i8], known: [&[f32]; 3]) {
        if let Some(from) = positions.iter().next()
            && self.blocks() > 0
        {
            // They only get shorter.
            let _ = self.update(&Portable, from, codes, known);
        }
    }

    /// Blocks of rows that have them: from the first on.
    pub(crate) fn blocks(&self) -> usize {
        self.beside.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.groups.capacity() * size_of::<HalfGroup>() + self.beside.capacity() * size_of::<Beside>())
            as u64
    }

    /// The rows of these blocks.
    pub(crate) fn rows(&self, blocks: Range<usize>) -> HalfRows<'_> {
        let Range { start, end } = blocks;
        let groups = self.groups.len() / self.blocks().max(1);
        HalfRows::new(&self.groups[start * groups..end * groups], &self.beside[start..end])
    }
}

/// What finds candidates among a range of rows by upper halves.
pub(crate) struct HalfSearch<'a> {
    pub(crate) kernel: &'a dyn ScanKernel,
    pub(crate) metric: Metric,
    pub(crate) codes: &'a Codes,
    pub(crate) k: usize,
    pub(crate) among: Option<&'a Positions>,
    /// It begins with a block.
    pub(crate) range: Range<usize>,
    /// A query that has more candidates than this is searched in vain.
    pub(crate) most: usize,
}

/// Best keys of rows on their way.
struct Found {
    first: usize,
    keys: Vec<f32>,
    /// The best key of each block.
    least: Vec<f32>,
}

impl HalfSearch<'_> {
    /// Whether it is worth trying.
    pub(crate) fn pays(&self) -> bool {
        self.range.len() >= LEAST_ROWS
            && self.k <= self.range.len() / 64
            && self.codes.halves().blocks() >= self.range.end / LANES
    }

    /// The rows that may be among the best `k`; `None` if they are too many to have helped, or a filter leaves too few where the best seem to be.
    ///
    /// `kth` gives the k-th best score of some rows by the portable kernel.
    pub(crate) fn candidates(
        &self,
        query: &[f32],
        kth: impl Fn(&[usize]) -> Option<f32>,
    ) -> Option<Vec<usize>> {
        let Range { start, end } = self.range;
        let asked = HalfQuery::new(self.kernel, self.metric, query);
        let blocks = end / LANES - start / LANES;
        let mut found =
            Found { first: start / LANES, keys: vec![0.0; blocks * LANES], least: vec![0.0; blocks] };
        let trial = TRIAL.min(blocks);
        self.scan(&asked, 0..trial, &mut found);
        let limit = self.limit(&found, trial, &kth)?;
        if found.keys[..trial * LANES].iter().filter(|key| **key <= limit).count() > trial * LANES / 4 {
            return None;
        }
        self.scan(&asked, trial..blocks, &mut found);
        let limit = self.limit(&found, blocks, &kth)?;
        let is_searched = |row: usize| self.among.is_none_or(|among| among.contains(row));
        let mut candidates: Vec<usize> =
            ((found.first + blocks) * LANES..end).filter(|&row| is_searched(row)).collect();
        for block in (0..blocks).filter(|&block| found.least[block] <= limit) {
            candidates.extend(
                found.rows(block).filter(|&(row, key)| key <= limit && is_searched(row)).map(|(row, _)| row),
            );
            if candidates.len() > self.most {
                return None;
            }
        }
        Some(candidates)
    }

    fn scan(&self, asked: &HalfQuery, blocks: Range<usize>, found: &mut Found) {
        let rows = self.codes.halves().rows(found.first + blocks.start..found.first + blocks.end);
        let keys = &mut found.keys[blocks.start * LANES..blocks.end * LANES];
        self.kernel.best_keys(asked, rows, keys, &mut found.least[blocks]);
    }

    /// A key that the k-th best row does not exceed, by scoring those rows of the first so many blocks that have the best keys.
    fn limit(&self, found: &Found, blocks: usize, kth: impl Fn(&[usize]) -> Option<f32>) -> Option<f32> {
        let seeds = SEEDS * self.k;
        let best = lowest(found.least[..blocks].iter().copied().enumerate(), seeds);
        let rows = best.into_iter().flat_map(|block| found.rows(block));
        let rows = rows.filter(|&(row, _)| self.among.is_none_or(|among| among.contains(row)));
        kth(&lowest(rows, seeds)).map(|score| crate::topk::key(self.metric, score))
    }
}

impl Found {
    /// The rows of a block with their keys.
    fn rows(&self, block: usize) -> impl Iterator<Item = (usize, f32)> {
        let lanes = block * LANES..(block + 1) * LANES;
        lanes.map(|at| (self.first * LANES + at, self.keys[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::norm;
    use crate::rows::Rows;
    use crate::testkit::{Generator, OnCodes, brute_force};
    use crate::topk::Neighbor;

    const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

    fn search<'a>(
        kernel: &'a OnCodes,
        metric: Metric,
        codes: &'a Codes,
        range: Range<usize>,
    ) -> HalfSearch<'a> {
        HalfSearch { kernel, metric, codes, k: 10, among: None, most: range.len(), range }
    }

    #[test]
    fn no_row_has_a_better_key_than_its_upper_halves_say() {
        let mut random = Generator::new(41);
        for dim in [32, 33, 100, 384, 1024] {
            let mut data = random.floats(320 * dim);
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
            for kernel in [OnCodes::default(), OnCodes { most_query_code: 63, ..OnCodes::default() }] {
                let codes = Codes::of(&kernel, rows).unwrap();
                assert_eq!(codes.halves().blocks(), rows.len() / LANES);
                for metric in METRICS {
                    let asked = HalfQuery::new(&kernel, metric, &query);
                    let (mut keys, mut least) = (vec![0.0; rows.len()], vec![0.0; rows.len() / LANES]);
                    kernel.best_keys(&asked, codes.halves().rows(0..least.len()), &mut keys, &mut least);
                    for (i, row) in rows.iter().enumerate() {
                        let length = norm(row);
                        if metric == Metric::Cosine && length < 1e-12 {
                            continue;
                        }
                        let exact = crate::topk::key(metric, metric.score(&query, norm(&query), row, length));
                        assert!(keys[i] <= exact, "{metric} {dim} row {i}: {} {exact}", keys[i]);
                        assert!(least[i / LANES] <= keys[i]);
                        // Of the query itself it says much, where no number is much larger than the others.
                        let wide = 0.02 * length * norm(&query) * (dim as f32).sqrt();
                        assert!(i > 0 || metric != Metric::InnerProduct || exact - keys[i] < wide, "{dim}");
                    }
                }
            }
        }
    }

    #[test]
    fn few_rows_are_candidates_and_all_of_the_best_are() {
        let (count, dim) = (9005, 100);
        let mut random = Generator::new(42);
        let data = random.floats(count * dim);
        let rows = Rows::new(&data, dim).unwrap();
        let kernel = OnCodes::default();
        let codes = Codes::of(&kernel, rows).unwrap();
        assert_eq!(codes.halves().blocks(), 9005 / LANES);
        for metric in METRICS {
            for query in [rows.row(3), rows.row(9004)] {
                for range in [0..count, 4096..count] {
                    let search = search(&kernel, metric, &codes, range.clone());
                    assert!(search.pays());
                    let kth = |positions: &[usize]| {
                        let scored =
                            |&position: &usize| Neighbor::scored(metric, query, rows.row(position), position);
                        let mut scored: Vec<Neighbor> = positions.iter().map(scored).collect();
                        scored.sort_by(|a, b| Neighbor::order(metric, a, b));
                        scored.get(9).map(|neighbor| neighbor.score)
                    };
                    let found = search.candidates(query, kth).expect("it does not give up");
                    assert!(found.len() < 500, "{metric}: {}", found.len());
                    let inside =
                        Positions::try_filter(count, |row| Ok::<_, ()>(range.contains(&row))).unwrap();
                    for neighbor in brute_force(metric, rows, query, 10, Some(&inside)) {
                        assert!(found.contains(&neighbor.position), "{metric}");
                    }
                }
            }
        }
        assert!(!search(&kernel, Metric::L2, &codes, 0..LEAST_ROWS - 1).pays());
    }

    #[test]
    fn rows_that_are_all_alike_are_given_up_soon() {
        let (count, dim) = (9000, 40);
        let data = Generator::new(43).floats(dim).repeat(count);
        let rows = Rows::new(&data, dim).unwrap();
        let kernel = OnCodes::default();
        let codes = Codes::of(&kernel, rows).unwrap();
        let asked = std::cell::Cell::new(0);
        let kth = |_: &[usize]| {
            asked.set(asked.get() + 1);
            Some(Metric::L2.score(rows.row(0), 1.0, rows.row(0), 1.0))
        };
        let found = search(&kernel, Metric::L2, &codes, 0..count).candidates(rows.row(0), kth);
        assert_eq!((found, asked.get()), (None, 1));
    }

    #[test]
    fn upper_halves_follow_their_codes() {
        let dim = 37;
        let mut random = Generator::new(44);
        let mut data = random.floats(1000 * dim);
        let kernel = OnCodes::default();
        let mut codes = Codes::of(&kernel, Rows::new(&data, dim).unwrap()).unwrap();
        for of in [3, 7, 1000] {
            let gone =
                Positions::try_filter(data.len() / dim, |row| Ok::<_, ()>(row % of == of / 2)).unwrap();
            crate::rows::remove_rows(&mut data, dim, &gone);
            codes.remove(&gone);
            let more = random.floats((of + 9) * dim);
            data.extend_from_slice(&more);
            assert!(codes.append(&kernel, Rows::new(&more, dim).unwrap()));
            let made = Codes::of(&kernel, Rows::new(&data, dim).unwrap()).unwrap();
            let rows = |codes: &Codes| format!("{:?}", codes.halves());
            assert_eq!(codes.halves().blocks(), data.len() / dim / LANES);
            assert_eq!(rows(&codes), rows(&made));
        }
    }
}
