//! What a store is, apart from its content.

use std::fmt;

use crate::error::{Error, Result};
use crate::metric::Metric;

/// What a store is, apart from its content. Saved with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How vectors are compared; squared L2 unless told.
    pub metric: Metric,
    /// Whether vectors and queries are scaled to unit length when they come in; no unless told.
    pub normalize_l2: bool,
    /// Kind of index, as FAISS's `index_factory` names it; `Flat` unless told.
    pub kind: String,
    /// Numbers per vector; that of the first vectors unless told.
    pub dim: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { metric: Metric::default(), normalize_l2: false, kind: "Flat".into(), dim: None }
    }
}

impl Settings {
    /// LangChain's defaults: squared L2, not normalised, exact.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how vectors are compared.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// Sets whether vectors and queries are scaled to unit length.
    #[must_use]
    pub fn normalize_l2(mut self, normalize_l2: bool) -> Self {
        self.normalize_l2 = normalize_l2;
        self
    }

    /// Sets the kind of index.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    /// Sets the dimension.
    #[must_use]
    pub fn dim(mut self, dim: usize) -> Self {
        self.dim = Some(dim);
        self
    }
}

/// Settings as far as somebody gave them.
///
/// What is not given takes LangChain's default when a store is made, and what was saved when one is opened; what is given must then equal
/// what was saved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialSettings {
    /// How vectors are compared.
    pub metric: Option<Metric>,
    /// Whether vectors and queries are scaled to unit length.
    pub normalize_l2: Option<bool>,
    /// Kind of index, as FAISS's `index_factory` names it.
    pub kind: Option<String>,
    /// Numbers per vector.
    pub dim: Option<usize>,
}

impl PartialSettings {
    /// The settings of a new store.
    #[must_use]
    pub fn or_default(self) -> Settings {
        let default = Settings::default();
        Settings {
            metric: self.metric.unwrap_or(default.metric),
            normalize_l2: self.normalize_l2.unwrap_or(default.normalize_l2),
            kind: self.kind.unwrap_or(default.kind),
            dim: self.dim,
        }
    }

    /// Compares what was given with what was saved.
    ///
    /// # Errors
    /// `setting_mismatch` naming the first that differs.
    pub fn check(&self, stored: &Settings) -> Result<()> {
        fn check<T: PartialEq + fmt::Display>(
            setting: &'static str,
            given: Option<T>,
            stored: T,
        ) -> Result<()> {
            match given {
                Some(given) if given != stored => {
                    let (stored, given) = (stored.to_string(), given.to_string());
                    Err(Error::SettingMismatch { setting, stored, given })
                }
                _ => Ok(()),
            }
        }
        check("distance_strategy", self.metric, stored.metric)?;
        check("normalize_L2", self.normalize_l2, stored.normalize_l2)?;
        check("index_factory", self.kind.as_deref(), stored.kind.as_str())?;
        // A store that never held a vector has no dimension to differ from.
        check("dim", self.dim.filter(|_| stored.dim.is_some()), stored.dim.unwrap_or_default())
    }
}
