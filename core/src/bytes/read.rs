//! A store from wherever its bytes lie, each of them looked at once.

use std::sync::Arc;

use super::{
    HEADER_LEN, Layout, RowVerifier, Section, SectionKind, VectorEncoding, check_padding, check_vectors,
    decode_settings, verify,
};
use crate::documents::Documents;
use crate::error::{Error, Result};
use crate::index::{Engine, VectorIndex};
use crate::store::Store;

/// Bytes that can be copied out piece by piece, such as a buffer outside this program's memory.
pub trait Source {
    /// How many bytes there are.
    fn total(&self) -> u64;

    /// Copies the bytes from `offset` on. They are within the total.
    ///
    /// # Errors
    /// What the source reports.
    fn copy(&mut self, offset: u64, out: &mut [u8]) -> Result<()>;
}

impl Source for &[u8] {
    fn total(&self) -> u64 {
        self.len() as u64
    }

    fn copy(&mut self, offset: u64, out: &mut [u8]) -> Result<()> {
        out.copy_from_slice(&self[offset as usize..][..out.len()]);
        Ok(())
    }
}

impl Store {
    /// A store from its bytes, copied once, straight to where they stay. Nothing in them is ever executed.
    ///
    /// # Errors
    /// As [`deserialize_from_bytes`](Self::deserialize_from_bytes), `out_of_memory`, and what the source reports.
    pub fn read_from(mut source: impl Source, engine: Arc<dyn Engine>) -> Result<Self> {
        let layout = read_layout(&mut source)?;
        let settings = read_section(&mut source, &layout, SectionKind::Settings)?;
        let head = decode_settings(&settings)?;
        check_vectors(&layout, &head)?;
        let documents = read_section(&mut source, &layout, SectionKind::Documents)?;
        let documents = Documents::decode(documents, head.count)?;
        let mut encoding = VectorEncoding::F32;
        let index: Option<Box<dyn VectorIndex>> = match (head.settings.dim, layout.vectors()) {
            (None, _) => None,
            (Some(dim), Some((section, found))) => {
                encoding = found;
                begin_section(&mut source, section)?;
                let mut data = reserve::<f32>("vectors", (head.count as u64).saturating_mul(dim as u64))?;
                data.resize(head.count * dim, 0.0);
                let mut rows = RowVerifier::new(dim, head.settings.metric, encoding);
                let mut offset = section.offset;
                rows.fill(bytemuck::cast_slice_mut(&mut data), |piece| {
                    source.copy(offset, piece)?;
                    offset += piece.len() as u64;
                    Ok::<_, Error>(())
                })?;
                Some(engine.adopt(&head.settings.kind, dim, rows.finish(section)?, data)?)
            }
            (Some(dim), None) => {
                let faiss = read_section(&mut source, &layout, SectionKind::Faiss)?;
                Some(engine.open(&head.settings.kind, dim, head.settings.metric, &faiss)?)
            }
        };
        let mut store = Store::from_parts(head.settings, engine, documents, index)?;
        store.set_vector_encoding(encoding);
        Ok(store)
    }
}

fn read_layout(source: &mut impl Source) -> Result<Layout> {
    let total = source.total();
    let mut head = vec![0; HEADER_LEN.min(usize::try_from(total).unwrap_or(HEADER_LEN))];
    source.copy(0, &mut head)?;
    let len = Layout::head_len(&head, total)?;
    if total < len as u64 {
        return Err(Error::Truncated { expected: len as u64, actual: total });
    }
    let read = head.len();
    head.resize(len, 0);
    source.copy(read as u64, &mut head[read..])?;
    Layout::parse(&head, total)
}

/// Checks the padding before a section.
fn begin_section(source: &mut impl Source, section: &Section) -> Result<()> {
    let mut padding = [0; super::ALIGNMENT];
    let padding = &mut padding[..section.padding as usize];
    source.copy(section.offset - section.padding, padding)?;
    check_padding(padding)
}

fn read_section(source: &mut impl Source, layout: &Layout, kind: SectionKind) -> Result<Vec<u8>> {
    let section = layout.require(kind)?;
    begin_section(source, section)?;
    let mut bytes = reserve::<u8>(kind.name(), section.len)?;
    bytes.resize(section.len as usize, 0);
    source.copy(section.offset, &mut bytes)?;
    verify(section, &bytes)?;
    Ok(bytes)
}

/// Room for so many items, or an error.
pub(super) fn reserve<T>(what: &'static str, len: u64) -> Result<Vec<T>> {
    let mut items = Vec::new();
    let bytes = len.saturating_mul(size_of::<T>() as u64);
    let reserved = usize::try_from(len).ok().and_then(|len| items.try_reserve_exact(len).ok());
    reserved.map(|()| items).ok_or(Error::OutOfMemory { what, bytes })
}
