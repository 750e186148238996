//! The scan kernels, in WebAssembly's 128-bit vector instructions; with fused multiply-add where the binary is built for relaxed SIMD.
//!
//! Four rows at a time, one of each quarter of the block: the query is loaded once for all four, and each quarter is read from its beginning to its
//! end. A processor fetches ahead along such long streams; four neighbouring rows are four streams that end when they have just been noticed,
//! and to read them from memory takes three times as long.
//!
//! A crate of its own, so that it is compiled for speed while the rest of the package is compiled for size, and tested under WASI, which needs no
//! JavaScript. Elsewhere than on WebAssembly it is empty.
#![cfg(target_family = "wasm")]

#[cfg(feature = "approximate")]
mod bits;
mod codes;
#[cfg(all(feature = "halves", target_feature = "relaxed-simd"))]
mod halves;

use core::arch::wasm32::*;

use twindex_core::Rows;
#[cfg(feature = "approximate")]
use twindex_core::kernel::{BitQuery, BitRows, Rotation};
use twindex_core::kernel::{CodeRows, Coded, ScanKernel, Sieve, assert_shapes, encode, scalar};
#[cfg(all(feature = "halves", target_feature = "relaxed-simd"))]
use twindex_core::kernel::{HalfGroup, HalfQuery, HalfRows, take_upper};

/// Scans by 128-bit vectors.
#[derive(Debug, Clone, Copy)]
pub struct Simd128;

/// What a row is compared by.
trait Term {
    /// The term of four numbers added to a sum.
    fn add(sum: v128, query: v128, row: v128) -> v128;
    /// The whole of a row, for rows that do not come in fours and for what is left of a row.
    fn one(query: &[f32], row: &[f32]) -> f32;
}

#[inline(always)]
fn multiply_add(a: v128, b: v128, sum: v128) -> v128 {
    #[cfg(target_feature = "relaxed-simd")]
    return f32x4_relaxed_madd(a, b, sum);
    #[cfg(not(target_feature = "relaxed-simd"))]
    return f32x4_add(sum, f32x4_mul(a, b));
}

struct Dot;

impl Term for Dot {
    #[inline(always)]
    fn add(sum: v128, query: v128, row: v128) -> v128 {
        multiply_add(query, row, sum)
    }

    fn one(query: &[f32], row: &[f32]) -> f32 {
        scalar::dot(query, row)
    }
}

struct L2Squared;

impl Term for L2Squared {
    #[inline(always)]
    fn add(sum: v128, query: v128, row: v128) -> v128 {
        let difference = f32x4_sub(query, row);
        multiply_add(difference, difference, sum)
    }

    fn one(query: &[f32], row: &[f32]) -> f32 {
        scalar::l2_squared(query, row)
    }
}

/// Four numbers out of eight.
#[inline(always)]
fn load(numbers: &[f32; 8], at: usize) -> v128 {
    let four: &[f32; 4] = numbers[at..].first_chunk().expect("at is 0 or 4");
    // SAFETY: the reference is to four f32, 16 bytes; v128_load needs no alignment.
    unsafe { v128_load(four.as_ptr().cast()) }
}

#[inline(always)]
fn sum_of(lanes: v128) -> f32 {
    (f32x4_extract_lane::<0>(lanes) + f32x4_extract_lane::<1>(lanes))
        + (f32x4_extract_lane::<2>(lanes) + f32x4_extract_lane::<3>(lanes))
}

#[inline(always)]
fn four_rows<T: Term>(query: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    let (query, query_rest) = query.as_chunks::<8>();
    let [(a, a_rest), (b, b_rest), (c, c_rest), (d, d_rest)] = rows.map(|row| row.as_chunks::<8>());
    let mut sums = [[f32x4_splat(0.0); 2]; 4];
    for ((((query, a), b), c), d) in query.iter().zip(a).zip(b).zip(c).zip(d) {
        for half in 0..2 {
            let query = load(query, 4 * half);
            for (sums, row) in sums.iter_mut().zip([a, b, c, d]) {
                sums[half] = T::add(sums[half], query, load(row, 4 * half));
            }
        }
    }
    let mut scores = sums.map(|[even, odd]| sum_of(f32x4_add(even, odd)));
    if !query_rest.is_empty() {
        for (score, rest) in scores.iter_mut().zip([a_rest, b_rest, c_rest, d_rest]) {
            *score += T::one(query_rest, rest);
        }
    }
    scores
}

fn scan<T: Term>(query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
    assert_shapes(query, rows, out);
    let dim = query.len();
    let quarter = out.len() / 4;
    let rows_of = |part: usize| rows.slice(part * quarter..(part + 1) * quarter).data().chunks_exact(dim);
    let fours = rows_of(0).zip(rows_of(1)).zip(rows_of(2)).zip(rows_of(3));
    for (at, (((a, b), c), d)) in fours.enumerate() {
        for (part, score) in four_rows::<T>(query, [a, b, c, d]).into_iter().enumerate() {
            out[part * quarter + at] = score;
        }
    }
    for (at, out) in out.iter_mut().enumerate().skip(4 * quarter) {
        *out = T::one(query, rows.row(at));
    }
}

impl ScanKernel for Simd128 {
    fn name(&self) -> &'static str {
        if cfg!(target_feature = "relaxed-simd") { "relaxed-simd" } else { "simd128" }
    }

    fn dot(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        scan::<Dot>(query, rows, out);
    }

    fn l2_squared(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        scan::<L2Squared>(query, rows, out);
    }

    fn has_fast_i8(&self) -> bool {
        true
    }

    fn most_query_code(&self) -> i8 {
        codes::MOST
    }

    fn dot_i8(&self, queries: &[i8], rows: CodeRows<'_>, out: &mut [i32]) {
        codes::dot(queries, rows, out);
    }

    fn encode(&self, vector: &[f32], most: i8, codes: &mut [i8]) -> Coded {
        encode(vector, most, codes)
    }

    fn greatest(&self, numbers: &[f32]) -> f32 {
        let (fours, rest) = numbers.as_chunks::<4>();
        let mut most = f32x4_splat(0.0);
        for four in fours {
            // SAFETY: the reference is to four f32, 16 bytes; v128_load needs no alignment.
            most = f32x4_pmax(most, unsafe { v128_load(four.as_ptr().cast()) });
        }
        let lanes = [
            f32x4_extract_lane::<0>(most),
            f32x4_extract_lane::<1>(most),
            f32x4_extract_lane::<2>(most),
            f32x4_extract_lane::<3>(most),
        ];
        lanes.iter().chain(rest).fold(0.0, |most, &x| if x > most { x } else { most })
    }

    fn sift(&self, sieve: &Sieve, products: &[i32], scales: &[f32], norms: &[f32], any: &mut [bool]) {
        sieve.sift(products, scales, norms, any);
    }

    #[cfg(feature = "approximate")]
    fn has_fast_bits(&self) -> bool {
        true
    }

    #[cfg(feature = "approximate")]
    fn turn(&self, rotation: &Rotation, vector: &mut [f32]) {
        rotation.turn(vector);
    }

    #[cfg(feature = "approximate")]
    fn bounds(&self, query: &BitQuery, rows: BitRows<'_>, bounds: &mut [f32], best: &mut [f32]) {
        bits::bounds(query, rows, bounds, best);
    }

    #[cfg(all(feature = "halves", target_feature = "relaxed-simd"))]
    fn has_fast_halves(&self) -> bool {
        halves::are_fast()
    }

    #[cfg(all(feature = "halves", target_feature = "relaxed-simd"))]
    fn take_upper(&self, codes: &[i8], lane: usize, groups: &mut [HalfGroup]) -> f64 {
        take_upper(codes, lane, groups)
    }

    #[cfg(all(feature = "halves", target_feature = "relaxed-simd"))]
    fn best_keys(&self, query: &HalfQuery, rows: HalfRows<'_>, keys: &mut [f32], least: &mut [f32]) {
        halves::best_keys(query, rows, keys, least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    twindex_core::testkit::kernel_suite!(Simd128);

    #[test]
    fn every_row_of_a_block_of_any_size_gets_its_own_result() {
        const DIM: usize = 9;
        for count in 0..=40 {
            let numbers: Vec<f32> = (0..count * DIM).map(|at| (at / DIM + at % 4) as f32).collect();
            let rows = Rows::new(&numbers, DIM).expect("whole rows");
            let query = [2.0; DIM];
            let results = |kernel: &dyn ScanKernel| {
                let mut out = [vec![f32::NAN; count], vec![f32::NAN; count]];
                kernel.dot(&query, rows, &mut out[0]);
                kernel.l2_squared(&query, rows, &mut out[1]);
                out
            };
            assert_eq!(results(&Simd128), results(&scalar::Portable), "{count} rows");
        }
    }

    #[test]
    fn the_greatest_of_numbers_is_found_wherever_it_stands() {
        for count in 0..=20 {
            for at in 0..count {
                let mut numbers = vec![0.5; count];
                numbers[at] = 2.0;
                assert_eq!(Simd128.greatest(&numbers), 2.0, "{at} of {count}");
            }
            assert_eq!(Simd128.greatest(&vec![0.0; count]), 0.0);
        }
    }

    #[test]
    fn the_instructions_are_those_the_binary_was_built_for() {
        let expected = if cfg!(target_feature = "relaxed-simd") { "relaxed-simd" } else { "simd128" };
        assert!(cfg!(target_feature = "simd128"));
        assert_eq!(Simd128.name(), expected);
    }
}
