//! Options of searches and deletes, with LangChain's names and defaults.

use crate::error::{Error, Result};
use crate::filter::Filter;

/// How many documents a search returns unless told.
pub const DEFAULT_K: usize = 4;
/// How many candidates MMR chooses from unless told.
pub const DEFAULT_FETCH_K: usize = 20;
/// Balance of relevance and diversity in MMR unless told.
pub const DEFAULT_LAMBDA_MULT: f32 = 0.5;

/// Options of a similarity search. A bare number is `k`.
///
/// ```
/// use twindex_core::SearchOptions;
/// let options = SearchOptions::new().k(10).score_threshold(0.8);
/// assert_eq!(SearchOptions::default().k, 4);
/// # let _ = options;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SearchOptions {
    /// How many documents at most; 4 unless told.
    pub k: usize,
    /// Which documents may come back; all unless told. Applied inside the search: `k` matches come back if they exist.
    pub filter: Option<Filter>,
    /// LangChain's number of candidates to filter. Accepted and without effect: results are never lost to it.
    pub fetch_k: usize,
    /// Keep only documents at least this good, by raw score (inclusive): at most this squared distance for L2, at least this
    /// product otherwise. In searches by relevance it is a least relevance instead.
    pub score_threshold: Option<f32>,
    /// Search approximately: each of the best `k` is found with at least this probability, above 0 and at most 1; the default, like 1, is to search exactly.
    /// Found documents have the scores of an exact search. For `Flat` only; no effect among fewer than 4,096 vectors, which are searched
    /// exactly in the same time.
    ///
    /// By RaBitQ's 1-bit codes (Gao and Long, SIGMOD 2024), then 8-bit codes, then the vectors. The first search that asks makes the 1-bit codes, in one pass.
    #[cfg(feature = "approximate")]
    pub recall: Option<f32>,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            k: DEFAULT_K,
            filter: None,
            fetch_k: DEFAULT_FETCH_K,
            score_threshold: None,
            #[cfg(feature = "approximate")]
            recall: None,
        }
    }
}

impl From<usize> for SearchOptions {
    fn from(k: usize) -> Self {
        Self { k, ..Self::default() }
    }
}

impl SearchOptions {
    /// LangChain's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many documents come back at most.
    #[must_use]
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Sets which documents may come back.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Sets LangChain's `fetch_k`, which has no effect on a plain search.
    #[must_use]
    pub fn fetch_k(mut self, fetch_k: usize) -> Self {
        self.fetch_k = fetch_k;
        self
    }

    /// Sets the raw score, or the relevance, that documents must reach.
    #[must_use]
    pub fn score_threshold(mut self, threshold: f32) -> Self {
        self.score_threshold = Some(threshold);
        self
    }

    /// Sets with what probability each of the best is to be found.
    #[cfg(feature = "approximate")]
    #[must_use]
    pub fn recall(mut self, recall: f32) -> Self {
        self.recall = Some(recall);
        self
    }

    /// The recall to search for, where that is less than all.
    #[cfg(feature = "approximate")]
    pub(crate) fn recall_target(&self) -> Option<f32> {
        self.recall.filter(|&recall| recall < 1.0)
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_positive("k", self.k)?;
        #[cfg(feature = "approximate")]
        check_recall(self.recall)?;
        check_not_nan("score_threshold", self.score_threshold)
    }
}

/// Options of a search by maximal marginal relevance.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MmrOptions {
    /// How many documents at most; 4 unless told.
    pub k: usize,
    /// How many of the best matching documents to choose from; 20 unless told.
    pub fetch_k: usize,
    /// 1 is pure relevance, 0 pure diversity; 0.5 unless told.
    pub lambda_mult: f32,
    /// Which documents may come back; all unless told.
    pub filter: Option<Filter>,
    /// Candidates whose raw score fails this leave before the choice.
    pub score_threshold: Option<f32>,
}

impl Default for MmrOptions {
    fn default() -> Self {
        Self {
            k: DEFAULT_K,
            fetch_k: DEFAULT_FETCH_K,
            lambda_mult: DEFAULT_LAMBDA_MULT,
            filter: None,
            score_threshold: None,
        }
    }
}

impl From<usize> for MmrOptions {
    fn from(k: usize) -> Self {
        Self { k, ..Self::default() }
    }
}

impl MmrOptions {
    /// LangChain's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many documents come back at most.
    #[must_use]
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Sets how many candidates there are to choose from.
    #[must_use]
    pub fn fetch_k(mut self, fetch_k: usize) -> Self {
        self.fetch_k = fetch_k;
        self
    }

    /// Sets the balance: 1 is pure relevance, 0 pure diversity.
    #[must_use]
    pub fn lambda_mult(mut self, lambda_mult: f32) -> Self {
        self.lambda_mult = lambda_mult;
        self
    }

    /// Sets which documents may come back.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Sets the raw score that candidates must reach.
    #[must_use]
    pub fn score_threshold(mut self, threshold: f32) -> Self {
        self.score_threshold = Some(threshold);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_positive("k", self.k)?;
        check_positive("fetch_k", self.fetch_k)?;
        check_not_nan("lambda_mult", Some(self.lambda_mult))?;
        check_not_nan("score_threshold", self.score_threshold)
    }
}

/// What to delete: ids, or everything a filter accepts.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// The ids; an empty list deletes nothing, an id given twice is deleted once.
    pub ids: Option<Vec<String>>,
    /// Which documents; `{}` accepts, and so deletes, all of them.
    pub filter: Option<Filter>,
    /// Pass over ids the store does not have, where they would be `unknown_id`.
    pub ignore_unknown: bool,
}

impl DeleteOptions {
    /// These ids.
    pub fn ids<I: Into<String>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self { ids: Some(ids.into_iter().map(Into::into).collect()), ..Self::default() }
    }

    /// What this filter accepts.
    #[must_use]
    pub fn filter(filter: Filter) -> Self {
        Self { filter: Some(filter), ..Self::default() }
    }

    /// The same, passing over ids the store does not have.
    #[must_use]
    pub fn ignore_unknown(mut self) -> Self {
        self.ignore_unknown = true;
        self
    }
}

fn check_positive(parameter: &'static str, value: usize) -> Result<()> {
    if value == 0 { Err(Error::KNotPositive { parameter }) } else { Ok(()) }
}

#[cfg(feature = "approximate")]
fn check_recall(recall: Option<f32>) -> Result<()> {
    let Some(recall) = recall.filter(|&recall| !(recall > 0.0 && recall <= 1.0)) else { return Ok(()) };
    // Code that writes floating-point numbers is 18 kB of a WebAssembly module, compressed; bindings there say themselves what came.
    #[cfg(target_family = "wasm")]
    let got = if recall > 0.0 { "more" } else { "none of these" };
    #[cfg(not(target_family = "wasm"))]
    let got = recall;
    Err(Error::InvalidOption {
        option: "recall",
        reason: format!("expected a number above 0 and at most 1, got {got}"),
    })
}

fn check_not_nan(option: &'static str, value: Option<f32>) -> Result<()> {
    if value.is_some_and(f32::is_nan) {
        return Err(Error::InvalidOption { option, reason: "expected a number, got NaN".into() });
    }
    Ok(())
}
