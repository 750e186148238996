//! The store as an application uses it: texts in, documents out, async.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use twindex_core::bytes::{Loss, VectorEncoding};
use twindex_core::{
    DeleteOptions, Document, IdSource, Metadata, Store, StoreInfo, Vectors, documents_of_texts, flatten,
    set_ids,
};

use crate::device::DeviceInfo;
use crate::embeddings::{Embeddings, EmbeddingsError};
use crate::engine::NativeEngine;
use crate::error::{Error, Result};
use crate::interop::{self, Format, Report};
use crate::local;
use crate::retriever::{Retriever, RetrieverOptions};

mod builder;
mod search;

pub use builder::VectorStoreBuilder;

/// Documents, their vectors, and what turns text into vectors: LangChain's FAISS store.
///
/// Cheap to clone; all clones are the same store. Many searches run at once, and with each other; a change waits for them, and no
/// search sees half of one. Work on vectors runs on tokio's blocking threads, so the runtime is never held up; no lock is held while an
/// embedding is awaited.
///
/// A future dropped before its embedding is there has done nothing. One dropped later may still complete its one change, whole.
///
/// ```
/// use twindex::core::Document;
/// use twindex::embeddings::LexicalEmbeddings;
/// use twindex::VectorStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> twindex::Result<()> {
/// let docs = vec![Document::new("a spoon for soup"), Document::new("a fork for salad")];
/// let store = VectorStore::from_documents(docs, LexicalEmbeddings::default()).await?;
/// let found = store.similarity_search("soup spoon", 1).await?;
/// assert_eq!(found[0].page_content, "a spoon for soup");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct VectorStore {
    inner: Arc<Inner>,
}

struct Inner {
    store: RwLock<Store>,
    embeddings: Arc<dyn Embeddings>,
    ids: Arc<dyn IdSource>,
    engine: NativeEngine,
}

impl fmt::Debug for VectorStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorStore")
            .field("store", &self.inner.store)
            .field("embeddings", &self.inner.embeddings.name())
            .finish()
    }
}

/// Runs work on vectors or files where it may take its time.
async fn blocking<R: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<R, E> + Send + 'static,
) -> Result<R>
where
    Error: From<E>,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        // Blocking tasks are never cancelled once they run, so this is a panic of the work itself, or the
        // runtime shutting down under us; both go on where they were caused.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}

impl VectorStore {
    /// A builder for stores that embed texts with these embeddings.
    pub fn builder(embeddings: impl Embeddings + 'static) -> VectorStoreBuilder {
        VectorStoreBuilder::new(Arc::new(embeddings))
    }

    /// A store of texts with LangChain's defaults: squared L2, exact.
    ///
    /// # Errors
    /// As [`add_texts`](Self::add_texts).
    pub async fn from_texts(texts: Vec<String>, embeddings: impl Embeddings + 'static) -> Result<Self> {
        Self::builder(embeddings).from_texts(texts, None, None).await
    }

    /// A store of documents with LangChain's defaults: squared L2, exact.
    ///
    /// # Errors
    /// As [`add_documents`](Self::add_documents).
    pub async fn from_documents(
        documents: Vec<Document>,
        embeddings: impl Embeddings + 'static,
    ) -> Result<Self> {
        Self::builder(embeddings).from_documents(documents).await
    }

    /// A store of texts with their vectors, with LangChain's defaults: squared L2, exact.
    ///
    /// # Errors
    /// As [`add_embeddings`](Self::add_embeddings).
    pub async fn from_embeddings(
        text_embeddings: Vec<(String, Vec<f32>)>,
        embeddings: impl Embeddings + 'static,
    ) -> Result<Self> {
        Self::builder(embeddings).from_embeddings(text_embeddings, None, None).await
    }

    /// Opens `{folder}/{index_name}.twindex`; LangChain's default for the name is `index`.
    ///
    /// # Errors
    /// As [`VectorStoreBuilder::load_local`].
    pub async fn load_local(
        folder: impl AsRef<Path>,
        index_name: &str,
        embeddings: impl Embeddings + 'static,
    ) -> Result<Self> {
        Self::builder(embeddings).load_local(folder, index_name).await
    }

    /// Opens a folder that LangChain saved, in Python or JavaScript, under LangChain's default name. See
    /// [`VectorStoreBuilder::load_langchain`] for other names, for what the files do not say, and for what changed on the way.
    ///
    /// # Errors
    /// As [`VectorStoreBuilder::load_langchain`].
    pub async fn load_langchain(
        folder: impl Into<PathBuf>,
        embeddings: impl Embeddings + 'static,
    ) -> Result<Self> {
        Ok(Self::builder(embeddings).load_langchain(folder, None).await?.0)
    }

    /// A store from the bytes of [`serialize_to_bytes`](Self::serialize_to_bytes).
    ///
    /// # Errors
    /// As [`VectorStoreBuilder::deserialize_from_bytes`].
    pub async fn deserialize_from_bytes(
        bytes: Vec<u8>,
        embeddings: impl Embeddings + 'static,
    ) -> Result<Self> {
        Self::builder(embeddings).deserialize_from_bytes(bytes).await
    }

    /// What embeds its texts.
    #[must_use]
    pub fn embeddings(&self) -> &Arc<dyn Embeddings> {
        &self.inner.embeddings
    }

    /// Looks at the store itself: the docstore ([`Store::documents`], [`Store::get`]), positions ([`Store::index_to_docstore_id`]), vectors. Changes wait
    /// until the closure returns, and the calling thread waits for a change under way: in async code keep it short.
    ///
    /// # Errors
    /// `store_poisoned`.
    pub fn read<R>(&self, look: impl FnOnce(&Store) -> R) -> Result<R> {
        self.inner.store.read().map(|store| look(&store)).map_err(|_| Error::Poisoned)
    }

    /// How many documents there are.
    ///
    /// # Errors
    /// `store_poisoned`.
    pub fn count(&self) -> Result<usize> {
        self.read(Store::len)
    }

    /// What the store is and what it takes in memory.
    ///
    /// # Errors
    /// `store_poisoned`.
    pub fn info(&self) -> Result<StoreInfo> {
        self.read(Store::info)
    }

    /// Where it is searched now, what it takes on cards, and why the CPU stands in for them if it does.
    #[must_use]
    pub fn device(&self) -> DeviceInfo {
        self.inner.engine.device_info()
    }

    async fn ask<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> twindex_core::Result<R> + Send + 'static,
    ) -> Result<R> {
        let inner = self.inner.clone();
        blocking(move || {
            let store = inner.store.read().map_err(|_| Error::Poisoned)?;
            work(&store).map_err(Error::from)
        })
        .await
    }

    async fn change<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store, &dyn IdSource) -> twindex_core::Result<R> + Send + 'static,
    ) -> Result<R> {
        let inner = self.inner.clone();
        blocking(move || {
            let mut store = inner.store.write().map_err(|_| Error::Poisoned)?;
            work(&mut store, &*inner.ids).map_err(Error::from)
        })
        .await
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let vectors = self.inner.embeddings.embed_documents(texts).await?;
        if vectors.len() != texts.len() {
            return Err(EmbeddingsError::WrongCount { expected: texts.len(), actual: vectors.len() }.into());
        }
        Ok(vectors)
    }

    /// Adds texts and returns their ids, in order. Metadata and ids, where given, are one for each text.
    ///
    /// # Errors
    /// `length_mismatch` before anything is embedded; what the embedding model reports; as [`Store::add`]. The store is then unchanged.
    pub async fn add_texts(
        &self,
        texts: Vec<String>,
        metadatas: Option<Vec<Metadata>>,
        ids: Option<Vec<String>>,
    ) -> Result<Vec<String>> {
        let documents = documents_of_texts(texts, metadatas, given(ids))?;
        self.add_new(documents).await
    }

    /// Adds documents and returns their ids, in order. `ids`, where given, take the place of the documents' own.
    ///
    /// # Errors
    /// As [`add_texts`](Self::add_texts).
    pub async fn add_documents(
        &self,
        mut documents: Vec<Document>,
        ids: Option<Vec<String>>,
    ) -> Result<Vec<String>> {
        set_ids(&mut documents, given(ids))?;
        self.add_new(documents).await
    }

    async fn add_new(&self, documents: Vec<Document>) -> Result<Vec<String>> {
        // What cannot be stored is not paid for.
        Store::check_documents(&documents)?;
        let vectors = self.embed(&texts_of(&documents)).await?;
        self.add_with_vectors(documents, vectors).await
    }

    /// Adds texts with their vectors and returns their ids, in order.
    ///
    /// # Errors
    /// As [`add_texts`](Self::add_texts).
    pub async fn add_embeddings(
        &self,
        text_embeddings: Vec<(String, Vec<f32>)>,
        metadatas: Option<Vec<Metadata>>,
        ids: Option<Vec<String>>,
    ) -> Result<Vec<String>> {
        let (texts, vectors): (Vec<String>, Vec<Vec<f32>>) = text_embeddings.into_iter().unzip();
        let documents = documents_of_texts(texts, metadatas, given(ids))?;
        self.add_with_vectors(documents, vectors).await
    }

    /// Adds documents with their vectors and returns their ids, in order.
    ///
    /// # Errors
    /// As [`add_texts`](Self::add_texts).
    pub async fn add_with_vectors(
        &self,
        documents: Vec<Document>,
        vectors: Vec<Vec<f32>>,
    ) -> Result<Vec<String>> {
        self.change(move |store, ids| {
            let vectors = lay_out(store, &documents, vectors)?;
            store.add(documents, vectors, ids)
        })
        .await
    }

    /// Adds documents, taking the place of those with the same ids, and returns their ids, in order. A replaced document
    /// moves to the end.
    ///
    /// # Errors
    /// As [`add_texts`](Self::add_texts), but for ids that exist; `unsupported_by_index` if one does and the kind of index cannot delete.
    pub async fn upsert_documents(&self, mut documents: Vec<Document>) -> Result<Vec<String>> {
        set_ids(&mut documents, None)?;
        Store::check_documents(&documents)?;
        let vectors = self.embed(&texts_of(&documents)).await?;
        self.upsert_with_vectors(documents, vectors).await
    }

    /// [`upsert_documents`](Self::upsert_documents) with vectors that are there already.
    ///
    /// # Errors
    /// As [`upsert_documents`](Self::upsert_documents).
    pub async fn upsert_with_vectors(
        &self,
        documents: Vec<Document>,
        vectors: Vec<Vec<f32>>,
    ) -> Result<Vec<String>> {
        self.change(move |store, ids| {
            let vectors = lay_out(store, &documents, vectors)?;
            store.upsert(documents, vectors, ids)
        })
        .await
    }

    /// Deletes documents by id or by filter and returns how many.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub async fn delete(&self, options: DeleteOptions) -> Result<usize> {
        self.change(move |store, _| store.delete(&options)).await
    }

    /// The documents of these ids, in the order asked; unknown ids are passed over.
    ///
    /// # Errors
    /// `store_poisoned`.
    pub async fn get_by_ids(&self, ids: &[String]) -> Result<Vec<Arc<Document>>> {
        let ids = ids.to_vec();
        self.ask(move |store| Ok(store.get_by_ids(&ids))).await
    }

    /// Adds everything another store has; the other is left as it was.
    ///
    /// # Errors
    /// As [`Store::merge_from`]; `merge_incompatible` for a store and itself.
    pub async fn merge_from(&self, other: &VectorStore) -> Result<()> {
        if Arc::ptr_eq(&self.inner, &other.inner) {
            let reason = "they are one and the same store".into();
            return Err(twindex_core::Error::MergeIncompatible { reason }.into());
        }
        let (to, from) = (self.inner.clone(), other.inner.clone());
        blocking(move || {
            // Always locked in the order of their addresses, so that two merges in opposite directions cannot wait for each other.
            let (mut target, source);
            if Arc::as_ptr(&to) < Arc::as_ptr(&from) {
                target = to.store.write().map_err(|_| Error::Poisoned)?;
                source = from.store.read().map_err(|_| Error::Poisoned)?;
            } else {
                source = from.store.read().map_err(|_| Error::Poisoned)?;
                target = to.store.write().map_err(|_| Error::Poisoned)?;
            }
            target.merge_from(&source).map_err(Error::from)
        })
        .await
    }

    /// Sets a search-time parameter of the index by FAISS's name (`nprobe`, `efSearch`). It is saved with the index.
    ///
    /// # Errors
    /// `unsupported_by_index` if the kind has no such parameter.
    pub async fn set_search_parameter(&self, name: &str, value: usize) -> Result<()> {
        let name = name.to_owned();
        self.change(move |store, _| store.set_search_parameter(&name, value)).await
    }

    /// A retriever over this store, for code that only wants documents for a question.
    ///
    /// # Errors
    /// `score_threshold_required` for [`SearchType::SimilarityScoreThreshold`](twindex_core::SearchType::SimilarityScoreThreshold) without one.
    pub fn as_retriever(&self, options: RetrieverOptions) -> Result<Retriever> {
        Retriever::new(self.clone(), options)
    }

    /// Writes `{folder}/{index_name}.twindex`, making the folder if need be. Atomic: a process killed at any moment leaves the old file or
    /// the new one. LangChain's default for the name is `index`. Vectors stand there as in the file that the store was opened from, as f32 if it was made.
    ///
    /// # Errors
    /// `io_error`, `invalid_index_name`; as [`save_file_as`](Self::save_file_as). The old file, if any, is then as it was.
    pub async fn save_local(&self, folder: impl AsRef<Path>, index_name: &str) -> Result<()> {
        self.save_file(local::index_path(folder.as_ref(), index_name)?).await
    }

    /// Writes a file of any name. See [`save_local`](Self::save_local).
    ///
    /// # Errors
    /// As [`save_local`](Self::save_local).
    pub async fn save_file(&self, path: impl Into<PathBuf>) -> Result<()> {
        let encoding = self.read(Store::vector_encoding)?;
        self.save_file_as(path, encoding).await.map(|_| ())
    }

    /// Writes a file of any name with vectors as f16 or 8-bit codes: a half or about a quarter of the bytes, for those who download it. Tells what the vectors
    /// lose. The store itself stays as it is; [`VectorEncoding`] says what the file gives when it is opened.
    ///
    /// ```
    /// use twindex::core::bytes::VectorEncoding;
    /// # use twindex::{VectorStore, embeddings::LexicalEmbeddings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> twindex::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("small.twindex");
    /// let store = VectorStore::from_texts(vec!["a spoon for soup".into()], LexicalEmbeddings::default()).await?;
    /// let loss = store.save_file_as(&path, VectorEncoding::I8).await?;
    /// assert!(loss.largest < 0.05);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `io_error`; as [`Store::encode_as`]. The old file, if any, is then as it was.
    pub async fn save_file_as(&self, path: impl Into<PathBuf>, encoding: VectorEncoding) -> Result<Loss> {
        let (inner, path) = (self.inner.clone(), path.into());
        blocking(move || {
            let store = inner.store.read().map_err(|_| Error::Poisoned)?;
            local::save(&store, &path, encoding)
        })
        .await
    }

    /// Writes a folder that LangChain's `FAISS.load_local` opens in Python, or one of the other forms of [`interop`], and tells what it
    /// does not keep.
    ///
    /// # Errors
    /// `io_error`, and what the writers of the core say. Each file is replaced whole.
    pub async fn save_langchain(
        &self,
        path: impl Into<PathBuf>,
        format: Format,
        index_name: Option<&str>,
    ) -> Result<Report> {
        let (inner, path, name) = (self.inner.clone(), path.into(), index_name.map(str::to_owned));
        blocking(move || {
            let store = inner.store.read().map_err(|_| Error::Poisoned)?;
            interop::write(&store, &path, format, name.as_deref())
        })
        .await
    }

    /// The store as bytes, for [`deserialize_from_bytes`](Self::deserialize_from_bytes) on any target.
    ///
    /// # Errors
    /// What FAISS reports while it writes an index that is not flat; as [`serialize_to_bytes_as`](Self::serialize_to_bytes_as).
    pub async fn serialize_to_bytes(&self) -> Result<Vec<u8>> {
        self.ask(Store::serialize_to_bytes).await
    }

    /// The store as bytes with vectors as f16 or 8-bit codes, and what the vectors lose. See [`save_file_as`](Self::save_file_as).
    ///
    /// # Errors
    /// As [`Store::encode_as`].
    pub async fn serialize_to_bytes_as(&self, encoding: VectorEncoding) -> Result<(Vec<u8>, Loss)> {
        self.ask(move |store| {
            let encoded = store.encode_as(encoding)?;
            Ok((encoded.to_vec(), encoded.loss()))
        })
        .await
    }
}

fn texts_of(documents: &[Document]) -> Vec<String> {
    documents.iter().map(|document| document.page_content.clone()).collect()
}

/// The vectors of new documents, row after row. What is wrong with the documents themselves is said first.
fn lay_out(
    store: &Store,
    documents: &[Document],
    vectors: Vec<Vec<f32>>,
) -> twindex_core::Result<Vectors<'static>> {
    Store::check_documents(documents)?;
    let (data, dim) = flatten(&vectors, store.dim())?;
    Vectors::new(data, dim)
}

/// Ids as the core takes them, where a missing one is made.
fn given(ids: Option<Vec<String>>) -> Option<Vec<Option<String>>> {
    ids.map(|ids| ids.into_iter().map(Some).collect())
}
