//! The store: documents, their ids and their vectors, kept together.
//!
//! Row `p` of the index, document `p` and the id that points to `p` belong together. Every change checks everything first and then
//! changes everything, or fails and changes nothing.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::bytes::VectorEncoding;
use crate::document::Document;
use crate::documents::Documents;
use crate::error::{Error, Result};
use crate::index::{Engine, IndexInfo, VectorIndex};
use crate::metric::Metric;
use crate::options::DeleteOptions;

mod change;
mod ids;
mod search;
mod settings;

use ids::IdMap;
pub use search::{Hit, RelevanceHits, SearchArgs, SearchType, Warning};
pub use settings::{PartialSettings, Settings};

/// How many documents a store can hold.
pub const MAX_DOCUMENTS: usize = u32::MAX as usize;

/// Turns a raw score into a relevance.
pub type RelevanceScoreFn = Arc<dyn Fn(f32) -> f32 + Send + Sync>;

/// Documents with vectors, searchable: LangChain's FAISS store without the embedding of text, which the shells
/// around this crate do.
///
/// ```
/// use std::sync::Arc;
/// use twindex_core::{Document, FlatEngine, Rows, SearchOptions, Settings, Store};
///
/// # fn main() -> twindex_core::Result<()> {
/// let mut store = Store::new(Settings::default(), Arc::new(FlatEngine::default()))?;
/// let docs = vec![Document::new("north").with_id("n"), Document::new("east").with_id("e")];
/// store.add(docs, Rows::new(&[0.0, 1.0, 1.0, 0.0], 2)?, &|| unreachable!("every document has an id"))?;
/// let hits = store.search(&[0.1, 0.9], &SearchOptions::from(1))?;
/// assert_eq!(hits[0].document.page_content, "north");
/// # Ok(())
/// # }
/// ```
pub struct Store {
    settings: Settings,
    engine: Arc<dyn Engine>,
    index: Option<Box<dyn VectorIndex>>,
    documents: Documents,
    ids: IdMap,
    relevance: Option<RelevanceScoreFn>,
    encoding: VectorEncoding,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("settings", &self.settings)
            .field("engine", &self.engine)
            .field("documents", &self.documents.len())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// An empty store.
    ///
    /// # Errors
    /// `empty_vector` for a dimension of 0; what the engine reports for a kind of index it does not have, if
    /// the dimension is given (else when the first vectors come).
    pub fn new(settings: Settings, engine: Arc<dyn Engine>) -> Result<Self> {
        let index = match settings.dim {
            Some(dim) => Some(engine.create(&settings.kind, dim, settings.metric)?),
            None => None,
        };
        Ok(Self {
            settings,
            engine,
            index,
            documents: Documents::default(),
            ids: IdMap::default(),
            relevance: None,
            encoding: VectorEncoding::F32,
        })
    }

    /// A store of parts that belong together: row `p` of the index to document `p`. For those who read files.
    ///
    /// # Errors
    /// `corrupt` if the parts do not fit: counts, dimension or metric differ, an id comes twice.
    pub fn from_parts(
        settings: Settings,
        engine: Arc<dyn Engine>,
        documents: Documents,
        index: Option<Box<dyn VectorIndex>>,
    ) -> Result<Self> {
        let corrupt = |reason: String| Err(Error::Corrupt { section: "settings", reason });
        let rows = index.as_ref().map_or(0, |index| index.len());
        if rows != documents.len() {
            return corrupt(format!(
                "{} documents expected, one for each vector, got {}",
                rows,
                documents.len()
            ));
        }
        if let Some(index) = &index
            && (Some(index.dim()) != settings.dim || index.metric() != settings.metric)
        {
            return corrupt(format!(
                "dimension {:?} and metric {} expected, the index has {} and {}",
                settings.dim,
                settings.metric,
                index.dim(),
                index.metric()
            ));
        }
        let Some(ids) = IdMap::of(&documents) else {
            return Err(Error::Corrupt { section: "documents", reason: "an id comes twice".into() });
        };
        Ok(Self { settings, engine, index, documents, ids, relevance: None, encoding: VectorEncoding::F32 })
    }

    /// What the store is; `dim` is filled in once it is known.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The engine that makes its indexes.
    #[must_use]
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// How vectors are compared.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.settings.metric
    }

    /// Numbers per vector, once known.
    #[must_use]
    pub fn dim(&self) -> Option<usize> {
        self.settings.dim
    }

    /// How many documents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// The index, once there is one.
    #[must_use]
    pub fn index(&self) -> Option<&dyn VectorIndex> {
        self.index.as_deref()
    }

    /// The docstore: all documents, by position.
    #[must_use]
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// The document stored under an id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Document>> {
        self.position(id).map(|position| self.documents.at(position))
    }

    /// The position of an id. Positions move when documents before it are deleted.
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.ids.find(id, &self.documents)
    }

    /// The documents of these ids, in the order asked; unknown ids are passed over, repeated ones come again.
    pub fn get_by_ids<S: AsRef<str>>(&self, ids: &[S]) -> Vec<Arc<Document>> {
        ids.iter().filter_map(|id| self.get(id.as_ref()).cloned()).collect()
    }

    /// LangChain's map from position to id.
    pub fn index_to_docstore_id(&self) -> impl ExactSizeIterator<Item = (usize, &str)> {
        self.documents.ids().enumerate()
    }

    /// The vector of an id, as it is stored.
    ///
    /// # Errors
    /// `unknown_id`, or what the engine reports.
    pub fn vector(&self, id: &str) -> Result<Vec<f32>> {
        let (Some(position), Some(index)) = (self.position(id), &self.index) else {
            return Err(Error::UnknownId { ids: vec![id.to_owned()] });
        };
        let mut vector = vec![0.0; index.dim()];
        index.read(position, &mut vector)?;
        Ok(vector)
    }

    /// All vectors by position, row after row.
    ///
    /// # Errors
    /// What the engine reports.
    pub fn vectors(&self) -> Result<Vec<f32>> {
        let Some(index) = &self.index else { return Ok(Vec::new()) };
        if let Some(rows) = index.rows() {
            return Ok(rows.data().to_vec());
        }
        let mut data = vec![0.0; index.dim() * index.len()];
        for (position, row) in data.chunks_exact_mut(index.dim()).enumerate() {
            index.read(position, row)?;
        }
        Ok(data)
    }

    /// Sets the function that turns raw scores into relevances, or `None` for the metric's own. It is not saved.
    pub fn set_relevance_score_fn(&mut self, relevance: Option<RelevanceScoreFn>) {
        self.relevance = relevance;
    }

    /// How vectors stand in what the store is saved to unless told otherwise: as in the file it was opened from, f32 for a store that was made.
    #[must_use]
    pub fn vector_encoding(&self) -> VectorEncoding {
        self.encoding
    }

    /// Sets how vectors stand in what the store is saved to from now on. The vectors in memory stay as they are.
    pub fn set_vector_encoding(&mut self, encoding: VectorEncoding) {
        self.encoding = encoding;
    }

    /// Sets a search-time parameter of the index by FAISS's name (`nprobe`, `efSearch`). Saved with the index.
    ///
    /// # Errors
    /// `unsupported_by_index` if the kind has no such parameter, or there is no index yet.
    pub fn set_search_parameter(&mut self, name: &str, value: usize) -> Result<()> {
        match &mut self.index {
            Some(index) => index.set_search_parameter(name, value),
            None => Err(Error::UnsupportedByIndex {
                kind: self.settings.kind.clone(),
                operation: "take search parameters",
                reason: "the store is empty and has no dimension yet".into(),
            }),
        }
    }

    /// What the store is and what it takes in memory.
    #[must_use]
    pub fn info(&self) -> StoreInfo {
        StoreInfo {
            count: self.len(),
            dim: self.dim(),
            metric: self.metric().name(),
            normalize_l2: self.settings.normalize_l2,
            kind: self.settings.kind.clone(),
            vector_encoding: self.encoding,
            engine: self.engine.name(),
            index: self.index.as_ref().map(|index| index.info()),
            document_bytes: self.documents.own_bytes() + self.ids.bytes(),
            encoded_bytes: self.documents.encoded_bytes(),
            metadata_index_bytes: self.documents.metadata_index_bytes(),
        }
    }
}

/// What a store is and what it takes in memory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoreInfo {
    /// How many documents.
    pub count: usize,
    /// Numbers per vector, once known.
    pub dim: Option<usize>,
    /// LangChain's name of the metric.
    pub metric: &'static str,
    /// Whether vectors and queries are scaled to unit length.
    pub normalize_l2: bool,
    /// Kind of index.
    pub kind: String,
    /// How vectors stand in the file it was opened from, and in what it is saved to unless told otherwise.
    pub vector_encoding: VectorEncoding,
    /// `flat` or `faiss`.
    pub engine: &'static str,
    /// What the index says of itself, once there is one.
    pub index: Option<IndexInfo>,
    /// Bytes the store itself takes for documents, beyond text and metadata: records, ids, the map of ids.
    pub document_bytes: u64,
    /// Bytes of the documents section it was opened from and still decodes documents from, texts and metadata included.
    pub encoded_bytes: u64,
    /// Bytes of the index of those metadata fields that filters named since the store was opened; 0 without feature `metadata-index`.
    pub metadata_index_bytes: u64,
}
