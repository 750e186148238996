//! How length is counted.

use std::fmt;
use std::sync::Arc;

/// How a splitter counts the length of text, for `chunk_size` and `chunk_overlap`.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum LengthFunction {
    /// Unicode code points, Python's `len`. The default.
    #[default]
    CodePoints,
    /// UTF-16 code units, JavaScript's `length`.
    Utf16,
    /// Bytes of UTF-8.
    Utf8,
    /// The caller's own count, such as the tokens of a model. The same text must always have the same
    /// length.
    Custom(Arc<dyn Fn(&str) -> usize + Send + Sync>),
}

impl LengthFunction {
    /// A length function of the caller's own.
    ///
    /// ```
    /// use twindex_core::text::{CharacterTextSplitter, LengthFunction, TextSplitter};
    /// let words = LengthFunction::custom(|text| text.split_whitespace().count());
    /// let splitter =
    ///     CharacterTextSplitter::new().separator(" ").length_function(words).chunk_size(2).chunk_overlap(0);
    /// assert_eq!(splitter.split_text("one two three")?, ["one two", "three"]);
    /// # Ok::<(), twindex_core::Error>(())
    /// ```
    pub fn custom(count: impl Fn(&str) -> usize + Send + Sync + 'static) -> Self {
        Self::Custom(Arc::new(count))
    }

    /// The length of a text.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        match self {
            Self::CodePoints => text.chars().count(),
            Self::Utf16 => text.encode_utf16().count(),
            Self::Utf8 => text.len(),
            Self::Custom(count) => count(text),
        }
    }
}

impl fmt::Debug for LengthFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CodePoints => "CodePoints",
            Self::Utf16 => "Utf16",
            Self::Utf8 => "Utf8",
            Self::Custom(_) => "Custom",
        })
    }
}
