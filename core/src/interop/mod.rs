//! What others wrote: FAISS's index files, LangChain's folders. Read as data, on every target; nothing in them is ever executed.
//!
//! | what | read | written |
//! | --- | --- | --- |
//! | FAISS index file | [`read_faiss`], [`faiss::read`] | [`faiss::write`] |
//! | LangChain folder (`index.faiss`, `index.pkl`) | [`langchain::read_folder`] | [`langchain::write_folder`] |
//! | LangChain's `serialize_to_bytes` | [`langchain::read_serialized`] | [`langchain::write_serialized`] |
//! | LangChain.js folder (`faiss.index`, `docstore.json`) | [`langchain_js::read_folder`] | [`langchain_js::write_folder`] |
//! | any of these | [`read_files`] | |

pub mod faiss;
mod files;
pub mod langchain;
pub mod langchain_js;
mod pickle;
mod report;

pub use files::{read_faiss, read_files};
pub use report::{ImportOptions, Imported, Report, restore};
