//! Text to vectors: the [`Embeddings`] trait, and the ways to have one.
//!
//! | | needs | what it matches |
//! |---|---|---|
//! | [`LexicalEmbeddings`] | nothing | shared words and parts of words, not meaning |
//! | `LocalEmbeddings` (feature `local`) | a model's folder on this machine | meaning; texts never leave the machine |
//! | `OpenAiEmbeddings` (feature `openai`) | a service that speaks OpenAI's protocol | meaning |
//!
//! A store awaits vectors first, holding nothing, and changes only once it has all of them: a call that fails, even
//! half-way through its batches, gives an error and no vectors.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

mod lexical;
#[cfg(feature = "local")]
mod local;
#[cfg(feature = "openai")]
mod openai;

pub use lexical::LexicalEmbeddings;
#[cfg(feature = "local")]
pub use local::LocalEmbeddings;
#[cfg(feature = "openai")]
pub use openai::{OpenAiBuilder, OpenAiEmbeddings};

/// Something that turns texts into vectors.
///
/// Documents and queries have a method each because some models treat them differently. All vectors of one value of
/// this trait have the same length. Implement it for a model of your own:
///
/// ```
/// use twindex::embeddings::{Embeddings, EmbeddingsError};
///
/// /// Counts vowels and other characters.
/// struct Vowels;
///
/// #[async_trait::async_trait]
/// impl Embeddings for Vowels {
///     async fn embed_documents(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingsError> {
///         let mut vectors = Vec::new();
///         for text in texts {
///             vectors.push(self.embed_query(text).await?);
///         }
///         Ok(vectors)
///     }
///
///     async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingsError> {
///         let vowels = text.chars().filter(|c| "aeiou".contains(*c)).count();
///         Ok(vec![vowels as f32, (text.chars().count() - vowels) as f32])
///     }
///
///     fn name(&self) -> &str {
///         "vowels"
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), EmbeddingsError> {
/// assert_eq!(Vowels.embed_query("twindex").await?, [2.0, 5.0]);
/// # Ok(())
/// # }
/// ```
#[async_trait::async_trait]
pub trait Embeddings: Send + Sync {
    /// One vector a text, in the order of the texts; no texts give no vectors.
    ///
    /// # Errors
    ///
    /// [`EmbeddingsError`] where any text could not be embedded; then there are no vectors at all.
    async fn embed_documents(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingsError>;

    /// The vector of a text to search for.
    ///
    /// # Errors
    ///
    /// [`EmbeddingsError`] where the text could not be embedded.
    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingsError>;

    /// A short stable name for people to read. It is saved nowhere.
    fn name(&self) -> &str;
}

macro_rules! forward_embeddings {
    ($pointer:ty) => {
        #[async_trait::async_trait]
        impl<T: Embeddings + ?Sized> Embeddings for $pointer {
            async fn embed_documents(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingsError> {
                (**self).embed_documents(texts).await
            }

            async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingsError> {
                (**self).embed_query(text).await
            }

            fn name(&self) -> &str {
                (**self).name()
            }
        }
    };
}

forward_embeddings!(Arc<T>);
forward_embeddings!(Box<T>);
forward_embeddings!(&T);

/// The cause of another error, kept with it.
type Source = Box<dyn StdError + Send + Sync>;

/// Why texts could not be embedded.
///
/// Every variant has a stable [`code`](EmbeddingsError::code). No message holds an API key.
#[derive(Debug)]
#[non_exhaustive]
pub enum EmbeddingsError {
    /// The service answered with a status other than success, after all retries that the status allows.
    Status {
        /// The HTTP status.
        status: u16,
        /// What the service said, cut to 500 characters.
        message: String,
        /// Requests made, the first included.
        attempts: u32,
    },
    /// The service took longer than the client waits.
    Timeout {
        /// How long the client waits for one answer.
        after: Duration,
    },
    /// The service could not be reached, or the connection broke off, after all retries.
    Connection {
        /// What happened.
        message: String,
        /// Requests made, the first included.
        attempts: u32,
        /// The cause.
        source: Option<Source>,
    },
    /// The service's answer is not what the protocol says.
    MalformedAnswer {
        /// What is wrong with it.
        reason: String,
    },
    /// Another number of vectors came than texts were given.
    WrongCount {
        /// Texts given.
        expected: usize,
        /// Vectors that came.
        actual: usize,
    },
    /// A setting of the client that makes no sense, or is missing.
    InvalidOption {
        /// Name of the setting.
        option: &'static str,
        /// What was expected and what came.
        reason: String,
    },
    /// A file of a model's folder could not be read.
    ModelFile {
        /// The file, relative to the folder.
        file: String,
        /// The folder.
        folder: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The model could not be loaded, or not computed.
    Model {
        /// What is wrong.
        message: String,
        /// The cause.
        source: Option<Source>,
    },
    /// Something of your own, from another implementation of [`Embeddings`].
    Custom {
        /// What is wrong.
        message: String,
        /// The cause.
        source: Option<Source>,
    },
}

impl EmbeddingsError {
    /// An error for another implementation of [`Embeddings`].
    ///
    /// ```
    /// use twindex::embeddings::EmbeddingsError;
    /// let error = EmbeddingsError::custom("the model is still loading");
    /// assert_eq!(error.code(), "embeddings_custom");
    /// assert_eq!(error.to_string(), "the model is still loading");
    /// ```
    pub fn custom(message: impl Into<String>) -> Self {
        EmbeddingsError::Custom { message: message.into(), source: None }
    }

    /// Like [`custom`](EmbeddingsError::custom), with a cause.
    ///
    /// ```
    /// use std::error::Error;
    /// use twindex::embeddings::EmbeddingsError;
    /// let error = EmbeddingsError::custom_with("no vector", std::fmt::Error);
    /// assert!(error.source().is_some());
    /// ```
    pub fn custom_with(message: impl Into<String>, source: impl Into<Source>) -> Self {
        EmbeddingsError::Custom { message: message.into(), source: Some(source.into()) }
    }

    /// A stable name for the cause.
    ///
    /// ```
    /// use twindex::embeddings::EmbeddingsError;
    /// let error = EmbeddingsError::WrongCount { expected: 3, actual: 2 };
    /// assert_eq!(error.code(), "embeddings_wrong_count");
    /// ```
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            EmbeddingsError::Status { .. } => "embeddings_status",
            EmbeddingsError::Timeout { .. } => "embeddings_timeout",
            EmbeddingsError::Connection { .. } => "embeddings_connection",
            EmbeddingsError::MalformedAnswer { .. } => "embeddings_malformed_answer",
            EmbeddingsError::WrongCount { .. } => "embeddings_wrong_count",
            EmbeddingsError::InvalidOption { .. } => "embeddings_invalid_option",
            EmbeddingsError::ModelFile { .. } => "embeddings_model_file",
            EmbeddingsError::Model { .. } => "embeddings_model",
            EmbeddingsError::Custom { .. } => "embeddings_custom",
        }
    }
}

impl fmt::Display for EmbeddingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tries =
            |attempts: &u32| if *attempts == 1 { "1 try".into() } else { format!("{attempts} tries") };
        match self {
            EmbeddingsError::Status { status, message, attempts } => {
                write!(f, "the embeddings service answered {status} after {}: {message}", tries(attempts))
            }
            EmbeddingsError::Timeout { after } => {
                write!(f, "the embeddings service gave no answer within {after:?}")
            }
            EmbeddingsError::Connection { message, attempts, .. } => {
                write!(f, "no connection to the embeddings service after {}: {message}", tries(attempts))
            }
            EmbeddingsError::MalformedAnswer { reason } => {
                write!(f, "the embeddings service's answer cannot be used: {reason}")
            }
            EmbeddingsError::WrongCount { expected, actual } => {
                write!(f, "expected {expected} vectors, one for each text, got {actual}")
            }
            EmbeddingsError::InvalidOption { option, reason } => write!(f, "option {option}: {reason}"),
            EmbeddingsError::ModelFile { file, folder, source } => {
                write!(f, "cannot read {file} in the model folder {folder}: {source}")
            }
            EmbeddingsError::Model { message, .. } | EmbeddingsError::Custom { message, .. } => {
                f.write_str(message)
            }
        }
    }
}

impl StdError for EmbeddingsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            EmbeddingsError::ModelFile { source, .. } => Some(source),
            EmbeddingsError::Connection { source, .. }
            | EmbeddingsError::Model { source, .. }
            | EmbeddingsError::Custom { source, .. } => {
                source.as_deref().map(|s| s as &(dyn StdError + 'static))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_to_embeddings_are_embeddings() {
        fn is<T: Embeddings>() {}
        is::<Arc<dyn Embeddings>>();
        is::<Box<dyn Embeddings>>();
        is::<&LexicalEmbeddings>();
        let shared: Arc<dyn Embeddings> = Arc::new(LexicalEmbeddings::default());
        assert_eq!(shared.name(), LexicalEmbeddings::default().name());
    }

    #[test]
    fn every_code_is_its_own_and_causes_are_kept() {
        let source = || -> Option<Source> { Some("cause".into()) };
        let after = Duration::from_secs(1);
        let all = [
            EmbeddingsError::Status { status: 500, message: String::new(), attempts: 1 },
            EmbeddingsError::Timeout { after },
            EmbeddingsError::Connection { message: String::new(), attempts: 2, source: source() },
            EmbeddingsError::MalformedAnswer { reason: String::new() },
            EmbeddingsError::WrongCount { expected: 1, actual: 0 },
            EmbeddingsError::InvalidOption { option: "model", reason: String::new() },
            EmbeddingsError::ModelFile {
                file: "config.json".into(),
                folder: "m".into(),
                source: std::io::ErrorKind::NotFound.into(),
            },
            EmbeddingsError::Model { message: String::new(), source: source() },
            EmbeddingsError::Custom { message: String::new(), source: source() },
        ];
        let codes: std::collections::BTreeSet<_> = all.iter().map(EmbeddingsError::code).collect();
        assert_eq!(codes.len(), all.len());
        assert!(codes.iter().all(|code| code.starts_with("embeddings_")));
        assert_eq!(all.iter().filter(|e| e.source().is_some()).count(), 4);
    }
}
