//! Native scan kernels, chosen when the program runs: SimSIMD's for vectors, our own or SimSIMD's for 8-bit codes, or the core's portable ones; and
//! all threads.
//! `cargo bench -p twindex --bench search` measures them against each other and against reading the rows at all.

#[cfg(target_arch = "x86_64")]
mod bits;
#[cfg(target_arch = "x86_64")]
mod codes;
#[cfg(target_arch = "x86_64")]
mod halves;

use std::sync::Arc;

use rayon::prelude::*;
#[cfg(feature = "faiss")]
use simsimd::{SpatialSimilarity, capabilities};
use twindex_core::Rows;
#[cfg(feature = "faiss")]
use twindex_core::kernel::assert_shapes;
use twindex_core::kernel::scalar::Portable;
use twindex_core::kernel::{
    BitQuery, BitRows, CodeRows, Coded, HalfQuery, HalfRows, ScanKernel, Sieve, encode,
};

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
    Arc::new(if avx2_is_off() { Native::portable() } else { Native::detect() })
}

/// Scans on the machine's instructions and rayon's threads.
#[derive(Debug, Clone, Copy)]
pub struct Native {
    name: &'static str,
    vectors: Vectors,
    codes: Codes,
}

/// What vectors are compared by.
#[derive(Debug, Clone, Copy)]
enum Vectors {
    /// SimSIMD's kernels, which choose among instruction sets at run time.
    #[cfg(feature = "faiss")]
    SimSimd,
    Portable,
}

/// What codes are compared by.
#[derive(Debug, Clone, Copy)]
enum Codes {
    #[cfg(target_arch = "x86_64")]
    Own(codes::CodeKernel),
    /// One row at a time.
    #[cfg(feature = "faiss")]
    SimSimd,
    Portable,
}

impl Native {
    /// Instructions of any machine of this architecture, and all threads.
    #[must_use]
    pub fn portable() -> Self {
        Self { name: "portable", vectors: Vectors::Portable, codes: Codes::Portable }
    }

    /// The best instructions of this machine.
    #[must_use]
    pub fn detect() -> Self {
        let mut best = Self::portable();
        #[cfg(feature = "faiss")]
        {
            let levels: [(bool, &str); 4] = [
                (capabilities::uses_skylake(), "avx512"),
                (capabilities::uses_haswell(), "avx2"),
                (capabilities::uses_sve(), "sve"),
                (capabilities::uses_neon(), "neon"),
            ];
            if let Some((_, name)) = levels.into_iter().find(|(there, _)| *there) {
                best = Self { name, vectors: Vectors::SimSimd, codes: Codes::SimSimd };
            }
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(kernel) = codes::CodeKernel::detect() {
            best.codes = Codes::Own(kernel);
            best.name = kernel.name();
        }
        best
    }

    /// The same, with SimSIMD's kernels for codes where it has any: to measure ours against.
    #[cfg(feature = "faiss")]
    #[must_use]
    pub fn with_simsimd_codes(self) -> Self {
        Self { codes: Codes::SimSimd, ..self }
    }
}

impl ScanKernel for Native {
    fn name(&self) -> &'static str {
        self.name
    }

    fn dot(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        match self.vectors {
            #[cfg(feature = "faiss")]
            Vectors::SimSimd => {
                assert_shapes(query, rows, out);
                for (out, row) in out.iter_mut().zip(rows.iter()) {
                    // `None` means unequal lengths, which `assert_shapes` has ruled out.
                    *out = f32::dot(query, row).unwrap_or(f64::NAN) as f32;
                }
            }
            Vectors::Portable => Portable.dot(query, rows, out),
        }
    }

    fn l2_squared(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        match self.vectors {
            #[cfg(feature = "faiss")]
            Vectors::SimSimd => {
                assert_shapes(query, rows, out);
                for (out, row) in out.iter_mut().zip(rows.iter()) {
                    *out = f32::sqeuclidean(query, row).unwrap_or(f64::NAN) as f32;
                }
            }
            Vectors::Portable => Portable.l2_squared(query, rows, out),
        }
    }

    fn has_fast_i8(&self) -> bool {
        !matches!(self.codes, Codes::Portable)
    }

    fn dot_i8(&self, queries: &[i8], rows: CodeRows<'_>, out: &mut [i32]) {
        match self.codes {
            #[cfg(target_arch = "x86_64")]
            Codes::Own(kernel) => kernel.dot(queries, rows, out),
            #[cfg(feature = "faiss")]
            Codes::SimSimd => {
                rows.assert_shapes(queries, out);
                let queries = queries.chunks_exact(rows.dim());
                for (query, out) in queries.zip(out.chunks_exact_mut(rows.len().max(1))) {
                    for (out, row) in out.iter_mut().zip(rows.codes().chunks_exact(rows.dim())) {
                        // An integer of less than 2^31, exact in f64.
                        *out = i8::dot(query, row).unwrap_or(f64::NAN) as i32;
                    }
                }
            }
            Codes::Portable => Portable.dot_i8(queries, rows, out),
        }
    }

    fn encode(&self, vector: &[f32], most: i8, codes: &mut [i8]) -> Coded {
        match self.codes {
            #[cfg(target_arch = "x86_64")]
            Codes::Own(kernel) => kernel.encode(vector, most, codes),
            _ => encode(vector, most, codes),
        }
    }

    fn sift(&self, sieve: &Sieve, products: &[i32], scales: &[f32], norms: &[f32], any: &mut [bool]) {
        match self.codes {
            #[cfg(target_arch = "x86_64")]
            Codes::Own(kernel) => kernel.sift(sieve, products, scales, norms, any),
            _ => sieve.sift(products, scales, norms, any),
        }
    }

    fn has_fast_bits(&self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return matches!(self.codes, Codes::Own(_));
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    fn bounds(&self, query: &BitQuery, rows: BitRows<'_>, bounds: &mut [f32], best: &mut [f32]) {
        match self.codes {
            #[cfg(target_arch = "x86_64")]
            Codes::Own(kernel) => bits::bounds(kernel, query, rows, bounds, best),
            _ => Portable.bounds(query, rows, bounds, best),
        }
    }

    fn has_fast_halves(&self) -> bool {
        self.has_fast_bits()
    }

    fn best_keys(&self, query: &HalfQuery, rows: HalfRows<'_>, keys: &mut [f32], least: &mut [f32]) {
        match self.codes {
            #[cfg(target_arch = "x86_64")]
            Codes::Own(kernel) => halves::best_keys(kernel, query, rows, keys, least),
            _ => Portable.best_keys(query, rows, keys, least),
        }
    }

    fn threads(&self) -> usize {
        rayon::current_num_threads()
    }

    fn spread(&self, count: usize, run: &(dyn Fn(usize) + Sync)) {
        if count == 1 {
            run(0);
        } else {
            (0..count).into_par_iter().with_max_len(1).for_each(run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    mod best {
        use super::*;

        twindex_core::testkit::kernel_suite!(Native::detect());
    }

    mod portable {
        use super::*;

        twindex_core::testkit::kernel_suite!(Native::portable());
    }

    #[cfg(feature = "faiss")]
    mod simsimd {
        use super::*;

        twindex_core::testkit::kernel_suite!(Native::detect().with_simsimd_codes());
    }
}
