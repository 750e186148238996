//! Everything that asks a store.

use std::borrow::Cow;
use std::str::FromStr;

use super::*;
use crate::filter::Filter;
use crate::metric::{norm, normalize_l2};
use crate::mmr::maximal_marginal_relevance;
use crate::options::{MmrOptions, SearchOptions};
use crate::rows::{Positions, Rows};
use crate::topk::Neighbor;

/// A document found, with its score: raw (see [`Metric`]), or a relevance where a search says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The document, shared with the store.
    pub document: Arc<Document>,
    /// Its score.
    pub score: f32,
}

/// Hits scored by relevance, and what LangChain would warn about.
#[derive(Debug, Clone, PartialEq)]
pub struct RelevanceHits {
    /// The hits; `score` is the relevance, usually 0 to 1, higher is better.
    pub hits: Vec<Hit>,
    /// What the caller should know about them.
    pub warnings: Vec<Warning>,
}

/// What LangChain warns about in a search by relevance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// A relevance lies outside 0 to 1. Nothing is clipped.
    RelevanceOutOfRange {
        /// The relevances of all hits, before any threshold.
        relevances: Vec<f32>,
    },
    /// The threshold left nothing.
    NoRelevantDocs {
        /// The threshold.
        score_threshold: f32,
    },
}

impl Warning {
    /// A stable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Warning::RelevanceOutOfRange { .. } => "relevance_out_of_range",
            Warning::NoRelevantDocs { .. } => "no_relevant_docs",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::RelevanceOutOfRange { relevances } => {
                write!(f, "relevance scores should be between 0 and 1, got {relevances:?}")
            }
            Warning::NoRelevantDocs { score_threshold } => {
                write!(f, "no document reaches the relevance score threshold {score_threshold}")
            }
        }
    }
}

/// How a retriever searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchType {
    /// The nearest documents.
    #[default]
    Similarity,
    /// The nearest documents whose relevance reaches a threshold.
    SimilarityScoreThreshold,
    /// Maximal marginal relevance.
    Mmr,
}

impl FromStr for SearchType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "similarity" => Ok(SearchType::Similarity),
            "similarity_score_threshold" => Ok(SearchType::SimilarityScoreThreshold),
            "mmr" => Ok(SearchType::Mmr),
            _ => Err(Error::InvalidSearchType { name: name.to_owned() }),
        }
    }
}

/// LangChain's `search_kwargs`: what is not given takes the default of the search type.
#[derive(Debug, Clone, Default)]
pub struct SearchArgs {
    /// How many documents at most.
    pub k: Option<usize>,
    /// Candidates of MMR.
    pub fetch_k: Option<usize>,
    /// Balance of MMR.
    pub lambda_mult: Option<f32>,
    /// Raw score, or relevance for [`SearchType::SimilarityScoreThreshold`], that documents must reach.
    pub score_threshold: Option<f32>,
    /// Which documents may come back.
    pub filter: Option<Filter>,
    /// With what probability each of the best is found: see [`SearchOptions::recall`]. MMR chooses from the best, and does not take it.
    #[cfg(feature = "approximate")]
    pub recall: Option<f32>,
}

impl SearchArgs {
    /// These arguments, with those of `other` that are given in their place.
    #[must_use]
    pub fn overridden_by(self, other: SearchArgs) -> Self {
        Self {
            k: other.k.or(self.k),
            fetch_k: other.fetch_k.or(self.fetch_k),
            lambda_mult: other.lambda_mult.or(self.lambda_mult),
            score_threshold: other.score_threshold.or(self.score_threshold),
            filter: other.filter.or(self.filter),
            #[cfg(feature = "approximate")]
            recall: other.recall.or(self.recall),
        }
    }

    /// The options of a similarity search.
    #[must_use]
    pub fn search_options(self) -> SearchOptions {
        let default = SearchOptions::default();
        SearchOptions {
            k: self.k.unwrap_or(default.k),
            filter: self.filter,
            fetch_k: self.fetch_k.unwrap_or(default.fetch_k),
            score_threshold: self.score_threshold,
            #[cfg(feature = "approximate")]
            recall: self.recall,
        }
    }

    /// The options of a search by maximal marginal relevance.
    #[must_use]
    pub fn mmr_options(self) -> MmrOptions {
        let default = MmrOptions::default();
        MmrOptions {
            k: self.k.unwrap_or(default.k),
            fetch_k: self.fetch_k.unwrap_or(default.fetch_k),
            lambda_mult: self.lambda_mult.unwrap_or(default.lambda_mult),
            filter: self.filter,
            score_threshold: self.score_threshold,
        }
    }
}

impl Store {
    /// The documents nearest to a vector, best first, with raw scores. Equal scores: earlier position first.
    ///
    /// # Errors
    /// `k_not_positive`, `dimension_mismatch`, `not_finite`, `zero_vector` (cosine), `callable_filter_raised`, or what the index reports.
    pub fn search(&self, query: &[f32], options: &SearchOptions) -> Result<Vec<Hit>> {
        options.check()?;
        let query = self.prepare_query(query, 0)?;
        let Some(index) = self.index_with_rows() else { return Ok(Vec::new()) };
        let among = self.among(options.filter.as_ref())?;
        #[cfg(feature = "approximate")]
        if let Some(recall) = options.recall_target() {
            let queries = Rows::new(&query, index.dim())?;
            let mut found = index.search_approximately(queries, options.k, among.as_ref(), recall)?;
            return Ok(self.hits(found.pop().unwrap_or_default(), options.score_threshold));
        }
        let neighbors = index.search(&query, options.k, among.as_ref())?;
        Ok(self.hits(neighbors, options.score_threshold))
    }

    /// [`search`](Self::search) for many queries in one call, which is faster than one by one.
    ///
    /// # Errors
    /// As [`search`](Self::search); the `row` of an error says which query.
    pub fn search_batch(&self, queries: Rows<'_>, options: &SearchOptions) -> Result<Vec<Vec<Hit>>> {
        options.check()?;
        let mut prepared = Vec::new();
        for (row, query) in queries.iter().enumerate() {
            if let Cow::Owned(scaled) = self.prepare_query(query, row)? {
                prepared.extend_from_slice(&scaled);
            }
        }
        let queries = if prepared.is_empty() { queries } else { Rows::new(&prepared, queries.dim())? };
        let Some(index) = self.index_with_rows() else { return Ok(vec![Vec::new(); queries.len()]) };
        let among = self.among(options.filter.as_ref())?;
        #[cfg(feature = "approximate")]
        let found = match options.recall_target() {
            Some(recall) => index.search_approximately(queries, options.k, among.as_ref(), recall),
            None => index.search_batch(queries, options.k, among.as_ref()),
        }?;
        #[cfg(not(feature = "approximate"))]
        let found = index.search_batch(queries, options.k, among.as_ref())?;
        Ok(found.into_iter().map(|neighbors| self.hits(neighbors, options.score_threshold)).collect())
    }

    /// [`search`](Self::search) with each score turned into a relevance; `score_threshold` is a least relevance.
    ///
    /// As in LangChain the search keeps the `k` best first, and the threshold then drops from those.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_with_relevance(&self, query: &[f32], options: &SearchOptions) -> Result<RelevanceHits> {
        options.check()?;
        let raw = SearchOptions { score_threshold: None, ..options.clone() };
        let mut hits = self.search(query, &raw)?;
        for hit in &mut hits {
            hit.score = match &self.relevance {
                Some(relevance) => relevance(hit.score),
                None => self.metric().relevance(hit.score),
            };
        }
        let mut warnings = Vec::new();
        if hits.iter().any(|hit| !(0.0..=1.0).contains(&hit.score)) {
            let relevances = hits.iter().map(|hit| hit.score).collect();
            warnings.push(Warning::RelevanceOutOfRange { relevances });
        }
        if let Some(score_threshold) = options.score_threshold {
            hits.retain(|hit| hit.score >= score_threshold);
            if hits.is_empty() {
                warnings.push(Warning::NoRelevantDocs { score_threshold });
            }
        }
        Ok(RelevanceHits { hits, warnings })
    }

    /// Documents near to a vector and unlike each other, in the order chosen, each with its own raw score. See
    /// [`maximal_marginal_relevance`] for the choice.
    ///
    /// # Errors
    /// As [`search`](Self::search), and `k_not_positive` for `fetch_k`.
    pub fn max_marginal_relevance_search(&self, query: &[f32], options: &MmrOptions) -> Result<Vec<Hit>> {
        options.check()?;
        let query = self.prepare_query(query, 0)?;
        let Some(index) = self.index_with_rows() else { return Ok(Vec::new()) };
        let among = self.among(options.filter.as_ref())?;
        let mut pool = index.search(&query, options.fetch_k, among.as_ref())?;
        if let Some(threshold) = options.score_threshold {
            pool.retain(|neighbor| self.metric().passes(neighbor.score, threshold));
        }
        let mut candidates = vec![0.0; pool.len() * index.dim()];
        for (neighbor, row) in pool.iter().zip(candidates.chunks_exact_mut(index.dim())) {
            index.read(neighbor.position, row)?;
        }
        let candidates = Rows::new(&candidates, index.dim())?;
        let chosen = maximal_marginal_relevance(&query, candidates, options.k, options.lambda_mult);
        Ok(self.hits(chosen.into_iter().map(|i| pool[i]), None))
    }

    /// A search of the type asked for, as LangChain's `search` and retrievers make it.
    ///
    /// Scores are raw, but for [`SearchType::SimilarityScoreThreshold`], where they are relevances.
    ///
    /// # Errors
    /// As the search it makes.
    pub fn search_by_type(
        &self,
        query: &[f32],
        search_type: SearchType,
        args: SearchArgs,
    ) -> Result<RelevanceHits> {
        let plain = |hits| RelevanceHits { hits, warnings: Vec::new() };
        match search_type {
            SearchType::Similarity => self.search(query, &args.search_options()).map(plain),
            SearchType::SimilarityScoreThreshold => self.search_with_relevance(query, &args.search_options()),
            SearchType::Mmr => self.max_marginal_relevance_search(query, &args.mmr_options()).map(plain),
        }
    }

    fn index_with_rows(&self) -> Option<&dyn VectorIndex> {
        self.index.as_deref().filter(|index| !index.is_empty())
    }

    /// A query as the index takes it.
    fn prepare_query<'q>(&self, query: &'q [f32], row: usize) -> Result<Cow<'q, [f32]>> {
        if let Some(expected) = self.dim()
            && query.len() != expected
        {
            return Err(Error::DimensionMismatch { expected, actual: query.len(), row });
        }
        if let Some(component) = query.iter().position(|x| !x.is_finite()) {
            return Err(Error::NotFinite { row, component });
        }
        if self.metric() == Metric::Cosine && norm(query) == 0.0 {
            return Err(Error::ZeroVector { row });
        }
        let mut query = Cow::Borrowed(query);
        if self.settings.normalize_l2 {
            normalize_l2(query.to_mut());
        }
        Ok(query)
    }

    /// The positions a filter accepts; `None` for all.
    fn among(&self, filter: Option<&Filter>) -> Result<Option<Positions>> {
        match filter {
            Some(filter) if !filter.accepts_everything() => self.documents.matching(filter).map(Some),
            _ => Ok(None),
        }
    }

    fn hits(&self, neighbors: impl IntoIterator<Item = Neighbor>, threshold: Option<f32>) -> Vec<Hit> {
        neighbors
            .into_iter()
            .filter(|neighbor| threshold.is_none_or(|t| self.metric().passes(neighbor.score, t)))
            .map(|Neighbor { position, score }| Hit { document: self.documents.at(position).clone(), score })
            .collect()
    }
}
