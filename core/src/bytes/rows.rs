//! Vectors checked piece by piece, while each piece is in the cache.

use xxhash_rust::xxh3::Xxh3Default;

use super::{Section, VectorEncoding, verify_checksum};
use crate::error::{Error, Result};
use crate::exact::RowStats;
use crate::metric::Metric;

/// Hashes, decodes, checks and measures the vectors section as it is read: one pass over it in place of many.
///
/// ```
/// use twindex_core::{Metric, bytes::{RowVerifier, VectorEncoding}};
/// # fn main() -> twindex_core::Result<()> {
/// let mut rows = RowVerifier::new(2, Metric::L2, VectorEncoding::F16);
/// let mut numbers = [0; 16];
/// rows.fill(&mut numbers, |bytes| Ok::<_, twindex_core::Error>(bytes.copy_from_slice(&[0, 0x3c].repeat(4))))?;
/// assert_eq!(numbers[..4], 1f32.to_ne_bytes());
/// # Ok(())
/// # }
/// ```
pub struct RowVerifier {
    dim: usize,
    encoding: VectorEncoding,
    hash: Xxh3Default,
    stats: RowStats,
    /// One row, where it cannot be looked at where it is.
    row: Vec<f32>,
    /// Rows as they stand in the file, if not as numbers.
    encoded: Vec<u8>,
    /// The first row that a store cannot hold. Told at the end: damage is better named as such.
    defect: Option<Error>,
}

impl std::fmt::Debug for RowVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowVerifier").field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl RowVerifier {
    /// For rows of `dim` numbers; `dim` is at least 1.
    #[must_use]
    pub fn new(dim: usize, metric: Metric, encoding: VectorEncoding) -> Self {
        Self {
            dim,
            encoding,
            hash: Xxh3Default::new(),
            stats: RowStats::new(metric),
            row: Vec::new(),
            encoded: Vec::new(),
            defect: None,
        }
    }

    /// Fills in the next rows, as f32 of this machine. `read` is asked for the bytes of the section, in order, some rows at a time.
    ///
    /// # Errors
    /// What `read` reports.
    ///
    /// # Panics
    /// If `out` does not hold whole rows.
    pub fn fill<E>(
        &mut self,
        out: &mut [u8],
        mut read: impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        /// About half of a second-level cache.
        const PIECE: usize = 128 << 10;
        if out.is_empty() {
            return Ok(());
        }
        // There is a row, so its length is one that memory can have.
        let row_len = self.dim * size_of::<f32>();
        assert!(out.len().is_multiple_of(row_len), "whole rows");
        for piece in out.chunks_mut((PIECE / row_len).max(1) * row_len) {
            if self.encoding == VectorEncoding::F32 {
                read(piece)?;
                self.take(piece);
            } else {
                let encoded_len = self.encoding.row_len(self.dim) as usize;
                self.encoded.resize(piece.len() / row_len * encoded_len, 0);
                read(&mut self.encoded)?;
                self.decode(piece, encoded_len);
            }
        }
        Ok(())
    }

    /// Takes in rows that are numbers already, and leaves them in the byte order of this machine.
    fn take(&mut self, piece: &mut [u8]) {
        self.hash.update(piece);
        if cfg!(target_endian = "big") {
            piece.as_chunks_mut::<4>().0.iter_mut().for_each(|number| number.reverse());
        }
        for bytes in piece.chunks_exact(self.dim * size_of::<f32>()) {
            match bytemuck::try_cast_slice(bytes) {
                Ok(numbers) => note(&mut self.defect, self.stats.push_checked(numbers)),
                Err(_) => {
                    self.row.resize(self.dim, 0.0);
                    bytemuck::cast_slice_mut(&mut self.row).copy_from_slice(bytes);
                    note(&mut self.defect, self.stats.push_checked(&self.row));
                }
            }
        }
    }

    /// Turns encoded rows into numbers.
    fn decode(&mut self, piece: &mut [u8], encoded_len: usize) {
        self.hash.update(&self.encoded);
        self.row.resize(self.dim, 0.0);
        let rows = piece.chunks_exact_mut(self.dim * size_of::<f32>());
        for (bytes, out) in self.encoded.chunks_exact(encoded_len).zip(rows) {
            let decoded = self.encoding.decode_row(bytes, &mut self.row);
            let decoded =
                decoded.map_err(|reason| Error::Corrupt { section: "vectors", reason: reason.into() });
            note(&mut self.defect, decoded.and_then(|()| self.stats.push_checked(&self.row)));
            out.copy_from_slice(bytemuck::cast_slice(&self.row));
        }
    }

    /// The statistics of all rows, if their checksum is the section's and a store can hold them.
    ///
    /// # Errors
    /// `checksum_mismatch`; `not_finite`, or `zero_vector` for cosine.
    pub fn finish(self, section: &Section) -> Result<RowStats> {
        verify_checksum(section, self.hash.digest())?;
        match self.defect {
            Some(defect) => Err(defect),
            None => Ok(self.stats),
        }
    }
}

/// Keeps the first error.
fn note(defect: &mut Option<Error>, outcome: Result<()>) {
    if let Err(error) = outcome {
        defect.get_or_insert(error);
    }
}
