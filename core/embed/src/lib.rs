//! Sentence embeddings from a BERT model of the sentence-transformers kind, such as all-MiniLM-L6-v2.
//!
//! Bytes in, vectors out: this crate does no IO, so the same code runs natively and as `wasm32-unknown-unknown`. It
//! reads `config.json`, `tokenizer.json` and `model.safetensors` ([`ModelFiles`]), honours the small files that say how
//! tokens are pooled and where texts are cut, and gives sentence-transformers' vectors within 1e-5 ([`Embedder`]).
//!
//! Supported are models of type `bert` with absolute positions, mean or cls pooling, and any tokenizer that
//! `tokenizer.json` describes. Every other kind is refused by an [`EmbedError`] that says what it is; a damaged file is
//! an error too. (One kind of damage, inside a SentencePiece tokenizer's tables, makes the tokenizer library panic:
//! natively that is caught and becomes an error, in WebAssembly it traps.)
//!
//! ```no_run
//! use twindex_embed::{Embedder, ModelFiles};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let read = std::fs::read::<&str>;
//! let (config, tokenizer, weights) = (read("config.json")?, read("tokenizer.json")?, read("model.safetensors")?);
//! let pooling = read("1_Pooling/config.json")?;
//! let embedder = Embedder::from_parts(ModelFiles {
//!     pooling: Some(&pooling),
//!     ..ModelFiles::new(&config, &tokenizer, &weights)
//! })?;
//! let vectors = embedder.embed(&["The cat sat on the mat.", "A feline rested on a rug."])?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod bert;
mod embedder;
mod error;
mod settings;

pub use embedder::{Embedder, ModelFiles};
pub use error::{EmbedError, Result};
pub use settings::{DEFAULT_MAX_SEQ_LENGTH, ModelLayout, Pooling};
