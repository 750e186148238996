//! The portable kernel: safe, simple, one fixed order of summation, the oracle of every other kernel.
//!
//! Four accumulators of four lanes over blocks of 16, then blocks of 4 into the first accumulator, then
//! `(a0 + a1) + (a2 + a3)`, the lanes `(l0 + l1) + (l2 + l3)`, then the tail one by one. No FMA. Written so, plain
//! Rust, SSE and wasm SIMD agree bit for bit.

#[cfg(feature = "approximate")]
use super::{BitQuery, BitRows, ROWS};
use super::{CodeRows, ScanKernel, assert_shapes};
#[cfg(feature = "halves")]
use super::{HalfQuery, HalfRows, LANES};
use crate::rows::Rows;

#[inline(always)]
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    assert_eq!(a.len(), b.len(), "two vectors of one length");
    let (a16, a) = a.as_chunks::<16>();
    let (b16, b) = b.as_chunks::<16>();
    let mut lanes = [0.0f32; 16];
    for (x, y) in a16.iter().zip(b16) {
        for i in 0..16 {
            lanes[i] += term(x[i], y[i]);
        }
    }
    let (a4, a) = a.as_chunks::<4>();
    let (b4, b) = b.as_chunks::<4>();
    for (x, y) in a4.iter().zip(b4) {
        for i in 0..4 {
            lanes[i] += term(x[i], y[i]);
        }
    }
    let l: [f32; 4] = std::array::from_fn(|i| (lanes[i] + lanes[4 + i]) + (lanes[8 + i] + lanes[12 + i]));
    let mut total = (l[0] + l[1]) + (l[2] + l[3]);
    for (&x, &y) in a.iter().zip(b) {
        total += term(x, y);
    }
    total
}

/// Inner product.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x, y| x * y)
}

/// Squared Euclidean distance.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn l2_squared(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x, y| {
        let difference = x - y;
        difference * difference
    })
}

/// The portable kernel as a scan kernel.
#[derive(Debug, Clone, Copy, Default)]
pub struct Portable;

impl ScanKernel for Portable {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn dot(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        assert_shapes(query, rows, out);
        for (out, row) in out.iter_mut().zip(rows.iter()) {
            *out = dot(query, row);
        }
    }

    fn l2_squared(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        assert_shapes(query, rows, out);
        for (out, row) in out.iter_mut().zip(rows.iter()) {
            *out = l2_squared(query, row);
        }
    }
}

/// Exact inner products of 8-bit codes: see [`ScanKernel::dot_i8`].
///
/// # Panics
/// If lengths do not fit together.
pub fn dot_i8(queries: &[i8], rows: CodeRows<'_>, out: &mut [i32]) {
    rows.assert_shapes(queries, out);
    if rows.is_empty() {
        return;
    }
    for (query, out) in queries.chunks_exact(rows.dim()).zip(out.chunks_exact_mut(rows.len())) {
        for (out, row) in out.iter_mut().zip(rows.codes().chunks_exact(rows.dim())) {
            *out = query.iter().zip(row).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
        }
    }
}

/// Bounds of scores by 1-bit codes: see [`ScanKernel::bounds`].
///
/// # Panics
/// If lengths do not fit together.
#[cfg(feature = "approximate")]
pub fn bounds(query: &BitQuery, rows: BitRows<'_>, bounds: &mut [f32], best: &mut [f32]) {
    rows.assert_shapes(query, bounds, best);
    let blocks = rows.blocks().zip(bounds.as_chunks_mut().0).zip(best);
    for ((block, bounds), best) in blocks {
        let mut sums = [0u16; ROWS];
        for (table, codes) in query.tables().iter().zip(block.codes) {
            for (at, code) in codes.iter().enumerate() {
                sums[at] += u16::from(table[usize::from(code & 15)]);
                sums[at + ROWS / 2] += u16::from(table[usize::from(code >> 4)]);
            }
        }
        block.bounds(query, &sums, bounds, best);
    }
}

/// Best keys by upper halves of codes: see [`ScanKernel::best_keys`].
///
/// # Panics
/// If lengths do not fit together.
#[cfg(feature = "halves")]
pub fn best_keys(query: &HalfQuery, rows: HalfRows<'_>, keys: &mut [f32], least: &mut [f32]) {
    rows.assert_shapes(query, keys, least);
    for ((block, keys), least) in rows.blocks().zip(keys.as_chunks_mut().0).zip(least) {
        let mut products = [0; LANES];
        for (query, group) in query.groups().iter().zip(block.groups) {
            for (product, codes) in products.iter_mut().zip(group.as_chunks::<4>().0) {
                for (at, code) in codes.iter().enumerate() {
                    let (first, second) = (i32::from(code & 15), i32::from(code >> 4));
                    *product += i32::from(query[at]) * first + i32::from(query[4 + at]) * second;
                }
            }
        }
        *least = query.best_keys(&products, block.beside, keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract, word for word, one number at a time.
    fn reference(a: &[f32], b: &[f32], term: fn(f32, f32) -> f32) -> f32 {
        let n16 = a.len() / 16 * 16;
        let n4 = a.len() / 4 * 4;
        let mut acc = [[0.0f32; 4]; 4];
        for i in 0..n16 {
            acc[i % 16 / 4][i % 4] += term(a[i], b[i]);
        }
        for i in n16..n4 {
            acc[0][i % 4] += term(a[i], b[i]);
        }
        let mut l = [0.0f32; 4];
        for (i, l) in l.iter_mut().enumerate() {
            *l = (acc[0][i] + acc[1][i]) + (acc[2][i] + acc[3][i]);
        }
        let mut total = (l[0] + l[1]) + (l[2] + l[3]);
        for i in n4..a.len() {
            total += term(a[i], b[i]);
        }
        total
    }

    #[test]
    fn summation_order_is_the_contract_bit_for_bit() {
        let mut state = 1u64;
        let mut number = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        for length in 0..300 {
            let a: Vec<f32> = (0..length).map(|_| number()).collect();
            let b: Vec<f32> = (0..length).map(|_| number()).collect();
            assert_eq!(dot(&a, &b).to_bits(), reference(&a, &b, |x, y| x * y).to_bits(), "length {length}");
            assert_eq!(
                l2_squared(&a, &b).to_bits(),
                reference(&a, &b, |x, y| (x - y) * (x - y)).to_bits(),
                "length {length}"
            );
        }
    }

    crate::testkit::kernel_suite!(Portable);
}
