//! The docstore: documents by position, decoded when they are first looked at.
//!
//! A store that was opened keeps the documents section as it came, checked, and builds a document only when a hit, a filter or
//! a caller needs it. Opening is so bounded by reading, and documents never looked at cost their encoded size alone.

#[cfg(feature = "metadata-index")]
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

#[cfg(feature = "metadata-index")]
use crate::bytes::metadata_value_at;
use crate::bytes::{document_at, document_len, id_at, scan_documents};
use crate::document::Document;
use crate::error::Result;
use crate::filter::Filter;
#[cfg(feature = "metadata-index")]
use crate::filter::{MetadataIndex, look_up};
use crate::rows::Positions;
#[cfg(feature = "metadata-index")]
use crate::value::Value;

/// Documents by position.
#[derive(Debug, Default)]
pub struct Documents {
    cells: Vec<OnceLock<Arc<Document>>>,
    /// What cells that are empty are decoded from.
    encoded: Vec<u8>,
    /// Where the first `offsets.len()` documents start in `encoded`; those after were added since.
    offsets: Vec<u64>,
    #[cfg(feature = "metadata-index")]
    metadata: MetadataIndex,
}

impl Documents {
    /// The documents of a section of the byte format, all of it checked now.
    ///
    /// # Errors
    /// `corrupt` if it contradicts the format, or does not hold `count` documents.
    pub fn decode(encoded: Vec<u8>, count: usize) -> Result<Self> {
        let offsets = scan_documents(&encoded, count)?;
        let mut cells = Vec::new();
        cells.resize_with(count, OnceLock::new);
        Ok(Self {
            cells,
            encoded,
            offsets,
            #[cfg(feature = "metadata-index")]
            metadata: MetadataIndex::default(),
        })
    }

    /// How many documents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The document at a position.
    ///
    /// # Panics
    /// If there is no such position.
    #[must_use]
    pub fn at(&self, position: usize) -> &Arc<Document> {
        self.cells[position].get_or_init(|| Arc::new(document_at(self.encoded_at(position))))
    }

    /// The id at a position, without decoding the rest.
    ///
    /// # Panics
    /// If there is no such position.
    #[must_use]
    pub fn id(&self, position: usize) -> &str {
        match self.cells[position].get() {
            Some(document) => document.id.as_deref().unwrap_or_default(),
            None => id_at(self.encoded_at(position)),
        }
    }

    /// All documents, by position.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Document>> {
        (0..self.len()).map(|position| self.at(position))
    }

    /// All ids, by position.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|position| self.id(position))
    }

    /// The positions of the documents that a filter accepts.
    ///
    /// With feature `metadata-index`, from an index of the fields that the filter names, made when a field is first named.
    ///
    /// # Errors
    /// `callable_filter_raised` if a function in the filter fails.
    pub fn matching(&self, filter: &Filter) -> Result<Positions> {
        #[cfg(feature = "metadata-index")]
        if let Some(positions) = filter.positions(self) {
            return positions;
        }
        Positions::try_filter(self.len(), |position| filter.matches(self.at(position)))
    }

    /// The value that filters see under a name, without decoding the document.
    #[cfg(feature = "metadata-index")]
    pub(crate) fn look_up(&self, position: usize, name: &str) -> Option<Cow<'_, Value>> {
        match self.cells[position].get() {
            Some(document) => look_up(&document.metadata, name).map(Cow::Borrowed),
            None => metadata_value_at(self.encoded_at(position), name).map(Cow::Owned),
        }
    }

    #[cfg(feature = "metadata-index")]
    pub(crate) fn metadata_index(&self) -> &MetadataIndex {
        &self.metadata
    }

    /// Each document as the bytes it came as, or decoded if it did not come as bytes.
    pub(crate) fn iter_encoded(&self) -> impl Iterator<Item = Result<&[u8], &Document>> {
        self.cells.iter().enumerate().map(|(position, cell)| {
            if position < self.offsets.len() {
                let bytes = self.encoded_at(position);
                return Ok(&bytes[..document_len(bytes)]);
            }
            Err(&**cell.get().expect("a document that was added is there"))
        })
    }

    /// Puts documents, all of which have ids, at the end.
    pub(crate) fn extend(&mut self, documents: impl ExactSizeIterator<Item = Arc<Document>>) {
        // A first, large batch is held without slack; later ones grow as vectors do.
        if self.cells.is_empty() {
            self.cells.reserve_exact(documents.len());
        }
        self.cells.extend(documents.map(OnceLock::from));
        #[cfg(feature = "metadata-index")]
        self.metadata.grow(self.cells.len());
    }

    /// Takes documents out; the rest closes up in order.
    pub(crate) fn remove(&mut self, positions: &Positions) {
        fn retain<T>(items: &mut Vec<T>, positions: &Positions) {
            let mut position = 0;
            items.retain(|_| {
                position += 1;
                !positions.contains(position - 1)
            });
        }
        #[cfg(feature = "metadata-index")]
        self.metadata.remove(positions, self.cells.len());
        retain(&mut self.cells, positions);
        retain(&mut self.offsets, positions);
        if self.offsets.is_empty() {
            self.encoded = Vec::new();
        }
    }

    fn encoded_at(&self, position: usize) -> &[u8] {
        &self.encoded[self.offsets[position] as usize..]
    }

    /// Bytes these documents take beyond texts and metadata: cells, records, ids, offsets.
    pub(crate) fn own_bytes(&self) -> u64 {
        let record = size_of::<Document>() + 2 * size_of::<usize>();
        let decoded = self.cells.iter().filter_map(OnceLock::get);
        let records: usize = decoded.map(|d| record + d.id.as_ref().map_or(0, String::capacity)).sum();
        (self.cells.capacity() * size_of::<OnceLock<Arc<Document>>>()
            + self.offsets.capacity() * size_of::<u64>()
            + records) as u64
    }

    /// Bytes that the index of metadata takes, about.
    pub(crate) fn metadata_index_bytes(&self) -> u64 {
        #[cfg(feature = "metadata-index")]
        return self.metadata.bytes();
        #[cfg(not(feature = "metadata-index"))]
        0
    }

    /// Bytes of the section that documents not looked at yet will be decoded from.
    pub(crate) fn encoded_bytes(&self) -> u64 {
        self.encoded.len() as u64
    }
}

impl<'a> IntoIterator for &'a Documents {
    type Item = &'a Arc<Document>;
    type IntoIter = Box<dyn ExactSizeIterator<Item = &'a Arc<Document>> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(documents: &Documents) -> Vec<u8> {
        crate::bytes::encode_documents(documents).unwrap()
    }

    fn documents(ids: std::ops::Range<usize>) -> Documents {
        let mut documents = Documents::default();
        documents.extend(ids.map(|i| {
            Arc::new(Document::new(format!("text {i}")).with_id(i.to_string()).with("n", i as u64))
        }));
        documents
    }

    #[test]
    fn documents_come_back_one_by_one_and_encode_to_the_same_bytes_at_every_stage() {
        let original = documents(0..300);
        let encoded = encode(&original);
        let mut opened = Documents::decode(encoded.clone(), 300).unwrap();
        assert_eq!(encode(&opened), encoded);
        assert!(opened.ids().eq(original.ids()));
        assert_eq!(opened.at(7), original.at(7));
        assert_eq!(opened.id(7), "7");
        assert_eq!(encode(&opened), encoded);

        let gone = Positions::try_filter(300, |p| Ok::<_, ()>(p % 3 != 0)).unwrap();
        let mut kept = documents(0..300);
        opened.remove(&gone);
        kept.remove(&gone);
        opened.extend(documents(400..410).iter().cloned().collect::<Vec<_>>().into_iter());
        kept.extend(documents(400..410).iter().cloned().collect::<Vec<_>>().into_iter());
        assert!(opened.iter().eq(kept.iter()));
        assert_eq!(encode(&opened), encode(&kept));
    }
}
