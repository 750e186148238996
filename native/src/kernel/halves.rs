//! Best keys by upper halves of codes on x86-64: each 32-bit lane sums up the products of one row, so nothing is added up across lanes.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use twindex_core::kernel::{GROUP, HalfGroup, HalfQuery, HalfRows, LANES};

use super::codes::CodeKernel;

/// How far ahead codes are fetched, in bytes. Prefetching reads nothing, whatever the address.
const AHEAD: usize = 8192;

/// As [`ScanKernel::best_keys`](twindex_core::kernel::ScanKernel::best_keys), to the bit.
pub(super) fn best_keys(
    kernel: CodeKernel,
    query: &HalfQuery,
    rows: HalfRows<'_>,
    keys: &mut [f32],
    least: &mut [f32],
) {
    rows.assert_shapes(query, keys, least);
    match kernel {
        // SAFETY: the kernel exists only where its instructions do.
        CodeKernel::Avx512(_) => unsafe { avx512(query, rows, keys, least) },
        // SAFETY: as above.
        CodeKernel::Avx2(_) => unsafe { avx2(query, rows, keys, least) },
    }
}

/// The query's codes of the lower and of the upper halves of a group, each four as one number.
#[inline(always)]
fn fours(codes: &[i8; GROUP]) -> [i32; 2] {
    let [a, b, c, d, e, f, g, h] = codes.map(|code| code as u8);
    [i32::from_le_bytes([a, b, c, d]), i32::from_le_bytes([e, f, g, h])]
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn avx512(query: &HalfQuery, rows: HalfRows<'_>, keys: &mut [f32], least: &mut [f32]) {
    let low = _mm512_set1_epi8(15);
    for ((block, keys), least) in rows.blocks().zip(keys.as_chunks_mut().0).zip(least) {
        // Two sums: one would wait for itself.
        let mut sums = [_mm512_setzero_si512(); 2];
        for (codes, group) in query.groups().iter().zip(block.groups) {
            _mm_prefetch::<_MM_HINT_T0>(group.as_ptr().wrapping_add(AHEAD).cast());
            // SAFETY: a reference to 64 bytes; the load needs no alignment.
            let halves = unsafe { _mm512_loadu_si512(group.as_ptr().cast()) };
            let [first, second] = fours(codes).map(|four| _mm512_set1_epi32(four));
            let lower = _mm512_and_si512(halves, low);
            let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(halves), low);
            sums[0] = _mm512_dpbusd_epi32(sums[0], lower, first);
            sums[1] = _mm512_dpbusd_epi32(sums[1], upper, second);
        }
        let sums = _mm512_add_epi32(sums[0], sums[1]);
        let mut products = [0; LANES];
        // SAFETY: `products` has room for 512 bits; the store needs no alignment.
        unsafe { _mm512_storeu_si512(products.as_mut_ptr().cast(), sums) };
        *least = query.best_keys(&products, block.beside, keys);
    }
}

/// Groups whose products are added up in 16 bits before their sum is taken to 32: each adds two pairs, of at most 2 * 15 * 127, and 8 of these
/// are less than 2^15.
const IN_PAIRS: usize = 4;

#[target_feature(enable = "avx2")]
fn avx2(query: &HalfQuery, rows: HalfRows<'_>, keys: &mut [f32], least: &mut [f32]) {
    for ((block, keys), least) in rows.blocks().zip(keys.as_chunks_mut().0).zip(least) {
        let mut sums = [_mm256_setzero_si256(); 2];
        for (codes, groups) in query.groups().chunks(IN_PAIRS).zip(block.groups.chunks(IN_PAIRS)) {
            let mut pairs = [_mm256_setzero_si256(); 2];
            for (codes, group) in codes.iter().zip(groups) {
                _mm_prefetch::<_MM_HINT_T0>(group.as_ptr().wrapping_add(AHEAD).cast());
                pairs = add(pairs, fours(codes), group);
            }
            for (sum, pairs) in sums.iter_mut().zip(pairs) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
            }
        }
        let mut products = [0; LANES];
        for (products, sum) in products.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
            // SAFETY: `products` has room for 256 bits; the store needs no alignment.
            unsafe { _mm256_storeu_si256(products.as_mut_ptr().cast(), sum) };
        }
        *least = query.best_keys(&products, block.beside, keys);
    }
}

/// Adds products of a group to sums of pairs.
#[inline]
#[target_feature(enable = "avx2")]
fn add(pairs: [__m256i; 2], [first, second]: [i32; 2], group: &HalfGroup) -> [__m256i; 2] {
    let low = _mm256_set1_epi8(15);
    let (first, second) = (_mm256_set1_epi32(first), _mm256_set1_epi32(second));
    let rows = group.as_chunks::<32>().0;
    std::array::from_fn(|at| {
        // SAFETY: a reference to 32 bytes; the load needs no alignment.
        let halves = unsafe { _mm256_loadu_si256(rows[at].as_ptr().cast()) };
        let lower = _mm256_and_si256(halves, low);
        let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(halves), low);
        let both = _mm256_add_epi16(_mm256_maddubs_epi16(lower, first), _mm256_maddubs_epi16(upper, second));
        _mm256_add_epi16(pairs[at], both)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_keys_are_those_of_the_portable_kernel_by_every_instruction_set_of_this_machine() {
        for kernel in CodeKernel::all() {
            twindex_core::testkit::kernel_has_the_best_keys_of_the_portable_one(
                &|query, rows, keys, least| {
                    best_keys(kernel, query, rows, keys, least);
                },
            );
        }
    }
}
