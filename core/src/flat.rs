//! Exact search over plain rows: scan fast, re-score the few that can still be in the answer.
//!
//! [`RowStats::search`] is shared by every index that keeps plain rows; [`FlatIndex`] is the one that owns them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::{Engine, IndexInfo, VectorIndex};
use crate::kernel::{ScanKernel, gamma, scalar::Portable};
use crate::metric::{Metric, norm};
#[cfg(any(test, feature = "codes"))]
use crate::quantize::{CodedQuery, Codes, LEAST_QUERY_NORM};
use crate::rows::{Positions, Rows, remove_rows};
#[cfg(any(test, feature = "codes"))]
use crate::topk::Certain;
use crate::topk::{Candidates, Neighbor, key, sort_and_cut};

/// Rows per kernel call: the scores fit in the first-level cache.
const BLOCK: usize = 256;

/// What exact search needs to know about rows beside the rows themselves.
///
/// Cosine keeps the length of each row; every metric keeps bounds of them, for the rounding bound.
#[derive(Clone)]
pub struct RowStats {
    metric: Metric,
    count: usize,
    norms: Vec<f32>,
    min_norm: f32,
    max_norm: f32,
    /// Made by the first search that they help, and kept up to date from then on.
    #[cfg(any(test, feature = "codes"))]
    codes: std::sync::OnceLock<Codes>,
}

impl fmt::Debug for RowStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStats")
            .field("metric", &self.metric)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl RowStats {
    /// The statistics of no rows.
    #[must_use]
    pub fn new(metric: Metric) -> Self {
        Self {
            metric,
            count: 0,
            norms: Vec::new(),
            min_norm: f32::INFINITY,
            max_norm: 0.0,
            #[cfg(any(test, feature = "codes"))]
            codes: std::sync::OnceLock::new(),
        }
    }

    /// How vectors are compared.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Takes in rows added at the end. They must be finite.
    pub fn append(&mut self, rows: Rows<'_>) {
        if self.metric == Metric::Cosine {
            self.norms.reserve_exact(rows.len());
        }
        rows.iter().for_each(|row| self.push(norm(row)));
        #[cfg(any(test, feature = "codes"))]
        if let Some(codes) = self.codes.get_mut() {
            codes.append(rows);
        }
    }

    /// Takes in one row added at the end, if a store with this metric can hold it. For readers of files: one pass over the
    /// numbers both checks and measures them.
    ///
    /// # Errors
    /// `not_finite`, or `zero_vector` for cosine, naming the row as `row`.
    #[inline]
    pub fn push_checked(&mut self, numbers: &[f32]) -> Result<()> {
        let norm = norm(numbers);
        if norm.is_nan() {
            let component = numbers.iter().position(|x| !x.is_finite()).unwrap_or(0);
            return Err(Error::NotFinite { row: self.count, component });
        }
        if norm == 0.0 && self.metric == Metric::Cosine {
            return Err(Error::ZeroVector { row: self.count });
        }
        self.push(norm);
        Ok(())
    }

    /// Takes in one row added at the end, by its length (see [`norm`]).
    #[inline]
    fn push(&mut self, norm: f32) {
        self.count += 1;
        self.min_norm = self.min_norm.min(norm);
        self.max_norm = self.max_norm.max(norm);
        if self.metric == Metric::Cosine {
            self.norms.push(norm);
        }
    }

    /// Forgets rows taken out.
    pub fn remove(&mut self, positions: &Positions) {
        self.count -= positions.len();
        #[cfg(any(test, feature = "codes"))]
        if let Some(codes) = self.codes.get_mut() {
            codes.remove(positions);
        }
        if self.metric == Metric::Cosine {
            remove_rows(&mut self.norms, 1, positions);
        }
    }

    /// An upper bound of the lengths of all rows.
    #[must_use]
    pub fn max_norm(&self) -> f32 {
        self.max_norm
    }

    /// A lower bound of the lengths of all rows.
    #[must_use]
    pub fn min_norm(&self) -> f32 {
        self.min_norm
    }

    /// Bytes these statistics take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let norms = (self.norms.capacity() * size_of::<f32>()) as u64;
        #[cfg(any(test, feature = "codes"))]
        let norms = norms + self.codes.get().map_or(0, Codes::bytes);
        norms
    }

    /// Makes the codes that searches by this kernel will use, if they will use any. Else the first search does.
    #[cfg(any(test, feature = "codes"))]
    pub fn prepare(&self, kernel: &dyn ScanKernel, rows: Rows<'_>) {
        self.codes_for(kernel, rows);
    }

    #[cfg(any(test, feature = "codes"))]
    fn codes_for(&self, kernel: &dyn ScanKernel, rows: Rows<'_>) -> Option<&Codes> {
        (kernel.has_fast_i8() && Codes::pay(rows.len(), rows.dim()))
            .then(|| self.codes.get_or_init(|| Codes::of(rows)))
    }

    /// The rows of these runs that can be among the best `k`, by their codes; `None` if that is more than a few, as among rows of very unlike
    /// lengths: reading the codes was then in vain.
    #[cfg(any(test, feature = "codes"))]
    fn candidates_by_code<I: Iterator<Item = Range<usize>>>(
        &self,
        kernel: &dyn ScanKernel,
        codes: &Codes,
        query: &[f32],
        k: usize,
        available: usize,
        runs: impl Fn() -> I,
    ) -> Option<Vec<usize>> {
        // What the rest costs more than it would have by reading all rows at once: an eighth.
        let most = (available / 16).max(4 * k + 256);
        let coded = CodedQuery::new(self.metric, query);
        let mut candidates = Certain::new(k);
        let (mut products, mut intervals) = ([0i32; BLOCK], [(0.0f32, 0.0f32); BLOCK]);
        for run in runs() {
            for start in run.clone().step_by(BLOCK) {
                let end = run.end.min(start + BLOCK);
                let intervals = &mut intervals[..end - start];
                coded.intervals(kernel, codes, start, &mut products[..end - start], intervals);
                for (i, &(best, worst)) in intervals.iter().enumerate() {
                    if best <= candidates.limit() {
                        candidates.push(best, worst, start + i);
                    }
                }
                if candidates.exceeds(most) {
                    return None;
                }
            }
        }
        let kept: Vec<usize> = candidates.positions().collect();
        (kept.len() <= most).then_some(kept)
    }

    fn row_norm(&self, position: usize) -> f32 {
        self.norms.get(position).copied().unwrap_or(1.0)
    }

    /// The widest key that a row may have by a scan kernel and still be among the best `k` by the portable one, given
    /// the k-th best key of the scan.
    ///
    /// Both lie within [`gamma`] of the exact value (see [`ScanKernel`]). Write `s` for scan and `p` for portable keys, lower being
    /// better, and `S` for the k-th best `s`. Inner product: `|s - p| <= 2 gamma |q| |x| =: e`, so the k rows best by `s` have
    /// `p <= S + e`, and a row with `p <= S + e` has `s <= S + 2 e`. Squared L2: `s` and `p` are within factors `1 +- gamma` of the
    /// exact distance, so `s <= S ((1 + gamma) / (1 - gamma))^2`. Cosine divides inner products by the same
    /// stored lengths in both, and adds a few roundings.
    pub fn widen(&self, dim: usize, query_norm: f32) -> impl Fn(f32) -> f32 + use<> {
        let gamma = gamma(dim);
        let query_norm = f64::from(query_norm);
        let underflow = dim as f64 * f64::from(f32::MIN_POSITIVE);
        let (factor, offset) = match self.metric {
            Metric::L2 => (((1.0 + gamma) / (1.0 - gamma)).powi(2), 4.0 * underflow),
            Metric::InnerProduct => (1.0, 4.0 * (gamma * query_norm * f64::from(self.max_norm) + underflow)),
            // Underflow counts by the length of the row it is divided by, which may be small itself.
            Metric::Cosine => (1.0, (4.0 * gamma + 8.0 * f64::from(f32::EPSILON)) * query_norm),
        };
        move |key: f32| ((f64::from(key) * factor + offset) as f32).next_up()
    }

    /// Whether scan kernels keep their error bound on these rows: nothing overflows, and no row is so
    /// short that underflow matters.
    #[must_use]
    pub fn scan_is_safe(&self, dim: usize, query_norm: f32) -> bool {
        let (q, x) = (f64::from(query_norm), f64::from(self.max_norm));
        let in_range = (q + x) * (q + x) < 1e37 && gamma(dim) < 0.1;
        in_range && (self.metric != Metric::Cosine || q > 1e-12 && self.min_norm > 1e-12)
    }

    /// The best `k` of `rows`, exactly as the portable kernel orders them.
    ///
    /// `rows` are the rows these statistics were made of.
    #[must_use]
    pub fn search(
        &self,
        kernel: &dyn ScanKernel,
        rows: Rows<'_>,
        query: &[f32],
        k: usize,
        among: Option<&Positions>,
    ) -> Vec<Neighbor> {
        match among {
            Some(among) => self.search_among(kernel, rows, query, k, among),
            None => self.search_range(kernel, rows, query, k, 0..rows.len()),
        }
    }

    /// [`search`](Self::search) in some consecutive rows. What this gives for the parts of a whole, sorted together and cut, is
    /// what `search` gives for the whole.
    #[must_use]
    pub fn search_range(
        &self,
        kernel: &dyn ScanKernel,
        rows: Rows<'_>,
        query: &[f32],
        k: usize,
        range: Range<usize>,
    ) -> Vec<Neighbor> {
        self.search_runs(kernel, rows, query, k, range.len(), || std::iter::once(range.clone()))
    }

    fn search_among(
        &self,
        kernel: &dyn ScanKernel,
        rows: Rows<'_>,
        query: &[f32],
        k: usize,
        among: &Positions,
    ) -> Vec<Neighbor> {
        self.search_runs(kernel, rows, query, k, among.len(), || among.runs())
    }

    /// The best `k` of the `available` rows in these runs.
    fn search_runs<I: Iterator<Item = Range<usize>>>(
        &self,
        kernel: &dyn ScanKernel,
        rows: Rows<'_>,
        query: &[f32],
        k: usize,
        available: usize,
        runs: impl Fn() -> I,
    ) -> Vec<Neighbor> {
        let query_norm = norm(query);
        let k = k.min(available);
        if k == 0 {
            return Vec::new();
        }
        if k == available || !self.scan_is_safe(rows.dim(), query_norm) {
            // Every row is wanted, or the bound does not hold: score them all by the portable kernel.
            return self.rescore(rows, query, k, runs().flatten());
        }
        #[cfg(any(test, feature = "codes"))]
        if available >= BLOCK
            && query_norm >= LEAST_QUERY_NORM
            && let Some(codes) = self.codes_for(kernel, rows)
            && let Some(positions) = self.candidates_by_code(kernel, codes, query, k, available, &runs)
        {
            return self.rescore(rows, query, k, positions.into_iter());
        }
        let mut candidates = Candidates::new(k, self.widen(rows.dim(), query_norm));
        let mut scores = [0.0f32; BLOCK];
        for run in runs() {
            for start in run.clone().step_by(BLOCK) {
                let end = run.end.min(start + BLOCK);
                let scores = &mut scores[..end - start];
                match self.metric {
                    Metric::L2 => kernel.l2_squared(query, rows.slice(start..end), scores),
                    Metric::InnerProduct | Metric::Cosine => {
                        kernel.dot(query, rows.slice(start..end), scores)
                    }
                }
                if self.metric == Metric::Cosine {
                    for (score, norm) in scores.iter_mut().zip(&self.norms[start..end]) {
                        *score /= norm;
                    }
                }
                for (i, &score) in scores.iter().enumerate() {
                    let key = key(self.metric, score);
                    if key <= candidates.limit() {
                        candidates.push(key, start + i);
                    }
                }
            }
        }
        self.rescore(rows, query, k, candidates.positions())
    }

    /// Scores these positions by the portable kernel and keeps the best `k`.
    #[must_use]
    pub fn rescore(
        &self,
        rows: Rows<'_>,
        query: &[f32],
        k: usize,
        positions: impl Iterator<Item = usize>,
    ) -> Vec<Neighbor> {
        let query_norm = if self.metric == Metric::Cosine { norm(query) } else { 1.0 };
        let mut found: Vec<Neighbor> = positions
            .map(|position| {
                let score = self.metric.score(query, query_norm, rows.row(position), self.row_norm(position));
                Neighbor { position, score }
            })
            .collect();
        sort_and_cut(self.metric, &mut found, k);
        found
    }
}

/// Where a [`FlatIndex`] has its rows.
#[derive(Debug)]
enum Storage {
    Owned(Vec<f32>),
    Shared(Arc<dyn SharedRows>),
}

/// Rows that somebody else holds, such as a mapped file.
pub trait SharedRows: Send + Sync + std::fmt::Debug {
    /// The numbers, row after row; the same every time.
    fn data(&self) -> &[f32];
}

/// An exact index over rows in memory: core's own engine, no FAISS needed.
///
/// ```
/// use twindex_core::{FlatIndex, Metric, Rows, VectorIndex, kernel::scalar::Portable};
/// # fn main() -> twindex_core::Result<()> {
/// let mut index = FlatIndex::new(2, Metric::L2, std::sync::Arc::new(Portable))?;
/// index.append(Rows::new(&[0.0, 0.0, 3.0, 4.0], 2)?)?;
/// let nearest = index.search(&[3.0, 3.0], 1, None)?;
/// assert_eq!((nearest[0].position, nearest[0].score), (1, 1.0));
/// # Ok(())
/// # }
/// ```
pub struct FlatIndex {
    dim: usize,
    storage: Storage,
    stats: RowStats,
    kernel: Arc<dyn ScanKernel>,
}

impl fmt::Debug for FlatIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlatIndex")
            .field("dim", &self.dim)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl FlatIndex {
    /// An empty index.
    ///
    /// # Errors
    /// `empty_vector` if `dim` is 0.
    pub fn new(dim: usize, metric: Metric, kernel: Arc<dyn ScanKernel>) -> Result<Self> {
        if dim == 0 {
            return Err(Error::EmptyVector);
        }
        Ok(Self { dim, storage: Storage::Owned(Vec::new()), stats: RowStats::new(metric), kernel })
    }

    /// An index over rows held elsewhere; they are copied when the index is first changed.
    ///
    /// # Errors
    /// `empty_vector` or `ragged_rows` if the numbers do not divide into rows, `not_finite`, `zero_vector` (cosine).
    pub fn shared(
        data: Arc<dyn SharedRows>,
        dim: usize,
        metric: Metric,
        kernel: Arc<dyn ScanKernel>,
    ) -> Result<Self> {
        let rows = Rows::new(data.data(), dim)?;
        let mut stats = RowStats::new(metric);
        for row in rows.iter() {
            stats.push_checked(row)?;
        }
        Ok(Self { dim, storage: Storage::Shared(data), stats, kernel })
    }

    /// An index of rows read already, with their statistics.
    ///
    /// # Errors
    /// `empty_vector` or `ragged_rows` if the numbers do not divide into rows.
    pub fn from_rows(
        data: Vec<f32>,
        dim: usize,
        stats: RowStats,
        kernel: Arc<dyn ScanKernel>,
    ) -> Result<Self> {
        Rows::new(&data, dim)?;
        Ok(Self { dim, storage: Storage::Owned(data), stats, kernel })
    }

    fn all(&self) -> Rows<'_> {
        let data = match &self.storage {
            Storage::Owned(data) => data,
            Storage::Shared(shared) => shared.data(),
        };
        let Ok(rows) = Rows::new(data, self.dim) else { unreachable!("rows were checked when they came in") };
        rows
    }

    fn own(&mut self) -> Result<&mut Vec<f32>> {
        if let Storage::Shared(shared) = &self.storage {
            let mut owned = Vec::new();
            owned.try_reserve_exact(shared.data().len()).map_err(|_| no_memory(shared.data().len()))?;
            owned.extend_from_slice(shared.data());
            self.storage = Storage::Owned(owned);
        }
        match &mut self.storage {
            Storage::Owned(data) => Ok(data),
            Storage::Shared(_) => unreachable!("just replaced"),
        }
    }
}

fn no_memory(numbers: usize) -> Error {
    Error::OutOfMemory { what: "vectors", bytes: numbers as u64 * size_of::<f32>() as u64 }
}

impl VectorIndex for FlatIndex {
    fn metric(&self) -> Metric {
        self.stats.metric
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn len(&self) -> usize {
        self.all().len()
    }

    fn append(&mut self, rows: Rows<'_>) -> Result<()> {
        let more = rows.data().len();
        let data = self.own()?;
        // A first, large batch is held without slack; later ones grow as vectors do.
        let reserved = if data.is_empty() { data.try_reserve_exact(more) } else { data.try_reserve(more) };
        reserved.map_err(|_| no_memory(data.len() + more))?;
        data.extend_from_slice(rows.data());
        self.stats.append(rows);
        Ok(())
    }

    fn append_owned(&mut self, data: Vec<f32>) -> Result<()> {
        let rows = Rows::new(&data, self.dim)?;
        if !self.is_empty() {
            return self.append(rows);
        }
        self.stats.append(rows);
        self.storage = Storage::Owned(data);
        Ok(())
    }

    fn search(&self, query: &[f32], k: usize, among: Option<&Positions>) -> Result<Vec<Neighbor>> {
        Ok(self.stats.search(&*self.kernel, self.all(), query, k, among))
    }

    fn read(&self, position: usize, out: &mut [f32]) -> Result<()> {
        out.copy_from_slice(self.all().row(position));
        Ok(())
    }

    fn rows(&self) -> Option<Rows<'_>> {
        Some(self.all())
    }

    fn remove(&mut self, positions: &Positions) -> Result<()> {
        let dim = self.dim;
        remove_rows(self.own()?, dim, positions);
        self.stats.remove(positions);
        Ok(())
    }

    fn info(&self) -> IndexInfo {
        IndexInfo {
            engine: "flat",
            kind: "Flat".into(),
            simd: self.kernel.name().into(),
            trained: true,
            vector_bytes: size_of_val(self.all().data()) as u64,
            extra_bytes: self.stats.bytes(),
            parameters: Vec::new(),
        }
    }
}

/// The engine of [`FlatIndex`]: kind `Flat` only.
#[derive(Debug, Clone)]
pub struct FlatEngine {
    kernel: Arc<dyn ScanKernel>,
}

impl FlatEngine {
    /// An engine that scans with this kernel.
    #[must_use]
    pub fn new(kernel: Arc<dyn ScanKernel>) -> Self {
        Self { kernel }
    }

    /// The kernel it scans with.
    #[must_use]
    pub fn kernel(&self) -> Arc<dyn ScanKernel> {
        self.kernel.clone()
    }
}

impl Default for FlatEngine {
    fn default() -> Self {
        Self::new(Arc::new(Portable))
    }
}

impl Engine for FlatEngine {
    fn name(&self) -> &'static str {
        "flat"
    }

    fn create(&self, kind: &str, dim: usize, metric: Metric) -> Result<Box<dyn VectorIndex>> {
        only_flat(kind)?;
        Ok(Box::new(FlatIndex::new(dim, metric, self.kernel.clone())?))
    }

    fn adopt(&self, kind: &str, dim: usize, stats: RowStats, data: Vec<f32>) -> Result<Box<dyn VectorIndex>> {
        only_flat(kind)?;
        Ok(Box::new(FlatIndex::from_rows(data, dim, stats, self.kernel.clone())?))
    }

    fn open(&self, kind: &str, _: usize, _: Metric, _: &[u8]) -> Result<Box<dyn VectorIndex>> {
        Err(needs_faiss(kind))
    }
}

fn only_flat(kind: &str) -> Result<()> {
    if kind == "Flat" { Ok(()) } else { Err(needs_faiss(kind)) }
}

fn needs_faiss(kind: &str) -> Error {
    Error::UnsupportedContent { needs: format!("FAISS, for an index of kind {kind:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Generator;

    crate::testkit::index_suite!(FlatEngine::default());

    /// The portable kernel, which claims to be fast on codes.
    #[derive(Debug)]
    struct OnCodes;

    impl ScanKernel for OnCodes {
        fn name(&self) -> &'static str {
            "portable, on codes"
        }

        fn dot(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
            Portable.dot(query, rows, out);
        }

        fn l2_squared(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
            Portable.l2_squared(query, rows, out);
        }

        fn has_fast_i8(&self) -> bool {
            true
        }
    }

    mod on_codes {
        use super::*;

        crate::testkit::index_suite!(FlatEngine::new(Arc::new(OnCodes)));
    }

    #[test]
    fn codes_answer_where_rows_differ_and_give_way_where_they_do_not() {
        let (count, dim) = (4000, 64);
        let data = Generator::new(6).floats(count * dim);
        let alike = data[..dim].repeat(count);
        for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
            for (data, answered) in [(&data, true), (&alike, false)] {
                let rows = Rows::new(data, dim).unwrap();
                let codes = Codes::of(rows);
                let mut stats = RowStats::new(metric);
                stats.append(rows);
                let runs = || std::iter::once(0..count);
                let query = rows.row(9);
                let kept = stats.candidates_by_code(&OnCodes, &codes, query, 10, count, runs);
                assert_eq!(kept.is_some(), answered, "{metric}");
                assert!(kept.is_none_or(|kept| kept.len() < 200));
            }
        }
        assert!(Codes::pay(1024, 384) && !Codes::pay(1024, 1 << 16) && !Codes::pay(1023, 384));
    }

    #[test]
    fn codes_follow_what_is_added_and_taken_out() {
        let (count, dim) = (3000, 64);
        let data = Generator::new(5).floats(count * dim);
        let rows = Rows::new(&data, dim).unwrap();
        for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
            let mut index = FlatIndex::new(dim, metric, Arc::new(OnCodes)).unwrap();
            index.append(rows.slice(0..2000)).unwrap();
            let query = rows.row(2500);
            index.search(query, 5, None).unwrap();
            let before = index.info().extra_bytes;
            index.append(rows.slice(2000..count)).unwrap();
            assert!(index.info().extra_bytes > before, "codes are told");
            let gone = Positions::try_filter(count, |p| Ok::<_, ()>(p % 3 == 0)).unwrap();
            index.remove(&gone).unwrap();
            let mut fresh = FlatIndex::new(dim, metric, Arc::new(OnCodes)).unwrap();
            fresh.append(index.all()).unwrap();
            assert_eq!(index.search(query, 20, None).unwrap(), fresh.search(query, 20, None).unwrap());
            let expected = index.stats.rescore(index.all(), query, 20, 0..index.len());
            assert_eq!(index.search(query, 20, None).unwrap(), expected);
        }
    }
}
