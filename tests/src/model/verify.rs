//! Compares what a store answered with what the model says, and moves the model along.

use std::collections::BTreeSet;

use serde_json::Value;

use super::mmr::Choice;
use super::search::{Candidate, Selection, close};
use super::values::Notes;
use super::{Kinds, Metric, Model, Relevance, filter};
use crate::answer::{Answer, Found, Outcome, to_json};
use crate::compare::is_uuid4;
use crate::judge::{note_tied_products, strategy_of};
use crate::oracle::{Setup, SetupKind, to_f32};
use crate::request::{
    Kwargs, LoadRequest, NewDoc, Query, Request, SearchKind, SearchRequest, drop_blank_ids,
};

/// What a setup should come to: the model, or the codes it may fail with.
#[derive(Debug)]
pub struct Plan {
    /// The store before anything is in it; none if there is no such store.
    pub empty: Option<Model>,
    /// What goes in.
    pub docs: Vec<NewDoc>,
    /// The codes it may fail with.
    pub faults: Kinds,
}

impl Plan {
    /// Of a setup.
    ///
    /// # Errors
    /// If the setup names a function that does not exist.
    pub fn of_setup(setup: &Setup) -> Result<Self, String> {
        let new_doc = |doc: &crate::oracle::DocSpec| NewDoc {
            id: doc.id.clone(),
            text: doc.text.clone(),
            metadata: Value::Object(doc.metadata.clone().unwrap_or_default()),
            vector: (setup.kind == SetupKind::FromEmbeddings).then(|| to_f32(&doc.vector)),
        };
        let mut docs: Vec<NewDoc> = match setup.kind {
            SetupKind::Empty => Vec::new(),
            _ => setup.docs.iter().map(new_doc).collect(),
        };
        if setup.kind == SetupKind::FromDocuments {
            drop_blank_ids(&mut docs);
        }
        let Some(metric) = Metric::of_strategy(strategy_of(setup).0) else {
            return Ok(Self { empty: None, docs, faults: vec!["unknown_distance_strategy"] });
        };
        let mut model =
            Model::new(metric, setup.normalize_l2, setup.dim.filter(|_| setup.kind == SetupKind::Empty));
        model.relevance = setup.relevance_score_fn.as_deref().map(Relevance::of_name).transpose()?;
        model.table = setup.table();
        let vectors = vectors_of(&model, &docs)?;
        let faults = model.faults_of_add(&docs, &vectors);
        Ok(Self { empty: Some(model), docs, faults })
    }

    /// The model of a store that was built, given the ids it reports.
    ///
    /// # Errors
    /// What is wrong with the ids.
    pub fn built(self, ids: &[String]) -> Result<Model, String> {
        let Some(mut model) = self.empty else { return Err("there should be no such store".into()) };
        let vectors = vectors_of(&model, &self.docs)?;
        model.check_ids(&self.docs, ids)?;
        model.add(&self.docs, &vectors, ids);
        Ok(model)
    }
}

fn vectors_of(model: &Model, docs: &[NewDoc]) -> Result<Vec<Vec<f32>>, String> {
    docs.iter().map(|doc| model.vector_of(doc)).collect()
}

/// Checks that an operation failed with one of these codes.
///
/// # Errors
/// What came instead.
pub fn must_fail(faults: &[&str], outcome: &Outcome) -> Result<(), String> {
    match outcome {
        Err(failure) if faults.contains(&failure.code.as_str()) => Ok(()),
        _ => Err(format!("by the table error {}, actual {}", faults.join(" or "), to_json(outcome))),
    }
}

impl Model {
    /// Checks ids that an add returned: those given, and for the others a fresh uuid each.
    fn check_ids(&self, docs: &[NewDoc], ids: &[String]) -> Result<(), String> {
        if ids.len() != docs.len() {
            return Err(format!("{} ids came back for {} documents", ids.len(), docs.len()));
        }
        if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
            return Err(format!("an id came back twice: {ids:?}"));
        }
        for (doc, id) in docs.iter().zip(ids) {
            match &doc.id {
                Some(given) if given != id => return Err(format!("id {id:?} came back for {given:?}")),
                None if !is_uuid4(id) => return Err(format!("{id:?} is no version 4 uuid")),
                None if self.position(id).is_some() => return Err(format!("{id:?} was made twice")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks what came of an operation on this store, and changes the model as the store should have changed.
    /// Merging is [`verify_merge`](Self::verify_merge).
    ///
    /// # Errors
    /// What came and what should have.
    pub fn verify(
        &mut self,
        request: &Request,
        outcome: &Outcome,
        warnings: &[String],
    ) -> Result<Notes, String> {
        let mut notes = Notes::default();
        if !matches!(request, Request::Search(_)) && !warnings.is_empty() {
            return Err(format!("warnings {warnings:?} were given"));
        }
        let unexpected = || Err(format!("by the table it succeeds, actual {}", to_json(outcome)));
        match (request, outcome) {
            (Request::Search(search), _) => notes = self.verify_search(search, outcome, warnings)?,
            (Request::Add(add), _) => {
                let docs = match add.documents() {
                    Ok(docs) => docs,
                    Err(code) => return must_fail(&[code], outcome).map(|()| notes),
                };
                let vectors = vectors_of(self, &docs)?;
                let faults = self.faults_of_add(&docs, &vectors);
                if !faults.is_empty() {
                    return must_fail(&faults, outcome).map(|()| notes);
                }
                let Ok(Answer::Ids(ids)) = outcome else { return unexpected() };
                self.check_ids(&docs, ids)?;
                self.add(&docs, &vectors, ids);
            }
            (Request::Delete(ids), _) => {
                let faults = self.faults_of_delete(ids.as_deref());
                if !faults.is_empty() {
                    return must_fail(&faults, outcome).map(|()| notes);
                }
                if outcome != &Ok(Answer::True) {
                    return unexpected();
                }
                self.delete(ids.as_deref().unwrap_or_default());
            }
            (Request::GetByIds(ids), Ok(Answer::Docs(docs))) => {
                let wanted: Vec<&String> = ids.iter().filter(|id| self.position(id).is_some()).collect();
                let came: Vec<&String> = docs.iter().map(|doc| &doc.id).collect();
                if wanted != came {
                    return Err(format!("by the table {wanted:?}, actual {came:?}"));
                }
                docs.iter().try_for_each(|doc| self.check_document(doc))?;
            }
            (Request::Load(load), _) => {
                let faults = self.faults_of_load(load);
                if !faults.is_empty() {
                    return must_fail(&faults, outcome).map(|()| notes);
                }
                if outcome != &Ok(Answer::Done) {
                    return unexpected();
                }
                self.relevance = None;
            }
            (Request::State, Ok(Answer::State(state))) => {
                let ids: Vec<&str> = self.entries.iter().map(|entry| entry.id.as_str()).collect();
                let mut sorted = ids.clone();
                sorted.sort_unstable();
                let agree = state.ids == ids
                    && state.docstore_ids == sorted
                    && (state.ntotal, state.dim) == (self.entries.len(), self.dim);
                if !agree {
                    let dim = self.dim;
                    return Err(format!(
                        "by the table dim {dim:?} and ids {ids:?}, actual {}",
                        to_json(outcome)
                    ));
                }
            }
            (Request::Vectors, Ok(Answer::Vectors(vectors))) => self.check_vectors(vectors)?,
            _ => return unexpected(),
        }
        Ok(notes)
    }

    fn check_vectors(&self, vectors: &[Vec<f32>]) -> Result<(), String> {
        if vectors.len() != self.entries.len() {
            return Err(format!("{} vectors, {} documents", vectors.len(), self.entries.len()));
        }
        for (entry, vector) in self.entries.iter().zip(vectors) {
            let same = vector.len() == entry.vector.len()
                && match self.normalize {
                    true => vector.iter().zip(&entry.vector).all(|(&a, &b)| close(a.into(), b, 0.0)),
                    false => vector == &entry.raw,
                };
            if !same {
                return Err(format!("the vector of {:?} is {vector:?}, given was {:?}", entry.id, entry.raw));
            }
        }
        Ok(())
    }

    /// Checks what came of merging another store, none for this one itself, and takes its documents in.
    ///
    /// # Errors
    /// What came and what should have.
    pub fn verify_merge(&mut self, other: Option<&Model>, outcome: &Outcome) -> Result<(), String> {
        let faults = self.faults_of_merge(other);
        match other {
            Some(other) if faults.is_empty() => {
                if outcome != &Ok(Answer::Done) {
                    return Err(format!("by the table it succeeds, actual {}", to_json(outcome)));
                }
                self.merge(other);
                Ok(())
            }
            _ => must_fail(&faults, outcome),
        }
    }

    fn faults_of_load(&self, load: &LoadRequest) -> Kinds {
        let mut faults = Kinds::new();
        if load.names.as_ref().is_some_and(|(save, load)| save != load) {
            faults.push("file_not_found");
        }
        match load.distance_strategy.as_deref().map(Metric::of_strategy) {
            Some(None) => faults.push("unknown_distance_strategy"),
            Some(Some(metric)) if metric != self.metric => faults.push("setting_mismatch"),
            _ => {}
        }
        if load.normalize_l2.is_some_and(|normalize| normalize != self.normalize) {
            faults.push("setting_mismatch");
        }
        faults
    }

    fn verify_search(
        &self,
        search: &SearchRequest,
        outcome: &Outcome,
        warnings: &[String],
    ) -> Result<Notes, String> {
        let notes = Notes::default();
        let Kwargs { k, fetch_k, lambda_mult, score_threshold, filter } = &search.effective;
        let (k, fetch_k) = (k.unwrap_or(4), fetch_k.unwrap_or(20));
        let query = match &search.query {
            Query::Vector(vector) => vector,
            Query::Text(text) => {
                self.table.get(text).ok_or_else(|| format!("no vector for the text {text:?}"))?
            }
        };
        let mut faults = filter.as_ref().map(filter::faults).unwrap_or_default();
        let kind = match search.kind {
            Ok(kind) => kind,
            Err(code) => {
                faults.push(code);
                return must_fail(&faults, outcome).map(|()| notes);
            }
        };
        if k <= 0 || kind == SearchKind::Mmr && fetch_k <= 0 {
            faults.push("k_not_positive");
        }
        faults.extend(self.faults_of_query(query));
        let (true, Ok(k)) = (faults.is_empty(), usize::try_from(k)) else {
            return must_fail(&faults, outcome).map(|()| notes);
        };
        let candidates = match self.candidates(query, filter.as_ref(), &notes) {
            Ok(candidates) => candidates,
            Err(faults) => return must_fail(&faults, outcome).map(|()| notes),
        };
        note_tied_products(self, &candidates, &notes);
        let Ok(Answer::Docs(found)) = outcome else {
            return Err(format!("by the table it succeeds, actual {}", to_json(outcome)));
        };
        if found.iter().any(|hit| hit.score.is_some() != search.scored) {
            return Err(
                "scores came back where there should be none, or none where there should be some".into()
            );
        }
        let fetch_k = usize::try_from(fetch_k).unwrap_or(0);
        let threshold = *score_threshold;
        let checked = match kind {
            SearchKind::Mmr if !warnings.is_empty() => Err(format!("warnings {warnings:?} were given")),
            SearchKind::Mmr => {
                let lambda_mult = lambda_mult.unwrap_or(0.5);
                self.check_choice(query, &candidates, Choice { k, fetch_k, lambda_mult, threshold }, found)
            }
            SearchKind::Plain => {
                let wanted =
                    Selection { k, raw_threshold: threshold, relevance_threshold: None, by_relevance: false };
                self.check_hits(&candidates, wanted, found, warnings)
            }
            SearchKind::Relevance => {
                let wanted =
                    Selection { k, raw_threshold: None, relevance_threshold: threshold, by_relevance: true };
                self.check_hits(&candidates, wanted, found, warnings)
            }
        };
        checked.map_err(|wrong| self.explain(&wrong, &candidates, found))?;
        Ok(notes)
    }

    /// A sentence with what came and what brute force finds, best first.
    fn explain(&self, wrong: &str, candidates: &[Candidate], found: &[Found]) -> String {
        let mut best: Vec<&Candidate> = candidates.iter().collect();
        best.sort_by(|a, b| match self.metric {
            Metric::L2 => a.score.total_cmp(&b.score),
            _ => b.score.total_cmp(&a.score),
        });
        let best: Vec<(&str, f64)> = best
            .iter()
            .take(found.len() + 2)
            .map(|c| (self.entries[c.position].id.as_str(), c.score))
            .collect();
        let came: Vec<(&str, Option<f32>)> = found.iter().map(|hit| (hit.id.as_str(), hit.score)).collect();
        format!("{wrong}; by brute force {best:?}, actual {came:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Failure, State};
    use crate::oracle::Op;

    fn model() -> Model {
        let setup: Setup = serde_json::from_str(
            r#"{"kind": "from_texts", "docs": [{"id": "a", "text": "x", "vector": [1, 0]},
                {"id": "b", "text": "y", "vector": [0, 1]}], "embeddings": {"q": [1, 0], "z": [1]}}"#,
        )
        .unwrap();
        let plan = Plan::of_setup(&setup).unwrap();
        assert!(plan.faults.is_empty());
        plan.built(&["a".into(), "b".into()]).unwrap()
    }

    fn request(json: &str) -> Request {
        Request::read(&serde_json::from_str::<Op>(json).unwrap()).unwrap()
    }

    fn failed(code: &str) -> Outcome {
        Err(Failure::new(code, ""))
    }

    #[test]
    fn errors_must_be_the_right_ones() {
        let mut model = model();
        let mut check = |json: &str, code: &str| model.verify(&request(json), &failed(code), &[]).is_ok();
        let search = |args: &str| format!(r#"{{"op": "similarity_search", "args": {{"query": "q"{args}}}}}"#);
        assert!(check(&search(r#", "k": 0"#), "k_not_positive"));
        assert!(!check(&search(""), "k_not_positive"));
        assert!(!check(&search(r#", "k": 0"#), "dimension_mismatch"));
        assert!(check(&search(r#", "filter": {"$eq": 1}"#), "unsupported_filter_operator"));
        assert!(check(r#"{"op": "similarity_search", "args": {"query": "z"}}"#, "dimension_mismatch"));
        assert!(check(r#"{"op": "delete"}"#, "no_ids"));
        assert!(check(r#"{"op": "add_texts", "args": {"texts": ["x"], "ids": ["a"]}}"#, "id_already_exists"));
        let load = r#"{"op": "serialize_roundtrip", "args": {"distance_strategy": "COSINE"}}"#;
        assert!(check(load, "setting_mismatch"));
        assert!(!check(
            r#"{"op": "serialize_roundtrip", "args": {"allow": false}}"#,
            "dangerous_deserialization"
        ));
    }

    #[test]
    fn the_model_moves_along() {
        let mut model = model();
        let add = request(r#"{"op": "add_texts", "args": {"texts": ["x"]}}"#);
        assert!(model.verify(&add, &Ok(Answer::Ids(vec!["not a uuid".into()])), &[]).is_err());
        let id = "0b0c3a52-6f6e-4d3a-9a51-1d4f0a2b3c4d".to_owned();
        assert!(model.verify(&add, &Ok(Answer::Ids(vec![id.clone()])), &[]).is_ok());
        assert!(model.verify(&add, &Ok(Answer::Ids(vec![id.clone()])), &[]).is_err());
        let delete = request(r#"{"op": "delete", "args": {"ids": ["a", "a"]}}"#);
        assert!(model.verify(&delete, &Ok(Answer::True), &[]).is_ok());
        let state = |ids: &[&str]| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            let mut docstore_ids = ids.clone();
            docstore_ids.sort();
            Ok(Answer::State(State { ntotal: ids.len(), dim: Some(2), ids, docstore_ids }))
        };
        let ask = request(r#"{"op": "state"}"#);
        assert!(model.verify(&ask, &state(&["b", &id]), &[]).is_ok());
        assert!(model.verify(&ask, &state(&[&id, "b"]), &[]).is_err());
        let vectors = request(r#"{"op": "vectors"}"#);
        assert!(
            model.verify(&vectors, &Ok(Answer::Vectors(vec![vec![0.0, 1.0], vec![1.0, 0.0]])), &[]).is_ok()
        );
        assert!(
            model.verify(&vectors, &Ok(Answer::Vectors(vec![vec![0.0, 1.0], vec![1.0, 0.5]])), &[]).is_err()
        );
    }

    #[test]
    fn setups_that_the_table_refuses_are_refused() {
        let plan = |json: &str| Plan::of_setup(&serde_json::from_str(json).unwrap()).unwrap().faults;
        let jaccard = r#"{"kind": "empty", "dim": 2, "distance_strategy": "JACCARD"}"#;
        assert_eq!(plan(jaccard), ["unknown_distance_strategy"]);
        let zero = r#"{"kind": "from_texts", "distance_strategy": "COSINE", "docs": [{"text": "a", "vector": [0]}]}"#;
        assert_eq!(plan(zero), ["zero_vector"]);
        assert_eq!(plan(&zero.replace("COSINE", "DOT_PRODUCT")), [""; 0]);
        assert_eq!(plan(r#"{"kind": "from_documents", "docs": []}"#), [""; 0]);
    }
}
