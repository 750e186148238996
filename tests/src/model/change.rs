//! What changes a store, and what is wrong with a change.

use std::collections::BTreeSet;

use super::{Entry, Kinds, Metric, Model, length};
use crate::request::NewDoc;

impl Model {
    /// The vector a document comes with, or that of its text.
    ///
    /// # Errors
    /// If the text is not in the table.
    pub fn vector_of(&self, doc: &NewDoc) -> Result<Vec<f32>, String> {
        match &doc.vector {
            Some(vector) => Ok(vector.clone()),
            None => self
                .table
                .get(&doc.text)
                .cloned()
                .ok_or_else(|| format!("no vector for the text {:?}", doc.text)),
        }
    }

    /// All codes that adding these may fail with; none if it goes through.
    #[must_use]
    pub fn faults_of_add(&self, docs: &[NewDoc], vectors: &[Vec<f32>]) -> Kinds {
        let mut kinds = Kinds::new();
        let dim = self.dim.or(vectors.first().map(Vec::len));
        if vectors.iter().any(|vector| Some(vector.len()) != dim) {
            kinds.push("dimension_mismatch");
        }
        if vectors.iter().any(Vec::is_empty) {
            kinds.push("empty_vector");
        }
        if vectors.iter().flatten().any(|x| !x.is_finite()) {
            kinds.push("not_finite");
        }
        if self.metric == Metric::Cosine && vectors.iter().any(|vector| vector.iter().all(|&x| x == 0.0)) {
            kinds.push("zero_vector");
        }
        let ids: Vec<&String> = docs.iter().filter_map(|doc| doc.id.as_ref()).collect();
        if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
            kinds.push("duplicate_ids_in_call");
        }
        if ids.iter().any(|id| self.position(id).is_some()) {
            kinds.push("id_already_exists");
        }
        kinds
    }

    /// Adds documents under these ids.
    pub fn add(&mut self, docs: &[NewDoc], vectors: &[Vec<f32>], ids: &[String]) {
        for ((doc, vector), id) in docs.iter().zip(vectors).zip(ids) {
            let entry = Entry {
                id: id.clone(),
                text: doc.text.clone(),
                metadata: doc.metadata.clone(),
                raw: vector.clone(),
                vector: self.prepare(vector),
            };
            self.dim = Some(vector.len());
            self.entries.push(entry);
        }
    }

    /// All codes that deleting these ids may fail with.
    #[must_use]
    pub fn faults_of_delete(&self, ids: Option<&[String]>) -> Kinds {
        match ids {
            None => vec!["no_ids"],
            Some(ids) if ids.iter().any(|id| self.position(id).is_none()) => vec!["unknown_id"],
            Some(_) => Kinds::new(),
        }
    }

    /// Deletes these ids; an id given twice is deleted once.
    pub fn delete(&mut self, ids: &[String]) {
        self.entries.retain(|entry| !ids.contains(&entry.id));
    }

    /// All codes that merging another store may fail with; `None` for this store itself.
    #[must_use]
    pub fn faults_of_merge(&self, other: Option<&Model>) -> Kinds {
        let Some(other) = other else { return vec!["merge_incompatible"] };
        let mut kinds = Kinds::new();
        let dims_differ = matches!((self.dim, other.dim), (Some(own), Some(others)) if own != others);
        if self.metric != other.metric || self.normalize != other.normalize || dims_differ {
            kinds.push("merge_incompatible");
        } else if other.entries.iter().any(|entry| self.position(&entry.id).is_some()) {
            kinds.push("id_already_exists");
        }
        kinds
    }

    /// Takes in copies of another store's documents.
    pub fn merge(&mut self, other: &Model) {
        self.entries.extend(other.entries.iter().cloned());
        if !other.entries.is_empty() {
            self.dim = other.dim;
        }
    }

    /// All codes that asking with this vector may fail with.
    #[must_use]
    pub fn faults_of_query(&self, query: &[f32]) -> Kinds {
        let mut kinds = Kinds::new();
        if self.dim.is_some_and(|dim| dim != query.len()) {
            kinds.push("dimension_mismatch");
        }
        if query.iter().any(|x| !x.is_finite()) {
            kinds.push("not_finite");
        }
        let numbers: Vec<f64> = query.iter().map(|&x| f64::from(x)).collect();
        if self.metric == Metric::Cosine && length(&numbers) == 0.0 {
            kinds.push("zero_vector");
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn doc(id: &str) -> NewDoc {
        NewDoc { id: Some(id.into()), text: id.into(), metadata: json!({}), vector: None }
    }

    #[test]
    fn a_call_wrong_in_two_ways_may_fail_with_either() {
        let mut model = Model::new(Metric::Cosine, false, None);
        model.add(&[doc("a")], &[vec![1.0, 0.0]], &["a".into()]);
        assert_eq!(model.dim, Some(2));
        let kinds = model.faults_of_add(&[doc("a"), doc("a")], &[vec![1.0], vec![0.0, 0.0]]);
        assert_eq!(
            kinds,
            ["dimension_mismatch", "zero_vector", "duplicate_ids_in_call", "id_already_exists"]
        );
        assert_eq!(model.faults_of_query(&[0.0, 0.0]), ["zero_vector"]);
    }

    #[test]
    fn merging_copies_and_refuses_what_differs() {
        let mut one = Model::new(Metric::L2, false, Some(2));
        one.add(&[doc("a")], &[vec![1.0, 0.0]], &["a".into()]);
        let mut two = Model::new(Metric::L2, false, None);
        two.add(&[doc("b")], &[vec![0.0, 1.0]], &["b".into()]);
        assert_eq!(one.faults_of_merge(Some(&two)), [""; 0]);
        one.merge(&two);
        assert_eq!((one.entries.len(), two.entries.len()), (2, 1));
        assert_eq!(one.faults_of_merge(Some(&two)), ["id_already_exists"]);
        assert_eq!(one.faults_of_merge(None), ["merge_incompatible"]);
        assert_eq!(one.faults_of_merge(Some(&Model::new(Metric::L2, true, Some(2)))), ["merge_incompatible"]);
        one.delete(&["b".into(), "b".into()]);
        assert_eq!(one.faults_of_delete(Some(&["b".into()])), ["unknown_id"]);
        assert_eq!(one.faults_of_delete(None), ["no_ids"]);
    }
}
