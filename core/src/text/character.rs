//! Splitting at one separator.

use std::sync::OnceLock;

use super::TextSplitter;
use super::merge::{Piece, SplitReport, merge};
use super::pattern::Separator;
use super::settings::{KeepSeparator, Settings, shared_settings};
use crate::Result;

/// Splits a text at one separator and merges the pieces into chunks, as LangChain's class of this name.
///
/// A piece without the separator is never cut, however long: see
/// [`SplitReport::oversized`](super::SplitReport::oversized).
///
/// ```
/// use twindex_core::text::{CharacterTextSplitter, TextSplitter};
///
/// let splitter = CharacterTextSplitter::new().separator(". ").chunk_size(20).chunk_overlap(0);
/// assert_eq!(splitter.split_text("One. Two. And a long third.")?, ["One. Two", "And a long third."]);
/// # Ok::<(), twindex_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CharacterTextSplitter {
    settings: Settings,
    separator: String,
    compiled: OnceLock<Result<Separator>>,
}

impl Default for CharacterTextSplitter {
    fn default() -> Self {
        Self::new()
    }
}

impl CharacterTextSplitter {
    /// A splitter with LangChain's defaults.
    #[must_use]
    pub fn new() -> Self {
        let settings = Settings::new(KeepSeparator::No);
        Self { settings, separator: "\n\n".to_owned(), compiled: OnceLock::new() }
    }

    /// Where to split; `""` splits between all characters. Default: `"\n\n"`.
    #[must_use]
    pub fn separator(mut self, separator: impl Into<String>) -> Self {
        self.separator = separator.into();
        self.compiled = OnceLock::new();
        self
    }

    /// Whether the separator is a regular expression, in Python's syntax. Default: no.
    ///
    /// As in LangChain, merged pieces are joined with the expression's own text, unless the separator is
    /// kept or the expression begins with a look-around.
    #[must_use]
    pub fn is_separator_regex(mut self, yes: bool) -> Self {
        self.settings.is_separator_regex = yes;
        self.compiled = OnceLock::new();
        self
    }

    /// Whether chunks keep the separator, and where. Default: [`KeepSeparator::No`].
    #[must_use]
    pub fn keep_separator(mut self, keep: KeepSeparator) -> Self {
        self.settings.keep_separator = keep;
        self.compiled = OnceLock::new();
        self
    }

    shared_settings!();

    /// Checks the parameters, as every split does.
    ///
    /// # Errors
    /// [`Error::InvalidSplitter`](crate::Error::InvalidSplitter) if the chunk size is 0, the overlap larger than it, or the separator
    /// not a regular expression where it should be one.
    pub fn validate(&self) -> Result<()> {
        self.ready().map(|_| ())
    }

    fn ready(&self) -> Result<&Separator> {
        self.settings.check()?;
        let compile = || Separator::new(&self.separator, &self.settings);
        self.compiled.get_or_init(compile).as_ref().map_err(Clone::clone)
    }
}

impl TextSplitter for CharacterTextSplitter {
    fn split_text_report(&self, text: &str) -> Result<SplitReport> {
        let separator = self.ready()?;
        let pieces: Vec<Piece<'_>> = separator.split(text, &self.settings)?;
        // What begins with a look-around matches nothing that could be put back.
        let look_around = self.settings.is_separator_regex
            && ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|opening| self.separator.starts_with(opening));
        let joint = match self.settings.keep_separator {
            KeepSeparator::No if !look_around => self.separator.as_str(),
            _ => "",
        };
        let mut report = SplitReport::default();
        merge(&self.settings, &pieces, joint, &mut report);
        Ok(report)
    }

    fn start_index_overlap(&self) -> Option<usize> {
        self.settings.add_start_index.then_some(self.settings.chunk_overlap)
    }
}
