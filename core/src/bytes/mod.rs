//! The byte format: one container for every target, described in `core/FORMAT.md`.
//!
//! A header and a table of sections ([`Layout`]), small structured parts in postcard, vectors as one block of
//! little-endian f32 at a 64-byte boundary, or of f16 or 8-bit codes ([`VectorEncoding`]). Everything read is treated as hostile: counts are checked against the bytes there are
//! before anything is allocated, nesting is bounded, and damage is a typed error.
//!
#![doc = include_str!("../../FORMAT.md")]

use std::borrow::Cow;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3Default;

use crate::error::{Error, Result};
use crate::index::Engine;
use crate::store::{Settings, Store};

mod encoding;
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

pub use encoding::{Loss, VectorEncoding};
pub use layout::{ALIGNMENT, HEADER_LEN, Layout, MAGIC, Section, SectionKind, VERSION};
pub use read::Source;
pub use rows::RowVerifier;

/// A store encoded, as the pieces that a file or a buffer is written from. Vectors that stand there as they are, are not copied.
#[derive(Debug)]
pub struct Encoded<'a> {
    chunks: Vec<Cow<'a, [u8]>>,
    loss: Loss,
}

impl Encoded<'_> {
    /// What the vectors lose.
    #[must_use]
    pub fn loss(&self) -> Loss {
        self.loss
    }

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
    // Step by step, as vectors are hashed: the code that does it at once would be there for nothing else.
    let mut hash = Xxh3Default::new();
    hash.update(bytes);
    hash.digest()
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
    // After settings and documents, which come first.
    let blocks = layout.sections().iter().filter(|section| section.kind.number() > 2).count();
    match (layout.vectors(), blocks, head.settings.dim) {
        (None, 0, None) if head.count == 0 => Ok(()),
        (Some((vectors, encoding)), 1, Some(dim)) => {
            if encoding.row_len(dim).checked_mul(head.count as u64) == Some(vectors.len) {
                Ok(())
            } else {
                corrupt(format!("{} x {dim} numbers expected, got {} bytes", head.count, vectors.len))
            }
        }
        (None, 1, Some(_)) => Ok(()),
        (_, blocks, dim) => corrupt(format!(
            "one block of vectors expected for a dimension of {dim:?} and {} documents, got {blocks}",
            head.count,
        )),
    }
}

impl Store {
    /// Encodes the store, its vectors as [`vector_encoding`](Self::vector_encoding) says. The same documents, ids and vectors in a `Flat` store give
    /// the same bytes, on every target and engine; any store gives the same bytes every time.
    ///
    /// # Errors
    /// What the engine reports while it writes an index that is not flat; else as [`encode_as`](Self::encode_as).
    pub fn encode(&self) -> Result<Encoded<'_>> {
        self.encode_as(self.vector_encoding())
    }

    /// Encodes the store, its vectors written in this way. The store itself stays as it is.
    ///
    /// ```
    /// use twindex_core::bytes::VectorEncoding;
    /// # use std::sync::Arc;
    /// # use twindex_core::{Document, FlatEngine, Rows, Settings, Store};
    /// # fn main() -> twindex_core::Result<()> {
    /// # let mut store = Store::new(Settings::default(), Arc::new(FlatEngine::default()))?;
    /// # store.add(vec![Document::new("a").with_id("a")], Rows::new(&[0.6, -0.8, 0.1], 3)?, &|| unreachable!())?;
    /// let small = store.encode_as(VectorEncoding::I8)?;
    /// assert!(small.loss().largest < 0.005);
    /// let opened = Store::deserialize_from_bytes(&small.to_vec(), store.engine().clone())?;
    /// assert_eq!(opened.serialize_to_bytes()?, small.to_vec());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`encode`](Self::encode); other than f32, `unsupported_by_index` if the index is not flat, `invalid_option` naming a vector with a number that
    /// f16 does not reach, or one that becomes all zeros in a cosine store.
    pub fn encode_as(&self, encoding: VectorEncoding) -> Result<Encoded<'_>> {
        let mut sections: Vec<(SectionKind, Cow<'_, [u8]>)> = vec![
            (SectionKind::Settings, v1::encode_settings(self.settings(), self.len()).into()),
            (SectionKind::Documents, encode_documents(self.documents())?.into()),
        ];
        let mut loss = Loss::default();
        if let Some(index) = self.index() {
            sections.push(match index.rows() {
                Some(rows) if encoding == VectorEncoding::F32 => {
                    (encoding.section(), little_endian(rows.data()))
                }
                Some(rows) => {
                    let (bytes, lost) = encoding.encode(rows, self.metric())?;
                    loss = lost;
                    (encoding.section(), bytes.into())
                }
                None => {
                    self.check_can_encode_as(encoding)?;
                    (SectionKind::Faiss, index.to_engine_bytes()?.into())
                }
            });
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
        Ok(Encoded { chunks, loss })
    }

    /// What vectors would lose if they were written in this way. Nothing is written.
    ///
    /// # Errors
    /// As [`encode_as`](Self::encode_as).
    pub fn vector_loss(&self, encoding: VectorEncoding) -> Result<Loss> {
        match self.index().and_then(|index| index.rows()) {
            Some(rows) if encoding != VectorEncoding::F32 => Ok(encoding.encode(rows, self.metric())?.1),
            _ => self.check_can_encode_as(encoding).map(|()| Loss::default()),
        }
    }

    /// Fails for the vectors of an index that is not flat, which stand in its own file layout.
    fn check_can_encode_as(&self, encoding: VectorEncoding) -> Result<()> {
        match self.index() {
            Some(index) if index.rows().is_none() && encoding != VectorEncoding::F32 => {
                Err(Error::UnsupportedByIndex {
                    kind: self.settings().kind.clone(),
                    operation: "be saved with smaller vectors",
                    reason: "they are within the index: choose a kind with SQfp16 or SQ8".into(),
                })
            }
            _ => Ok(()),
        }
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
