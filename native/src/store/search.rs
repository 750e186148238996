//! Everything that asks a store: texts are embedded first, then one call into the core.

use std::sync::Arc;

use twindex_core::{
    Document, Hit, MmrOptions, RelevanceHits, Rows, SearchArgs, SearchOptions, SearchType, flatten,
};

use super::VectorStore;
use crate::error::Result;

impl VectorStore {
    /// The documents nearest to a text, best first.
    ///
    /// # Errors
    /// What the embedding model reports; as [`Store::search`](twindex_core::Store::search).
    pub async fn similarity_search(
        &self,
        query: &str,
        options: impl Into<SearchOptions>,
    ) -> Result<Vec<Arc<Document>>> {
        self.similarity_search_with_score(query, options).await.map(into_documents)
    }

    /// The documents nearest to a text, best first, with raw scores (see [`Metric`](twindex_core::Metric)).
    ///
    /// # Errors
    /// As [`similarity_search`](Self::similarity_search).
    pub async fn similarity_search_with_score(
        &self,
        query: &str,
        options: impl Into<SearchOptions>,
    ) -> Result<Vec<Hit>> {
        let options = options.into();
        let query = self.inner.embeddings.embed_query(query).await?;
        self.ask(move |store| store.search(&query, &options)).await
    }

    /// The documents nearest to a vector, best first.
    ///
    /// # Errors
    /// As [`Store::search`](twindex_core::Store::search).
    pub async fn similarity_search_by_vector(
        &self,
        embedding: &[f32],
        options: impl Into<SearchOptions>,
    ) -> Result<Vec<Arc<Document>>> {
        self.similarity_search_with_score_by_vector(embedding, options).await.map(into_documents)
    }

    /// The documents nearest to a vector, best first, with raw scores.
    ///
    /// # Errors
    /// As [`Store::search`](twindex_core::Store::search).
    pub async fn similarity_search_with_score_by_vector(
        &self,
        embedding: &[f32],
        options: impl Into<SearchOptions>,
    ) -> Result<Vec<Hit>> {
        let (query, options) = (embedding.to_vec(), options.into());
        self.ask(move |store| store.search(&query, &options)).await
    }

    /// The documents nearest to a text, best first, with relevances, usually 0 to 1. `score_threshold` is a least relevance.
    ///
    /// Warns through [`log`], target `twindex::relevance`, as LangChain does: `relevance_out_of_range`, `no_relevant_docs`.
    ///
    /// # Errors
    /// As [`similarity_search`](Self::similarity_search).
    pub async fn similarity_search_with_relevance_scores(
        &self,
        query: &str,
        options: impl Into<SearchOptions>,
    ) -> Result<Vec<Hit>> {
        let options = options.into();
        let query = self.inner.embeddings.embed_query(query).await?;
        self.ask(move |store| store.search_with_relevance(&query, &options)).await.map(warned)
    }

    /// The documents nearest to each of many texts, in one call, with raw scores.
    ///
    /// # Errors
    /// As [`similarity_search`](Self::similarity_search).
    pub async fn similarity_search_batch(
        &self,
        queries: &[String],
        options: impl Into<SearchOptions>,
    ) -> Result<Vec<Vec<Hit>>> {
        let options = options.into();
        let mut vectors = Vec::with_capacity(queries.len());
        for query in queries {
            // Models may treat queries differently from documents, so these cannot be embedded as a batch of documents.
            vectors.push(self.inner.embeddings.embed_query(query).await?);
        }
        self.search_vectors(vectors, options).await
    }

    /// The documents nearest to each of many vectors, in one call, with raw scores. Faster than one by one.
    ///
    /// # Errors
    /// As [`Store::search_batch`](twindex_core::Store::search_batch).
    pub async fn similarity_search_batch_by_vector(
        &self,
        embeddings: &[Vec<f32>],
        options: impl Into<SearchOptions>,
    ) -> Result<Vec<Vec<Hit>>> {
        self.search_vectors(embeddings.to_vec(), options.into()).await
    }

    async fn search_vectors(&self, vectors: Vec<Vec<f32>>, options: SearchOptions) -> Result<Vec<Vec<Hit>>> {
        self.ask(move |store| {
            let (data, dim) = flatten(&vectors, store.dim())?;
            store.search_batch(Rows::new(&data, dim)?, &options)
        })
        .await
    }

    /// Documents near to a text and unlike each other: maximal marginal relevance.
    ///
    /// # Errors
    /// What the embedding model reports; as [`Store::max_marginal_relevance_search`](twindex_core::Store::max_marginal_relevance_search).
    pub async fn max_marginal_relevance_search(
        &self,
        query: &str,
        options: impl Into<MmrOptions>,
    ) -> Result<Vec<Arc<Document>>> {
        self.max_marginal_relevance_search_with_score(query, options).await.map(into_documents)
    }

    /// [`max_marginal_relevance_search`](Self::max_marginal_relevance_search) with raw scores.
    ///
    /// # Errors
    /// As [`max_marginal_relevance_search`](Self::max_marginal_relevance_search).
    pub async fn max_marginal_relevance_search_with_score(
        &self,
        query: &str,
        options: impl Into<MmrOptions>,
    ) -> Result<Vec<Hit>> {
        let options = options.into();
        let query = self.inner.embeddings.embed_query(query).await?;
        self.ask(move |store| store.max_marginal_relevance_search(&query, &options)).await
    }

    /// Documents near to a vector and unlike each other.
    ///
    /// # Errors
    /// As [`Store::max_marginal_relevance_search`](twindex_core::Store::max_marginal_relevance_search).
    pub async fn max_marginal_relevance_search_by_vector(
        &self,
        embedding: &[f32],
        options: impl Into<MmrOptions>,
    ) -> Result<Vec<Arc<Document>>> {
        self.max_marginal_relevance_search_with_score_by_vector(embedding, options).await.map(into_documents)
    }

    /// Documents near to a vector and unlike each other, each with its own raw score.
    ///
    /// # Errors
    /// As [`Store::max_marginal_relevance_search`](twindex_core::Store::max_marginal_relevance_search).
    pub async fn max_marginal_relevance_search_with_score_by_vector(
        &self,
        embedding: &[f32],
        options: impl Into<MmrOptions>,
    ) -> Result<Vec<Hit>> {
        let (query, options) = (embedding.to_vec(), options.into());
        self.ask(move |store| store.max_marginal_relevance_search(&query, &options)).await
    }

    /// A search of the type asked for.
    ///
    /// # Errors
    /// As the search it makes.
    pub async fn search(
        &self,
        query: &str,
        search_type: SearchType,
        args: SearchArgs,
    ) -> Result<Vec<Arc<Document>>> {
        let query = self.inner.embeddings.embed_query(query).await?;
        let found = self.ask(move |store| store.search_by_type(&query, search_type, args)).await?;
        Ok(into_documents(warned(found)))
    }
}

fn into_documents(hits: Vec<Hit>) -> Vec<Arc<Document>> {
    hits.into_iter().map(|hit| hit.document).collect()
}

/// Says what the caller should know, and gives the hits.
fn warned(found: RelevanceHits) -> Vec<Hit> {
    for warning in &found.warnings {
        log::warn!(target: "twindex::relevance", "{}: {warning}", warning.code());
    }
    found.hits
}
