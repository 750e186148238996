//! Everything that changes a store. Checks first, then changes, so that a call that fails has no effect.

use hashbrown::HashSet;
use std::borrow::Cow;

use super::*;
use crate::document::IdSource;
use crate::metric::normalize_l2;
use crate::rows::{Positions, Rows, Vectors};

impl Store {
    /// Adds documents with their vectors and returns their ids, in order.
    ///
    /// A document without an id is given one by `new_ids`. Nothing to add is no error. With
    /// `normalize_l2` vectors are scaled to unit length (zero vectors stay zero).
    ///
    /// # Errors
    /// `length_mismatch`, `dimension_mismatch`, `not_finite`, `zero_vector` (cosine), `duplicate_ids_in_call`, `id_already_exists`,
    /// `invalid_metadata`, `too_many_rows`, or what the index reports, such as too few vectors to train. The store is then unchanged.
    pub fn add<'v>(
        &mut self,
        documents: Vec<Document>,
        vectors: impl Into<Vectors<'v>>,
        new_ids: &dyn IdSource,
    ) -> Result<Vec<String>> {
        let vectors = vectors.into();
        let (documents, ids) = with_ids(documents, new_ids);
        self.check_new(&documents, vectors.rows())?;
        let existing: Vec<String> = ids.iter().filter(|id| self.get(id).is_some()).cloned().collect();
        if !existing.is_empty() {
            return Err(Error::IdAlreadyExists { ids: existing });
        }
        self.append(self.prepare(vectors))?;
        self.remember(documents.into_iter());
        Ok(ids)
    }

    /// Adds documents, taking the place of those that have the same ids. A replaced document moves to the end.
    ///
    /// # Errors
    /// As [`add`](Self::add), but for `id_already_exists`; `unsupported_by_index` if an id exists and the kind of index cannot
    /// remove.
    pub fn upsert<'v>(
        &mut self,
        documents: Vec<Document>,
        vectors: impl Into<Vectors<'v>>,
        new_ids: &dyn IdSource,
    ) -> Result<Vec<String>> {
        let vectors = vectors.into();
        let (documents, ids) = with_ids(documents, new_ids);
        self.check_new(&documents, vectors.rows())?;
        let before = self.len();
        let mut replaced = Positions::none(before + documents.len());
        ids.iter().filter_map(|id| self.position(id)).for_each(|position| replaced.insert(position));
        if !replaced.is_empty()
            && let Some(index) = &self.index
        {
            index.check_can_remove()?;
        }
        self.append(self.prepare(vectors))?;
        if !replaced.is_empty()
            && let Some(index) = &mut self.index
        {
            if let Err(error) = index.remove(&replaced) {
                let added = Positions::try_filter(index.len(), |p| Ok::<_, Error>(p >= before))?;
                assert!(index.remove(&added).is_ok(), "an index that could append can take the rows back");
                return Err(error);
            }
            self.forget(&replaced);
        }
        self.remember(documents.into_iter());
        Ok(ids)
    }

    /// Deletes documents and returns how many. The rest closes up in order. Nothing to delete is no error.
    ///
    /// # Errors
    /// `no_ids` if neither ids nor a filter is given, `invalid_option` if both are, `unknown_id` unless told to pass over them,
    /// `unsupported_by_index` if the kind of index cannot remove. The store is then unchanged.
    pub fn delete(&mut self, options: &DeleteOptions) -> Result<usize> {
        let doomed = match (&options.ids, &options.filter) {
            (None, None) => return Err(Error::NoIds),
            (Some(_), Some(_)) => {
                let reason = "expected ids or a filter, got both".into();
                return Err(Error::InvalidOption { option: "filter", reason });
            }
            (Some(ids), None) => {
                let mut doomed = Positions::none(self.len());
                let mut unknown = Vec::new();
                for id in ids {
                    match self.position(id) {
                        Some(position) => doomed.insert(position),
                        None => unknown.push(id.clone()),
                    }
                }
                if !unknown.is_empty() && !options.ignore_unknown {
                    return Err(Error::UnknownId { ids: unknown });
                }
                doomed
            }
            (None, Some(filter)) => self.documents.matching(filter)?,
        };
        if let Some(index) = &mut self.index
            && !doomed.is_empty()
        {
            index.remove(&doomed)?;
            self.forget(&doomed);
        }
        Ok(doomed.len())
    }

    /// Adds everything another store has. The other is left as it was.
    ///
    /// # Errors
    /// `merge_incompatible` if metric, normalisation or dimension differ, `id_already_exists`. The store is then unchanged.
    pub fn merge_from(&mut self, other: &Store) -> Result<()> {
        let differs = |what: &str, own: &dyn fmt::Display, others: &dyn fmt::Display| {
            Err(Error::MergeIncompatible { reason: format!("{what} is {own} here and {others} there") })
        };
        if self.metric() != other.metric() {
            return differs("distance strategy", &self.metric(), &other.metric());
        }
        if self.settings.normalize_l2 != other.settings.normalize_l2 {
            return differs("normalize_L2", &self.settings.normalize_l2, &other.settings.normalize_l2);
        }
        if let (Some(own), Some(others)) = (self.dim(), other.dim())
            && own != others
        {
            return differs("dimension", &own, &others);
        }
        let ids: Vec<String> =
            other.documents.ids().filter(|id| self.get(id).is_some()).map(str::to_owned).collect();
        if !ids.is_empty() {
            return Err(Error::IdAlreadyExists { ids });
        }
        let (Some(dim), Some(index)) = (other.dim(), &other.index) else { return Ok(()) };
        self.check_room(other.len())?;
        // The vectors are normalised already if the stores normalise.
        match index.rows() {
            Some(rows) => self.append(rows.into())?,
            None => self.append(Vectors::new(other.vectors()?, dim)?)?,
        }
        self.remember(other.documents.iter().cloned());
        Ok(())
    }

    /// Adds vectors to the index, which is made now if the first vectors decide its dimension.
    fn append(&mut self, vectors: Vectors<'_>) -> Result<()> {
        let dim = vectors.rows().dim();
        if vectors.rows().is_empty() {
            return Ok(());
        }
        let append = |index: &mut Box<dyn VectorIndex>| match vectors.into_data() {
            Cow::Owned(data) => index.append_owned(data),
            Cow::Borrowed(data) => index.append(Rows::new(data, dim)?),
        };
        match &mut self.index {
            Some(index) => append(index)?,
            none => {
                let mut index = self.engine.create(&self.settings.kind, dim, self.settings.metric)?;
                append(&mut index)?;
                *none = Some(index);
            }
        }
        self.settings.dim = Some(dim);
        Ok(())
    }

    /// Fails where documents cannot be stored together, whatever the store holds: an id twice, metadata that JSON does not have.
    ///
    /// [`add`](Self::add) and [`upsert`](Self::upsert) check it themselves; callers that get vectors for the documents first can ask before.
    ///
    /// # Errors
    /// `duplicate_ids_in_call`, `invalid_metadata`.
    pub fn check_documents<D: AsRef<Document>>(documents: &[D]) -> Result<()> {
        let mut seen = HashSet::with_capacity(documents.len());
        let mut duplicates: Vec<String> = Vec::new();
        for (row, document) in documents.iter().map(AsRef::as_ref).enumerate() {
            for (_, value) in document.metadata.iter() {
                value.check(1).map_err(|reason| Error::InvalidMetadata { row, reason })?;
            }
            if let Some(id) = document.id.as_deref()
                && !seen.insert(id)
                && !duplicates.iter().any(|known| known == id)
            {
                duplicates.push(id.to_owned());
            }
        }
        if duplicates.is_empty() { Ok(()) } else { Err(Error::DuplicateIdsInCall { ids: duplicates }) }
    }

    /// Everything about new documents that can be wrong but for ids that exist.
    fn check_new(&self, documents: &[Arc<Document>], vectors: Rows<'_>) -> Result<()> {
        if documents.len() != vectors.len() {
            return Err(Error::LengthMismatch {
                what: "vectors",
                expected: documents.len(),
                actual: vectors.len(),
            });
        }
        if documents.is_empty() {
            return Ok(());
        }
        Self::check_documents(documents)?;
        self.check_room(documents.len())?;
        if let Some(expected) = self.dim()
            && vectors.dim() != expected
        {
            return Err(Error::DimensionMismatch { expected, actual: vectors.dim(), row: 0 });
        }
        vectors.check_for(self.metric())
    }

    #[cfg_attr(
        target_pointer_width = "32",
        expect(
            clippy::absurd_extreme_comparisons,
            reason = "there the sum overflows before it is too large"
        )
    )]
    fn check_room(&self, more: usize) -> Result<()> {
        match self.len().checked_add(more) {
            Some(total) if total <= MAX_DOCUMENTS => Ok(()),
            total => Err(Error::TooManyRows { limit: MAX_DOCUMENTS, actual: total.unwrap_or(usize::MAX) }),
        }
    }

    /// Vectors as the index takes them.
    fn prepare<'a>(&self, mut vectors: Vectors<'a>) -> Vectors<'a> {
        if self.settings.normalize_l2 {
            vectors.rows_mut().for_each(normalize_l2);
        }
        vectors
    }

    fn remember(&mut self, documents: impl ExactSizeIterator<Item = Arc<Document>>) {
        let before = self.documents.len();
        self.documents.extend(documents);
        for position in before..self.documents.len() {
            self.ids.insert(position, &self.documents);
        }
    }

    fn forget(&mut self, positions: &Positions) {
        self.documents.remove(positions);
        self.ids.rebuild(&self.documents);
    }
}

/// Gives an id to each document that has none.
fn with_ids(documents: Vec<Document>, new_ids: &dyn IdSource) -> (Vec<Arc<Document>>, Vec<String>) {
    documents
        .into_iter()
        .map(|mut document| {
            let id = document.id.take().unwrap_or_else(|| new_ids.next_id());
            document.id = Some(id.clone());
            (Arc::new(document), id)
        })
        .unzip()
}
