//! What an import or export kept, changed and lost.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::faiss::FaissFile;
use crate::document::{Document, IdSource};
use crate::documents::Documents;
use crate::error::{Error, Result};
use crate::exact::RowStats;
use crate::index::Engine;
use crate::metric::Metric;
use crate::rows::Rows;
use crate::store::{Settings, Store};

/// What was found, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What it was, or is now: `LangChain folder (Python, pickle protocol 4)`.
    pub source: String,
    /// The index: FAISS's class and the factory string, `IndexIVFFlat (IVF16,Flat)`.
    pub index: String,
    /// How many documents.
    pub documents: usize,
    /// What changed its type on the way, and how often: `("datetime to string", 3)`.
    pub converted: Vec<(String, usize)>,
    /// What could not be kept, in words.
    pub lost: Vec<String>,
}

impl Report {
    /// A report of documents in an index, nothing changed or lost.
    #[must_use]
    pub fn new(source: impl Into<String>, index: impl Into<String>, documents: usize) -> Self {
        Self { source: source.into(), index: index.into(), documents, ..Self::default() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} documents, {}", self.source, self.documents, self.index)?;
        for (what, count) in &self.converted {
            write!(f, "\n  converted: {what} ({count})")?;
        }
        for what in &self.lost {
            write!(f, "\n  not kept: {what}")?;
        }
        Ok(())
    }
}

/// What files do not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ImportOptions {
    /// How vectors are compared, if not as the index file says. Plain rows can be compared in any way; other kinds were built for one.
    pub metric: Option<Metric>,
    /// Whether vectors and queries are scaled to unit length: LangChain's `normalize_L2`, which its files do not keep.
    pub normalize_l2: Option<bool>,
    /// Which of several indexes in a folder: LangChain's `index_name`.
    pub index_name: Option<String>,
}

impl ImportOptions {
    /// Takes everything from the files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how vectors are compared.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metric = Some(metric);
        self
    }

    /// Sets whether vectors and queries are scaled to unit length.
    #[must_use]
    pub fn normalize_l2(mut self, normalize_l2: bool) -> Self {
        self.normalize_l2 = Some(normalize_l2);
        self
    }

    /// Sets which of several indexes in a folder is meant.
    #[must_use]
    pub fn index_name(mut self, name: impl Into<String>) -> Self {
        self.index_name = Some(name.into());
        self
    }
}

/// A store that was read from somebody else's files.
#[derive(Debug)]
pub struct Imported {
    /// The store.
    pub store: Store,
    /// What was found.
    pub report: Report,
}

/// A store of plain rows that were a store's before: kept to the bit, not scaled again where the store scales what it is given. Documents without an
/// id get one.
///
/// # Errors
/// `length_mismatch`, `ragged_rows`, `not_finite`, `zero_vector`, `duplicate_ids_in_call`, `invalid_metadata`, and what the engine reports.
pub fn restore(
    mut settings: Settings,
    mut documents: Vec<Document>,
    vectors: Vec<f32>,
    engine: Arc<dyn Engine>,
    ids: &dyn IdSource,
) -> Result<Store> {
    let Some(dim) = settings.dim else {
        let (what, expected) = ("vectors", 0);
        return match documents.len() {
            0 => Store::new(settings, engine),
            actual => Err(Error::LengthMismatch { what, expected, actual }),
        };
    };
    let rows = Rows::new(&vectors, dim)?;
    if rows.len() != documents.len() {
        return Err(Error::LengthMismatch { what: "vectors", expected: documents.len(), actual: rows.len() });
    }
    let mut stats = RowStats::new(settings.metric);
    rows.iter().try_for_each(|row| stats.push_checked(row))?;
    Store::check_documents(&documents)?;
    documents.iter_mut().filter(|d| d.id.is_none()).for_each(|d| d.id = Some(ids.next_id()));
    let index = engine.adopt("Flat", dim, stats, vectors)?;
    settings.kind = "Flat".into();
    let mut kept = Documents::default();
    kept.extend(documents.into_iter().map(Arc::new));
    Store::from_parts(settings, engine, kept, Some(index))
}

/// A store of an index file and documents by position.
pub(super) fn assemble(
    mut file: FaissFile,
    documents: Vec<Document>,
    mut report: Report,
    options: &ImportOptions,
    engine: Arc<dyn Engine>,
) -> Result<Imported> {
    report.index = format!("{} ({})", file.class, file.kind);
    report.documents = documents.len();
    report.lost.append(&mut file.notes);
    if documents.len() != file.len() {
        let (documents, vectors) = (documents.len(), file.len());
        let reason = format!("one document for each of {vectors} vectors expected, got {documents}");
        return Err(Error::Corrupt { section: "documents", reason });
    }
    let settings = Settings {
        metric: file.metric,
        normalize_l2: options.normalize_l2.unwrap_or(file.normalize_l2),
        kind: file.kind.clone(),
        dim: Some(file.dim),
    };
    let index = file.into_index(&*engine)?;
    let mut kept = Documents::default();
    kept.extend(documents.into_iter().map(Arc::new));
    let store = Store::from_parts(settings, engine, kept, Some(index))?;
    Ok(Imported { store, report })
}
