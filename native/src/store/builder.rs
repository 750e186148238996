//! How a store is made or opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use twindex_core::{Document, IdSource, Metadata, Metric, PartialSettings, RelevanceScoreFn, Store};

use super::{Inner, VectorStore, blocking};
use crate::device::{Device, Placement};
use crate::embeddings::Embeddings;
use crate::engine::{EngineKind, NativeEngine};
use crate::error::Result;
use crate::interop::{self, ImportOptions, Imported, Report};
use crate::local::{self, LoadOptions};

/// How a store is made or opened. Starts from [`VectorStore::builder`].
///
/// What is not told takes LangChain's default when a store is made, and what was saved when one is opened; what is told must equal
/// what was saved.
#[derive(Clone)]
pub struct VectorStoreBuilder {
    embeddings: Arc<dyn Embeddings>,
    settings: PartialSettings,
    engine: EngineKind,
    relevance: Option<RelevanceScoreFn>,
    ids: Arc<dyn IdSource>,
    map: bool,
    placement: Placement,
}

impl fmt::Debug for VectorStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorStoreBuilder")
            .field("embeddings", &self.embeddings.name())
            .field("settings", &self.settings)
            .field("engine", &self.engine)
            .field("device", &self.placement.device)
            .finish_non_exhaustive()
    }
}

impl VectorStoreBuilder {
    pub(super) fn new(embeddings: Arc<dyn Embeddings>) -> Self {
        Self {
            embeddings,
            settings: PartialSettings::default(),
            engine: EngineKind::default(),
            relevance: None,
            ids: Arc::new(|| uuid::Uuid::new_v4().to_string()),
            map: false,
            placement: Placement::default(),
        }
    }

    /// How vectors are compared; squared L2 unless told.
    #[must_use]
    pub fn distance_strategy(mut self, metric: Metric) -> Self {
        self.settings.metric = Some(metric);
        self
    }

    /// Whether vectors and queries are scaled to unit length; no unless told.
    #[must_use]
    pub fn normalize_l2(mut self, normalize: bool) -> Self {
        self.settings.normalize_l2 = Some(normalize);
        self
    }

    /// The kind of index, as FAISS's `index_factory` names it; `Flat`, which is exact, unless told.
    #[must_use]
    pub fn index_factory(mut self, kind: impl Into<String>) -> Self {
        self.settings.kind = Some(kind.into());
        self
    }

    /// Numbers per vector; that of the first vectors unless told.
    #[must_use]
    pub fn dim(mut self, dim: usize) -> Self {
        self.settings.dim = Some(dim);
        self
    }

    /// Which engine holds the vectors; FAISS where it is built in.
    #[must_use]
    pub fn engine(mut self, engine: EngineKind) -> Self {
        self.engine = engine;
        self
    }

    /// Where the index is searched, and trained if its kind is; the CPU unless told. Cards need the feature `gpu` and FAISS's engine.
    ///
    /// ```no_run
    /// use twindex::embeddings::LexicalEmbeddings;
    /// use twindex::{Device, VectorStore};
    /// # async fn example() -> twindex::Result<()> {
    /// let store = VectorStore::builder(LexicalEmbeddings::default())
    ///     .device(Device::Gpu(0))
    ///     .device_fallback(true)
    ///     .load_local("site", "index")
    ///     .await?;
    /// println!("searched on {:?}", store.device());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Making or opening the store then fails with `device_unavailable` if the device cannot be used, and so does a change with `out_of_memory` if cards have
    /// too little memory (nothing is changed), unless [`device_fallback`](Self::device_fallback) is set.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.placement.device = device;
        self
    }

    /// Whether the CPU may stand in for cards that cannot be used or have too little memory; no unless told. It is said through [`log`], target `twindex::gpu`, and by
    /// [`VectorStore::device`]. Kinds of index that FAISS does not have on cards are refused all the same.
    #[must_use]
    pub fn device_fallback(mut self, fallback: bool) -> Self {
        self.placement.fallback = fallback;
        self
    }

    /// Bytes of each card that are kept for what FAISS needs while it works; its own choice unless told, which is 1.5 GiB on cards of more than 8 GiB, and it takes
    /// no more. With less it works in smaller pieces; what does not fit it takes when it needs it.
    #[must_use]
    pub fn gpu_temp_memory(mut self, bytes: u64) -> Self {
        self.placement.temp_memory = Some(bytes);
        self
    }

    /// Whether each of several cards ([`Device::AllGpus`]) holds a part of the vectors; unless told each holds them all and answers a part of the queries.
    #[must_use]
    pub fn gpu_shards(mut self, shards: bool) -> Self {
        self.placement.shards = shards;
        self
    }

    /// What turns raw scores into relevances; the metric's own unless told. Not saved.
    #[must_use]
    pub fn relevance_score_fn(mut self, relevance: impl Fn(f32) -> f32 + Send + Sync + 'static) -> Self {
        self.relevance = Some(Arc::new(relevance));
        self
    }

    /// Where ids of documents without one come from; random uuids (version 4) unless told.
    #[must_use]
    pub fn id_source(mut self, ids: impl IdSource + 'static) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// Whether opening a file leaves its vectors there, mapped, in place of reading them; no unless told.
    ///
    /// Opening is then as fast as verifying the checksum, and memory is shared between processes. The index is the core's flat one,
    /// whatever [`engine`](Self::engine) says. Vectors that stand in the file as f16 or 8-bit codes are read and decoded all the same.
    ///
    /// # Hazard
    /// A mapped store reads its file whenever it searches. A file that another program truncates ends the process with SIGBUS, and one
    /// that is changed in place gives wrong answers without a word. Saving by Twindex is safe, since it replaces the file and never writes
    /// into it. Map only files that nobody else writes to.
    #[must_use]
    pub fn map_file(mut self, map: bool) -> Self {
        self.map = map;
        self
    }

    /// An empty store.
    ///
    /// # Errors
    /// `empty_vector` for a dimension of 0, `unsupported_by_index` for a kind of index that cannot be had (if a dimension is given; else
    /// when the first vectors come), `device_unavailable`.
    pub fn build(self) -> Result<VectorStore> {
        let engine = self.native_engine()?;
        let store = Store::new(self.settings.clone().or_default(), engine.shared())?;
        Ok(self.with_store(store, engine))
    }

    fn native_engine(&self) -> Result<NativeEngine> {
        if self.map && self.placement.device != Device::Cpu {
            let reason = format!("a mapped store is searched on the CPU, not on {}", self.placement.device);
            return Err(twindex_core::Error::InvalidOption { option: "device", reason }.into());
        }
        NativeEngine::new(self.engine, &self.placement)
    }

    fn with_store(self, mut store: Store, engine: NativeEngine) -> VectorStore {
        store.set_relevance_score_fn(self.relevance);
        let inner = Inner { store: RwLock::new(store), embeddings: self.embeddings, ids: self.ids, engine };
        VectorStore { inner: Arc::new(inner) }
    }

    /// A store of texts, embedded now. An empty list makes an empty store.
    ///
    /// # Errors
    /// As [`VectorStore::add_texts`].
    pub async fn from_texts(
        self,
        texts: Vec<String>,
        metadatas: Option<Vec<Metadata>>,
        ids: Option<Vec<String>>,
    ) -> Result<VectorStore> {
        let store = self.build()?;
        store.add_texts(texts, metadatas, ids).await?;
        Ok(store)
    }

    /// A store of documents, embedded now.
    ///
    /// # Errors
    /// As [`VectorStore::add_documents`].
    pub async fn from_documents(self, documents: Vec<Document>) -> Result<VectorStore> {
        let store = self.build()?;
        store.add_documents(documents, None).await?;
        Ok(store)
    }

    /// A store of texts with their vectors.
    ///
    /// # Errors
    /// As [`VectorStore::add_embeddings`].
    pub async fn from_embeddings(
        self,
        text_embeddings: Vec<(String, Vec<f32>)>,
        metadatas: Option<Vec<Metadata>>,
        ids: Option<Vec<String>>,
    ) -> Result<VectorStore> {
        let store = self.build()?;
        store.add_embeddings(text_embeddings, metadatas, ids).await?;
        Ok(store)
    }

    /// Opens `{folder}/{index_name}.twindex`. Nothing in a file is ever executed.
    ///
    /// # Errors
    /// `file_not_found`, `io_error`, `invalid_index_name`; what [`Store::deserialize_from_bytes`] says of damaged or foreign bytes;
    /// `setting_mismatch` if the builder was told something else than what is stored.
    pub async fn load_local(self, folder: impl AsRef<Path>, index_name: &str) -> Result<VectorStore> {
        let path = local::index_path(folder.as_ref(), index_name)?;
        self.load_file(path).await
    }

    /// Opens a file, whatever its name. See [`load_local`](Self::load_local).
    ///
    /// # Errors
    /// As [`load_local`](Self::load_local).
    pub async fn load_file(self, path: impl Into<PathBuf>) -> Result<VectorStore> {
        let path = path.into();
        let engine = self.native_engine()?;
        let (native, options) = (engine.clone(), LoadOptions { map: self.map });
        let store = blocking(move || local::load(&path, &native, options)).await?;
        self.checked(store, engine)
    }

    /// Opens what LangChain saved: a folder of Python's (`{index_name}.faiss` and `.pkl`) or of LangChain.js's, also a serialized pickle or an
    /// index file of FAISS's alone, and tells what changed on the way. Nothing in them is ever executed: LangChain's
    /// `allow_dangerous_deserialization` has no counterpart here.
    ///
    /// The files do not say `normalize_L2`, nor cosine: tell the builder. Plain rows can be compared in any way, whatever LangChain did.
    ///
    /// # Errors
    /// `file_not_found`, `io_error`; `unsupported_content` naming what is not read, `corrupt` naming the place; `setting_mismatch`.
    pub async fn load_langchain(
        self,
        path: impl Into<PathBuf>,
        index_name: Option<&str>,
    ) -> Result<(VectorStore, Report)> {
        let engine = NativeEngine::new(self.engine, &self.placement)?;
        let (path, native, ids) = (path.into(), engine.clone(), self.ids.clone());
        let mut options = ImportOptions::new();
        (options.metric, options.normalize_l2) = (self.settings.metric, self.settings.normalize_l2);
        options.index_name = index_name.map(str::to_owned);
        let Imported { store, report } =
            blocking(move || interop::read_by(&path, None, &options, &native, &*ids)).await?;
        Ok((self.checked(store, engine)?, report))
    }

    /// A store from the bytes of [`VectorStore::serialize_to_bytes`].
    ///
    /// # Errors
    /// As [`load_local`](Self::load_local), but for files.
    pub async fn deserialize_from_bytes(self, bytes: Vec<u8>) -> Result<VectorStore> {
        let engine = NativeEngine::new(self.engine, &self.placement)?;
        let shared = engine.shared();
        let store = blocking(move || Store::deserialize_from_bytes(&bytes, shared)).await?;
        self.checked(store, engine)
    }

    /// Compares what the builder was told with what was stored.
    fn checked(self, store: Store, engine: NativeEngine) -> Result<VectorStore> {
        self.settings.check(store.settings())?;
        Ok(self.with_store(store, engine))
    }
}
