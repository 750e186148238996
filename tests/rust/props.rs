//! Random sequences of valid and invalid calls on both engines, against a plain list of documents.
//!
//! After every call: the answer is the model's; a call that failed left the bytes as they were; the two engines gave the same
//! answer, scores to the bit, and hold the same bytes.

use serde_json::{Value, json};
use twindex::core::{DeleteOptions, Document};
use twindex_core::testkit::Generator;
use twindex_tests::answer::{Answer, Failure, Outcome, to_json};
use twindex_tests::model::values::Notes;
use twindex_tests::model::verify::{Plan, must_fail};
use twindex_tests::model::{Kinds, Model, filter};
use twindex_tests::oracle::Setup;
use twindex_tests::request::{
    AddKind, AddRequest, Kwargs, LoadRequest, NewDoc, Query, Request, Route, SearchKind, SearchRequest,
};
use twindex_tests::runner::ENGINES;
use twindex_tests::subject::{self, Subject};
use twindex_tests::warnings;

const SEQUENCES: u64 = 200;
const STEPS: usize = 40;
const QUERIES: [&str; 3] = ["first", "second", "third"];

/// The same store on each engine, and the model of it.
struct World {
    subjects: Vec<Subject>,
    model: Model,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

/// Half of the numbers are small multiples of 1/4, so that sums are exact and ties happen.
fn vector(random: &mut Generator, dim: usize) -> Vec<f32> {
    let plain = random.below(2) == 0;
    (0..dim).map(|_| if plain { (random.below(9) as f32 - 4.0) / 4.0 } else { random.float() }).collect()
}

/// Now and then of another length, or not finite, or all zeros.
fn any_vector(random: &mut Generator, dim: usize) -> Vec<f32> {
    let mut vector = vector(random, dim);
    let at = random.below(dim);
    match random.below(40) {
        0 => vector.push(1.0),
        1 => vector[at] = f32::NAN,
        2 => vector[at] = f32::INFINITY,
        3 => vector.fill(0.0),
        4 => vector.clear(),
        _ => {}
    }
    vector
}

fn scalar(random: &mut Generator) -> Value {
    match random.below(9) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(random.below(3) as f64),
        3 => json!(["x", "y"][random.below(2)]),
        4 => json!(9_007_199_254_740_993_u64 + random.below(2) as u64),
        _ => json!(random.below(4)),
    }
}

fn metadata(random: &mut Generator) -> Value {
    let mut map = serde_json::Map::new();
    for key in ["a", "b", "a.b"] {
        if random.below(3) > 0 {
            map.insert(key.into(), scalar(random));
        }
    }
    if random.below(2) == 0 {
        map.insert("tags".into(), (0..random.below(3)).map(|_| scalar(random)).collect());
    }
    if random.below(2) == 0 {
        map.insert("in".into(), json!({"b": scalar(random)}));
    }
    Value::Object(map)
}

fn one(random: &mut Generator, names: &[&'static str]) -> &'static str {
    names[random.below(names.len())]
}

fn any_filter(random: &mut Generator, depth: usize) -> Value {
    let field = one(random, &["a", "b", "a.b", "in.b", "tags", "none"]);
    let mut with = |names: &[&'static str]| {
        let name = one(random, names);
        let operand = match name {
            "$exists" => json!(random.below(2) == 0),
            "$in" | "$nin" => json!([scalar(random), scalar(random)]),
            _ => scalar(random),
        };
        let mut map = serde_json::Map::new();
        map.insert(name.into(), operand);
        map
    };
    let condition =
        with(&["$eq", "$ne", "$neq", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$contains", "$exists"]);
    match random.below(if depth == 0 { 7 } else { 13 }) {
        0 => json!({}),
        1 => json!({"$callable": one(random, &["always_false", "always_true"])}),
        2 => json!({field: [scalar(random), scalar(random)]}),
        3 => json!({field: scalar(random)}),
        4 => json!({field: {"$gte": scalar(random), "$lte": scalar(random)}}),
        5..=7 => json!({field: condition}),
        8 => json!({"$and": [part(random, depth), part(random, depth)], field: scalar(random)}),
        9 => json!({"$or": [part(random, depth), part(random, depth)]}),
        10 => json!({"$not": part(random, depth)}),
        11 => json!({field: {"$regex": 1, "plain": 2}}),
        _ => [json!({"$xor": 7}), json!({"$or": 7}), json!({"$not": [7]}), json!({field: {"$in": 7}})]
            [random.below(4)]
        .clone(),
    }
}

/// Functions stand outermost only.
fn part(random: &mut Generator, depth: usize) -> Value {
    let part = any_filter(random, depth - 1);
    if filter::callable_name(&part).is_some() { json!({}) } else { part }
}

fn maybe<T>(random: &mut Generator, make: impl FnOnce(&mut Generator) -> T) -> Option<T> {
    (random.below(2) == 0).then(|| make(random))
}

fn id(random: &mut Generator) -> String {
    match random.below(60) {
        0 => String::new(),
        n => format!("id{n}"),
    }
}

fn docs(random: &mut Generator, dim: usize) -> Vec<NewDoc> {
    let count = random.below(6);
    (0..count)
        .map(|_| NewDoc {
            id: Some(id(random)),
            text: format!("text {}", random.below(100)),
            metadata: metadata(random),
            vector: Some(any_vector(random, dim)),
        })
        .collect()
}

fn add(random: &mut Generator, dim: usize) -> Request {
    let mut items = docs(random, dim);
    let mut ids: Vec<Option<String>> = items.iter_mut().map(|item| item.id.take()).collect();
    let mut metadatas: Vec<Value> = items.iter().map(|item| item.metadata.clone()).collect();
    match random.below(30) {
        // An empty list would have the store make ids, which differ between the engines.
        0 => ids.push(Some("one too many".into())),
        1 => drop(metadatas.pop()),
        _ => {}
    }
    Request::Add(AddRequest { kind: AddKind::Embeddings, items, metadatas: Some(metadatas), ids: Some(ids) })
}

fn search(random: &mut Generator, dim: usize) -> Request {
    let kind = [SearchKind::Plain, SearchKind::Relevance, SearchKind::Mmr][random.below(3)];
    let by_vector = kind != SearchKind::Relevance && random.below(2) == 0;
    let effective = Kwargs {
        k: maybe(random, |random| random.below(12) as i64),
        fetch_k: maybe(random, |random| random.below(12) as i64),
        lambda_mult: maybe(random, |random| f64::from(random.float())),
        score_threshold: (random.below(4) == 0).then(|| f64::from(random.float())),
        filter: maybe(random, |random| any_filter(random, 2)),
    };
    Request::Search(Box::new(SearchRequest {
        route: Route::Method,
        kind: Ok(kind),
        scored: kind != SearchKind::Mmr || by_vector,
        query: match by_vector {
            true => Query::Vector(any_vector(random, dim)),
            false => Query::Text(QUERIES[random.below(3)].into()),
        },
        own: effective.clone(),
        effective,
        integer_threshold: false,
    }))
}

fn ids(random: &mut Generator, model: &Model) -> Vec<String> {
    let known = |random: &mut Generator| match model.entries.len() {
        0 => id(random),
        count => model.entries[random.below(count)].id.clone(),
    };
    let count = random.below(4);
    (0..count).map(|_| if random.below(10) == 0 { "unknown".into() } else { known(random) }).collect()
}

fn load(random: &mut Generator) -> Request {
    let names = maybe(random, |random| {
        let loaded = if random.below(5) == 0 { "another" } else { "index" };
        ("index".to_owned(), loaded.to_owned())
    });
    let strategies = ["EUCLIDEAN_DISTANCE", "MAX_INNER_PRODUCT", "COSINE", "JACCARD"];
    Request::Load(LoadRequest {
        names,
        allow: random.below(2) == 0,
        distance_strategy: (random.below(4) == 0).then(|| strategies[random.below(4)].into()),
        normalize_l2: (random.below(4) == 0).then(|| random.below(2) == 0),
    })
}

impl World {
    async fn new(random: &mut Generator, metric: &str, normalize: bool, dim: usize) -> Self {
        let embeddings: serde_json::Map<String, Value> =
            QUERIES.iter().map(|text| ((*text).to_owned(), json!(vector(random, dim)))).collect();
        let mut setup = json!({"kind": "empty", "distance_strategy": metric, "normalize_L2": normalize,
            "embeddings": embeddings});
        if random.below(2) == 0 {
            setup["dim"] = json!(dim);
        }
        let setup: Setup = serde_json::from_value(setup).expect("a setup");
        let mut subjects = Vec::new();
        for engine in ENGINES {
            subjects.push(Subject::build(&setup, engine).await.expect("an empty store"));
        }
        let model = Plan::of_setup(&setup).and_then(|plan| plan.built(&[])).expect("an empty model");
        Self { subjects, model }
    }

    async fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for subject in &self.subjects {
            all.push(subject.store().serialize_to_bytes().await.expect("any store can be written"));
        }
        assert_eq!(all[0], all[1], "the engines hold different bytes");
        all.swap_remove(0)
    }

    /// Runs an operation on every engine and checks what came of it.
    async fn run(&mut self, request: &Request) {
        let before = self.bytes().await;
        let mut outcomes = Vec::new();
        for subject in &mut self.subjects {
            let _ = warnings::take();
            outcomes.push((subject.run(request).await, warnings::take()));
        }
        let (outcome, caught) = the_same(outcomes);
        self.model.verify(request, &outcome, &caught).unwrap_or_else(|wrong| panic!("{request:?}: {wrong}"));
        self.unchanged_if_failed(&before, outcome.is_err()).await;
    }

    async fn unchanged_if_failed(&self, before: &[u8], failed: bool) {
        let after = self.bytes().await;
        assert!(!failed || before == after, "a call that failed changed the store");
    }

    async fn upsert(&mut self, docs: &[NewDoc]) {
        let before = self.bytes().await;
        let vectors: Vec<Vec<f32>> = docs.iter().filter_map(|doc| doc.vector.clone()).collect();
        let document = |doc: &NewDoc| Document {
            id: doc.id.clone(),
            page_content: doc.text.clone(),
            metadata: serde_json::from_value(doc.metadata.clone()).expect("a map"),
        };
        let mut outcomes = Vec::new();
        for subject in &self.subjects {
            let documents = docs.iter().map(document).collect();
            outcomes
                .push((outcome(subject.store().upsert_with_vectors(documents, vectors.clone()).await), ()));
        }
        let (outcome, ()) = the_same(outcomes);
        let faults: Kinds = self
            .model
            .faults_of_add(docs, &vectors)
            .into_iter()
            .filter(|code| *code != "id_already_exists")
            .collect();
        match faults.is_empty() {
            true => {
                let ids: Vec<String> = docs.iter().filter_map(|doc| doc.id.clone()).collect();
                assert_eq!(outcome, Ok(Answer::Ids(ids.clone())));
                self.model.delete(&ids);
                self.model.add(docs, &vectors, &ids);
            }
            false => must_fail(&faults, &outcome).unwrap_or_else(|wrong| panic!("{wrong}")),
        }
        self.unchanged_if_failed(&before, outcome.is_err()).await;
    }

    /// Deletes by a filter, or by ids with unknown ones passed over, and compares how many went.
    async fn delete(&mut self, random: &mut Generator) {
        let before = self.bytes().await;
        let (options, doomed): (_, Result<Vec<String>, Kinds>) = if random.below(2) == 0 {
            let ids = ids(random, &self.model);
            let known = self.model.entries.iter().map(|entry| entry.id.clone()).filter(|id| ids.contains(id));
            (Ok(DeleteOptions::ids(ids.clone()).ignore_unknown()), Ok(known.collect()))
        } else {
            let json = any_filter(random, 2);
            let faults = filter::faults(&json);
            let notes = Notes::default();
            let accepted = self.model.entries.iter().filter(|entry| {
                faults.is_empty()
                    && filter::accepts(&json, &entry.metadata, &notes).expect("no function that fails")
            });
            let doomed = accepted.map(|entry| entry.id.clone()).collect();
            let options = subject::filter(&json).map(DeleteOptions::filter);
            (options, if faults.is_empty() { Ok(doomed) } else { Err(faults) })
        };
        match (options, doomed) {
            (Ok(options), Ok(doomed)) => {
                for subject in &self.subjects {
                    let count = subject.store().delete(options.clone()).await.expect("a delete that fits");
                    assert_eq!(count, doomed.len());
                }
                self.model.delete(&doomed);
            }
            (Err(failure), Err(faults)) => {
                must_fail(&faults, &Err(failure)).unwrap_or_else(|wrong| panic!("{wrong}"));
            }
            (Ok(_), Err(faults)) => panic!("a filter with faults {faults:?} was taken"),
            (Err(failure), Ok(_)) => panic!("a sound filter was refused: {}", failure.message),
        }
        let after = self.bytes().await;
        assert!(self.model.entries.is_empty() || !after.is_empty() && !before.is_empty());
    }

    async fn merge(&mut self, other: &World) {
        let before = self.bytes().await;
        let others = other.bytes().await;
        let mut outcomes = Vec::new();
        for (subject, source) in self.subjects.iter().zip(&other.subjects) {
            outcomes.push((subject.merge(Some(source)).await, ()));
        }
        let (outcome, ()) = the_same(outcomes);
        self.model.verify_merge(Some(&other.model), &outcome).unwrap_or_else(|wrong| panic!("{wrong}"));
        self.unchanged_if_failed(&before, outcome.is_err()).await;
        assert_eq!(others, other.bytes().await, "the source of a merge changed");
    }

    /// Many queries at once give what each gives alone.
    async fn batch(&self, random: &mut Generator) {
        let Some(dim) = self.model.dim else { return };
        let queries: Vec<Vec<f32>> = (0..1 + random.below(30)).map(|_| vector(random, dim)).collect();
        let sound = queries.iter().all(|query| self.model.faults_of_query(query).is_empty());
        for subject in &self.subjects {
            let together = subject.store().similarity_search_batch_by_vector(&queries, 5).await;
            assert_eq!(together.is_ok(), sound);
            for (query, found) in queries.iter().zip(together.iter().flatten()) {
                let alone = subject.store().similarity_search_with_score_by_vector(query, 5).await;
                assert_eq!(&alone.expect("a query that fits"), found);
            }
        }
    }
}

fn outcome(added: twindex::Result<Vec<String>>) -> Outcome {
    added.map(Answer::Ids).map_err(|error| Failure::new(error.code(), error.to_string()))
}

/// The one outcome of all engines, scores to the bit.
fn the_same<W: std::fmt::Debug>(mut outcomes: Vec<(Outcome, W)>) -> (Outcome, W) {
    let last = outcomes.pop().expect("an engine");
    for other in &outcomes {
        assert_eq!(bits(&other.0), bits(&last.0), "{} and {}", to_json(&other.0), to_json(&last.0));
        // Messages may name a folder of their own; codes are the same.
        let told = |(outcome, warned): &(Outcome, W)| {
            format!("{:?} {warned:?}", outcome.as_ref().map_err(|f| &f.code))
        };
        assert_eq!(told(other), told(&last));
    }
    last
}

fn bits(outcome: &Outcome) -> Vec<Option<u32>> {
    match outcome {
        Ok(Answer::Docs(docs)) => docs.iter().map(|doc| doc.score.map(f32::to_bits)).collect(),
        _ => Vec::new(),
    }
}

async fn sequence(seed: u64, step: &std::cell::Cell<usize>) -> usize {
    let mut random = Generator::new(seed);
    let random = &mut random;
    let metrics = ["EUCLIDEAN_DISTANCE", "MAX_INNER_PRODUCT", "COSINE", "DOT_PRODUCT"];
    let (metric, normalize, dim) = (metrics[random.below(4)], random.below(3) == 0, 1 + random.below(6));
    let mut world = World::new(random, metric, normalize, dim).await;
    for number in 0..STEPS {
        step.set(number);
        match random.below(20) {
            0..=5 => world.run(&add(random, dim)).await,
            6..=10 => world.run(&search(random, dim)).await,
            11 => world.upsert(&docs(random, dim)).await,
            12 => world.delete(random).await,
            13 => {
                let ids = (random.below(12) > 0).then(|| ids(random, &world.model));
                world.run(&Request::Delete(ids)).await;
            }
            14 => world.run(&load(random)).await,
            15 => {
                let same = random.below(3) > 0;
                let other_metric = if same { metric } else { metrics[random.below(4)] };
                let other_normalize = if same { normalize } else { random.below(2) == 0 };
                let other_dim = if random.below(4) > 0 { dim } else { 1 + random.below(6) };
                let mut other = World::new(random, other_metric, other_normalize, other_dim).await;
                other.run(&add(random, other_dim)).await;
                world.merge(&other).await;
            }
            16 => world.batch(random).await,
            17 => world.run(&Request::GetByIds(ids(random, &world.model))).await,
            18 => world.run(&Request::State).await,
            _ => world.run(&Request::Vectors).await,
        }
    }
    world.model.entries.len()
}

#[test]
fn random_sequences_agree_with_the_model_on_both_engines() {
    warnings::install().expect("no other logger");
    let mut documents = 0;
    for seed in 0..SEQUENCES {
        let step = std::cell::Cell::new(0);
        let run = || runtime().block_on(sequence(seed, &step));
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
            Ok(count) => documents += count,
            Err(panic) => {
                eprintln!("seed {seed}, step {}", step.get());
                std::panic::resume_unwind(panic);
            }
        }
    }
    // Sequences that end empty would test little.
    assert!(documents as u64 > 5 * SEQUENCES, "{documents} documents at the end of {SEQUENCES} sequences");
}
