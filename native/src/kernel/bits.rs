//! Bounds of scores by 1-bit codes on x86-64: one instruction looks up the sums of four numbers of the query for 16 rows, 32 or 64 such sums at a time.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use twindex_core::kernel::{BitBlock, BitQuery, BitRows, ROWS};

use super::codes::CodeKernel;

/// Entries of tables that are added up in 8 bits before their sum is taken to 16: 8 times 31 is less than 256.
const IN_BYTES: usize = 8;

/// How far ahead codes are fetched, in bytes. Prefetching reads nothing, whatever the address.
const AHEAD: usize = 4096;

/// As [`ScanKernel::bounds`](twindex_core::kernel::ScanKernel::bounds), to the bit.
pub(super) fn bounds(
    kernel: CodeKernel,
    query: &BitQuery,
    rows: BitRows<'_>,
    bounds: &mut [f32],
    best: &mut [f32],
) {
    rows.assert_shapes(query, bounds, best);
    match kernel {
        // SAFETY: the kernel exists only where its instructions do.
        CodeKernel::Avx512(_) => unsafe { avx512(query, rows, bounds, best) },
        // SAFETY: as above.
        CodeKernel::Avx2(_) => unsafe { avx2(query, rows, bounds, best) },
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn avx512(query: &BitQuery, rows: BitRows<'_>, bounds: &mut [f32], best: &mut [f32]) {
    let tables = query.tables().as_flattened().as_chunks::<64>().0;
    let low = _mm512_set1_epi8(15);
    for ((block, bounds), best) in rows.blocks().zip(bounds.as_chunks_mut().0).zip(best) {
        // Rows 0 to 15 by the lower halves of bytes, rows 16 to 31 by the upper; of each the even rows, then the odd.
        let mut sums = [_mm512_setzero_si512(); 4];
        let codes = block.codes.as_flattened().as_chunks::<64>().0;
        for (tables, codes) in tables.chunks(IN_BYTES).zip(codes.chunks(IN_BYTES)) {
            let mut halves = [_mm512_setzero_si512(); 2];
            for (table, codes) in tables.iter().zip(codes) {
                _mm_prefetch::<_MM_HINT_T0>(codes.as_ptr().wrapping_add(AHEAD).cast());
                // SAFETY: references to 64 bytes; the loads need no alignment.
                let (table, codes) = unsafe {
                    (_mm512_loadu_si512(table.as_ptr().cast()), _mm512_loadu_si512(codes.as_ptr().cast()))
                };
                let lower = _mm512_and_si512(codes, low);
                let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), low);
                halves[0] = _mm512_add_epi8(halves[0], _mm512_shuffle_epi8(table, lower));
                halves[1] = _mm512_add_epi8(halves[1], _mm512_shuffle_epi8(table, upper));
            }
            for (half, sums) in halves.into_iter().zip(sums.as_chunks_mut::<2>().0) {
                sums[0] = _mm512_add_epi16(sums[0], _mm512_and_si512(half, _mm512_set1_epi16(255)));
                sums[1] = _mm512_add_epi16(sums[1], _mm512_srli_epi16::<8>(half));
            }
        }
        let sums = sums.map(|sum| {
            let sum = _mm256_add_epi16(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum));
            _mm_add_epi16(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum))
        });
        finish(query, block, sums, bounds, best);
    }
}

#[target_feature(enable = "avx2")]
fn avx2(query: &BitQuery, rows: BitRows<'_>, bounds: &mut [f32], best: &mut [f32]) {
    let tables = query.tables().as_flattened().as_chunks::<32>().0;
    let low = _mm256_set1_epi8(15);
    for ((block, bounds), best) in rows.blocks().zip(bounds.as_chunks_mut().0).zip(best) {
        let mut sums = [_mm256_setzero_si256(); 4];
        let codes = block.codes.as_flattened().as_chunks::<32>().0;
        for (tables, codes) in tables.chunks(IN_BYTES).zip(codes.chunks(IN_BYTES)) {
            let mut halves = [_mm256_setzero_si256(); 2];
            for (table, codes) in tables.iter().zip(codes) {
                _mm_prefetch::<_MM_HINT_T0>(codes.as_ptr().wrapping_add(AHEAD).cast());
                // SAFETY: references to 32 bytes; the loads need no alignment.
                let (table, codes) = unsafe {
                    (_mm256_loadu_si256(table.as_ptr().cast()), _mm256_loadu_si256(codes.as_ptr().cast()))
                };
                let lower = _mm256_and_si256(codes, low);
                let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), low);
                halves[0] = _mm256_add_epi8(halves[0], _mm256_shuffle_epi8(table, lower));
                halves[1] = _mm256_add_epi8(halves[1], _mm256_shuffle_epi8(table, upper));
            }
            for (half, sums) in halves.into_iter().zip(sums.as_chunks_mut::<2>().0) {
                sums[0] = _mm256_add_epi16(sums[0], _mm256_and_si256(half, _mm256_set1_epi16(255)));
                sums[1] = _mm256_add_epi16(sums[1], _mm256_srli_epi16::<8>(half));
            }
        }
        let sums =
            sums.map(|sum| _mm_add_epi16(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum)));
        finish(query, block, sums, bounds, best);
    }
}

/// Bounds by the sums of a block, which come as those of the even and of the odd rows of each half.
#[inline]
#[target_feature(enable = "avx2")]
fn finish(
    query: &BitQuery,
    block: BitBlock<'_>,
    sums: [__m128i; 4],
    bounds: &mut [f32; ROWS],
    best: &mut f32,
) {
    let [even, odd, upper_even, upper_odd] = sums;
    let eights = [
        _mm_unpacklo_epi16(even, odd),
        _mm_unpackhi_epi16(even, odd),
        _mm_unpacklo_epi16(upper_even, upper_odd),
        _mm_unpackhi_epi16(upper_even, upper_odd),
    ];
    let (step, offset) = query.scale();
    let rows = block.factors.as_chunks::<8>().0.iter().zip(block.terms.as_chunks::<8>().0);
    let mut greatest = _mm256_set1_ps(f32::NEG_INFINITY);
    for ((eight, (factors, terms)), bounds) in eights.into_iter().zip(rows).zip(bounds.as_chunks_mut::<8>().0)
    {
        let sums = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(eight));
        let products = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(step), sums), _mm256_set1_ps(offset));
        // SAFETY: references to 8 numbers each; loads and store need no alignment.
        unsafe {
            let factors = _mm256_loadu_ps(factors.as_ptr());
            let bound = _mm256_add_ps(_mm256_mul_ps(factors, products), _mm256_loadu_ps(terms.as_ptr()));
            _mm256_storeu_ps(bounds.as_mut_ptr(), bound);
            greatest = _mm256_max_ps(bound, greatest);
        }
    }
    let four = _mm_max_ps(_mm256_castps256_ps128(greatest), _mm256_extractf128_ps::<1>(greatest));
    let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    *best = _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_portable_kernel_by_every_instruction_set_of_this_machine() {
        for kernel in CodeKernel::all() {
            twindex_core::testkit::kernel_bounds_as_the_portable_one(&|query, rows, out, best| {
                bounds(kernel, query, rows, out, best);
            });
        }
    }
}
