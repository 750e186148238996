//! The byte format: one container for every target, described in `core/FORMAT.md`.
//!
//! A header and a table of sections ([`Layout`]), small structured parts in postcard, vectors as one block of
//! little-endian f32 at a 64-byte boundary. Everything read is treated as hostile: counts are checked against the bytes there are
//! before anything is allocated, nesting is bounded, and damage is a typed error.
//!
#![doc = include_str!("../../FORMAT.md")]

use std::borrow::Cow;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::index::Engine;
use crate::store::{Settings, Store};

mod layout;
mod read;
mod rows;
#[cfg(test)]
mod tests;
mod v1;
mod wire;

#[cfg(feature = "metadata-index")]
pub(crate) use v1::metadata_value_at;
pub(crate) use v1::{document_at, document_len, encode_documents, id_at, scan_documents};

pub use layout::{ALIGNMENT, HEADER_LEN, Layout, MAGIC, Section, SectionKind, VERSION};
pub use read::Source;
pub use rows::RowVerifier;

/// A store encoded, as the pieces that a file or a buffer is written from. The vectors are not copied.
#[derive(Debug)]
pub struct Encoded<'a> {
    chunks: Vec<Cow<'a, [u8]>>,
}

impl Encoded<'_> {
    /// The bytes, in order, piece by piece.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(|chunk| &**chunk)
    }

    /// How many bytes there are.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.chunks().map(|chunk| chunk.len() as u64).sum()
    }

    /// All bytes in one buffer.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.chunks().map(<[u8]>::len).sum());
        self.chunks().for_each(|chunk| bytes.extend_from_slice(chunk));
        bytes
    }
}

/// The checksum of a section: XXH3, 64 bits, seed 0.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// What the settings section holds.
#[derive(Debug)]
pub struct Head {
    /// The stored settings.
    pub settings: Settings,
    /// How many documents, and vectors, the settings announce.
    pub count: usize,
}

/// Decodes the settings section (its checksum verified already).
///
/// # Errors
/// `corrupt` if it contradicts the format.
pub fn decode_settings(bytes: &[u8]) -> Result<Head> {
    v1::decode_settings(bytes)
}

/// Fails unless the bytes before a section are zero.
///
/// # Errors
/// `corrupt`.
pub fn check_padding(bytes: &[u8]) -> Result<()> {
    if bytes.iter().all(|&byte| byte == 0) {
        return Ok(());
    }
    Err(Error::Corrupt { section: "header", reason: "bytes between sections expected to be 0".into() })
}

/// Fails unless a section's checksum is the one in the table.
///
/// # Errors
/// `checksum_mismatch` naming the section.
pub fn verify(section: &Section, bytes: &[u8]) -> Result<()> {
    verify_checksum(section, checksum(bytes))
}

/// Fails unless a section's checksum, computed by the caller, is the one in the table.
///
/// # Errors
/// `checksum_mismatch` naming the section.
pub fn verify_checksum(section: &Section, actual: u64) -> Result<()> {
    if section.checksum == actual {
        Ok(())
    } else {
        Err(Error::ChecksumMismatch { section: section.kind.name() })
    }
}

/// Fails unless the vectors section has the length that settings announce, and there is a vectors section or an engine's own,
/// not both, exactly when there is a dimension.
///
/// # Errors
/// `corrupt` saying what was expected.
pub fn check_vectors(layout: &Layout, head: &Head) -> Result<()> {
    let corrupt = |reason: String| Err(Error::Corrupt { section: "vectors", reason });
    match (layout.find(SectionKind::Vectors), layout.find(SectionKind::Faiss), head.settings.dim) {
        (None, None, None) if head.count == 0 => Ok(()),
        (Some(vectors), None, Some(dim)) => {
            let expected = (head.count as u64).checked_mul(dim as u64).and_then(|n| n.checked_mul(4));
            if expected == Some(vectors.len) {
                Ok(())
            } else {
                corrupt(format!("{} x {dim} numbers expected, got {} bytes", head.count, vectors.len))
            }
        }
        (None, Some(_), Some(_)) => Ok(()),
        (vectors, faiss, dim) => corrupt(format!(
            "one block of vectors expected for a dimension of {dim:?} and {} documents, got {}",
            head.count,
            usize::from(vectors.is_some()) + usize::from(faiss.is_some())
        )),
    }
}

impl Store {
    /// Encodes the store. The same documents, ids and vectors in a `Flat` store give the same bytes, on every target and engine;
    /// any store gives the same bytes every time.
    ///
    /// # Errors
    /// What the engine reports while it writes an index that is not flat.
    pub fn encode(&self) -> Result<Encoded<'_>> {
        let mut sections: Vec<(SectionKind, Cow<'_, [u8]>)> = vec![
            (SectionKind::Settings, v1::encode_settings(self.settings(), self.len()).into()),
            (SectionKind::Documents, encode_documents(self.documents())?.into()),
        ];
        if let Some(index) = self.index() {
            match index.rows() {
                Some(rows) => sections.push((SectionKind::Vectors, little_endian(rows.data()))),
                None => sections.push((SectionKind::Faiss, index.to_engine_bytes()?.into())),
            }
        }
        let header = layout::encode(sections.iter().map(|(kind, bytes)| (*kind, &**bytes)));
        let mut at = header.len();
        let mut chunks = vec![Cow::Owned(header)];
        for (_, bytes) in sections {
            let padding = at.next_multiple_of(ALIGNMENT) - at;
            at += padding + bytes.len();
            chunks.push(Cow::Borrowed(&[0; ALIGNMENT][..padding]));
            chunks.push(bytes);
        }
        Ok(Encoded { chunks })
    }

    /// The store as bytes: [`encode`](Self::encode) in one buffer.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn serialize_to_bytes(&self) -> Result<Vec<u8>> {
        Ok(self.encode()?.to_vec())
    }

    /// A store from its bytes. Nothing in them is ever executed.
    ///
    /// # Errors
    /// `not_a_store`, `newer_version`, `truncated`, `checksum_mismatch`, `corrupt`, `not_finite` for damaged or foreign bytes;
    /// `unsupported_content` for an index that the engine cannot open.
    pub fn deserialize_from_bytes(bytes: &[u8], engine: Arc<dyn Engine>) -> Result<Self> {
        Self::read_from(bytes, engine)
    }
}

fn little_endian(numbers: &[f32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(numbers))
    } else {
        Cow::Owned(numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
    }
}
