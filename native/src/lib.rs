//! Twindex: a vector store on FAISS and tokio.

pub mod embeddings;
mod engine;
mod error;
#[cfg(feature = "faiss")]
pub mod faiss;
pub mod kernel;
mod local;
#[cfg(unix)]
mod mapped;
mod retriever;
mod store;

pub use twindex_core as core;

pub use engine::EngineKind;
pub use error::{Error, Result};
pub use local::index_path;
pub use retriever::{Retriever, RetrieverOptions};
pub use store::{VectorStore, VectorStoreBuilder};
