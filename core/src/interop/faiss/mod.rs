//! FAISS index files, read and written without FAISS.
//!
//! | file | becomes |
//! | --- | --- |
//! | `IndexFlat` (L2, inner product) | plain rows |
//! | `IndexScalarQuantizer`, `IndexPQ` | the codes, decoded as FAISS reconstructs them |
//! | `IndexIVFFlat`, `IndexIVFScalarQuantizer`, `IndexIVFPQ` | lists, searched at the stored `nprobe` |
//! | `IndexHNSWFlat`, `IndexHNSWSQ`, `IndexHNSWPQ` | the graph, searched at the stored `efSearch` |
//! | `IndexRefine`, `IndexRefineFlat` | both indexes |
//! | `IndexIDMap`, `IndexIDMap2` around one of these | the same with [`ids`](FaissFile::ids) |
//! | `IndexPreTransform` with L2 normalisation around one of these | the same with [`normalize_l2`](FaissFile::normalize_l2) |
//!
//! Others (binary indexes, LSH, other metrics and transforms) are refused by name, with `unsupported_content`. Counts are checked against the bytes there are
//! before anything is allocated, and every number that a search relies on is checked here.

use crate::ann::{AnnIndex, Body, Codec, Coded, Codes};
use crate::bytes::Source;
use crate::error::{Error, Result};
use crate::exact::RowStats;
use crate::index::{Engine, VectorIndex};
use crate::metric::Metric;

mod read;
mod write;

pub(crate) use write::ann as write_ann;
pub use write::write;

/// What an index file holds.
#[derive(Debug)]
#[non_exhaustive]
pub struct FaissFile {
    /// FAISS's name of the outermost class, such as `IndexIVFFlat`.
    pub class: &'static str,
    /// The factory string of what is inside id maps and transforms: `Flat`, `IVF16,SQ8`, `HNSW32`.
    pub kind: String,
    /// [`Metric::L2`] or [`Metric::InnerProduct`].
    pub metric: Metric,
    /// Numbers per vector.
    pub dim: usize,
    /// Whether vectors and queries are scaled to unit length first.
    pub normalize_l2: bool,
    /// FAISS's id of each position, where they are not 0, 1, 2, ...
    pub ids: Option<Vec<i64>>,
    /// What the file has and this does not keep, in words.
    pub notes: Vec<String>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Flat {
        data: Vec<f32>,
        stats: RowStats,
    },
    /// Plain rows that an engine has taken already.
    Index(Box<dyn VectorIndex>),
    Ann {
        body: Body,
        trained: bool,
    },
}

/// Reads an index file, copied once, straight to where it stays.
///
/// # Errors
/// `unsupported_content` naming the kind if the store has no such index, `truncated`, `corrupt` naming the place, `not_finite` if a
/// vector is not, `out_of_memory`, and what the source reports.
///
/// ```
/// # fn main() -> twindex_core::Result<()> {
/// use twindex_core::interop::faiss;
/// use twindex_core::{Engine, FlatEngine, Metric, Rows};
/// let mut index = FlatEngine::default().create("Flat", 2, Metric::L2)?;
/// index.append(Rows::new(&[0.0, 1.0, 1.0, 0.0], 2)?)?;
/// let bytes = faiss::write(&*index, Some(&[7, -3]))?;
/// let file = faiss::read(&bytes[..])?;
/// assert_eq!((file.class, &*file.kind, file.len()), ("IndexIDMap2", "Flat", 2));
/// assert_eq!(file.ids.as_deref(), Some(&[7, -3][..]));
/// # Ok(())
/// # }
/// ```
pub fn read(mut source: impl Source) -> Result<FaissFile> {
    read::file(&mut source, None)
}

/// [`read`] for an engine, which takes plain rows as they are read, to be compared by `metric` if one is given.
///
/// # Errors
/// As [`read`], and what the engine reports.
pub fn read_for(mut source: impl Source, engine: &dyn Engine, metric: Option<Metric>) -> Result<FaissFile> {
    let file = read::file(&mut source, engine.row_reader().map(|reader| (reader, metric)))?;
    match metric {
        Some(metric) => file.with_metric(metric),
        None => Ok(file),
    }
}

impl FaissFile {
    /// How many vectors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Flat { data, .. } => data.len() / self.dim,
            Content::Index(index) => index.len(),
            Content::Ann { body, .. } => body.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has the vectors compared in another way. Plain rows can be in any; other kinds were built for one, but inner products of vectors
    /// of unit length are cosines.
    ///
    /// # Errors
    /// `setting_mismatch` if the kind was built for another metric, `zero_vector` for cosine.
    pub fn with_metric(mut self, metric: Metric) -> Result<Self> {
        match &mut self.content {
            Content::Flat { data, stats } => {
                let mut measured = RowStats::new(metric);
                data.chunks_exact(self.dim).try_for_each(|row| measured.push_checked(row))?;
                *stats = measured;
            }
            Content::Index(index) if index.metric() == metric => {}
            Content::Ann { .. } | Content::Index(_) if faiss_metric(metric) != faiss_metric(self.metric) => {
                return Err(Error::SettingMismatch {
                    setting: "distance_strategy",
                    stored: self.metric.to_string(),
                    given: metric.to_string(),
                });
            }
            Content::Ann { .. } => {}
            Content::Index(_) => unreachable!("made for the metric that was asked for"),
        }
        self.metric = metric;
        Ok(self)
    }

    /// An index of this engine. Plain rows are not copied where the engine takes them as they are.
    ///
    /// # Errors
    /// What the engine reports.
    pub fn into_index(self, engine: &dyn Engine) -> Result<Box<dyn VectorIndex>> {
        match self.content {
            Content::Flat { data, stats } => engine.adopt("Flat", self.dim, stats, data),
            Content::Index(index) => Ok(index),
            Content::Ann { body, trained } => {
                let index = AnnIndex::new(self.kind, self.metric, trained, body);
                match engine.ann_kernel() {
                    Some(kernel) => Ok(Box::new(index.with_kernel(kernel))),
                    None => engine.open(&index.info().kind, self.dim, self.metric, &index.to_engine_bytes()?),
                }
            }
        }
    }

    /// An index of what a store says it holds.
    pub(crate) fn into_ann(self, kind: &str, dim: usize, metric: Metric) -> Result<AnnIndex> {
        if self.dim != dim || self.metric != faiss_metric(metric) {
            let reason =
                format!("a {metric} index of dimension {dim} expected, got {} and {}", self.metric, self.dim);
            return Err(Error::Corrupt { section: "faiss", reason });
        }
        if self.ids.is_some() || self.normalize_l2 {
            let reason = "positions in place of ids, and no transform expected".into();
            return Err(Error::Corrupt { section: "faiss", reason });
        }
        let (body, trained) = match self.content {
            Content::Ann { body, trained } => (body, trained),
            Content::Index(_) => unreachable!("read without an engine"),
            Content::Flat { data, .. } => {
                (Body::Coded(Coded { codec: Codec::Float(dim), codes: Codes::Floats(data) }), true)
            }
        };
        Ok(AnnIndex::new(kind.to_owned(), metric, trained, body))
    }
}

/// The metric by which FAISS knows a store's.
fn faiss_metric(metric: Metric) -> Metric {
    if metric == Metric::L2 { Metric::L2 } else { Metric::InnerProduct }
}
