//! Documents and where their ids come from.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::value::Metadata;

/// A text, what is known about it, and the id it is stored under.
///
/// As LangChain's `Document`: `page_content` and `metadata` always, `id` optional until it is stored.
///
/// ```
/// use twindex_core::Document;
/// let doc = Document::new("to walk about without a destination").with_id("v1").with("pos", "verb");
/// assert_eq!(doc.metadata.get("pos").and_then(|v| v.as_str()), Some("verb"));
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Document {
    /// The id; a store gives one to a document that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The text.
    pub page_content: String,
    /// Any JSON map.
    #[serde(default)]
    pub metadata: Metadata,
}

impl Document {
    /// A document with text only.
    #[must_use]
    pub fn new(page_content: impl Into<String>) -> Self {
        Self { id: None, page_content: page_content.into(), metadata: Metadata::new() }
    }

    /// The same with an id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The same with one more metadata entry.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<crate::Value>) -> Self {
        self.metadata.insert(key, value);
        self
    }

    /// The same with this metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }
}

impl AsRef<Document> for Document {
    fn as_ref(&self) -> &Document {
        self
    }
}

/// Forgets the ids of documents if all of them are empty, so that new ones are made: LangChain's rule for documents that are added
/// without a list of ids of their own. An empty id among others is an id.
pub fn forget_empty_ids(documents: &mut [Document]) {
    if documents.iter().all(|document| document.id.as_deref().is_none_or(str::is_empty)) {
        documents.iter_mut().for_each(|document| document.id = None);
    }
}

/// Documents of texts; metadata and ids, where given, are one for each text.
///
/// # Errors
/// `length_mismatch`.
pub fn documents_of_texts(
    texts: Vec<String>,
    metadatas: Option<Vec<Metadata>>,
    ids: Option<Vec<Option<String>>>,
) -> Result<Vec<Document>> {
    let mut documents: Vec<Document> = texts.into_iter().map(Document::new).collect();
    if let Some(metadatas) = metadatas {
        check_count("metadatas", documents.len(), metadatas.len())?;
        for (document, metadata) in documents.iter_mut().zip(metadatas) {
            document.metadata = metadata;
        }
    }
    set_ids(&mut documents, ids)?;
    Ok(documents)
}

/// Gives documents the ids of a list, where there is one; `None` in it stands for a new id. As in LangChain, an empty list means new ids for all, and
/// without a list the documents' own ids count (see [`forget_empty_ids`]).
///
/// # Errors
/// `length_mismatch`.
pub fn set_ids(documents: &mut [Document], ids: Option<Vec<Option<String>>>) -> Result<()> {
    match ids {
        None => forget_empty_ids(documents),
        Some(ids) if ids.is_empty() => documents.iter_mut().for_each(|document| document.id = None),
        Some(ids) => {
            check_count("ids", documents.len(), ids.len())?;
            documents.iter_mut().zip(ids).for_each(|(document, id)| document.id = id);
        }
    }
    Ok(())
}

fn check_count(what: &'static str, expected: usize, actual: usize) -> Result<()> {
    if expected == actual { Ok(()) } else { Err(Error::LengthMismatch { what, expected, actual }) }
}

/// Makes ids for documents that have none.
///
/// Injected, so that this crate needs no source of randomness: the shells give version 4 uuids, as
/// LangChain does.
pub trait IdSource: Send + Sync {
    /// A new id, unlike any it gave before.
    fn next_id(&self) -> String;
}

impl<F: Fn() -> String + Send + Sync> IdSource for F {
    fn next_id(&self) -> String {
        self()
    }
}
