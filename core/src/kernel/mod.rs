//! Scan kernels: a query against a block of rows.
//!
//! Two roles. *Scan* kernels only choose candidates; they may sum in any order, with FMA, as fast as the
//! machine allows, within the error bound below. The *portable* kernel in [`scalar`] scores every hit again with
//! one fixed order of summation, so that every target returns the same bits.

use std::fmt;

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
    #[cfg(any(test, feature = "codes"))]
    fn has_fast_i8(&self) -> bool {
        false
    }

    /// Exact inner products of a query with each row of codes, all from -127 to 127, `query.len()` of them a row; there are fewer than 2^16 in a row.
    ///
    /// # Panics
    /// If lengths do not fit together.
    #[cfg(any(test, feature = "codes"))]
    fn dot_i8(&self, query: &[i8], rows: &[i8], out: &mut [i32]) {
        scalar::dot_i8(query, rows, out);
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
