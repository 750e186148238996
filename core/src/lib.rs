//! The semantics of the Twindex vector store, once, for every target.
//!
//! Synchronous, safe Rust that does no I/O, reads no clock and draws no random number; it compiles for
//! `wasm32-unknown-unknown` as for a server. The shells around it (`twindex` on tokio with FAISS, `twindex-wasm` in browsers and Node) embed texts, hold the lock and
//! read files; what a store *does* is decided here.
//!
//! ```
//! use std::sync::Arc;
//! use twindex_core::{DeleteOptions, Document, Filter, FlatEngine, Metric, Rows, SearchOptions, Settings, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A store knows its metric and its engine; vectors come with the documents.
//! let engine = Arc::new(FlatEngine::default());
//! let mut store = Store::new(Settings::new().metric(Metric::Cosine), engine.clone())?;
//! let documents = vec![
//!     Document::new("amble").with_id("v1").with("pos", "verb"),
//!     Document::new("sprint").with_id("v2").with("pos", "verb"),
//!     Document::new("turtle").with_id("n1").with("pos", "noun"),
//! ];
//! let vectors = [0.9, 0.1, 0.2, 1.0, 1.0, 0.0];
//! store.add(documents, Rows::new(&vectors, 2)?, &|| unreachable!("all have ids"))?;
//!
//! // A filter works inside the search: as many matches as asked for come back, if they exist.
//! let verbs: Filter = serde_json::json!({"pos": "verb"}).try_into()?;
//! let hits = store.search(&[1.0, 0.0], &SearchOptions::new().k(2).filter(verbs))?;
//! assert_eq!(hits.iter().map(|hit| &*hit.document.page_content).collect::<Vec<_>>(), ["amble", "sprint"]);
//!
//! // The same bytes open on every target.
//! let bytes = store.serialize_to_bytes()?;
//! let mut copy = Store::deserialize_from_bytes(&bytes, engine)?;
//! copy.delete(&DeleteOptions::ids(["v1"]))?;
//! assert_eq!((store.len(), copy.len()), (3, 2));
//! # Ok(())
//! # }
//! ```
//!
//! | module or type | what |
//! | --- | --- |
//! | [`Store`] | documents, ids and vectors kept together; search, MMR, add, upsert, delete, merge |
//! | [`Filter`], [`SearchOptions`], [`MmrOptions`], [`DeleteOptions`] | what is asked of it |
//! | [`VectorIndex`], [`Engine`] | the seam to what holds the vectors: [`FlatIndex`] here, FAISS on a server |
//! | [`kernel`] | scan kernels that choose candidates, and the portable one that scores them, to the bit the same everywhere |
//! | [`bytes`] | the byte format |
//! | [`interop`] | what others wrote: FAISS's files, LangChain's folders |
//! | [`PortableEngine`], [`AnnIndex`] | IVF, HNSW and quantized indexes that FAISS built, searched without it |
//! | [`text`] | splitters with LangChain's results, loaders |
//!
//! Feature `metadata-index`: filters are answered from bitmaps and sorted columns of metadata (`twindex` turns it on). Feature `testkit`: suites for
//! implementations of the traits.
#![forbid(unsafe_code)]

mod ann;
#[cfg(feature = "approximate")]
mod bits;
pub mod bytes;
mod document;
mod documents;
mod error;
mod exact;
mod filter;
mod flat;
#[cfg(feature = "halves")]
mod halves;
mod index;
pub mod interop;
pub mod kernel;
mod metric;
mod mmr;
mod options;
mod quantize;
mod rows;
mod sort;
mod store;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod text;
mod topk;
mod value;

pub use ann::{AnnIndex, PortableEngine};
pub use document::{Document, IdSource, documents_of_texts, forget_empty_ids, set_ids};
pub use documents::Documents;
pub use error::{Error, Result};
pub use exact::RowStats;
pub use filter::Filter;
pub use flat::{FlatEngine, FlatIndex, SharedRows};
pub use index::{Engine, IndexInfo, ReadRows, RowSource, VectorIndex};
pub use metric::{Metric, norm, normalize_l2};
pub use mmr::maximal_marginal_relevance;
pub use options::{
    DEFAULT_FETCH_K, DEFAULT_K, DEFAULT_LAMBDA_MULT, DeleteOptions, MmrOptions, SearchOptions,
};
pub use rows::{Positions, Rows, Vectors, flatten};
pub use store::{
    Hit, MAX_DOCUMENTS, PartialSettings, RelevanceHits, RelevanceScoreFn, SearchArgs, SearchType, Settings,
    Store, StoreInfo, Warning,
};
pub use topk::{Neighbor, sort_and_cut};
pub use value::{MAX_NESTING, Metadata, Value};
