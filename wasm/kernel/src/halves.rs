//! Best keys by upper halves of codes: each 32-bit lane sums up the products of one row, so nothing is added up across lanes.
//!
//! For relaxed SIMD alone, whose dot product takes pairs of bytes in one instruction; the upper halves are its second operand, of which it promises 7 bits.

use core::arch::wasm32::*;

use twindex_core::kernel::{GROUP, HalfGroup, HalfQuery, HalfRows, LANES};

/// Groups whose products are added up in 16 bits before their sum is taken to 32: each adds two pairs, of at most 2 * 15 * 127, and 8 of these
/// are less than 2^15.
const IN_PAIRS: usize = 4;

/// Whether this is faster than to read 8-bit codes: where the dot product is one instruction, as on x86, which takes the second operand as unsigned. ARM
/// takes it as signed, by three instructions that may cost more than is saved by reading half as much.
pub(crate) fn are_fast() -> bool {
    // Out of sight of optimizers, which would answer for a machine of their own.
    let bytes = core::hint::black_box(u8x16_splat(255));
    let pairs = i16x8_relaxed_dot_i8x16_i7x16(i8x16_splat(1), bytes);
    i16x8_extract_lane::<0>(pairs) == 2 * 255
}

/// As [`ScanKernel::best_keys`](twindex_core::kernel::ScanKernel::best_keys), to the bit.
pub(crate) fn best_keys(query: &HalfQuery, rows: HalfRows<'_>, keys: &mut [f32], least: &mut [f32]) {
    rows.assert_shapes(query, keys, least);
    for ((block, keys), least) in rows.blocks().zip(keys.as_chunks_mut().0).zip(least) {
        *least = query.best_keys(&products(query.groups(), block.groups), block.beside, keys);
    }
}

/// The products of a query's codes with upper halves of a block's rows.
#[inline(always)]
fn products(query: &[[i8; GROUP]], groups: &[HalfGroup]) -> [i32; LANES] {
    let mut sums = [i32x4_splat(0); LANES / 4];
    for (query, groups) in query.chunks(IN_PAIRS).zip(groups.chunks(IN_PAIRS)) {
        let mut pairs = [i16x8_splat(0); LANES / 4];
        for (codes, group) in query.iter().zip(groups) {
            let codes = fours(codes);
            for (pairs, four_rows) in pairs.iter_mut().zip(group.as_chunks().0) {
                *pairs = i16x8_add(*pairs, pairs_of(codes, four_rows));
            }
        }
        for (sum, pairs) in sums.iter_mut().zip(pairs) {
            *sum = i32x4_add(*sum, i32x4_extadd_pairwise_i16x8(pairs));
        }
    }
    let mut products = [0; LANES];
    for (products, sum) in products.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        // SAFETY: the reference is to four i32, 16 bytes; v128_store needs no alignment.
        unsafe { v128_store(products.as_mut_ptr().cast(), sum) };
    }
    products
}

/// The query's codes of the lower and of the upper halves of a group, each four as they are for every row.
#[inline(always)]
fn fours(codes: &[i8; GROUP]) -> [v128; 2] {
    let [lower, upper] = [0, 4].map(|at| codes[at..].first_chunk::<4>().expect("four of eight").as_ptr());
    // SAFETY: each points to four bytes; v128_load32_splat needs no alignment.
    unsafe { [v128_load32_splat(lower.cast()), v128_load32_splat(upper.cast())] }
}

/// Sums of products of a group, in two lanes for each of four rows.
#[inline(always)]
fn pairs_of([lower, upper]: [v128; 2], four_rows: &[u8; 16]) -> v128 {
    // SAFETY: the reference is to 16 bytes; v128_load needs no alignment.
    let halves = unsafe { v128_load(four_rows.as_ptr().cast()) };
    let low = u8x16_splat(15);
    i16x8_add(
        i16x8_relaxed_dot_i8x16_i7x16(lower, v128_and(halves, low)),
        i16x8_relaxed_dot_i8x16_i7x16(upper, v128_and(u16x8_shr(halves, 4), low)),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn best_keys_are_those_of_the_portable_kernel() {
        twindex_core::testkit::kernel_has_the_best_keys_of_the_portable_one(&super::best_keys);
    }
}
