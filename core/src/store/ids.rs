//! From id to position, without a second copy of the ids.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::document::Document;

/// A hash table of positions; the ids themselves are in the documents.
#[derive(Debug, Default)]
pub(super) struct IdMap {
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// The id of a stored document, which always has one.
pub(super) fn id_of(document: &Document) -> &str {
    document.id.as_deref().unwrap_or_default()
}

impl IdMap {
    /// The map of these documents; `None` if one has no id or two have the same.
    pub(super) fn of(documents: &[Arc<Document>]) -> Option<Self> {
        let mut map =
            Self { table: HashTable::with_capacity(documents.len()), hasher: DefaultHashBuilder::default() };
        for (position, document) in documents.iter().enumerate() {
            let id = document.id.as_deref()?;
            if map.find(id, documents).is_some() {
                return None;
            }
            map.insert(position, documents);
        }
        Some(map)
    }

    pub(super) fn find(&self, id: &str, documents: &[Arc<Document>]) -> Option<usize> {
        let hash = self.hasher.hash_one(id);
        self.table.find(hash, |&p| id_of(&documents[p as usize]) == id).map(|&p| p as usize)
    }

    /// Puts in the id of the document at a position, which must be new.
    pub(super) fn insert(&mut self, position: usize, documents: &[Arc<Document>]) {
        let hash = |position: u32| self.hasher.hash_one(id_of(&documents[position as usize]));
        // A store never holds more than `MAX_DOCUMENTS`, so positions fit.
        let position = position as u32;
        self.table.insert_unique(hash(position), position, |&p| hash(p));
    }

    /// Makes the map anew after positions have moved. The ids are known to be different.
    pub(super) fn rebuild(&mut self, documents: &[Arc<Document>]) {
        self.table.clear();
        for position in 0..documents.len() {
            self.insert(position, documents);
        }
    }

    /// Bytes the table takes: a position and a control byte a slot.
    pub(super) fn bytes(&self) -> u64 {
        (self.table.capacity() * 8 / 7 * (size_of::<u32>() + 1)) as u64
    }
}
