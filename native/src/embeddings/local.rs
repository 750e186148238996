//! A sentence-transformers model from a folder, computed on this machine.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use twindex_embed::{EmbedError, Embedder, ModelFiles, ModelLayout};

use super::{Embeddings, EmbeddingsError};

/// Texts given to the thread pool at a time, so that a call that is dropped stops soon.
const TEXTS_PER_TASK: usize = 512;

/// Embeddings from a sentence-transformers folder such as all-MiniLM-L6-v2's.
///
/// The folder holds `config.json`, `tokenizer.json` and `model.safetensors`, and perhaps `modules.json`,
/// `sentence_bert_config.json` and `1_Pooling/config.json`. Models are BERTs with mean or cls pooling; vectors are
/// sentence-transformers' within 1e-5. Texts never leave the machine. Clones share one model.
///
/// Computing runs in tokio's pool for blocking work, never on a thread of the runtime. A call whose future is dropped
/// stops after at most 512 texts.
///
/// ```no_run
/// use twindex::embeddings::{Embeddings, LocalEmbeddings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), twindex::embeddings::EmbeddingsError> {
/// let embeddings = LocalEmbeddings::load("models/all-MiniLM-L6-v2").await?;
/// let vector = embeddings.embed_query("What did the president say?").await?;
/// assert_eq!(vector.len(), embeddings.dim());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LocalEmbeddings {
    embedder: Arc<Embedder>,
    name: Arc<str>,
}

impl fmt::Debug for LocalEmbeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEmbeddings").field("name", &self.name).field("embedder", &self.embedder).finish()
    }
}

impl LocalEmbeddings {
    /// Reads the model in a folder, in tokio's pool for blocking work.
    ///
    /// # Errors
    ///
    /// [`EmbeddingsError::ModelFile`], naming file and folder, for a file that is missing or unreadable;
    /// [`EmbeddingsError::Model`] for a damaged file or a kind of model that is not supported.
    pub async fn load(folder: impl Into<PathBuf>) -> Result<Self, EmbeddingsError> {
        let folder = folder.into();
        in_pool(move || LocalEmbeddings::load_blocking(folder)).await
    }

    /// Like [`load`](LocalEmbeddings::load), on the calling thread and without a runtime.
    ///
    /// # Errors
    ///
    /// As [`load`](LocalEmbeddings::load).
    ///
    /// ```
    /// use twindex::embeddings::LocalEmbeddings;
    /// let error = LocalEmbeddings::load_blocking("no/such/folder").unwrap_err();
    /// assert_eq!(error.code(), "embeddings_model_file");
    /// assert!(error.to_string().contains("config.json in the model folder no/such/folder"));
    /// ```
    pub fn load_blocking(folder: impl AsRef<Path>) -> Result<Self, EmbeddingsError> {
        let folder = folder.as_ref();
        let modules = read_if_there(folder, "modules.json")?;
        let layout = ModelLayout::from_modules(modules.as_deref()).map_err(|e| model_error(folder, e))?;
        let of_transformer = |name: &str| join(&layout.transformer, name);
        let config = read(folder, &of_transformer("config.json"))?;
        let tokenizer = read(folder, &of_transformer("tokenizer.json"))?;
        let sentence = read_if_there(folder, &of_transformer("sentence_bert_config.json"))?;
        let pooling = read_if_there(folder, &join(&layout.pooling, "config.json"))?;
        let weights = read(folder, &of_transformer("model.safetensors"))?;
        let embedder = Embedder::from_parts(ModelFiles {
            config: &config,
            tokenizer: &tokenizer,
            weights: &weights,
            pooling: pooling.as_deref(),
            modules: modules.as_deref(),
            sentence_bert_config: sentence.as_deref(),
        })
        .map_err(|e| model_error(folder, e))?;
        let name = match folder.file_name() {
            Some(name) => format!("local:{}", name.to_string_lossy()),
            None => "local".to_owned(),
        };
        Ok(LocalEmbeddings { embedder: Arc::new(embedder), name: name.into() })
    }

    /// Numbers in a vector.
    ///
    /// ```no_run
    /// let embeddings = twindex::embeddings::LocalEmbeddings::load_blocking("all-MiniLM-L6-v2")?;
    /// assert_eq!(embeddings.dim(), 384);
    /// # Ok::<(), twindex::embeddings::EmbeddingsError>(())
    /// ```
    #[must_use]
    pub fn dim(&self) -> usize {
        self.embedder.dim()
    }

    /// Embeds texts that are the call's from number `first` on.
    async fn embed(&self, texts: Vec<String>, first: usize) -> Result<Vec<Vec<f32>>, EmbeddingsError> {
        let embedder = Arc::clone(&self.embedder);
        in_pool(move || {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            embedder.embed(&texts).map_err(|mut error| {
                match &mut error {
                    EmbedError::Tokenizer { text, .. }
                    | EmbedError::NoTokens { text }
                    | EmbedError::NotFinite { text } => *text += first,
                    _ => {}
                }
                EmbeddingsError::Model { message: error.to_string(), source: Some(Box::new(error)) }
            })
        })
        .await
    }
}

#[async_trait::async_trait]
impl Embeddings for LocalEmbeddings {
    async fn embed_documents(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingsError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for some in texts.chunks(TEXTS_PER_TASK) {
            vectors.append(&mut self.embed(some.to_vec(), vectors.len()).await?);
        }
        Ok(vectors)
    }

    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingsError> {
        let mut vectors = self.embed(vec![text.to_owned()], 0).await?;
        let actual = vectors.len();
        vectors.pop().ok_or(EmbeddingsError::WrongCount { expected: 1, actual })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Runs work that takes a thread for itself.
async fn in_pool<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EmbeddingsError> + Send + 'static,
) -> Result<T, EmbeddingsError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| {
        // The runtime is shutting down, or the work panicked.
        Err(EmbeddingsError::Model {
            message: format!("the model did not finish: {e}"),
            source: Some(Box::new(e)),
        })
    })
}

fn model_error(folder: &Path, error: EmbedError) -> EmbeddingsError {
    let message = format!("the model in {} cannot be used: {error}", folder.display());
    EmbeddingsError::Model { message, source: Some(Box::new(error)) }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{}/{name}", folder.trim_end_matches('/')) }
}

fn read(folder: &Path, file: &str) -> Result<Vec<u8>, EmbeddingsError> {
    std::fs::read(folder.join(file)).map_err(|source| EmbeddingsError::ModelFile {
        file: file.to_owned(),
        folder: folder.display().to_string(),
        source,
    })
}

fn read_if_there(folder: &Path, file: &str) -> Result<Option<Vec<u8>>, EmbeddingsError> {
    match read(folder, file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(EmbeddingsError::ModelFile { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
