//! What spans the crates: the conformance runner, the recall checker, and the model both are judged by.
//!
//! A case file says what LangChain's FAISS store answered. Twindex differs where `QUIRKS.md` says so, so the runner keeps a
//! [`model`] of the store that follows that table and knows nothing of Twindex, compares every answer with it, and
//! compares with LangChain's answer wherever the table is silent.

pub mod answer;
pub mod bench;
pub mod compare;
pub mod exchange;
pub mod fixtures;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod judge;
pub mod model;
pub mod npy;
pub mod oracle;
pub mod recall;
pub mod request;
pub mod runner;
pub mod subject;
pub mod warnings;
