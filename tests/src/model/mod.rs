//! A store as plain lists, judged by brute force in f64: what Twindex should answer by `QUIRKS.md`.
//!
//! Nothing here calls Twindex. Documents are JSON, vectors are what the case gives, filters are read straight off their JSON.

pub mod callable;
pub mod change;
pub mod filter;
pub mod mmr;
pub mod search;
pub mod values;
pub mod verify;

use std::collections::BTreeMap;

use serde_json::Value;

/// What scores are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Squared distance, lower is better.
    L2,
    /// Inner product, higher is better.
    InnerProduct,
    /// Cosine similarity, higher is better.
    Cosine,
}

impl Metric {
    /// The metric of a LangChain strategy by the table; none for one that is not offered.
    #[must_use]
    pub fn of_strategy(name: &str) -> Option<Self> {
        match name {
            "EUCLIDEAN_DISTANCE" => Some(Metric::L2),
            "MAX_INNER_PRODUCT" | "DOT_PRODUCT" => Some(Metric::InnerProduct),
            "COSINE" => Some(Metric::Cosine),
            _ => None,
        }
    }
}

/// A relevance function that a case can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relevance {
    /// s.
    Identity,
    /// 1 / (1 + s).
    OneOverOnePlus,
}

impl Relevance {
    /// The function of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn of_name(name: &str) -> Result<Self, String> {
        match name {
            "identity" => Ok(Relevance::Identity),
            "one_over_one_plus" => Ok(Relevance::OneOverOnePlus),
            _ => Err(format!("no relevance function is called {name:?}")),
        }
    }

    /// The relevance of a score.
    #[must_use]
    pub fn of_score(self, score: f64) -> f64 {
        match self {
            Relevance::Identity => score,
            Relevance::OneOverOnePlus => 1.0 / (1.0 + score),
        }
    }
}

/// A document with its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The id.
    pub id: String,
    /// The text.
    pub text: String,
    /// The metadata, a map.
    pub metadata: Value,
    /// The vector as given.
    pub raw: Vec<f32>,
    /// The vector as stored.
    pub vector: Vec<f64>,
}

/// The store.
#[derive(Debug, Clone)]
pub struct Model {
    /// What scores are.
    pub metric: Metric,
    /// Whether vectors and queries are scaled to unit length.
    pub normalize: bool,
    /// Numbers per vector, once known.
    pub dim: Option<usize>,
    /// The relevance function, if one was given.
    pub relevance: Option<Relevance>,
    /// The documents by position.
    pub entries: Vec<Entry>,
    /// The vectors of texts.
    pub table: BTreeMap<String, Vec<f32>>,
}

/// The codes any of which an operation may fail with; more than one where a call is wrong in several ways.
pub type Kinds = Vec<&'static str>;

impl Model {
    /// An empty store.
    #[must_use]
    pub fn new(metric: Metric, normalize: bool, dim: Option<usize>) -> Self {
        Self { metric, normalize, dim, relevance: None, entries: Vec::new(), table: BTreeMap::new() }
    }

    /// The position of an id.
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id == id)
    }

    /// A vector as it is stored or asked with.
    #[must_use]
    pub fn prepare(&self, vector: &[f32]) -> Vec<f64> {
        let vector: Vec<f64> = vector.iter().map(|&x| f64::from(x)).collect();
        let length = length(&vector);
        if self.normalize && length > 0.0 { vector.iter().map(|x| x / length).collect() } else { vector }
    }
}

/// Euclidean length.
#[must_use]
pub fn length(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

/// Inner product.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
