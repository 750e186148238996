//! Inner products of 8-bit codes on x86-64, four rows and up to four queries at a time: what is loaded is used several times, and the sums of
//! four rows are brought together at once.
//!
//! `cargo bench -p twindex --bench search` measures them against SimSIMD's, which take one row at a time, and against reading the codes at all.
#![allow(unsafe_code)]

use twindex_core::kernel::{CodeRows, Coded, Sieve};

/// How far ahead rows are fetched, in bytes.
const AHEAD: usize = 8192;

/// An instruction set that the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeKernel {
    /// AVX-512 with VNNI: 64 products and their sums by fours in one instruction.
    Avx512(avx512::There),
    /// AVX2: products of pairs in 16 bits, which 127 * 127 * 2 does not exceed.
    Avx2(avx2::There),
}

impl CodeKernel {
    /// The best of this machine.
    pub(super) fn detect() -> Option<Self> {
        avx512::There::detect().map(Self::Avx512).or_else(|| avx2::There::detect().map(Self::Avx2))
    }

    /// All of this machine.
    #[cfg(test)]
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let avx2 = avx2::There::detect().expect("this test needs AVX2");
        [Self::Avx2(avx2)].into_iter().chain(avx512::There::detect().map(Self::Avx512))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Avx512(_) => "avx512",
            Self::Avx2(_) => "avx2",
        }
    }

    /// As [`ScanKernel::dot_i8`](twindex_core::kernel::ScanKernel::dot_i8).
    pub(super) fn dot(self, queries: &[i8], rows: CodeRows<'_>, out: &mut [i32]) {
        rows.assert_shapes(queries, out);
        match self {
            Self::Avx512(there) => there.dot(queries, rows, out),
            Self::Avx2(there) => there.dot(queries, rows, out),
        }
    }

    /// As [`ScanKernel::encode`](twindex_core::kernel::ScanKernel::encode).
    pub(super) fn encode(self, vector: &[f32], most: i8, codes: &mut [i8]) -> Coded {
        match self {
            Self::Avx512(there) => there.encode(vector, most, codes),
            Self::Avx2(there) => there.encode(vector, most, codes),
        }
    }

    /// As [`ScanKernel::sift`](twindex_core::kernel::ScanKernel::sift).
    pub(super) fn sift(
        self,
        sieve: &Sieve,
        products: &[i32],
        scales: &[f32],
        norms: &[f32],
        any: &mut [bool],
    ) {
        match self {
            Self::Avx512(there) => there.sift(sieve, products, scales, norms, any),
            Self::Avx2(there) => there.sift(sieve, products, scales, norms, any),
        }
    }
}

/// Goes over rows and queries by fours. The module has, for these features, `load`, `load_rest`, `fetch`, `add` of a query to the sums of four rows, and
/// `totals` of these, which come out `$bias` times the sum of a row's codes too great.
macro_rules! by_fours {
    ([$($feature:tt),*], $features:literal, bias: $bias:literal) => {
        /// The proof that the machine has these instructions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(in crate::kernel) struct There(());

        impl There {
            pub(super) fn detect() -> Option<Self> {
                ($(is_x86_feature_detected!($feature))&&*).then_some(Self(()))
            }

            pub(super) fn dot(self, queries: &[i8], rows: CodeRows<'_>, out: &mut [i32]) {
                // SAFETY: `detect`, which alone makes a `There`, has found these features.
                unsafe { dot(queries, rows, out) }
            }

            pub(super) fn encode(self, vector: &[f32], most: i8, codes: &mut [i8]) -> Coded {
                // SAFETY: as in `dot`.
                unsafe { encode(vector, most, codes) }
            }

            pub(super) fn sift(
                self,
                sieve: &Sieve,
                products: &[i32],
                scales: &[f32],
                norms: &[f32],
                any: &mut [bool],
            ) {
                // SAFETY: as in `dot`.
                unsafe { sift(sieve, products, scales, norms, any) }
            }
        }

        #[target_feature(enable = $features)]
        fn encode(vector: &[f32], most: i8, codes: &mut [i8]) -> Coded {
            twindex_core::kernel::encode(vector, most, codes)
        }

        #[target_feature(enable = $features)]
        fn sift(sieve: &Sieve, products: &[i32], scales: &[f32], norms: &[f32], any: &mut [bool]) {
            sieve.sift(products, scales, norms, any);
        }

        #[target_feature(enable = $features)]
        fn dot(queries: &[i8], rows: CodeRows<'_>, out: &mut [i32]) {
            let (dim, count) = (rows.dim(), rows.len());
            let row = |i: usize| &rows.codes()[i * dim..(i + 1) * dim];
            let query = |i: usize| &queries[i * dim..(i + 1) * dim];
            let asked = queries.len() / dim;
            for first in (0..count).step_by(4) {
                // Fewer than four are filled up with the last, whose sum is then taken again.
                let at: [usize; 4] = std::array::from_fn(|i| (first + i).min(count - 1));
                let (four, bias) = (at.map(row), at.map(|at| $bias * rows.sums()[at] as i32));
                let len = (count - first).min(4);
                let mut store = |query: usize, sums: [i32; 4]| {
                    let sums: [i32; 4] = std::array::from_fn(|i| sums[i].wrapping_sub(bias[i]));
                    let out = &mut out[query * count + first..][..len];
                    match out.first_chunk_mut() {
                        Some(out) => *out = sums,
                        None => out.copy_from_slice(&sums[..len]),
                    }
                };
                // The first look at these rows fetches those that come next.
                let mut ahead = AHEAD;
                let fours = asked / 4 * 4;
                for first in (0..fours).step_by(4) {
                    let sums = four_by_four([first, first + 1, first + 2, first + 3].map(query), four, ahead);
                    for (i, sums) in sums.into_iter().enumerate() {
                        store(first + i, sums);
                    }
                    ahead = 0;
                }
                for i in fours..asked {
                    store(i, one_by_four(query(i), four, ahead));
                    ahead = 0;
                }
            }
        }

        /// One query with four rows, all of one length.
        #[inline]
        #[target_feature(enable = $features)]
        fn one_by_four(query: &[i8], rows: [&[i8]; 4], ahead: usize) -> [i32; 4] {
            let [(a, a_rest), (b, b_rest), (c, c_rest), (d, d_rest)] = rows.map(|row| row.as_chunks());
            let (query, query_rest) = query.as_chunks();
            let mut sums = NOTHING;
            for ((((a, b), c), d), query) in a.iter().zip(b).zip(c).zip(d).zip(query) {
                fetch([a, b, c, d], ahead);
                sums = add(sums, load(query), [load(a), load(b), load(c), load(d)]);
            }
            if !query_rest.is_empty() {
                let rows = [load_rest(a_rest), load_rest(b_rest), load_rest(c_rest), load_rest(d_rest)];
                sums = add(sums, load_rest(query_rest), rows);
            }
            totals(sums)
        }

        /// Four queries with four rows, all of one length.
        #[inline]
        #[target_feature(enable = $features)]
        fn four_by_four(queries: [&[i8]; 4], rows: [&[i8]; 4], ahead: usize) -> [[i32; 4]; 4] {
            let [(a, a_rest), (b, b_rest), (c, c_rest), (d, d_rest)] = rows.map(|row| row.as_chunks());
            let [(p, p_rest), (q, q_rest), (r, r_rest), (s, s_rest)] = queries.map(|query| query.as_chunks());
            let [mut by_p, mut by_q, mut by_r, mut by_s] = [NOTHING; 4];
            let queries = p.iter().zip(q).zip(r).zip(s);
            for ((((a, b), c), d), (((p, q), r), s)) in a.iter().zip(b).zip(c).zip(d).zip(queries) {
                fetch([a, b, c, d], ahead);
                let rows = [load(a), load(b), load(c), load(d)];
                by_p = add(by_p, load(p), rows);
                by_q = add(by_q, load(q), rows);
                by_r = add(by_r, load(r), rows);
                by_s = add(by_s, load(s), rows);
            }
            if !p_rest.is_empty() {
                let rows = [load_rest(a_rest), load_rest(b_rest), load_rest(c_rest), load_rest(d_rest)];
                by_p = add(by_p, load_rest(p_rest), rows);
                by_q = add(by_q, load_rest(q_rest), rows);
                by_r = add(by_r, load_rest(r_rest), rows);
                by_s = add(by_s, load_rest(s_rest), rows);
            }
            [totals(by_p), totals(by_q), totals(by_r), totals(by_s)]
        }

        /// Prefetching reads nothing, whatever the address.
        #[inline]
        #[target_feature(enable = $features)]
        fn fetch<const N: usize>([a, b, c, d]: [&[i8; N]; 4], ahead: usize) {
            _mm_prefetch::<_MM_HINT_T0>(a.as_ptr().wrapping_add(ahead));
            _mm_prefetch::<_MM_HINT_T0>(b.as_ptr().wrapping_add(ahead));
            _mm_prefetch::<_MM_HINT_T0>(c.as_ptr().wrapping_add(ahead));
            _mm_prefetch::<_MM_HINT_T0>(d.as_ptr().wrapping_add(ahead));
        }
    };
}

mod avx512 {
    use std::arch::x86_64::*;

    use twindex_core::kernel::{CodeRows, Coded, Sieve};

    use super::AHEAD;

    by_fours!(["avx512f", "avx512bw", "avx512vl", "avx512vnni"], "avx512f,avx512bw,avx512vl,avx512vnni", bias: 128);

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn load(codes: &[i8; 64]) -> __m512i {
        // SAFETY: a reference to 64 bytes; the load needs no alignment.
        unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) }
    }

    /// The rest of a row, and zeros.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn load_rest(codes: &[i8]) -> __m512i {
        assert!(codes.len() < 64);
        // SAFETY: only as many bytes are read as the mask has bits, which are those of the slice.
        unsafe { _mm512_maskz_loadu_epi8((1 << codes.len()) - 1, codes.as_ptr()) }
    }

    // SAFETY: a vector of numbers, for which all bits 0 are a value.
    const NOTHING: [__m512i; 4] = unsafe { std::mem::zeroed() };

    /// The instruction multiplies unsigned by signed bytes, so queries are taken 128 higher.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn add([a, b, c, d]: [__m512i; 4], query: __m512i, rows: [__m512i; 4]) -> [__m512i; 4] {
        let query = _mm512_xor_si512(query, _mm512_set1_epi8(-128));
        [
            _mm512_dpbusd_epi32(a, query, rows[0]),
            _mm512_dpbusd_epi32(b, query, rows[1]),
            _mm512_dpbusd_epi32(c, query, rows[2]),
            _mm512_dpbusd_epi32(d, query, rows[3]),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn half(sum: __m512i) -> __m256i {
        _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn totals([a, b, c, d]: [__m512i; 4]) -> [i32; 4] {
        super::avx2::totals([half(a), half(b), half(c), half(d)])
    }
}

mod avx2 {
    use std::arch::x86_64::*;

    use twindex_core::kernel::{CodeRows, Coded, Sieve};

    use super::AHEAD;

    by_fours!(["avx2"], "avx2", bias: 0);

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(codes: &[i8; 32]) -> __m256i {
        // SAFETY: a reference to 32 bytes; the load needs no alignment.
        unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
    }

    /// The rest of a row, and zeros.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_rest(codes: &[i8]) -> __m256i {
        let mut filled = [0; 32];
        filled[..codes.len()].copy_from_slice(codes);
        load(&filled)
    }

    // SAFETY: a vector of numbers, for which all bits 0 are a value.
    const NOTHING: [__m256i; 4] = unsafe { std::mem::zeroed() };

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add([a, b, c, d]: [__m256i; 4], query: __m256i, rows: [__m256i; 4]) -> [__m256i; 4] {
        [
            add_one(a, query, rows[0]),
            add_one(b, query, rows[1]),
            add_one(c, query, rows[2]),
            add_one(d, query, rows[3]),
        ]
    }

    /// The instruction multiplies unsigned by signed bytes, so the sign of the row goes to the query.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add_one(sum: __m256i, query: __m256i, row: __m256i) -> __m256i {
        let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(row), _mm256_sign_epi8(query, row));
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }

    /// The sum of the lanes of each of four vectors.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn totals(sums: [__m256i; 4]) -> [i32; 4] {
        let [a, b, c, d] = sums;
        let halves = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        let totals = _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
        let mut out = [0; 4];
        // SAFETY: `out` has room for 128 bits; the store needs no alignment.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), totals) };
        out
    }
}

#[cfg(test)]
mod tests {
    use twindex_core::Rows;
    use twindex_core::kernel::ScanKernel;
    use twindex_core::kernel::scalar::Portable;

    use super::*;

    impl ScanKernel for CodeKernel {
        fn name(&self) -> &'static str {
            "codes"
        }

        fn dot(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
            Portable.dot(query, rows, out);
        }

        fn l2_squared(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
            Portable.l2_squared(query, rows, out);
        }

        fn dot_i8(&self, queries: &[i8], rows: CodeRows<'_>, out: &mut [i32]) {
            CodeKernel::dot(*self, queries, rows, out);
        }
    }

    /// Every instruction set that this machine has; a machine without AVX2 fails this test rather than passing it by doing nothing.
    #[test]
    fn codes_are_summed_exactly_by_every_instruction_set_of_this_machine() {
        for kernel in CodeKernel::all() {
            twindex_core::testkit::kernel_is_exact_on_codes(&kernel);
        }
    }
}
