//! The seam between the store and what holds its vectors.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::exact::RowStats;
use crate::kernel::ScanKernel;
use crate::metric::Metric;
use crate::rows::{Positions, Rows};
use crate::topk::Neighbor;

/// Vectors by position, searchable. Knows rows and positions, never ids or documents.
///
/// The store checks vectors (dimension, finite, not zero for cosine) before it calls; an implementation may rely on
/// that. A call that fails leaves the index as it was.
pub trait VectorIndex: Send + Sync + fmt::Debug {
    /// How vectors are compared.
    fn metric(&self) -> Metric;

    /// Numbers per vector.
    fn dim(&self) -> usize;

    /// How many vectors there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds rows at the end, training first if the kind needs it and has not been trained.
    ///
    /// # Errors
    /// What the engine reports, such as too few vectors to train.
    fn append(&mut self, rows: Rows<'_>) -> Result<()>;

    /// [`append`](Self::append) for rows that the index may keep as they are, in place of a copy. `data` divides into rows.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    fn append_owned(&mut self, data: Vec<f32>) -> Result<()> {
        self.append(Rows::new(&data, self.dim())?)
    }

    /// The nearest rows, best first, at most `k`, never padded; `among` restricts the answer to those positions.
    /// `k` is at least 1.
    ///
    /// # Errors
    /// What the engine reports.
    fn search(&self, query: &[f32], k: usize, among: Option<&Positions>) -> Result<Vec<Neighbor>>;

    /// [`search`](Self::search) for each of the queries; engines that are faster on many at once override it.
    ///
    /// # Errors
    /// What the engine reports.
    fn search_batch(
        &self,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
    ) -> Result<Vec<Vec<Neighbor>>> {
        queries.iter().map(|query| self.search(query, k, among)).collect()
    }

    /// [`search_batch`](Self::search_batch) that may miss a little: each of the best `k` is found with a probability of at least `recall`, above 0 and below
    /// 1, if errors are as good as random. Scores are those of [`search`](Self::search).
    ///
    /// # Errors
    /// `unsupported_by_index` for kinds that search approximately by parameters of their own; what the engine reports.
    #[cfg(feature = "approximate")]
    fn search_approximately(
        &self,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
        recall: f32,
    ) -> Result<Vec<Vec<Neighbor>>> {
        let _ = (queries, k, among, recall);
        Err(Error::UnsupportedByIndex {
            kind: self.info().kind,
            operation: "search to a recall target",
            reason: "only Flat can; parameters of its own (nprobe, efSearch) say how closely another kind searches".into(),
        })
    }

    /// Copies the vector at a position; a compressed kind gives its reconstruction.
    ///
    /// # Errors
    /// What the engine reports.
    ///
    /// # Panics
    /// If there is no such position or `out` is not `dim()` long.
    fn read(&self, position: usize, out: &mut [f32]) -> Result<()>;

    /// All vectors where they lie, if the index keeps them as plain rows.
    fn rows(&self) -> Option<Rows<'_>> {
        None
    }

    /// Takes rows out; survivors keep their order and close up.
    ///
    /// # Errors
    /// `unsupported_by_index` if the kind cannot.
    fn remove(&mut self, positions: &Positions) -> Result<()>;

    /// Fails with what [`remove`](Self::remove) would fail with, if the kind cannot remove.
    ///
    /// # Errors
    /// `unsupported_by_index`.
    fn check_can_remove(&self) -> Result<()> {
        Ok(())
    }

    /// The index in its engine's own file layout, for kinds that [`rows`](Self::rows) does not give whole.
    ///
    /// # Errors
    /// What the engine reports.
    fn to_engine_bytes(&self) -> Result<Vec<u8>> {
        Err(Error::UnsupportedByIndex {
            kind: self.info().kind,
            operation: "write its own file layout",
            reason: "it is plain rows".into(),
        })
    }

    /// Sets a search-time parameter by FAISS's name (`nprobe`, `efSearch`).
    ///
    /// # Errors
    /// `unsupported_by_index` if the kind has no such parameter.
    fn set_search_parameter(&mut self, name: &str, value: usize) -> Result<()> {
        let _ = value;
        Err(Error::UnsupportedByIndex {
            kind: self.info().kind,
            operation: "take this search parameter",
            reason: format!("it has no {name:?}"),
        })
    }

    /// What it is and what it runs on.
    fn info(&self) -> IndexInfo;
}

/// What an index is and what it runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexInfo {
    /// `flat` (core's own) or `faiss`.
    pub engine: &'static str,
    /// The factory string, `Flat` and so on.
    pub kind: String,
    /// The instruction set that single queries are scanned with.
    pub simd: String,
    /// Whether the kind is ready to take vectors.
    pub trained: bool,
    /// Bytes the vectors (or codes) take in memory, as far as the engine can tell.
    pub vector_bytes: u64,
    /// Bytes the index takes beyond them (norms, 8-bit codes, lists).
    pub extra_bytes: u64,
    /// Search-time parameters and their values.
    pub parameters: Vec<(String, usize)>,
}

/// Makes indexes; chosen once per store.
pub trait Engine: Send + Sync + fmt::Debug {
    /// `flat` or `faiss`.
    fn name(&self) -> &'static str;

    /// An empty index of a kind, named by FAISS's `index_factory` strings.
    ///
    /// # Errors
    /// `unsupported_content` or `index_failed` for a kind the engine does not have.
    fn create(&self, kind: &str, dim: usize, metric: Metric) -> Result<Box<dyn VectorIndex>>;

    /// An index of rows that were read, checked and measured already.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`VectorIndex::append`].
    fn adopt(&self, kind: &str, dim: usize, stats: RowStats, data: Vec<f32>) -> Result<Box<dyn VectorIndex>> {
        let mut index = self.create(kind, dim, stats.metric())?;
        index.append_owned(data)?;
        Ok(index)
    }

    /// The kernel to search an [`AnnIndex`](crate::AnnIndex) with, if this engine takes one as it is; else it opens its bytes.
    fn ann_kernel(&self) -> Option<Arc<dyn ScanKernel>> {
        None
    }

    /// What reads plain rows straight to where this engine keeps them, if that is not a `Vec`.
    fn row_reader(&self) -> Option<&dyn ReadRows> {
        None
    }

    /// An index from bytes that [`VectorIndex::to_engine_bytes`] wrote.
    ///
    /// # Errors
    /// `unsupported_content` if the engine cannot read them, `corrupt` if they are damaged.
    fn open(&self, kind: &str, dim: usize, metric: Metric, bytes: &[u8]) -> Result<Box<dyn VectorIndex>>;
}

/// Reads plain rows into memory that is not Rust's, and so saves a copy.
pub trait ReadRows {
    /// A flat index of `count` rows.
    ///
    /// # Errors
    /// What the source reports, and the engine.
    fn read_rows(
        &self,
        dim: usize,
        metric: Metric,
        count: usize,
        rows: &mut dyn RowSource,
    ) -> Result<Box<dyn VectorIndex>>;
}

/// Rows on their way from a file to an index.
pub trait RowSource {
    /// Fills in the next rows, as numbers of this machine. Called once for all rows, or for some of them at a time.
    ///
    /// # Errors
    /// What the file reports, `not_finite`, `zero_vector` (cosine).
    fn fill(&mut self, out: &mut [u8]) -> Result<()>;

    /// The statistics of the rows filled in.
    fn stats(&mut self) -> RowStats;
}
