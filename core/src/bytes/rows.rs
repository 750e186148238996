//! Vectors checked piece by piece, while each piece is in the cache.

use xxhash_rust::xxh3::Xxh3Default;

use super::{Section, verify_checksum};
use crate::error::{Error, Result};
use crate::exact::RowStats;
use crate::metric::Metric;

/// Hashes, checks and measures the vectors section as it is read: one pass over it in place of three.
///
/// ```
/// use twindex_core::{Metric, bytes::RowVerifier};
/// # fn main() -> twindex_core::Result<()> {
/// let mut rows = RowVerifier::new(2, Metric::L2);
/// rows.piece(&mut [0; 16]);
/// # Ok(())
/// # }
/// ```
pub struct RowVerifier {
    hash: Xxh3Default,
    stats: RowStats,
    row: Vec<f32>,
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
    pub fn new(dim: usize, metric: Metric) -> Self {
        Self { hash: Xxh3Default::new(), stats: RowStats::new(metric), row: vec![0.0; dim], defect: None }
    }

    /// How many bytes to read at a time: whole rows, about half of a second-level cache.
    #[must_use]
    pub fn piece_len(&self) -> usize {
        const PIECE: usize = 128 << 10;
        let row = self.row.len() * size_of::<f32>();
        (PIECE / row).max(1) * row
    }

    /// Takes in the next rows, little-endian, and leaves them in the byte order of this machine.
    ///
    /// # Panics
    /// If they are not whole rows.
    pub fn piece(&mut self, piece: &mut [u8]) {
        let row_len = self.row.len() * size_of::<f32>();
        assert!(piece.len().is_multiple_of(row_len), "whole rows");
        self.hash.update(piece);
        if cfg!(target_endian = "big") {
            piece.as_chunks_mut::<4>().0.iter_mut().for_each(|number| number.reverse());
        }
        if self.defect.is_none() {
            self.defect = piece.chunks_exact(row_len).try_for_each(|bytes| self.take(bytes)).err();
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        match bytemuck::try_cast_slice(bytes) {
            Ok(numbers) => self.stats.push_checked(numbers),
            Err(_) => {
                bytemuck::cast_slice_mut(&mut self.row).copy_from_slice(bytes);
                self.stats.push_checked(&self.row)
            }
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
