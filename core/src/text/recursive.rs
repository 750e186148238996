//! Splitting at the coarsest separator that helps, and what is still too long at the next.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::TextSplitter;
use super::merge::{Piece, SplitReport, merge};
use super::pattern::Separator;
use super::settings::{KeepSeparator, Settings, shared_settings};
use crate::Result;

/// Splits a text at the first of its separators that occurs, and pieces that are still too long at the
/// separators after it, as LangChain's class of this name.
///
/// ```
/// use twindex_core::text::{RecursiveCharacterTextSplitter, TextSplitter};
///
/// let splitter = RecursiveCharacterTextSplitter::new().chunk_size(10).chunk_overlap(0);
/// let chunks = splitter.split_text("Title\n\nA paragraph of words")?;
/// assert_eq!(chunks, ["Title", "A", "paragraph", "of words"]);
/// # Ok::<(), twindex_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RecursiveCharacterTextSplitter {
    settings: Settings,
    separators: Vec<String>,
    compiled: OnceLock<Result<Vec<Separator>>>,
}

impl Default for RecursiveCharacterTextSplitter {
    fn default() -> Self {
        Self::new()
    }
}

/// The pieces of a text that was too long, on their way into chunks.
struct Level<'t> {
    pieces: std::vec::IntoIter<Piece<'t>>,
    /// Pieces short enough, to be merged.
    short: Vec<Piece<'t>>,
    /// Which separator goes between merged pieces.
    at: usize,
    /// Where the separators for pieces still too long begin.
    finer: usize,
}

impl Level<'_> {
    /// The same, borrowing nothing. For a level that was just made.
    fn into_owned(self) -> Level<'static> {
        let own = |piece: Piece<'_>| Piece { text: Cow::Owned(piece.text.into_owned()), len: piece.len };
        let pieces: Vec<_> = self.pieces.map(own).collect();
        Level { pieces: pieces.into_iter(), short: Vec::new(), at: self.at, finer: self.finer }
    }
}

impl RecursiveCharacterTextSplitter {
    /// A splitter with LangChain's defaults.
    #[must_use]
    pub fn new() -> Self {
        let separators = ["\n\n", "\n", " ", ""].map(str::to_owned).to_vec();
        Self { settings: Settings::new(KeepSeparator::Start), separators, compiled: OnceLock::new() }
    }

    /// Where to split, coarse to fine; `""` splits between all characters, and what follows it is
    /// ignored. Default, also for an empty list: `["\n\n", "\n", " ", ""]`.
    ///
    /// Without `""` at the end, a piece that has none of the separators stays as it is, however long and
    /// with its white space, and is not listed in [`SplitReport::oversized`](super::SplitReport::oversized).
    #[must_use]
    pub fn separators<S: Into<String>>(mut self, separators: impl IntoIterator<Item = S>) -> Self {
        self.separators = separators.into_iter().map(Into::into).collect();
        if self.separators.is_empty() {
            self.separators = Self::new().separators;
        }
        self.compiled = OnceLock::new();
        self
    }

    /// Whether the separators are regular expressions, in Python's syntax. Default: no.
    ///
    /// As in LangChain, merged pieces are joined with the expression's own text, unless the separator is
    /// kept.
    #[must_use]
    pub fn is_separator_regex(mut self, yes: bool) -> Self {
        self.settings.is_separator_regex = yes;
        self.compiled = OnceLock::new();
        self
    }

    /// Whether chunks keep the separator, and where. Default: [`KeepSeparator::Start`].
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
    /// [`Error::InvalidSplitter`](crate::Error::InvalidSplitter) if the chunk size is 0, the overlap larger than it, or a separator
    /// not a regular expression where it should be one.
    pub fn validate(&self) -> Result<()> {
        self.ready().map(|_| ())
    }

    fn ready(&self) -> Result<&[Separator]> {
        self.settings.check()?;
        let compile = || self.separators.iter().map(|s| Separator::new(s, &self.settings)).collect();
        let compiled: &Result<Vec<Separator>> = self.compiled.get_or_init(compile);
        compiled.as_deref().map_err(Clone::clone)
    }

    /// Splits at the first separator from `from` on that occurs in the text, or else at the last.
    fn level<'t>(&self, separators: &[Separator], text: &'t str, from: usize) -> Result<Level<'t>> {
        let (mut at, mut finer) = (separators.len() - 1, separators.len());
        for (i, separator) in separators.iter().enumerate().skip(from) {
            if separator.is_every_character() {
                at = i;
                break;
            }
            if separator.is_in(text)? {
                (at, finer) = (i, i + 1);
                break;
            }
        }
        let pieces = separators[at].split(text, &self.settings)?.into_iter();
        Ok(Level { pieces, short: Vec::new(), at, finer })
    }

    fn merge_short(&self, level: &mut Level<'_>, report: &mut SplitReport) {
        if level.short.is_empty() {
            return;
        }
        let joint = match self.settings.keep_separator {
            KeepSeparator::No => self.separators[level.at].as_str(),
            KeepSeparator::Start | KeepSeparator::End => "",
        };
        merge(&self.settings, &level.short, joint, report);
        level.short.clear();
    }
}

impl TextSplitter for RecursiveCharacterTextSplitter {
    fn split_text_report(&self, text: &str) -> Result<SplitReport> {
        let separators = self.ready()?;
        let mut report = SplitReport::default();
        // A stack of our own: as many separators as a caller likes must not exhaust the thread's.
        let mut levels = vec![self.level(separators, text, 0)?];
        while let Some(level) = levels.last_mut() {
            let Some(piece) = level.pieces.next() else {
                self.merge_short(level, &mut report);
                levels.pop();
                continue;
            };
            if piece.len < self.settings.chunk_size {
                level.short.push(piece);
                continue;
            }
            self.merge_short(level, &mut report);
            if level.finer >= separators.len() {
                report.chunks.push(piece.text.into_owned());
            } else {
                let finer = level.finer;
                levels.push(match piece.text {
                    Cow::Borrowed(text) => self.level(separators, text, finer)?,
                    Cow::Owned(text) => self.level(separators, &text, finer)?.into_owned(),
                });
            }
        }
        Ok(report)
    }

    fn start_index_overlap(&self) -> Option<usize> {
        self.settings.add_start_index.then_some(self.settings.chunk_overlap)
    }
}
