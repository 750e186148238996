//! AVX2 and FMA: four rows at a time, the next four on their way from memory meanwhile.

use std::arch::x86_64::{
    __m256, _MM_HINT_T0, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_prefetch, _mm_shuffle_ps,
    _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps,
    _mm256_sub_ps,
};

use twindex_core::Rows;
use twindex_core::kernel::{ScanKernel, assert_shapes};

/// Rows that are worked on together.
const GROUP: usize = 4;

/// Our own kernel for machines with AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub struct Avx2 {
    // Only `detect` makes one, so that having one is the proof that the machine has the instructions.
    _proof: (),
}

impl Avx2 {
    /// The kernel, if the machine has the instructions.
    #[must_use]
    pub fn detect() -> Option<Self> {
        let there = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
        there.then_some(Self { _proof: () })
    }
}

impl ScanKernel for Avx2 {
    fn name(&self) -> &'static str {
        "avx2"
    }

    fn dot(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        assert_shapes(query, rows, out);
        // SAFETY: an `Avx2` exists only where `detect` has found AVX2 and FMA.
        unsafe { scan::<false>(query, rows, out) }
    }

    fn l2_squared(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        assert_shapes(query, rows, out);
        // SAFETY: an `Avx2` exists only where `detect` has found AVX2 and FMA.
        unsafe { scan::<true>(query, rows, out) }
    }
}

#[target_feature(enable = "avx2,fma")]
fn scan<const L2: bool>(query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
    let dim = rows.dim();
    let (groups, rest) = out.as_chunks_mut::<GROUP>();
    let grouped = groups.len() * GROUP;
    for (out, block) in groups.iter_mut().zip(rows.data().chunks_exact(GROUP * dim)) {
        let (a, block) = block.split_at(dim);
        let (b, block) = block.split_at(dim);
        let (c, d) = block.split_at(dim);
        *out = group::<L2, GROUP>(query, [a, b, c, d]);
    }
    for (out, row) in rest.iter_mut().zip(rows.slice(grouped..rows.len()).iter()) {
        [*out] = group::<L2, 1>(query, [row]);
    }
}

/// Inner products, or squared distances, of the query with `N` rows of its length.
#[target_feature(enable = "avx2,fma")]
fn group<const L2: bool, const N: usize>(query: &[f32], rows: [&[f32]; N]) -> [f32; N] {
    let (query8, query_rest) = query.as_chunks::<8>();
    let parts = rows.map(|row| row.as_chunks::<8>());
    let mut sums = [_mm256_setzero_ps(); N];
    for (i, q) in query8.iter().enumerate() {
        let q = load(q);
        for n in 0..N {
            let eight = &parts[n].0[i];
            // Prefetching reads nothing; for an address past the rows, even one that is not mapped, it does nothing.
            _mm_prefetch::<_MM_HINT_T0>(eight.as_ptr().wrapping_add(N * query.len()).cast());
            let x = load(eight);
            sums[n] = if L2 {
                let difference = _mm256_sub_ps(q, x);
                _mm256_fmadd_ps(difference, difference, sums[n])
            } else {
                _mm256_fmadd_ps(q, x, sums[n])
            };
        }
    }
    std::array::from_fn(|n| {
        let rest = query_rest.iter().zip(parts[n].1).map(|(q, x)| if L2 { (q - x) * (q - x) } else { q * x });
        rest.fold(add_lanes(sums[n]), |sum, term| sum + term)
    })
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(eight: &[f32; 8]) -> __m256 {
    // SAFETY: eight floats lie there, and the instruction takes any alignment.
    unsafe { _mm256_loadu_ps(eight.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_lanes(eight: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}

#[cfg(test)]
mod tests {
    use super::*;

    twindex_core::testkit::kernel_suite!(Avx2::detect().expect("this leg needs AVX2 and FMA"));
}
