//! Inner products of 8-bit codes, four rows at a time, one of each quarter of the block, as in the scan of vectors.

use core::arch::wasm32::*;

use twindex_core::kernel::CodeRows;

/// What queries are taken higher by, so that their codes are from 1 to 127: of the second operand of the dot product, relaxed SIMD promises 7 bits.
#[cfg(target_feature = "relaxed-simd")]
const HIGHER: i8 = 64;
#[cfg(not(target_feature = "relaxed-simd"))]
const HIGHER: i8 = 0;

/// The greatest code of a query.
pub(crate) const MOST: i8 = if HIGHER == 0 { 127 } else { HIGHER - 1 };

/// Codes of a query, as they are multiplied.
#[derive(Clone, Copy)]
struct Query {
    #[cfg(target_feature = "relaxed-simd")]
    codes: v128,
    #[cfg(not(target_feature = "relaxed-simd"))]
    halves: [v128; 2],
}

impl Query {
    #[inline(always)]
    fn new(codes: v128) -> Self {
        #[cfg(target_feature = "relaxed-simd")]
        return Self { codes: i8x16_add(codes, i8x16_splat(HIGHER)) };
        #[cfg(not(target_feature = "relaxed-simd"))]
        return Self { halves: [i16x8_extend_low_i8x16(codes), i16x8_extend_high_i8x16(codes)] };
    }

    /// Adds the products with sixteen codes of a row.
    #[inline(always)]
    fn add(self, sum: v128, row: v128) -> v128 {
        #[cfg(target_feature = "relaxed-simd")]
        return i32x4_relaxed_dot_i8x16_i7x16_add(row, self.codes, sum);
        #[cfg(not(target_feature = "relaxed-simd"))]
        {
            let low = i32x4_dot_i16x8(self.halves[0], i16x8_extend_low_i8x16(row));
            let high = i32x4_dot_i16x8(self.halves[1], i16x8_extend_high_i8x16(row));
            i32x4_add(sum, i32x4_add(low, high))
        }
    }
}

#[inline(always)]
fn load(codes: &[i8; 16]) -> v128 {
    // SAFETY: the reference is to 16 bytes; v128_load needs no alignment.
    unsafe { v128_load(codes.as_ptr().cast()) }
}

/// The rest of a row, and zeros, which add nothing.
fn load_rest(codes: &[i8]) -> v128 {
    let mut filled = [0; 16];
    filled[..codes.len()].copy_from_slice(codes);
    load(&filled)
}

#[inline(always)]
fn total(sum: v128) -> i32 {
    let halves = i32x4_add(sum, i32x4_shuffle::<2, 3, 0, 1>(sum, sum));
    i32x4_extract_lane::<0>(halves).wrapping_add(i32x4_extract_lane::<1>(halves))
}

#[inline(always)]
fn four_rows(query: &[i8], rows: [&[i8]; 4]) -> [i32; 4] {
    let (query, query_rest) = query.as_chunks::<16>();
    let [(a, a_rest), (b, b_rest), (c, c_rest), (d, d_rest)] = rows.map(|row| row.as_chunks::<16>());
    let mut sums = [i32x4_splat(0); 4];
    for ((((query, a), b), c), d) in query.iter().zip(a).zip(b).zip(c).zip(d) {
        let query = Query::new(load(query));
        for (sum, row) in sums.iter_mut().zip([a, b, c, d]) {
            *sum = query.add(*sum, load(row));
        }
    }
    if !query_rest.is_empty() {
        let query = Query::new(load_rest(query_rest));
        for (sum, rest) in sums.iter_mut().zip([a_rest, b_rest, c_rest, d_rest]) {
            *sum = query.add(*sum, load_rest(rest));
        }
    }
    sums.map(total)
}

/// As [`ScanKernel::dot_i8`](twindex_core::kernel::ScanKernel::dot_i8).
pub(crate) fn dot(queries: &[i8], rows: CodeRows<'_>, out: &mut [i32]) {
    rows.assert_shapes(queries, out);
    let (dim, count) = (rows.dim(), rows.len());
    let row = |at: usize| &rows.codes()[at * dim..(at + 1) * dim];
    // Four quarters, each the shorter by what does not divide; the rows that are left are in the last four.
    let quarter = count / 4;
    for (query, out) in queries.chunks_exact(dim).zip(out.chunks_exact_mut(count.max(1))) {
        let mut store = |at: [usize; 4]| {
            for (at, sum) in at.into_iter().zip(four_rows(query, at.map(row))) {
                out[at] = sum.wrapping_sub(i32::from(HIGHER) * rows.sums()[at] as i32);
            }
        };
        for at in 0..quarter {
            store([at, quarter + at, 2 * quarter + at, 3 * quarter + at]);
        }
        if 4 * quarter < count {
            // Fewer than four are filled up with the last.
            store([0, 1, 2, 3].map(|i| (4 * quarter + i).min(count - 1)));
        }
    }
}
