//! Native scan kernels, chosen when the program runs: SimSIMD's, or the core's portable one.
//! `cargo bench -p twindex --bench search` measures them against each other and against reading the rows at all.

use std::sync::Arc;

use twindex_core::kernel::ScanKernel;
use twindex_core::kernel::scalar::Portable;

/// Variables that turn AVX2, and everything above it, off when they are set to anything but nothing or `0`: LangChain's, and
/// ours. The BLAS library that FAISS multiplies batches with chooses for itself (`OPENBLAS_CORETYPE`).
pub const NO_AVX2_VARIABLES: [&str; 2] = ["FAISS_NO_AVX2", "TWINDEX_NO_AVX2"];

/// Whether the environment turns AVX2 off.
#[must_use]
pub fn avx2_is_off() -> bool {
    NO_AVX2_VARIABLES
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0"))
}

/// The best scan kernel of this machine, as the environment allows.
#[must_use]
pub fn best() -> Arc<dyn ScanKernel> {
    #[cfg(feature = "faiss")]
    if !avx2_is_off()
        && let Some(kernel) = SimSimd::detect()
    {
        return Arc::new(kernel);
    }
    Arc::new(Portable)
}

#[cfg(feature = "faiss")]
pub use simd::SimSimd;

#[cfg(feature = "faiss")]
mod simd {
    use simsimd::{SpatialSimilarity, capabilities};
    use twindex_core::Rows;
    use twindex_core::kernel::{ScanKernel, assert_shapes};

    /// SimSIMD's kernels, which choose among instruction sets at run time.
    #[derive(Debug, Clone, Copy)]
    pub struct SimSimd {
        name: &'static str,
    }

    impl SimSimd {
        /// The kernels, if the machine has an instruction set beyond the baseline.
        #[must_use]
        pub fn detect() -> Option<Self> {
            let levels: [(bool, &str); 4] = [
                (capabilities::uses_skylake(), "avx512"),
                (capabilities::uses_haswell(), "avx2"),
                (capabilities::uses_sve(), "sve"),
                (capabilities::uses_neon(), "neon"),
            ];
            levels.into_iter().find(|(there, _)| *there).map(|(_, name)| Self { name })
        }
    }

    impl ScanKernel for SimSimd {
        fn name(&self) -> &'static str {
            self.name
        }

        fn dot(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
            assert_shapes(query, rows, out);
            for (out, row) in out.iter_mut().zip(rows.iter()) {
                // `None` means unequal lengths, which `assert_shapes` has ruled out.
                *out = f32::dot(query, row).unwrap_or(f64::NAN) as f32;
            }
        }

        fn l2_squared(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
            assert_shapes(query, rows, out);
            for (out, row) in out.iter_mut().zip(rows.iter()) {
                *out = f32::sqeuclidean(query, row).unwrap_or(f64::NAN) as f32;
            }
        }

        fn has_fast_i8(&self) -> bool {
            true
        }

        fn dot_i8(&self, query: &[i8], rows: &[i8], out: &mut [i32]) {
            assert_eq!(query.len() * out.len(), rows.len(), "one row of codes for each result");
            for (out, row) in out.iter_mut().zip(rows.chunks_exact(query.len().max(1))) {
                // An integer of less than 2^31, exact in f64.
                *out = i8::dot(query, row).unwrap_or(f64::NAN) as i32;
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        twindex_core::testkit::kernel_suite!(SimSimd::detect().expect("this leg needs AVX2 or NEON"));
    }
}
