//! Merging small pieces into chunks.

use std::borrow::Cow;

use super::settings::Settings;

/// The chunks of a text, and what LangChain would warn about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SplitReport {
    /// The chunks, in the order of the text.
    pub chunks: Vec<String>,
    /// One for each of LangChain's warnings "Created a chunk of size ..., which is longer than the specified
    /// ...".
    ///
    /// It warns when a chunk is followed by another one of the same merge, so the last chunk of a
    /// text, and pieces that a recursive splitter could not split further, are not listed even if they are too long.
    pub oversized: Vec<OversizedChunk>,
}

/// A chunk that is longer than the chunk size, because nothing in it was left to split at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OversizedChunk {
    /// Its position in [`SplitReport::chunks`]; `None` if it was white space only and left out.
    pub chunk: Option<usize>,
    /// Its length by the length function, before white space was stripped.
    pub size: usize,
}

/// A piece of the text with its length, so that it is counted once.
#[derive(Debug, Clone)]
pub(super) struct Piece<'t> {
    pub text: Cow<'t, str>,
    pub len: usize,
}

/// Puts pieces together while they fit, with `separator` between them, and lets each chunk begin with as many
/// of the last one's final pieces as the overlap allows.
pub(super) fn merge(settings: &Settings, pieces: &[Piece<'_>], separator: &str, report: &mut SplitReport) {
    // Sums of lengths that the caller's function made up: wide enough never to overflow.
    let size = settings.chunk_size as u128;
    let overlap = settings.chunk_overlap as u128;
    let separator_len = settings.length.count(separator) as u128;
    // The chunk being built is pieces[start..i], `total` long.
    let (mut start, mut total) = (0, 0u128);
    for (i, piece) in pieces.iter().enumerate() {
        let len = piece.len as u128;
        let joint = |start: usize| if start < i { separator_len } else { 0 };
        if total + len + joint(start) > size {
            let chunk = (start < i)
                .then(|| push(settings, &pieces[start..i], separator, &mut report.chunks))
                .flatten();
            if total > size {
                report
                    .oversized
                    .push(OversizedChunk { chunk, size: usize::try_from(total).unwrap_or(usize::MAX) });
            }
            while start < i && (total > overlap || (total + len + joint(start) > size && total > 0)) {
                total -= pieces[start].len as u128 + if start + 1 < i { separator_len } else { 0 };
                start += 1;
            }
        }
        total += len + joint(start);
    }
    push(settings, &pieces[start..], separator, &mut report.chunks);
}

/// Adds the joined pieces unless nothing is left of them, and says where.
fn push(
    settings: &Settings,
    pieces: &[Piece<'_>],
    separator: &str,
    chunks: &mut Vec<String>,
) -> Option<usize> {
    let bytes: usize = pieces.iter().map(|piece| piece.text.len() + separator.len()).sum();
    let mut joined = String::with_capacity(bytes);
    for (i, piece) in pieces.iter().enumerate() {
        if i > 0 {
            joined.push_str(separator);
        }
        joined.push_str(&piece.text);
    }
    if settings.strip_whitespace {
        joined.truncate(joined.trim_end_matches(is_python_space).len());
        let blank = joined.len() - joined.trim_start_matches(is_python_space).len();
        joined.drain(..blank);
    }
    (!joined.is_empty()).then(|| {
        joined.shrink_to_fit();
        chunks.push(joined);
        chunks.len() - 1
    })
}

/// What Python's `str.strip` and `\s` take for white space.
pub(super) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}
