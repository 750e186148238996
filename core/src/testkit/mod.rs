//! Suites and generators that every implementation of the traits runs in its own tests (feature `testkit`).
//!
//! ```text
//! twindex_core::testkit::kernel_suite!(MyKernel);
//! twindex_core::testkit::index_suite!(MyEngine::default());
//! ```

pub mod fixtures;

use crate::index::Engine;
use crate::kernel::scalar::{self, Portable};
use crate::kernel::{
    BitQuery, BitRows, CodeRows, GROUP, HalfQuery, HalfRows, LANES, ROWS, ScanKernel, gamma,
};
use crate::metric::{Metric, norm};
use crate::rows::{Positions, Rows, remove_rows};
use crate::topk::Neighbor;

/// A small generator of numbers, the same on every machine (PCG-like, not for anything but tests).
#[derive(Debug, Clone)]
pub struct Generator(u64);

impl Generator {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    /// The next 32 bits.
    pub fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) ^ (self.0 >> 21)) as u32
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.bits() as usize % bound
    }

    /// A float in -1..1.
    pub fn float(&mut self) -> f32 {
        (self.bits() >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Floats in -1..1.
    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }
}

/// The portable kernel, which claims to be fast on codes.
#[derive(Debug, Clone, Copy)]
pub struct OnCodes {
    /// See [`ScanKernel::most_query_code`].
    pub most_query_code: i8,
    /// How many parts searches are split into, one after the other.
    pub threads: usize,
    /// See [`ScanKernel::has_fast_halves`].
    pub halves: bool,
}

impl Default for OnCodes {
    fn default() -> Self {
        Self { most_query_code: 127, threads: 1, halves: true }
    }
}

impl ScanKernel for OnCodes {
    fn name(&self) -> &'static str {
        "portable, on codes"
    }

    fn dot(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        Portable.dot(query, rows, out);
    }

    fn l2_squared(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        Portable.l2_squared(query, rows, out);
    }

    fn has_fast_i8(&self) -> bool {
        true
    }

    fn has_fast_bits(&self) -> bool {
        true
    }

    fn has_fast_halves(&self) -> bool {
        self.halves
    }

    fn most_query_code(&self) -> i8 {
        self.most_query_code
    }

    #[cfg(not(target_family = "wasm"))]
    fn threads(&self) -> usize {
        self.threads
    }
}

/// Runs the kernel suite as tests: every length at every offset, exact integers, the error bound against f64, special values.
#[macro_export]
#[doc(hidden)]
macro_rules! __kernel_suite {
    ($kernel:expr) => {
        #[test]
        fn kernel_is_exact_on_small_integers_at_every_length_and_offset() {
            $crate::testkit::kernel_is_exact_on_integers(&$kernel);
        }

        #[test]
        fn kernel_is_exact_on_codes_at_every_length_and_offset() {
            $crate::testkit::kernel_is_exact_on_codes(&$kernel);
        }

        #[test]
        fn kernel_keeps_its_error_bound() {
            $crate::testkit::kernel_keeps_its_error_bound(&$kernel);
        }

        #[test]
        fn kernel_propagates_special_values() {
            $crate::testkit::kernel_propagates_special_values(&$kernel);
        }

        #[test]
        #[should_panic(expected = "the query's length is not the dimension")]
        fn kernel_refuses_a_query_of_another_length() {
            let rows = $crate::Rows::new(&[1.0; 4], 4).unwrap();
            $crate::kernel::ScanKernel::dot(&$kernel, &[1.0; 3], rows, &mut [0.0]);
        }

        #[test]
        #[should_panic(expected = "one result per row")]
        fn kernel_refuses_a_result_of_another_length() {
            let rows = $crate::Rows::new(&[1.0; 4], 4).unwrap();
            $crate::kernel::ScanKernel::l2_squared(&$kernel, &[1.0; 4], rows, &mut [0.0; 2]);
        }
    };
}

/// Rows of a kind that makes exact search by bounds hard: 0 to 7.
fn hard_rows(kind: usize, count: usize, dim: usize, random: &mut Generator) -> Vec<f32> {
    let mut data = random.floats(count * dim);
    let first = data[..dim].to_vec();
    for (i, row) in data.chunks_exact_mut(dim).enumerate() {
        match kind {
            // Duplicates, and near ties that differ in the last bits.
            1 => row.copy_from_slice(&first),
            2 => {
                row.copy_from_slice(&first);
                row[i % dim] = f32::from_bits(row[i % dim].to_bits() + (i % 5) as u32);
            }
            // One huge row; lengths from next to nothing up; one large number in each; denormals; zeros.
            3 if i == count / 2 => row.iter_mut().for_each(|x| *x *= 1e15),
            4 => row.iter_mut().for_each(|x| *x *= 10f32.powi(i as i32 % 20 - 10)),
            5 => row[i % dim] = 1000.0,
            6 if i % 3 == 0 => row.iter_mut().for_each(|x| *x *= 1e-40),
            7 if i % 4 == 0 => row.fill(0.0),
            _ => {}
        }
    }
    data
}

/// What comes back is what the portable kernel finds among all rows, to the bit, however hard they make it: every metric, filters, many dimensions.
///
/// # Panics
/// If the index is wrong.
pub fn index_is_exact_on_hard_rows(engine: &dyn Engine) {
    for (count, dim) in [(1100, 1), (1100, 3), (3000, 32), (1500, 33), (1100, 384), (1030, 1024)] {
        index_is_exact_on_hard_rows_of(engine, count, dim);
    }
}

/// [`index_is_exact_on_hard_rows`] for so many rows of this dimension.
///
/// # Panics
/// If the index is wrong.
pub fn index_is_exact_on_hard_rows_of(engine: &dyn Engine, count: usize, dim: usize) {
    let mut random = Generator::new(77 + dim as u64);
    for kind in 0..8 {
        let data = hard_rows(kind, count, dim, &mut random);
        let rows = Rows::new(&data, dim).expect("rows");
        for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
            if metric == Metric::Cosine && rows.iter().any(|row| norm(row) == 0.0) {
                continue;
            }
            let mut index = engine.create("Flat", dim, metric).expect("a flat index");
            index.append(rows).expect("rows that can be stored");
            let mut stats = crate::exact::RowStats::new(metric);
            stats.append(&Portable, rows);
            let part = |part| Positions::try_filter(count, |p| Ok::<_, ()>(p % part == 1)).expect("no error");
            let mut query = random.floats(dim);
            for (among, k) in [(None, 1), (None, 10), (None, 100), (Some(part(2)), 10), (Some(part(5)), 10)] {
                if k == 100 {
                    query.copy_from_slice(rows.row(count / 3));
                }
                if metric == Metric::Cosine && norm(&query) == 0.0 {
                    continue;
                }
                let all: Vec<usize> =
                    among.as_ref().map_or_else(|| (0..count).collect(), |among| among.iter().collect());
                let expected = stats.rescore(rows, &query, k, all.into_iter());
                let found = index.search(&query, k, among.as_ref()).expect("a search");
                assert_eq!(found, expected, "{metric} {count} x {dim}, rows of kind {kind}, k {k}");
            }
        }
    }
}

/// Runs the index suite as tests on an engine's `Flat` kind.
#[macro_export]
#[doc(hidden)]
macro_rules! __index_suite {
    ($engine:expr) => {
        #[test]
        fn index_finds_what_brute_force_finds_bit_for_bit() {
            $crate::testkit::index_is_exact(&$engine);
        }

        #[test]
        fn index_breaks_ties_by_position_at_the_cut() {
            $crate::testkit::index_breaks_ties_by_position(&$engine);
        }

        #[test]
        fn index_is_exact_on_hard_rows() {
            $crate::testkit::index_is_exact_on_hard_rows(&$engine);
        }

        #[test]
        fn index_survives_extreme_numbers() {
            $crate::testkit::index_survives_extremes(&$engine);
        }

        #[test]
        fn index_meets_a_recall_target() {
            $crate::testkit::index_meets_a_recall_target(&$engine);
        }

        #[test]
        fn index_removes_rows_and_closes_up() {
            $crate::testkit::index_removes(&$engine);
        }
    };
}

pub use __index_suite as index_suite;
pub use __kernel_suite as kernel_suite;

const LENGTHS: [usize; 6] = [96, 128, 255, 384, 768, 1000];

fn lengths() -> impl Iterator<Item = usize> {
    (1..=67).chain(LENGTHS)
}

/// Calls `check` with a query and rows of a dimension, lying at every offset of four floats.
fn at_offsets(dim: usize, mut numbers: impl FnMut() -> f32, mut check: impl FnMut(&[f32], Rows<'_>)) {
    const COUNT: usize = 7;
    let query: Vec<f32> = (0..dim).map(|_| numbers()).collect();
    let data: Vec<f32> = (0..dim * COUNT).map(|_| numbers()).collect();
    for offset in 0..4 {
        let padded_query = [vec![f32::NAN; offset], query.clone(), vec![f32::NAN; 8]].concat();
        let padded = [vec![f32::NAN; offset], data.clone(), vec![f32::NAN; 8]].concat();
        let rows = Rows::new(&padded[offset..offset + dim * COUNT], dim).expect("whole rows");
        check(&padded_query[offset..offset + dim], rows);
    }
}

fn run(kernel: &dyn ScanKernel, query: &[f32], rows: Rows<'_>) -> [Vec<f32>; 2] {
    let mut out = [vec![f32::NAN; rows.len()], vec![f32::NAN; rows.len()]];
    kernel.dot(query, rows, &mut out[0]);
    kernel.l2_squared(query, rows, &mut out[1]);
    out
}

/// Small integers stored as floats have exact sums in any order.
///
/// # Panics
/// If the kernel is wrong.
pub fn kernel_is_exact_on_integers(kernel: &dyn ScanKernel) {
    let mut generator = Generator::new(1);
    for dim in lengths() {
        at_offsets(
            dim,
            || generator.below(17) as f32 - 8.0,
            |query, rows| {
                let [dots, distances] = run(kernel, query, rows);
                let [expected_dots, expected_distances] = run(&Portable, query, rows);
                assert_eq!(dots, expected_dots, "{} dot, dimension {dim}", kernel.name());
                assert_eq!(distances, expected_distances, "{} l2, dimension {dim}", kernel.name());
            },
        );
    }
}

/// Codes are summed exactly, for one query and for several: random ones, and those that make the sums greatest.
///
/// # Panics
/// If the kernel is wrong.
pub fn kernel_is_exact_on_codes(kernel: &dyn ScanKernel) {
    const ROWS: usize = 11;
    const QUERIES: usize = 7;
    let mut generator = Generator::new(3);
    for dim in lengths().chain([4096]) {
        for extreme in [false, true] {
            let mut code = |most: i8| {
                let code = (generator.below(2 * most as usize + 1) as i32 - i32::from(most)) as i8;
                if extreme { most * code.signum() } else { code }
            };
            let all: Vec<i8> = (0..ROWS * dim + 64).map(|_| code(127)).collect();
            let most = kernel.most_query_code();
            let mut queries: Vec<i8> = (0..QUERIES * dim).map(|_| code(most)).collect();
            if extreme {
                // The same signs as a row, so that nothing cancels.
                queries.iter_mut().zip(&all).for_each(|(query, row)| *query = most * row.signum());
            }
            for offset in [0, 1, 7, 33] {
                let codes = &all[offset..][..ROWS * dim];
                let sum = |row: &[i8]| row.iter().map(|&code| f32::from(code)).sum();
                let sums: Vec<f32> = codes.chunks_exact(dim).map(sum).collect();
                for (asked, rows) in [(1, ROWS), (1, 3), (2, 4), (4, 4), (QUERIES, ROWS), (5, 0)] {
                    let (queries, count) = (&queries[..asked * dim], asked * rows);
                    let rows = CodeRows::new(dim, &codes[..rows * dim], &sums[..rows]);
                    let (mut found, mut expected) = (vec![0; count], vec![0; count]);
                    kernel.dot_i8(queries, rows, &mut found);
                    crate::kernel::scalar::dot_i8(queries, rows, &mut expected);
                    assert_eq!(found, expected, "{} codes, dimension {dim}, offset {offset}", kernel.name());
                }
            }
        }
    }
}

/// Bounds of rows and of blocks: see [`ScanKernel::bounds`].
pub type Bounds<'a> = &'a dyn Fn(&BitQuery, BitRows<'_>, &mut [f32], &mut [f32]);

/// Bounds by 1-bit codes are those of the portable kernel, to the bit, for every number of dimensions and blocks.
///
/// # Panics
/// If they are not.
pub fn kernel_bounds_as_the_portable_one(bounds: Bounds<'_>) {
    let mut random = Generator::new(77);
    for dim in (16..700).step_by(16).chain([1024, 4096, 8192]) {
        let blocks = 1 + random.below(4);
        let tables = (0..dim / 4).map(|_| std::array::from_fn(|_| random.below(32) as u8)).collect();
        let query = BitQuery::new(tables, 0.37, -5.0 * random.float());
        let groups: Vec<[u8; 16]> =
            (0..blocks * dim / 4).map(|_| std::array::from_fn(|_| random.bits() as u8)).collect();
        let factors = random.floats(blocks * ROWS);
        let mut terms = random.floats(blocks * ROWS);
        terms[blocks * ROWS - 1] = f32::NEG_INFINITY;
        let rows = BitRows::new(&groups, &factors, &terms);
        let run = |bounds: Bounds<'_>| {
            let (mut out, mut best) = (vec![0.0; blocks * ROWS], vec![0.0; blocks]);
            bounds(&query, rows, &mut out, &mut best);
            out.into_iter().chain(best).map(f32::to_bits).collect::<Vec<_>>()
        };
        let portable = run(&|query, rows, out, best| scalar::bounds(query, rows, out, best));
        assert_eq!(run(bounds), portable, "{dim} dimensions, {blocks} blocks");
    }
}

/// Best keys of rows and of blocks: see [`ScanKernel::best_keys`].
pub type BestKeys<'a> = &'a dyn Fn(&HalfQuery, HalfRows<'_>, &mut [f32], &mut [f32]);

/// Best keys by upper halves of codes are those of the portable kernel, to the bit, for every number of dimensions and blocks.
///
/// # Panics
/// If they are not.
pub fn kernel_has_the_best_keys_of_the_portable_one(best_keys: BestKeys<'_>) {
    let mut random = Generator::new(78);
    for dim in lengths().chain([4096, 8191]) {
        for extreme in [false, true] {
            let mut query = random.floats(dim);
            if extreme {
                query.iter_mut().for_each(|x| *x = x.signum());
            }
            let blocks = 1 + random.below(4);
            let groups: Vec<[u8; 4 * LANES]> = (0..blocks * dim.div_ceil(GROUP))
                .map(|_| std::array::from_fn(|_| if extreme { 255 } else { random.bits() as u8 }))
                .collect();
            let beside: Vec<[[f32; LANES]; 3]> =
                (0..blocks).map(|_| [0; 3].map(|_| [0; LANES].map(|_| random.float().abs()))).collect();
            let rows = HalfRows::new(&groups, &beside);
            for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
                let query = HalfQuery::new(&Portable, metric, &query);
                let run = |best_keys: BestKeys<'_>| {
                    let (mut keys, mut least) = (vec![0.0; blocks * LANES], vec![0.0; blocks]);
                    best_keys(&query, rows, &mut keys, &mut least);
                    keys.into_iter().chain(least).map(f32::to_bits).collect::<Vec<_>>()
                };
                let portable = run(&|query, rows, keys, least| scalar::best_keys(query, rows, keys, least));
                assert_eq!(run(best_keys), portable, "{metric}, {dim} dimensions, {blocks} blocks");
            }
        }
    }
}

/// Random numbers stay within the bound of [`ScanKernel`], against f64.
///
/// # Panics
/// If the kernel is wrong.
pub fn kernel_keeps_its_error_bound(kernel: &dyn ScanKernel) {
    let mut generator = Generator::new(2);
    for scale in [1.0f32, 1e-18, 1e12] {
        for dim in lengths() {
            at_offsets(
                dim,
                || generator.float() * scale,
                |query, rows| {
                    let [dots, distances] = run(kernel, query, rows);
                    let tiny = dim as f64 * f64::from(f32::MIN_POSITIVE);
                    for (i, row) in rows.iter().enumerate() {
                        let pairs = || query.iter().zip(row).map(|(&a, &b)| (f64::from(a), f64::from(b)));
                        let dot: f64 = pairs().map(|(a, b)| a * b).sum();
                        let distance: f64 = pairs().map(|(a, b)| (a - b) * (a - b)).sum();
                        let bound =
                            gamma(dim) * f64::from(norm(query)) * f64::from(norm(row)) * 1.000_001 + tiny;
                        let off = (f64::from(dots[i]) - dot).abs();
                        assert!(
                            off <= bound,
                            "{} dot, dimension {dim}: off by {off:e}, bound {bound:e}",
                            kernel.name()
                        );
                        let bound = gamma(dim) * distance + tiny;
                        let off = (f64::from(distances[i]) - distance).abs();
                        assert!(
                            off <= bound,
                            "{} l2, dimension {dim}: off by {off:e}, bound {bound:e}",
                            kernel.name()
                        );
                    }
                },
            );
        }
    }
}

/// Zeros, denormals, infinities and NaN come out as arithmetic has them.
///
/// # Panics
/// If the kernel is wrong.
pub fn kernel_propagates_special_values(kernel: &dyn ScanKernel) {
    for dim in lengths() {
        for at in [0, dim / 2, dim - 1] {
            for special in [0.0, -0.0, 1e-40, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
                let query = vec![1.0f32; dim];
                let mut data = vec![0.0f32; dim];
                data[at] = special;
                let rows = Rows::new(&data, dim).expect("one row");
                let [dot, distance] = run(kernel, &query, rows);
                let context = format!("{}, dimension {dim}, {special} at {at}", kernel.name());
                if special.is_nan() {
                    assert!(dot[0].is_nan() && distance[0].is_nan(), "{context}");
                } else if special.is_infinite() {
                    assert_eq!(dot[0], special, "{context}");
                    assert_eq!(distance[0], f32::INFINITY, "{context}");
                } else {
                    assert!((dot[0] - special).abs() <= f32::MIN_POSITIVE, "{context}: {}", dot[0]);
                    assert!(
                        (distance[0] - dim as f32).abs() <= dim as f32 * 1e-5,
                        "{context}: {}",
                        distance[0]
                    );
                }
            }
        }
    }
}

/// The order every index must give: the portable kernel over all rows, sorted by (score, position).
#[must_use]
pub fn brute_force(
    metric: Metric,
    rows: Rows<'_>,
    query: &[f32],
    k: usize,
    among: Option<&Positions>,
) -> Vec<Neighbor> {
    let mut all: Vec<Neighbor> = (0..rows.len())
        .filter(|&p| among.is_none_or(|among| among.contains(p)))
        .map(|position| Neighbor::scored(metric, query, rows.row(position), position))
        .collect();
    all.sort_by(|a, b| Neighbor::order(metric, a, b));
    all.truncate(k);
    all
}

const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

fn assert_same(context: &str, actual: &[Neighbor], expected: &[Neighbor]) {
    let bits = |found: &[Neighbor]| found.iter().map(|n| (n.position, n.score.to_bits())).collect::<Vec<_>>();
    assert_eq!(bits(actual), bits(expected), "{context}");
}

/// Every metric, with and without a set of positions, one query and batches of every size class.
///
/// # Panics
/// If the index is wrong.
pub fn index_is_exact(engine: &dyn Engine) {
    let mut generator = Generator::new(3);
    for (dim, count) in [(1, 50), (3, 700), (64, 2000), (384, 900)] {
        for metric in METRICS {
            let data = generator.floats(dim * count);
            let rows = Rows::new(&data, dim).expect("whole rows");
            let mut index = engine.create("Flat", dim, metric).expect("Flat");
            index.append(rows.slice(0..count / 3)).expect("append");
            index.append(rows.slice(count / 3..count)).expect("append");
            let every_third = Positions::try_filter(count, |p| Ok::<_, ()>(p % 3 == 1)).expect("infallible");
            let few = Positions::try_filter(count, |p| Ok::<_, ()>(p % 97 == 5)).expect("infallible");
            for batch in [1, 3, 40] {
                let queries = generator.floats(dim * batch);
                let queries = Rows::new(&queries, dim).expect("whole rows");
                for k in [1, 10, count - 1, count + 5] {
                    for among in [None, Some(&every_third), Some(&few), Some(&Positions::none(count))] {
                        let found = index.search_batch(queries, k, among).expect("search");
                        assert_eq!(found.len(), batch);
                        for (query, found) in queries.iter().zip(&found) {
                            let expected = brute_force(metric, rows, query, k, among);
                            let context = format!("{metric} {dim}x{count} k {k} batch {batch}");
                            assert_same(&context, found, &expected);
                            assert_same(&context, &index.search(query, k, among).expect("search"), &expected);
                        }
                    }
                }
            }
        }
    }
}

/// Many equal rows: the earliest stay, in order, at every `k`, alone and in batches.
///
/// # Panics
/// If the index is wrong.
pub fn index_breaks_ties_by_position(engine: &dyn Engine) {
    let mut generator = Generator::new(4);
    let (dim, count) = (8, 3000);
    let distinct = generator.floats(dim * 5);
    let data: Vec<f32> = (0..count)
        .flat_map(|_| {
            let at = generator.below(5) * dim;
            distinct[at..at + dim].to_vec()
        })
        .collect();
    let rows = Rows::new(&data, dim).expect("whole rows");
    for metric in METRICS {
        let mut index = engine.create("Flat", dim, metric).expect("Flat");
        index.append(rows).expect("append");
        let queries = generator.floats(dim * 30);
        let queries = Rows::new(&queries, dim).expect("whole rows");
        for k in [1, 2, 10, 500, 2999] {
            let batch = index.search_batch(queries, k, None).expect("search");
            for (query, found) in queries.iter().zip(&batch) {
                let expected = brute_force(metric, rows, query, k, None);
                assert_same(&format!("{metric} k {k} in a batch"), found, &expected);
                assert_same(
                    &format!("{metric} k {k}"),
                    &index.search(query, k, None).expect("search"),
                    &expected,
                );
            }
        }
    }
}

/// Rows so long that scores overflow, so short that they vanish, and both together.
///
/// # Panics
/// If the index is wrong.
pub fn index_survives_extremes(engine: &dyn Engine) {
    let mut generator = Generator::new(5);
    let (dim, count) = (20, 400);
    for scales in [&[1e19f32, 3e38][..], &[1e-25, 1e-38], &[1.0, 3e38, 1e-40], &[1e15, 1.0]] {
        let data: Vec<f32> = (0..dim * count)
            .map(|i| (generator.float() + 1.5).min(1.1) / 1.1 * scales[i / dim % scales.len()])
            .collect();
        let rows = Rows::new(&data, dim).expect("whole rows");
        for metric in METRICS {
            let mut index = engine.create("Flat", dim, metric).expect("Flat");
            index.append(rows).expect("append");
            for scale in scales {
                let queries: Vec<f32> = (0..dim * 25).map(|_| generator.float() * scale).collect();
                let queries = Rows::new(&queries, dim).expect("whole rows");
                let batch = index.search_batch(queries, 7, None).expect("search");
                for (query, found) in queries.iter().zip(&batch) {
                    let expected = brute_force(metric, rows, query, 7, None);
                    let context = format!("{metric}, rows {scales:?}, query {scale}");
                    let positions = |found: &[Neighbor]| found.iter().map(|n| n.position).collect::<Vec<_>>();
                    assert_eq!(positions(found), positions(&expected), "{context}, in a batch");
                    let alone = index.search(query, 7, None).expect("search");
                    assert_eq!(positions(&alone), positions(&expected), "{context}");
                }
            }
        }
    }
}

/// A search to a recall target finds as many of the true neighbours as it was asked to, with their scores, also after rows came and went.
///
/// # Panics
/// If it does not.
pub fn index_meets_a_recall_target(engine: &dyn Engine) {
    let (count, dim, k, recall) = (6000, 64, 10, 0.95);
    let mut random = Generator::new(71);
    let centers = random.floats(200 * dim);
    let mut data = Vec::with_capacity(count * dim);
    for _ in 0..count {
        let center = random.below(200) * dim;
        data.extend(centers[center..center + dim].iter().map(|x| x + 0.5 + 0.5 * random.float()));
    }
    for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
        let mut data = data.clone();
        let mut index = engine.create("Flat", dim, metric).expect("create");
        let rows = Rows::new(&data, dim).expect("whole rows");
        index.append(rows.slice(0..count - 100)).expect("append");
        index.search_approximately(rows.slice(0..1), k, None, recall).expect("search");
        index.append(rows.slice(count - 100..count)).expect("append");
        let gone = Positions::try_filter(count, |p| Ok::<_, ()>(p % 11 == 0)).expect("positions");
        index.remove(&gone).expect("remove");
        remove_rows(&mut data, dim, &gone);
        let rows = Rows::new(&data, dim).expect("whole rows");
        let most = Positions::try_filter(rows.len(), |p| Ok::<_, ()>(p % 3 > 0)).expect("positions");
        let few = Positions::try_filter(rows.len(), |p| Ok::<_, ()>(p % 100 == 0)).expect("positions");
        let queries = rows.slice(rows.len() - 30..rows.len());
        for among in [None, Some(&most), Some(&few)] {
            let found = index.search_approximately(queries, k, among, recall).expect("search");
            let mut hits = 0;
            for (query, found) in queries.iter().zip(&found) {
                let expected = brute_force(metric, rows, query, k, among);
                assert_eq!(found.len(), k, "{metric}");
                assert!(found.is_sorted_by(|a, b| Neighbor::order(metric, a, b).is_lt()), "{metric}");
                for hit in found {
                    assert!(among.is_none_or(|among| among.contains(hit.position)), "{metric}");
                    assert_eq!(*hit, Neighbor::scored(metric, query, rows.row(hit.position), hit.position));
                    hits += usize::from(expected.contains(hit));
                }
            }
            assert!(hits as f32 >= recall * (30 * k) as f32, "{metric}: {hits} of {}", 30 * k);
        }
    }
}

/// Rows taken out are gone, the rest closes up, and what is added next comes after.
///
/// # Panics
/// If the index is wrong.
pub fn index_removes(engine: &dyn Engine) {
    let mut generator = Generator::new(6);
    let (dim, count) = (5, 300);
    for metric in METRICS {
        let mut data = generator.floats(dim * count);
        let mut index = engine.create("Flat", dim, metric).expect("Flat");
        index.append(Rows::new(&data, dim).expect("whole rows")).expect("append");
        let gone = Positions::try_filter(count, |p| Ok::<_, ()>(p % 7 == 0 || p > 290)).expect("infallible");
        index.remove(&gone).expect("remove");
        crate::rows::remove_rows(&mut data, dim, &gone);
        let more = generator.floats(dim * 10);
        index.append(Rows::new(&more, dim).expect("whole rows")).expect("append");
        data.extend_from_slice(&more);
        let rows = Rows::new(&data, dim).expect("whole rows");
        assert_eq!(index.len(), rows.len());
        let mut row = vec![0.0; dim];
        for p in 0..rows.len() {
            index.read(p, &mut row).expect("read");
            assert_eq!(row, rows.row(p));
        }
        let query = generator.floats(dim);
        let expected = brute_force(metric, rows, &query, 9, None);
        assert_same(&metric.to_string(), &index.search(&query, 9, None).expect("search"), &expected);
        let all = Positions::try_filter(rows.len(), |_| Ok::<_, ()>(true)).expect("infallible");
        index.remove(&all).expect("remove");
        assert!(index.is_empty() && index.search(&query, 3, None).expect("search").is_empty());
    }
}
