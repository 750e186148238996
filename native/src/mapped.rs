//! Vectors left in their file: the one place that maps memory.
//!
//! # Hazard
//! A mapped store reads its file whenever it searches. A file that another program truncates ends this process with SIGBUS, and one
//! that is changed in place gives wrong answers without a word. Saving by Twindex is safe: it replaces the file by a new one and never writes
//! into the old. Map only files that nobody else writes to.

use std::fs::File;
use std::io;

use memmap2::{Mmap, MmapOptions};
use twindex_core::SharedRows;
use twindex_core::bytes::Section;

/// The vectors section of a file, mapped.
#[derive(Debug)]
pub(crate) struct MappedRows(Mmap);

impl MappedRows {
    /// Maps a section; its bounds were checked against the file's length.
    pub(crate) fn new(file: &File, section: &Section) -> io::Result<Self> {
        if cfg!(target_endian = "big") {
            return Err(io::Error::other(
                "vectors are little-endian and this machine is not: read them instead",
            ));
        }
        let len = usize::try_from(section.len).map_err(io::Error::other)?;
        // SAFETY: the map is read-only and private to this process's view. That nobody changes the file is what
        // the option's documentation asks of the caller.
        let map = unsafe { MmapOptions::new().offset(section.offset).len(len).map(file)? };
        Ok(Self(map))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl SharedRows for MappedRows {
    fn data(&self) -> &[f32] {
        // Sections start at multiples of 64 in the file, and maps at page boundaries, so the cast holds.
        bytemuck::cast_slice(&self.0)
    }
}
