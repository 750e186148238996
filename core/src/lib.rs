//! The semantics of the Twindex vector store.
#![forbid(unsafe_code)]

pub mod bytes;
mod document;
mod error;
mod filter;
mod flat;
mod index;
pub mod kernel;
mod metric;
mod mmr;
mod options;
mod rows;
mod store;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod text;
mod topk;
mod value;

pub use document::{Document, IdSource, forget_empty_ids};
pub use error::{Error, Result};
pub use filter::Filter;
pub use flat::{FlatEngine, FlatIndex, RowStats, SharedRows};
pub use index::{Engine, IndexInfo, VectorIndex};
pub use metric::{Metric, norm, normalize_l2};
pub use mmr::maximal_marginal_relevance;
pub use options::{
    DEFAULT_FETCH_K, DEFAULT_K, DEFAULT_LAMBDA_MULT, DeleteOptions, MmrOptions, SearchOptions,
};
pub use rows::{Positions, Rows, flatten};
pub use store::{
    Hit, MAX_DOCUMENTS, RelevanceHits, RelevanceScoreFn, SearchArgs, SearchType, Settings, Store, StoreInfo,
    Warning,
};
pub use topk::Neighbor;
pub use value::{MAX_NESTING, Metadata, Value};
