//! From id to position, without a second copy of the ids.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::documents::Documents;

/// A hash table of positions; the ids themselves are in the documents.
#[derive(Debug, Default)]
pub(super) struct IdMap {
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl IdMap {
    /// The map of these documents; `None` if two have the same id.
    pub(super) fn of(documents: &Documents) -> Option<Self> {
        let mut map =
            Self { table: HashTable::with_capacity(documents.len()), hasher: DefaultHashBuilder::default() };
        for (position, id) in documents.ids().enumerate() {
            if map.find(id, documents).is_some() {
                return None;
            }
            map.insert(position, documents);
        }
        Some(map)
    }

    pub(super) fn find(&self, id: &str, documents: &Documents) -> Option<usize> {
        let hash = self.hasher.hash_one(id);
        self.table.find(hash, |&p| documents.id(p as usize) == id).map(|&p| p as usize)
    }

    /// Puts in the id of the document at a position, which must be new.
    pub(super) fn insert(&mut self, position: usize, documents: &Documents) {
        let hash = |position: u32| self.hasher.hash_one(documents.id(position as usize));
        // A store never holds more than `MAX_DOCUMENTS`, so positions fit.
        let position = position as u32;
        self.table.insert_unique(hash(position), position, |&p| hash(p));
    }

    /// Makes the map anew after positions have moved. The ids are known to be different.
    pub(super) fn rebuild(&mut self, documents: &Documents) {
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
