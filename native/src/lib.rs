//! Twindex: LangChain's FAISS vector store in Rust, on FAISS and tokio. What it saves also opens in a browser.
//!
//! ```
//! use twindex::core::{Document, Filter, Metric, MmrOptions, SearchOptions};
//! use twindex::embeddings::LexicalEmbeddings;
//! use twindex::VectorStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let docs = vec![
//!     Document::new("the fear of open spaces").with("field", "medicine"),
//!     Document::new("an open space in a wood").with("field", "nature"),
//!     Document::new("the fear of spiders").with("field", "medicine"),
//! ];
//! let store = VectorStore::builder(LexicalEmbeddings::default())
//!     .distance_strategy(Metric::Cosine)
//!     .from_documents(docs)
//!     .await?;
//!
//! let medicine: Filter = serde_json::json!({"field": "medicine"}).try_into()?;
//! let hits = store.similarity_search_with_score("open spaces", SearchOptions::new().k(2).filter(medicine)).await?;
//! assert_eq!(hits[0].document.page_content, "the fear of open spaces");
//! let varied = store.max_marginal_relevance_search("fear", MmrOptions::new().k(2)).await?;
//! assert_eq!(varied.len(), 2);
//!
//! # let folder = tempfile::tempdir()?; let folder = folder.path();
//! store.save_local(folder, "index").await?;
//! let again = VectorStore::load_local(folder, "index", LexicalEmbeddings::default()).await?;
//! assert_eq!(again.count()?, 3);
//! # Ok(())
//! # }
//! ```
//!
//! [`VectorStore`] has LangChain's methods; the semantics, and the types of documents, filters and options, are
//! [`twindex_core`]'s, re-exported as [`core`]. [`embeddings`] turn text into vectors. `faiss::FaissEngine` says which kinds of index there are.
//!
//! [`interop`] opens what others wrote, FAISS's files and LangChain's folders among them, and writes it.
//!
//! Features: `faiss` (default), `openai`, `local`, `parquet`, `cli`, `full` (all of these), `gpu`; see the manifest for what each brings.

mod device;
pub mod embeddings;
mod engine;
mod error;
#[cfg(feature = "faiss")]
pub mod faiss;
pub mod interop;
pub mod kernel;
mod local;
#[cfg(unix)]
mod mapped;
mod retriever;
mod store;

pub use twindex_core as core;

pub use device::{Device, DeviceInfo, GpuCard, gpu_cards};
pub use engine::EngineKind;
pub use error::{Error, Result};
pub use local::index_path;
pub use retriever::{Retriever, RetrieverOptions};
pub use store::{VectorStore, VectorStoreBuilder};
