//! [`FlatIndex`], the exact index that owns its rows.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::exact::RowStats;
use crate::index::{Engine, IndexInfo, VectorIndex};
use crate::kernel::{ScanKernel, scalar::Portable};
use crate::metric::Metric;
use crate::rows::{Positions, Rows, remove_rows};
use crate::topk::Neighbor;

/// Where a [`FlatIndex`] has its rows.
#[derive(Debug)]
enum Storage {
    Owned(Vec<f32>),
    Shared(Arc<dyn SharedRows>),
}

impl Storage {
    fn rows(&self, dim: usize) -> Rows<'_> {
        let data = match self {
            Storage::Owned(data) => data,
            Storage::Shared(shared) => shared.data(),
        };
        let Ok(rows) = Rows::new(data, dim) else { unreachable!("rows were checked when they came in") };
        rows
    }
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
        self.storage.rows(self.dim)
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
        self.stats.metric()
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
        self.stats.append(&*self.kernel, rows);
        Ok(())
    }

    fn append_owned(&mut self, data: Vec<f32>) -> Result<()> {
        let rows = Rows::new(&data, self.dim)?;
        if !self.is_empty() {
            return self.append(rows);
        }
        self.stats.append(&*self.kernel, rows);
        self.storage = Storage::Owned(data);
        Ok(())
    }

    fn search(&self, query: &[f32], k: usize, among: Option<&Positions>) -> Result<Vec<Neighbor>> {
        Ok(self.stats.search(&*self.kernel, self.all(), query, k, among))
    }

    fn search_batch(
        &self,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
    ) -> Result<Vec<Vec<Neighbor>>> {
        Ok(self.stats.search_batch(&*self.kernel, self.all(), queries, k, among))
    }

    #[cfg(feature = "approximate")]
    fn search_approximately(
        &self,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
        recall: f32,
    ) -> Result<Vec<Vec<Neighbor>>> {
        Ok(self.stats.search_approximately(&*self.kernel, self.all(), queries, k, among, recall))
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
        self.stats.remove(positions, self.storage.rows(dim));
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
    use crate::testkit::{Generator, OnCodes};

    crate::testkit::index_suite!(FlatEngine::default());

    mod on_codes {
        use super::*;

        crate::testkit::index_suite!(FlatEngine::new(Arc::new(OnCodes::default())));
    }

    mod on_small_codes_in_parts {
        use super::*;

        crate::testkit::index_suite!(FlatEngine::new(Arc::new(OnCodes {
            most_query_code: 63,
            threads: 3,
            halves: true
        })));
    }

    #[test]
    fn codes_follow_what_is_added_and_taken_out() {
        let (count, dim) = (3000, 64);
        let data = Generator::new(5).floats(count * dim);
        let rows = Rows::new(&data, dim).unwrap();
        for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
            let mut index = FlatIndex::new(dim, metric, Arc::new(OnCodes::default())).unwrap();
            index.append(rows.slice(0..2000)).unwrap();
            let query = rows.row(2500);
            index.search(query, 5, None).unwrap();
            let before = index.info().extra_bytes;
            index.append(rows.slice(2000..count)).unwrap();
            assert!(index.info().extra_bytes > before, "codes are told");
            let gone = Positions::try_filter(count, |p| Ok::<_, ()>(p % 3 == 0)).unwrap();
            index.remove(&gone).unwrap();
            let mut fresh = FlatIndex::new(dim, metric, Arc::new(OnCodes::default())).unwrap();
            fresh.append(index.all()).unwrap();
            assert_eq!(index.search(query, 20, None).unwrap(), fresh.search(query, 20, None).unwrap());
            let expected = index.stats.rescore(index.all(), query, 20, 0..index.len());
            assert_eq!(index.search(query, 20, None).unwrap(), expected);
        }
    }
}
