//! Where the table of `QUIRKS.md` speaks, and where Twindex's store has parted from LangChain's.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::answer::{Outcome, to_json};
use crate::compare::{Uuids, agrees};
use crate::model::values::Notes;
use crate::model::{Metric, Model, filter};
use crate::oracle::{Expected, Setup, SetupKind, Wanted};
use crate::request::{AddRequest, LoadRequest, NewDoc, Request, SearchKind, SearchRequest};

/// What LangChain's store of this name is by now, as far as it matters, and why Twindex's holds something else.
#[derive(Debug, Clone)]
pub struct Lineage {
    /// LangChain's strategy.
    pub strategy: String,
    /// Whether LangChain's store normalises.
    pub normalize: bool,
    /// Whether LangChain's index is of another kind than the strategy's own.
    pub odd_index: bool,
    /// The rows of the table that changed the state so far.
    pub causes: BTreeSet<&'static str>,
}

/// Rows of the table; none means that LangChain's answer counts.
pub type Rules = BTreeSet<&'static str>;

/// By what an operation was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It is what LangChain answered.
    Expected,
    /// It is what `better` says.
    Better,
    /// It is what the table says, and neither of these.
    Table,
}

/// The strategy a setup's store really has, and whether its index is of another kind than the strategy's own.
///
/// What counts in LangChain is the index that is there; strategies that the table decides are as the table has them.
#[must_use]
pub fn strategy_of(setup: &Setup) -> (&str, bool) {
    let inner_product = setup.index.as_deref() == Some("IndexFlatIP");
    match (setup.kind, setup.distance_strategy.as_str()) {
        (SetupKind::Empty, "EUCLIDEAN_DISTANCE") if inner_product => ("MAX_INNER_PRODUCT", true),
        (SetupKind::Empty, "MAX_INNER_PRODUCT") if !inner_product => ("EUCLIDEAN_DISTANCE", true),
        (_, strategy) => (strategy, false),
    }
}

/// Whether LangChain gives a document of the call the id null.
#[must_use]
pub fn has_null_id(docs: &[NewDoc]) -> bool {
    docs.iter().any(|doc| doc.id.is_none()) && docs.iter().any(|doc| doc.id.is_some())
}

fn failed_with(outcome: &Outcome, codes: &[&str]) -> bool {
    outcome.as_ref().is_err_and(|failure| codes.contains(&failure.code.as_str()))
}

impl Lineage {
    /// That of a store before anything happened to it.
    #[must_use]
    pub fn of_setup(setup: &Setup) -> Self {
        let odd_index = strategy_of(setup).1;
        let strategy = setup.distance_strategy.clone();
        Self { strategy, normalize: setup.normalize_l2, odd_index, causes: BTreeSet::new() }
    }

    fn strategy_rule(&self) -> Option<&'static str> {
        match self.strategy.as_str() {
            "COSINE" => Some("cosine_is_l2"),
            "DOT_PRODUCT" => Some("dot_product_is_l2"),
            "JACCARD" => Some("jaccard_is_l2"),
            _ => None,
        }
    }

    /// The rows that speak about an operation, given the store before it and what came of it.
    #[must_use]
    pub fn rules(
        &self,
        request: &Request,
        model: &Model,
        notes: &Notes,
        expected: &Expected,
        outcome: &Outcome,
    ) -> Rules {
        let mut rules = self.causes.clone();
        if expected
            .better
            .as_ref()
            .is_some_and(|better| rules.len() == 1 && rules.contains(better.quirk.as_str()))
        {
            // What follows from this one quirk is just what `better` leaves out.
            rules.clear();
        }
        match request {
            Request::Search(search) => self.search_rules(search, model, notes, expected, outcome, &mut rules),
            Request::Add(add) => add_rules(add, outcome, &mut rules),
            Request::Delete(Some(ids)) if ids.is_empty() => {
                rules.insert("empty_delete_fails");
            }
            Request::Delete(Some(ids)) if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() => {
                rules.insert("delete_not_atomic");
            }
            Request::Merge(_) if failed_with(outcome, &["merge_incompatible"]) => {
                rules.insert("merge_ignores_settings");
            }
            Request::Merge(_) => rules.extend(self.strategy_rule()),
            Request::Load(load)
                if !load.allow
                    || failed_with(outcome, &["setting_mismatch", "unknown_distance_strategy"]) =>
            {
                rules.insert("load_forgets_settings");
            }
            Request::Create
            | Request::Delete(_)
            | Request::GetByIds(_)
            | Request::Load(_)
            | Request::State
            | Request::Vectors => {}
        }
        rules
    }

    fn search_rules(
        &self,
        search: &SearchRequest,
        model: &Model,
        notes: &Notes,
        expected: &Expected,
        outcome: &Outcome,
        rules: &mut Rules,
    ) {
        let Ok(kind) = search.kind else { return };
        let kwargs = &search.effective;
        let mut rule = |holds: bool, name: &'static str| {
            if holds {
                rules.insert(name);
            }
        };
        let not_positive = |value: Option<i64>| value.is_some_and(|value| value <= 0);
        let langchain_failed = |kind: &str| expected.answer == Wanted::Error(kind.into());
        rule(
            langchain_failed("score_threshold_required") && search.integer_threshold,
            "int_threshold_refused",
        );
        let inner_product = self.strategy == "MAX_INNER_PRODUCT" && model.relevance.is_none();
        rule(kind == SearchKind::Relevance && inner_product, "mip_relevance_inverted");
        rule(not_positive(kwargs.k), "negative_k_slices");
        rule(not_positive(kwargs.fetch_k), "negative_k_slices");
        rule(kind == SearchKind::Mmr && kwargs.score_threshold.is_some(), "mmr_ignores_kwargs");
        let scaled = kind == SearchKind::Relevance || kwargs.score_threshold.is_some();
        rule(self.odd_index && scaled, "relevance and thresholds are the metric's");
        rule(notes.boolean_met_number.get(), "bool_equals_int");
        let unlike = Wanted::Error("filter_type_error".into());
        let better_unlike = expected.better.as_ref().is_some_and(|better| better.answer == unlike);
        rule(expected.answer == unlike || better_unlike, "filter_type_error");
        let raised = failed_with(outcome, &["callable_filter_raised"]) && expected.better.is_none();
        rule(raised && matches!(expected.answer, Wanted::Ok(_)), "filter_after_fetch_k");
        rule(kind == SearchKind::Mmr && notes.tied_products.get(), "ip_tie_order");
        rules.extend(self.strategy_rule());
        rules.extend(kwargs.filter.as_ref().map(filter::rules).unwrap_or_default());
    }

    /// Takes note of what an operation did to LangChain's store but not to Twindex's, or the other way round.
    pub fn part(&mut self, request: &Request, expected: &Expected, outcome: &Outcome) {
        let langchain = match &expected.answer {
            Wanted::Ok(value) => Ok(value),
            Wanted::Error(kind) => Err(kind.as_str()),
        };
        let differ = langchain.is_ok() != outcome.is_ok();
        match (request, langchain) {
            (Request::Add(_), Err("id_already_exists")) => self.cause("add_not_atomic"),
            (Request::Add(_), Ok(Value::Array(ids))) if ids.contains(&Value::Null) => self.cause("none_id"),
            (Request::Add(add), _) if differ && !add.items.is_empty() => self.cause("none_id"),
            (Request::Delete(_), Err("duplicate_ids_in_call")) => self.cause("delete_not_atomic"),
            (Request::Delete(Some(ids)), _) if differ && !ids.is_empty() => self.cause("delete_not_atomic"),
            (Request::Create, _) if differ => self.cause("empty_input_fails"),
            (Request::Load(load), loaded) => self.part_by_load(load, loaded.is_ok(), differ),
            _ => {}
        }
    }

    fn part_by_load(&mut self, load: &LoadRequest, loaded: bool, differ: bool) {
        let strategy = load.distance_strategy.as_deref().unwrap_or("EUCLIDEAN_DISTANCE");
        let forgets = strategy != self.strategy || load.normalize_l2.unwrap_or(false) != self.normalize;
        if differ || loaded && forgets {
            self.cause("load_forgets_settings");
        }
    }

    /// Takes note that a row of the table changed the state.
    pub fn cause(&mut self, rule: &'static str) {
        self.causes.insert(rule);
    }
}

/// Takes note of what a merge did to both stores; `source` is none for a store merged into itself.
pub fn part_by_merge(
    main: &mut Lineage,
    source: Option<&mut Lineage>,
    expected: &Expected,
    outcome: &Outcome,
) {
    let Some(source) = source else {
        return main.cause("merge_self_destroys");
    };
    let inherited = source.causes.clone();
    match (&expected.answer, outcome) {
        (Wanted::Ok(_), Ok(_)) => source.cause("merge_empties_source"),
        (Wanted::Ok(_), Err(_)) => {
            main.cause("merge_ignores_settings");
            source.cause("merge_ignores_settings");
        }
        (Wanted::Error(kind), _) if kind == "id_already_exists" => {
            main.cause("merge_not_atomic");
            source.cause("merge_not_atomic");
        }
        (Wanted::Error(_), Ok(_)) => main.cause("dot_product_is_l2"),
        (Wanted::Error(_), Err(_)) => return,
    }
    main.causes.extend(inherited);
}

fn add_rules(add: &AddRequest, outcome: &Outcome, rules: &mut Rules) {
    if add.items.is_empty() {
        rules.insert("empty_input_fails");
    }
    if add.documents().is_ok_and(|docs| has_null_id(&docs)) {
        rules.insert("none_id");
    }
    if failed_with(outcome, &["zero_vector"]) {
        rules.insert("cosine_is_l2");
    }
}

/// Takes note of products that are equal although the vectors are not: LangChain's pool takes the later ones.
pub fn note_tied_products(model: &Model, candidates: &[crate::model::search::Candidate], notes: &Notes) {
    let tied = |a, b| model.metric == Metric::InnerProduct && model.ties(a, b);
    let found = candidates.iter().enumerate().any(|(i, a)| candidates[..i].iter().any(|b| tied(a, b)));
    notes.tied_products.set(found);
}

/// Compares an outcome with the case, where the table leaves that to it.
///
/// # Errors
/// What was expected and what came.
pub fn judge(
    expected: &Expected,
    rules: &Rules,
    outcome: &Outcome,
    warnings: &[String],
    uuids: &mut Uuids,
) -> Result<Judged, String> {
    let (wanted, judged) = match &expected.better {
        Some(better) => (&better.answer, Judged::Better),
        None => (&expected.answer, Judged::Expected),
    };
    if agrees(wanted, &expected.ties, outcome, uuids) {
        let langchains = expected.warnings.iter().filter(|warning| *warning != "normalize_not_applicable");
        if judged == Judged::Expected && rules.is_empty() && !warnings.iter().eq(langchains) {
            return Err(format!("expected warnings {:?}, actual {warnings:?}", expected.warnings));
        }
        return Ok(judged);
    }
    if !rules.is_empty() {
        return Ok(Judged::Table);
    }
    let (wanted, actual) = (serde_json::json!(show(wanted)), to_json(outcome));
    Err(format!("expected {wanted}, actual {actual}"))
}

/// An answer of a case file, documents by id and score only.
fn show(wanted: &Wanted) -> Value {
    match wanted {
        Wanted::Error(kind) => serde_json::json!({"error": {"kind": kind}}),
        Wanted::Ok(Value::Array(items)) if items.iter().all(|item| item.get("text").is_some()) => {
            let brief = |item: &Value| match item.get("score") {
                Some(score) => serde_json::json!([item["id"], score]),
                None => item["id"].clone(),
            };
            serde_json::json!({"ok": items.iter().map(brief).collect::<Vec<_>>()})
        }
        Wanted::Ok(value) => serde_json::json!({"ok": value}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Answer, Failure};
    use crate::oracle::Op;

    fn expected(json: &str) -> Expected {
        serde_json::from_str(json).unwrap()
    }

    fn request(json: &str) -> Request {
        Request::read(&serde_json::from_str::<Op>(json).unwrap()).unwrap()
    }

    fn lineage(strategy: &str) -> Lineage {
        Lineage { strategy: strategy.into(), normalize: false, odd_index: false, causes: BTreeSet::new() }
    }

    #[test]
    fn the_table_speaks_where_it_should_and_nowhere_else() {
        let model = Model::new(Metric::L2, false, Some(2));
        let ok = expected(r#"{"ok": []}"#);
        let rules = |strategy: &str, json: &str| {
            let lineage = lineage(strategy);
            lineage.rules(&request(json), &model, &Notes::default(), &ok, &Ok(Answer::Docs(vec![])))
        };
        let search = |args: &str| format!(r#"{{"op": "similarity_search", "args": {{"query": "q"{args}}}}}"#);
        assert!(
            rules("EUCLIDEAN_DISTANCE", &search(r#", "k": 1, "filter": {"a": 1}, "fetch_k": 2"#)).is_empty()
        );
        assert!(rules("MAX_INNER_PRODUCT", &search("")).is_empty());
        assert_eq!(rules("COSINE", &search("")), Rules::from(["cosine_is_l2"]));
        assert_eq!(rules("EUCLIDEAN_DISTANCE", &search(r#", "k": -1"#)), Rules::from(["negative_k_slices"]));
        let relevance = r#"{"op": "similarity_search_with_relevance_scores", "args": {"query": "q"}}"#;
        assert_eq!(rules("MAX_INNER_PRODUCT", relevance), Rules::from(["mip_relevance_inverted"]));
        assert!(rules("COSINE", r#"{"op": "state"}"#).is_empty());
    }

    #[test]
    fn a_disagreement_needs_a_rule() {
        let wanted = expected(r#"{"ok": true, "better": {"error": {"kind": "unknown_id"}, "quirk": "q"}}"#);
        let mut uuids = Uuids::default();
        let failed = Err(Failure::new("unknown_id", ""));
        assert_eq!(judge(&wanted, &Rules::new(), &failed, &[], &mut uuids), Ok(Judged::Better));
        assert!(judge(&wanted, &Rules::new(), &Ok(Answer::True), &[], &mut uuids).is_err());
        let rules = Rules::from(["none_id"]);
        assert_eq!(judge(&wanted, &rules, &Ok(Answer::True), &[], &mut uuids), Ok(Judged::Table));
        let warned = expected(r#"{"ok": [], "warnings": ["no_relevant_docs", "normalize_not_applicable"]}"#);
        let none = Ok(Answer::Docs(vec![]));
        let caught = ["no_relevant_docs".to_owned()];
        assert_eq!(judge(&warned, &Rules::new(), &none, &caught, &mut uuids), Ok(Judged::Expected));
        assert!(judge(&warned, &Rules::new(), &none, &[], &mut uuids).is_err());
    }

    #[test]
    fn stores_part_where_the_table_changes_the_state() {
        let done = Ok(Answer::Done);
        let mut main = lineage("EUCLIDEAN_DISTANCE");
        let mut source = lineage("EUCLIDEAN_DISTANCE");
        part_by_merge(&mut main, Some(&mut source), &expected(r#"{"ok": null}"#), &done);
        assert!(main.causes.is_empty());
        assert_eq!(source.causes, Rules::from(["merge_empties_source"]));
        main.part(&request(r#"{"op": "serialize_roundtrip"}"#), &expected(r#"{"ok": null}"#), &done);
        assert!(main.causes.is_empty());
        let mut cosine = lineage("COSINE");
        cosine.part(&request(r#"{"op": "serialize_roundtrip"}"#), &expected(r#"{"ok": null}"#), &done);
        assert_eq!(cosine.causes, Rules::from(["load_forgets_settings"]));
        let add = request(r#"{"op": "add_texts", "args": {"texts": ["a"], "ids": ["x"]}}"#);
        let exists = expected(r#"{"error": {"kind": "id_already_exists"}}"#);
        main.part(&add, &exists, &Err(Failure::new("id_already_exists", "")));
        assert_eq!(main.causes, Rules::from(["add_not_atomic"]));
    }
}
