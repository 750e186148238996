//! A store seen as something that finds documents for a question.

use std::sync::Arc;

use twindex_core::{Document, SearchArgs, SearchType};

use crate::error::Result;
use crate::store::VectorStore;

/// How a [`Retriever`] searches: LangChain's `search_type` and `search_kwargs`.
#[derive(Debug, Clone, Default)]
pub struct RetrieverOptions {
    /// Kind of search; similarity unless told.
    pub search_type: SearchType,
    /// Arguments of every search.
    pub search_kwargs: SearchArgs,
}

/// Finds documents for a question.
#[derive(Debug, Clone)]
pub struct Retriever {
    store: VectorStore,
    options: RetrieverOptions,
}

impl Retriever {
    pub(crate) fn new(store: VectorStore, options: RetrieverOptions) -> Result<Self> {
        if options.search_type == SearchType::SimilarityScoreThreshold
            && options.search_kwargs.score_threshold.is_none()
        {
            return Err(twindex_core::Error::ScoreThresholdRequired.into());
        }
        Ok(Self { store, options })
    }

    /// The documents for a question.
    ///
    /// # Errors
    /// As [`VectorStore::search`].
    pub async fn invoke(&self, query: &str) -> Result<Vec<Arc<Document>>> {
        self.invoke_with(query, SearchArgs::default()).await
    }

    /// The documents for a question, with arguments that take the place of the retriever's own, one by one.
    ///
    /// # Errors
    /// As [`VectorStore::search`].
    pub async fn invoke_with(&self, query: &str, args: SearchArgs) -> Result<Vec<Arc<Document>>> {
        let args = self.options.search_kwargs.clone().overridden_by(args);
        self.store.search(query, self.options.search_type, args).await
    }

    /// Adds documents to the store behind it. See [`VectorStore::add_documents`].
    ///
    /// # Errors
    /// As [`VectorStore::add_documents`].
    pub async fn add_documents(&self, documents: Vec<Document>) -> Result<Vec<String>> {
        self.store.add_documents(documents, None).await
    }
}
