//! What can go wrong between a model's files and its vectors.

use std::fmt;

/// Result of everything in this crate that can fail.
pub type Result<T, E = EmbedError> = std::result::Result<T, E>;

/// Why a model could not be loaded, or a text not embedded.
///
/// Every variant has a stable [`code`](EmbedError::code). File names are those of a sentence-transformers folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbedError {
    /// A file is not what its name says: cut short, damaged, or of another format.
    MalformedFile {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting of the model has a value that makes no sense, or contradicts another file.
    InvalidSetting {
        /// The file.
        file: &'static str,
        /// The setting.
        setting: &'static str,
        /// What was expected and what came.
        reason: String,
    },
    /// A model that is not a BERT, or a BERT with a part this crate does not have.
    UnsupportedModel {
        /// The setting of `config.json` that says so.
        setting: &'static str,
        /// Its value.
        value: String,
    },
    /// A way of pooling other than the mean of the tokens or the first token.
    UnsupportedPooling {
        /// The ways that `1_Pooling/config.json` asks for.
        modes: String,
    },
    /// A chain of modules other than Transformer, Pooling and perhaps Normalize.
    UnsupportedModules {
        /// The chain that `modules.json` asks for.
        modules: String,
    },
    /// The weights lack a tensor that the configuration asks for.
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// A tensor of the weights has another shape than the configuration asks for.
    TensorShape {
        /// Its name.
        name: String,
        /// The shape that the configuration asks for.
        expected: Vec<usize>,
        /// The shape in the file.
        actual: Vec<usize>,
    },
    /// A tensor of the weights holds something other than floating-point numbers.
    TensorType {
        /// Its name.
        name: String,
        /// What it holds.
        actual: String,
    },
    /// The tokenizer failed on a text.
    Tokenizer {
        /// Which text of the call, counted from 0.
        text: usize,
        /// What it said.
        reason: String,
    },
    /// The tokenizer gave no token at all for a text, so there is nothing to pool.
    NoTokens {
        /// Which text of the call, counted from 0.
        text: usize,
    },
    /// A vector came out with NaN or an infinity: the weights are damaged.
    NotFinite {
        /// Which text of the call, counted from 0.
        text: usize,
    },
    /// The computation itself failed.
    Compute {
        /// What the tensor library said.
        reason: String,
    },
}

impl EmbedError {
    /// A stable name for the cause.
    ///
    /// ```
    /// use twindex_embed::EmbedError;
    /// let error = EmbedError::MissingTensor { name: "embeddings.LayerNorm.weight".into() };
    /// assert_eq!(error.code(), "embed_missing_tensor");
    /// ```
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            EmbedError::MalformedFile { .. } => "embed_malformed_file",
            EmbedError::InvalidSetting { .. } => "embed_invalid_setting",
            EmbedError::UnsupportedModel { .. } => "embed_unsupported_model",
            EmbedError::UnsupportedPooling { .. } => "embed_unsupported_pooling",
            EmbedError::UnsupportedModules { .. } => "embed_unsupported_modules",
            EmbedError::MissingTensor { .. } => "embed_missing_tensor",
            EmbedError::TensorShape { .. } => "embed_tensor_shape",
            EmbedError::TensorType { .. } => "embed_tensor_type",
            EmbedError::Tokenizer { .. } => "embed_tokenizer_failed",
            EmbedError::NoTokens { .. } => "embed_no_tokens",
            EmbedError::NotFinite { .. } => "embed_not_finite",
            EmbedError::Compute { .. } => "embed_compute_failed",
        }
    }

    pub(crate) fn malformed(file: &'static str, reason: impl fmt::Display) -> Self {
        EmbedError::MalformedFile { file, reason: reason.to_string() }
    }
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EmbedError::MalformedFile { file, reason } => write!(f, "{file} cannot be read: {reason}"),
            EmbedError::InvalidSetting { file, setting, reason } => write!(f, "{file}, {setting}: {reason}"),
            EmbedError::UnsupportedModel { setting, value } => {
                write!(f, "only BERT models are supported: {setting} of config.json is {value}")
            }
            EmbedError::UnsupportedPooling { modes } => {
                write!(f, "only mean and cls pooling are supported: 1_Pooling/config.json asks for {modes}")
            }
            EmbedError::UnsupportedModules { modules } => write!(
                f,
                "only Transformer, Pooling and then perhaps Normalize are supported: modules.json asks for {modules}"
            ),
            EmbedError::MissingTensor { name } => write!(f, "model.safetensors has no tensor {name}"),
            EmbedError::TensorShape { name, expected, actual } => {
                write!(f, "tensor {name} has the shape {actual:?}, config.json asks for {expected:?}")
            }
            EmbedError::TensorType { name, actual } => {
                write!(f, "tensor {name} holds {actual}, expected f32, f16, bf16 or f64")
            }
            EmbedError::Tokenizer { text, reason } => {
                write!(f, "the tokenizer failed on text {text}: {reason}")
            }
            EmbedError::NoTokens { text } => write!(f, "the tokenizer gave no token for text {text}"),
            EmbedError::NotFinite { text } => {
                write!(f, "the vector of text {text} is not finite: the weights are damaged")
            }
            EmbedError::Compute { reason } => write!(f, "the model could not be computed: {reason}"),
        }
    }
}

impl std::error::Error for EmbedError {}

impl From<candle_core::Error> for EmbedError {
    fn from(error: candle_core::Error) -> Self {
        EmbedError::Compute { reason: error.to_string() }
    }
}
