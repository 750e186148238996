//! What can go wrong on the server: the core's errors, embeddings, files.

use std::path::PathBuf;
use std::{fmt, io};

use crate::device::Device;
use crate::embeddings::EmbeddingsError;

/// Result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. [`code`](Error::code) is stable; causes are kept as sources.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The store refused, or its index failed.
    Store(twindex_core::Error),
    /// No vectors for a text.
    Embeddings(EmbeddingsError),
    /// A file could not be read or written.
    Io {
        /// What was being done (`read`, `write`).
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An index name that is not a plain file name.
    InvalidIndexName {
        /// The name as it came.
        name: String,
    },
    /// An earlier change panicked half-way, so the store cannot be trusted.
    Poisoned,
    /// A device that cannot be used: there is no such card, no driver, or no support for cards in this build.
    DeviceUnavailable {
        /// The device that was asked for.
        device: Device,
        /// Why it cannot be used.
        reason: String,
    },
}

impl Error {
    /// A stable name for the cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Store(error) => error.code(),
            Error::Embeddings(error) => error.code(),
            Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => "file_not_found",
            Error::Io { .. } => "io_error",
            Error::InvalidIndexName { .. } => "invalid_index_name",
            Error::Poisoned => "store_poisoned",
            Error::DeviceUnavailable { .. } => "device_unavailable",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Store(error) => error.fmt(f),
            Error::Embeddings(error) => error.fmt(f),
            Error::Io { operation, path, source } => {
                write!(f, "cannot {operation} {}: {source}", path.display())
            }
            Error::InvalidIndexName { name } => {
                write!(f, "an index name is a file name without folders, got {name:?}")
            }
            Error::Poisoned => {
                f.write_str("an earlier change of this store panicked half-way: load it again")
            }
            Error::DeviceUnavailable { device, reason } => {
                write!(f, "device {device} cannot be used: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Store(error) => Some(error),
            Error::Embeddings(error) => Some(error),
            Error::Io { source, .. } => Some(source),
            Error::InvalidIndexName { .. } | Error::Poisoned | Error::DeviceUnavailable { .. } => None,
        }
    }
}

impl From<twindex_core::Error> for Error {
    fn from(error: twindex_core::Error) -> Self {
        Error::Store(error)
    }
}

impl From<EmbeddingsError> for Error {
    fn from(error: EmbeddingsError) -> Self {
        Error::Embeddings(error)
    }
}
