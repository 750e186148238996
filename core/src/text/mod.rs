//! Splitting text into chunks, with LangChain's results, and reading text and JSON Lines.
//!
//! Chunks are those of Python's langchain-text-splitters 1.1.3, character for character: the same
//! merging, the same white space stripped, the same `start_index`. Nothing here does I/O; the readers
//! take bytes that are in memory already.
//!
//! Where LangChain.js differs from Python, Python is followed:
//!
//! - Length is counted in code points. [`LengthFunction::Utf16`] counts as JavaScript does; a chunk is never
//!   cut inside a surrogate pair, which JavaScript does.
//! - The overlap is counted with the separators; JavaScript leaves them out.
//! - A recursive splitter that has used up its separators leaves a piece too long; JavaScript goes on to
//!   single characters. Give `""` as the last separator for that.
//! - White space is what Python's `str.strip` takes: U+001C to U+001F and U+0085 too, U+FEFF not.
//!
//! Separators may be regular expressions in Python's syntax: `\s`, `\w`, `\b`, `$`, `\Z`, classes, flags
//! and empty matches mean what they mean in Python's `re`, and what it refuses is refused. The differences:
//!
//! - `\N{name}`, the flags `a` and `i` together, and a condition on a group that comes later are errors.
//! - Global flags are taken also where the separator is kept, where LangChain makes an error of them.
//! - Case is ignored by Unicode's simple folding, which keeps `i` apart from `ı` and `İ`.
//! - Repetitions of what can match nothing, as `(?:a?|b)*`, may match otherwise, and groups within possessive
//!   repetitions may hold something else.
//! - A search that backtracks a billion times ends in an error, where Python would go on.

mod character;
mod length;
mod load;
mod merge;
mod pattern;
mod python_regex;
mod recursive;
mod settings;

pub use character::CharacterTextSplitter;
pub use length::LengthFunction;
pub use load::{JsonlRow, LoadError, load_jsonl, load_text};
pub use merge::{OversizedChunk, SplitReport};
pub use recursive::RecursiveCharacterTextSplitter;
pub use settings::KeepSeparator;

use crate::{Document, Error, Metadata, Result};

/// Splits texts and documents into chunks.
///
/// ```
/// use twindex_core::Document;
/// use twindex_core::text::{RecursiveCharacterTextSplitter, TextSplitter};
///
/// let splitter = RecursiveCharacterTextSplitter::new().chunk_size(12).chunk_overlap(0).add_start_index(true);
/// let chunks = splitter.split_documents(&[Document::new("to walk about without").with("pos", "verb")])?;
/// assert_eq!(chunks[1].page_content, "about");
/// assert_eq!(chunks[1].metadata.get("start_index").and_then(|v| v.as_i64()), Some(8));
/// assert_eq!(chunks[1].metadata.get("pos").and_then(|v| v.as_str()), Some("verb"));
/// # Ok::<(), twindex_core::Error>(())
/// ```
pub trait TextSplitter {
    /// The chunks of a text, and what LangChain would warn about.
    ///
    /// # Errors
    /// [`Error::InvalidSplitter`] if the parameters make no sense, a separator is not a regular expression,
    /// or a search with it gave up.
    fn split_text_report(&self, text: &str) -> Result<SplitReport>;

    /// The overlap, if each chunk's metadata shall have its `start_index`; `None` if not.
    ///
    /// LangChain begins its search for a chunk this many code points before the end of the last one.
    fn start_index_overlap(&self) -> Option<usize>;

    /// The chunks of a text.
    ///
    /// # Errors
    /// As [`split_text_report`](TextSplitter::split_text_report).
    fn split_text(&self, text: &str) -> Result<Vec<String>> {
        Ok(self.split_text_report(text)?.chunks)
    }

    /// A document for each chunk of each text, with a copy of that text's metadata and no id.
    ///
    /// `metadatas` is one map for each text, or empty. With `add_start_index`, the metadata gets
    /// `start_index`: where the chunk begins in its text, in code points, or -1 where it is not found
    /// there word for word (as when white space around a separator was stripped).
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] if there are another number of maps than of texts, and what
    /// [`split_text_report`](TextSplitter::split_text_report) returns.
    fn create_documents(&self, texts: &[&str], metadatas: &[Metadata]) -> Result<Vec<Document>> {
        if !metadatas.is_empty() && metadatas.len() != texts.len() {
            return Err(Error::LengthMismatch {
                what: "metadatas",
                expected: texts.len(),
                actual: metadatas.len(),
            });
        }
        let empty = Metadata::new();
        let mut documents = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            documents_of(self, text, metadatas.get(i).unwrap_or(&empty), &mut documents)?;
        }
        Ok(documents)
    }

    /// The chunks of documents, as [`create_documents`](TextSplitter::create_documents) of their texts and
    /// metadata. Their ids are left behind.
    ///
    /// # Errors
    /// As [`split_text_report`](TextSplitter::split_text_report).
    fn split_documents(&self, documents: &[Document]) -> Result<Vec<Document>> {
        let mut chunks = Vec::new();
        for document in documents {
            documents_of(self, &document.page_content, &document.metadata, &mut chunks)?;
        }
        Ok(chunks)
    }
}

fn documents_of<S: TextSplitter + ?Sized>(
    splitter: &S,
    text: &str,
    metadata: &Metadata,
    out: &mut Vec<Document>,
) -> Result<()> {
    let mut places = splitter.start_index_overlap().map(|overlap| StartIndex::new(text, overlap));
    for chunk in splitter.split_text(text)? {
        let mut metadata = metadata.clone();
        if let Some(places) = &mut places {
            metadata.insert("start_index", places.next(&chunk));
        }
        out.push(Document::new(chunk).with_metadata(metadata));
    }
    Ok(())
}

/// Finds where chunks begin, one after the other, as LangChain does.
struct StartIndex<'t> {
    text: &'t str,
    overlap: i128,
    /// Where the last chunk began, in code points; -1 if it was not found.
    index: i64,
    last_len: i64,
    /// A position reached: byte and code point.
    byte: usize,
    point: i128,
}

impl<'t> StartIndex<'t> {
    fn new(text: &'t str, overlap: usize) -> Self {
        let overlap = i128::try_from(overlap).unwrap_or(i128::MAX);
        Self { text, overlap, index: 0, last_len: 0, byte: 0, point: 0 }
    }

    fn next(&mut self, chunk: &str) -> i64 {
        let from = (i128::from(self.index) + i128::from(self.last_len) - self.overlap).max(0);
        self.index = match self.go_to(from).then(|| self.text[self.byte..].find(chunk)).flatten() {
            Some(found) => {
                self.point += points(&self.text[self.byte..self.byte + found]);
                self.byte += found;
                i64::try_from(self.point).unwrap_or(i64::MAX)
            }
            None => -1,
        };
        self.last_len = i64::try_from(points(chunk)).unwrap_or(i64::MAX);
        self.index
    }

    /// Moves to a code point; `false` if the text ends before it.
    fn go_to(&mut self, point: i128) -> bool {
        let move_by = point - self.point;
        if let Ok(forward) = usize::try_from(move_by) {
            let rest = &self.text[self.byte..];
            // The end of the text is a position too, one past its last code point.
            match rest.char_indices().map(|(at, _)| at).chain([rest.len()]).nth(forward) {
                Some(at) => self.byte += at,
                None => return false,
            }
        } else {
            let back = usize::try_from(-move_by).unwrap_or(usize::MAX);
            let at = self.text[..self.byte].char_indices().rev().map(|(at, _)| at).nth(back - 1);
            self.byte = at.unwrap_or(0);
        }
        self.point = point;
        true
    }
}

fn points(text: &str) -> i128 {
    text.chars().count() as i128
}

#[cfg(test)]
mod tests;
