//! Scan kernels: a query against a block of rows.
//!
//! Two roles. *Scan* kernels only choose candidates; they may sum in any order, with FMA, as fast as the
//! machine allows, within the error bound below. The *portable* kernel in [`scalar`] scores every hit again with
//! one fixed order of summation, so that every target returns the same bits.

use std::fmt;

#[cfg(feature = "approximate")]
pub use crate::bits::{BitBlock, BitQuery, BitRows, ROWS, Rotation};
#[cfg(feature = "halves")]
pub use crate::halves::{Beside, GROUP, HalfBlock, HalfGroup, HalfQuery, HalfRows, take_upper};
pub use crate::quantize::{Coded, LANES, Sieve, encode};
use crate::rows::Rows;

pub mod scalar;

/// A query against a block of rows at a time, so that an implementation can prefetch and keep the query in
/// registers.
///
/// # Contract
/// `out` has one slot per row. With `d` the dimension and `u = 2^-24`, every result lies within
/// `gamma = (d + 3) u / (1 - (d + 3) u)` of the exact one: `gamma * |query| * |row|` for [`dot`](Self::dot), `gamma` times
/// the result itself for [`l2_squared`](Self::l2_squared), plus `d` times the smallest normal f32 for underflow. Any order
/// of summation in f32, with or without FMA, satisfies this as long as nothing overflows (Higham, *Accuracy and Stability of
/// Numerical Algorithms*, section 3.1); callers do not use a scan kernel where something might.
pub trait ScanKernel: Send + Sync + fmt::Debug {
    /// What it runs on: `portable`, `avx2`, ...
    fn name(&self) -> &'static str;

    /// Inner products of the query with each row.
    ///
    /// # Panics
    /// If lengths do not fit together.
    fn dot(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]);

    /// Squared Euclidean distances of the query to each row.
    ///
    /// # Panics
    /// If lengths do not fit together.
    fn l2_squared(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]);

    /// Whether [`dot_i8`](Self::dot_i8) is much faster than [`dot`](Self::dot), so that rows are worth coding. No unless an implementation says so.
    fn has_fast_i8(&self) -> bool {
        false
    }

    /// The greatest code, by size, of the queries that [`dot_i8`](Self::dot_i8) takes: 127, or 63 where instructions take no more.
    fn most_query_code(&self) -> i8 {
        127
    }

    /// Exact inner products of the codes of each query with each row: `queries` has `rows.dim()` of them for each, and `out` one result
    /// for each query and row, row after row of the first query, then of the second.
    ///
    /// # Panics
    /// If lengths do not fit together.
    fn dot_i8(&self, queries: &[i8], rows: CodeRows<'_>, out: &mut [i32]) {
        scalar::dot_i8(queries, rows, out);
    }

    /// Codes a vector. An implementation does the same, where it is compiled for wider vectors: this is `encode(vector, most, codes)`.
    fn encode(&self, vector: &[f32], most: i8, codes: &mut [i8]) -> Coded {
        encode(vector, most, codes)
    }

    /// The greatest of numbers that are not negative; 0 where there is none.
    fn greatest(&self, numbers: &[f32]) -> f32 {
        numbers.iter().fold(0.0, |most, &x| if x > most { x } else { most })
    }

    /// Sifts rows. An implementation does the same, where it is compiled for wider vectors: this is `sieve.sift(products, scales, norms, any)`.
    fn sift(&self, sieve: &Sieve, products: &[i32], scales: &[f32], norms: &[f32], any: &mut [bool]) {
        sieve.sift(products, scales, norms, any);
    }

    /// Whether [`bounds`](Self::bounds) is much faster than [`dot_i8`](Self::dot_i8), so that rows are worth 1-bit codes. No unless an implementation says so.
    #[cfg(feature = "approximate")]
    fn has_fast_bits(&self) -> bool {
        false
    }

    /// Rotates a vector. An implementation does the same, where it is compiled for wider vectors: this is `rotation.turn(vector)`.
    #[cfg(feature = "approximate")]
    fn turn(&self, rotation: &Rotation, vector: &mut [f32]) {
        rotation.turn(vector);
    }

    /// The best score that each row may have, by its 1-bit code, and the best of these of each block of [`ROWS`] rows. An implementation does the same, to the
    /// bit: this is `scalar::bounds(query, rows, bounds, best)`.
    ///
    /// # Panics
    /// If lengths do not fit together.
    #[cfg(feature = "approximate")]
    fn bounds(&self, query: &BitQuery, rows: BitRows<'_>, bounds: &mut [f32], best: &mut [f32]) {
        scalar::bounds(query, rows, bounds, best);
    }

    /// Whether [`best_keys`](Self::best_keys) is faster than [`dot_i8`](Self::dot_i8) where that waits for memory, so that upper halves of codes are worth
    /// keeping. No unless an implementation says so.
    #[cfg(feature = "halves")]
    fn has_fast_halves(&self) -> bool {
        false
    }

    /// Keeps the upper halves of a row's codes in its lane of a block. An implementation does the same, where it is compiled for wider vectors, or for speed:
    /// this is `take_upper(codes, lane, groups)`.
    ///
    /// # Panics
    /// If there is no such lane, or no group for some of the codes.
    #[cfg(feature = "halves")]
    fn take_upper(&self, codes: &[i8], lane: usize, groups: &mut [HalfGroup]) -> f64 {
        take_upper(codes, lane, groups)
    }

    /// The best key (lower is better) that each row may have, by the upper halves of its codes, and the best of these of each block of [`LANES`] rows. An
    /// implementation does the same, to the bit: this is `scalar::best_keys(query, rows, keys, least)`.
    ///
    /// # Panics
    /// If lengths do not fit together.
    #[cfg(feature = "halves")]
    fn best_keys(&self, query: &HalfQuery, rows: HalfRows<'_>, keys: &mut [f32], least: &mut [f32]) {
        scalar::best_keys(query, rows, keys, least);
    }

    /// How many threads one search may use.
    #[cfg(not(target_family = "wasm"))]
    fn threads(&self) -> usize {
        1
    }

    /// Runs tasks 0 to `count`, on these threads, and returns when all are done.
    #[cfg(not(target_family = "wasm"))]
    fn spread(&self, count: usize, run: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(run);
    }
}

/// Hands each part to a task, with its number, on the threads of a kernel.
#[cfg(all(any(feature = "approximate", feature = "halves"), not(target_family = "wasm")))]
pub(crate) fn for_each_part<T: Send>(
    kernel: &dyn ScanKernel,
    parts: impl Iterator<Item = T>,
    task: &(dyn Fn(usize, T) + Sync),
) {
    let parts: Vec<_> = parts.map(|part| std::sync::Mutex::new(Some(part))).collect();
    kernel.spread(parts.len(), &|at| {
        let part = parts[at].lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        part.into_iter().for_each(|part| task(at, part));
    });
}

#[cfg(all(any(feature = "approximate", feature = "halves"), target_family = "wasm"))]
pub(crate) fn for_each_part<T>(_: &dyn ScanKernel, parts: impl Iterator<Item = T>, task: &dyn Fn(usize, T)) {
    parts.enumerate().for_each(|(at, part)| task(at, part));
}

/// Codes of rows side by side, from -127 to 127, fewer than 2^16 a row, and the sum of the codes of each row.
#[derive(Debug, Clone, Copy)]
pub struct CodeRows<'a> {
    dim: usize,
    codes: &'a [i8],
    sums: &'a [f32],
}

impl<'a> CodeRows<'a> {
    /// Sees codes as rows of `dim`.
    ///
    /// # Panics
    /// If there are not `dim` codes for each sum, or `dim` is 0 or 2^16 or more.
    #[must_use]
    pub fn new(dim: usize, codes: &'a [i8], sums: &'a [f32]) -> Self {
        assert!((1..1 << 16).contains(&dim) && codes.len() == dim * sums.len(), "rows of codes");
        Self { dim, codes, sums }
    }

    /// Codes a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// All codes, row after row.
    #[must_use]
    pub fn codes(&self) -> &'a [i8] {
        self.codes
    }

    /// The sum of the codes of each row, whole numbers of less than 2^23.
    #[must_use]
    pub fn sums(&self) -> &'a [f32] {
        self.sums
    }

    /// Asserts what every kernel needs.
    ///
    /// # Panics
    /// If `queries` are not codes of whole queries, or `out` has no slot for each query and row.
    pub fn assert_shapes(&self, queries: &[i8], out: &[i32]) {
        let count = queries.len() / self.dim;
        assert_eq!(count * self.dim, queries.len(), "whole queries");
        assert_eq!(count * self.len(), out.len(), "one result for each query and row");
    }
}

/// The bound `gamma` of [`ScanKernel`] for a dimension.
#[must_use]
pub fn gamma(dim: usize) -> f64 {
    let nu = (dim as f64 + 3.0) * f64::from(f32::EPSILON) / 2.0;
    // Past a dimension of five million nothing can be promised, and infinity makes callers re-score everything.
    if nu < 0.5 { nu / (1.0 - nu) } else { f64::INFINITY }
}

/// Asserts what every kernel needs; called once, outside the loop.
///
/// # Panics
/// If lengths do not fit together.
pub fn assert_shapes(query: &[f32], rows: Rows<'_>, out: &[f32]) {
    assert_eq!(query.len(), rows.dim(), "the query's length is not the dimension of the rows");
    assert_eq!(rows.len(), out.len(), "one result per row");
}
