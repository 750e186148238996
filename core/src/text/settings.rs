//! What both splitters can be told, with LangChain's defaults.

use super::length::LengthFunction;
use crate::{Error, Result};

/// Where a separator goes when the text is split at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeepSeparator {
    /// Nowhere; pieces that are merged again get it back between them. LangChain's `False`.
    No,
    /// To the beginning of the piece after it. LangChain's `True` and `"start"`.
    Start,
    /// To the end of the piece before it. LangChain's `"end"`.
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub chunk_size: usize,
    pub chunk_overlap: usize,
    pub length: LengthFunction,
    pub keep_separator: KeepSeparator,
    pub is_separator_regex: bool,
    pub strip_whitespace: bool,
    pub add_start_index: bool,
}

impl Settings {
    pub(super) fn new(keep_separator: KeepSeparator) -> Self {
        Self {
            chunk_size: 4000,
            chunk_overlap: 200,
            length: LengthFunction::CodePoints,
            keep_separator,
            is_separator_regex: false,
            strip_whitespace: true,
            add_start_index: false,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let reason = if self.chunk_size == 0 {
            "chunk_size must be at least 1, got 0".to_owned()
        } else if self.chunk_overlap > self.chunk_size {
            format!(
                "chunk_overlap must be at most chunk_size, {}, got {}",
                self.chunk_size, self.chunk_overlap
            )
        } else {
            return Ok(());
        };
        Err(Error::InvalidSplitter { reason })
    }
}

/// The builder methods that both splitters have. Each changes the separators' meaning or the settings, so
/// what was compiled before is dropped.
macro_rules! shared_settings {
    () => {
        /// The most a chunk may hold, by the length function. Default: 4000.
        #[must_use]
        pub fn chunk_size(mut self, chunk_size: usize) -> Self {
            self.settings.chunk_size = chunk_size;
            self
        }

        /// How much of a chunk's end the next one may repeat. At most the chunk size. Default: 200.
        #[must_use]
        pub fn chunk_overlap(mut self, chunk_overlap: usize) -> Self {
            self.settings.chunk_overlap = chunk_overlap;
            self
        }

        /// How length is counted. Default: code points.
        #[must_use]
        pub fn length_function(mut self, length: $crate::text::LengthFunction) -> Self {
            self.settings.length = length;
            self
        }

        /// Whether white space at both ends of a chunk is taken off. Default: yes.
        #[must_use]
        pub fn strip_whitespace(mut self, yes: bool) -> Self {
            self.settings.strip_whitespace = yes;
            self
        }

        /// Whether each chunk document's metadata gets `start_index`. Default: no.
        #[must_use]
        pub fn add_start_index(mut self, yes: bool) -> Self {
            self.settings.add_start_index = yes;
            self
        }
    };
}
pub(super) use shared_settings;
