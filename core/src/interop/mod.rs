//! What others wrote: FAISS's index files, LangChain's folders. Read as data, on every target; nothing in them is ever executed.

pub mod faiss;
