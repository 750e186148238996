//! Stores made here and read in JavaScript, and the other way round: the same bytes, and the same answers to the last bit.
//!
//! [`write()`] makes stores of a data pack and of the cases, and writes each with what it answers. `tests/js/exchange.mjs` makes the same
//! stores, reads these, compares, and writes its own to the folder `from-js`, which [`check()`] reads and compares.
//! An answer is ids and scores, the bits of a score as an integer.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use twindex::core::bytes::{Loss, VectorEncoding};
use twindex::core::{Hit, Metric, MmrOptions, SearchOptions};
use twindex::{EngineKind, VectorStore, VectorStoreBuilder};

use crate::answer::{Answer, Outcome};
use crate::oracle::{Case, Setup};
use crate::recall::{K, Pack};
use crate::request::{AddRequest, Request};
use crate::subject::{Subject, Table};

/// The stores of the pack: a name, a metric, and whether vectors are scaled to unit length.
const STORES: [(&str, Metric, bool); 6] = [
    ("l2", Metric::L2, false),
    ("l2-normalized", Metric::L2, true),
    ("ip", Metric::InnerProduct, false),
    ("ip-normalized", Metric::InnerProduct, true),
    ("cosine", Metric::Cosine, false),
    ("cosine-normalized", Metric::Cosine, true),
];
/// The smaller encodings that stores without scaling are also written in, and the least recall of the exact neighbours that each must reach.
const SMALL: [(VectorEncoding, f64); 2] = [(VectorEncoding::F16, 0.995), (VectorEncoding::I8, 0.98)];
/// How many queries are asked in the slower ways.
const FEW: usize = 50;
/// How many candidates MMR chooses from.
const FETCH_K: usize = 50;
/// Where JavaScript's files are.
const FROM_JS: &str = "from-js";

/// The answers of a store, by kind of search, those with a filter in a batch: for each query, ids and the bits of scores.
type Answers = BTreeMap<String, Vec<Vec<(String, u32)>>>;

/// What came of a case.
#[derive(Debug, Serialize, Deserialize)]
struct CaseReport {
    name: String,
    /// What came of making each store, by name.
    made: BTreeMap<String, Value>,
    /// What came of each operation.
    outcomes: Vec<Value>,
    /// The stores in the end.
    stores: Vec<StoreReport>,
}

/// A store as a case left it.
#[derive(Debug, Serialize, Deserialize)]
struct StoreReport {
    store: String,
    /// The file with its bytes.
    file: String,
    /// What came of the case's searches of this store, once it is opened from the file.
    searches: Vec<Value>,
}

/// How many things were the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Files and answers that were the same.
    pub passed: usize,
    /// Files and answers that were not.
    pub failed: usize,
}

impl Tally {
    fn compare<T: PartialEq>(&mut self, what: &str, one: &T, other: &T) {
        if one == other {
            self.passed += 1;
        } else {
            self.failed += 1;
            println!("FAILED {what} differs");
        }
    }

    fn compare_all<T: PartialEq>(&mut self, what: &str, one: &[T], other: &[T]) {
        self.compare(&format!("{what}: how many there are"), &one.len(), &other.len());
        for (number, (one, other)) in one.iter().zip(other).enumerate() {
            self.compare(&format!("{what}: number {number}"), one, other);
        }
    }
}

/// Makes all stores with FAISS and writes them to a folder. They are read again with the core's own index, and what that answers is compared.
///
/// # Errors
/// A sentence that says what could not be made, read or written.
pub async fn write(pack: &Pack, cases: &[Case], out: &Path) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for (name, metric, normalize) in STORES {
        let builder = builder(pack, EngineKind::Faiss).distance_strategy(metric).normalize_l2(normalize);
        let store = pack.raw_store(builder).await?;
        let bytes = serialize(&store).await?;
        let exact = answers(&store, pack).await?;
        write_store(out, name, &bytes, &exact)?;
        tally_store(&mut tally, name, pack, EngineKind::Flat, &bytes, bytes.clone(), &exact).await?;
        for (encoding, least) in SMALL.into_iter().filter(|_| !normalize) {
            let name = format!("{name}-{encoding}");
            let (bytes, loss) = store.serialize_to_bytes_as(encoding).await.map_err(text)?;
            let small = self::builder(pack, EngineKind::Faiss)
                .deserialize_from_bytes(bytes.clone())
                .await
                .map_err(text)?;
            let found = answers(&small, pack).await?;
            write_store(out, &name, &bytes, &found)?;
            tally_store(&mut tally, &name, pack, EngineKind::Flat, &bytes, bytes.clone(), &found).await?;
            let recall = recall(&exact["all"], &found["all"]);
            tally.compare(&format!("{name}: a recall of at least {least}"), &true, &(recall >= least));
            let Loss { largest, mean } = loss;
            println!(
                "{name}: {} bytes, recall@{K} {recall:.4}, loss {mean:.2e} on average, {largest:.2e} at most",
                bytes.len()
            );
        }
    }
    let mut reports = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let (report, files) = run(case, number, EngineKind::Faiss).await?;
        let (again, files_again) = run(case, number, EngineKind::Flat).await?;
        tally_case(&mut tally, &report, &again);
        tally.compare_all(&format!("{}: bytes", case.name), &files, &files_again);
        for (store, bytes) in report.stores.iter().zip(&files) {
            write_file(&out.join(&store.file), bytes)?;
        }
        reports.push(report);
    }
    write_json(&out.join("cases.json"), &reports)?;
    Ok(tally)
}

/// Reads what JavaScript wrote, with FAISS, and compares it with what is made here.
///
/// # Errors
/// A sentence that says what could not be made or read.
pub async fn check(pack: &Pack, cases: &[Case], out: &Path) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let theirs = out.join(FROM_JS);
    for name in store_names() {
        let bytes = read_file(&out.join(format!("{name}.twindex")))?;
        let js_bytes = read_file(&theirs.join(format!("{name}.twindex")))?;
        let js_answers: Answers = read_json(&theirs.join(format!("{name}.answers.json")))?;
        tally_store(&mut tally, &name, pack, EngineKind::Faiss, &bytes, js_bytes, &js_answers).await?;
    }
    let js_reports: Vec<CaseReport> = read_json(&theirs.join("cases.json"))?;
    tally.compare("how many cases there are", &cases.len(), &js_reports.len());
    for (number, (case, js_report)) in cases.iter().zip(&js_reports).enumerate() {
        let (mut report, files) = run(case, number, EngineKind::Faiss).await?;
        for (store, bytes) in report.stores.iter_mut().zip(&files) {
            let js_bytes = read_file(&theirs.join(&store.file))?;
            tally.compare(&format!("{}: {}", case.name, store.file), bytes, &js_bytes);
            store.searches = searches(case, &store.store, js_bytes, EngineKind::Faiss).await?;
        }
        tally_case(&mut tally, &report, js_report);
    }
    Ok(tally)
}

/// The names of all stores of the pack.
fn store_names() -> impl Iterator<Item = String> {
    STORES.into_iter().flat_map(|(name, _, normalize)| {
        let small = SMALL.into_iter().filter(move |_| !normalize);
        std::iter::once(name.to_owned()).chain(small.map(move |(encoding, _)| format!("{name}-{encoding}")))
    })
}

fn write_store(out: &Path, name: &str, bytes: &[u8], answers: &Answers) -> Result<(), String> {
    write_file(&out.join(format!("{name}.twindex")), bytes)?;
    write_json(&out.join(format!("{name}.answers.json")), answers)
}

/// How many of the exact neighbours were found, from 0 to 1.
fn recall(exact: &[Vec<(String, u32)>], found: &[Vec<(String, u32)>]) -> f64 {
    let (mut hits, mut all) = (0, 0);
    for (exact, found) in exact.iter().zip(found) {
        all += exact.len();
        hits += exact.iter().filter(|(id, _)| found.iter().any(|(other, _)| other == id)).count();
    }
    hits as f64 / all.max(1) as f64
}

/// Opens bytes with an engine, and compares what the store answers and what it is written as.
async fn tally_store(
    tally: &mut Tally,
    name: &str,
    pack: &Pack,
    engine: EngineKind,
    bytes: &Vec<u8>,
    opened: Vec<u8>,
    wanted: &Answers,
) -> Result<(), String> {
    tally.compare(&format!("{name}: bytes"), bytes, &opened);
    let store = builder(pack, engine).deserialize_from_bytes(opened).await.map_err(text)?;
    tally.compare(&format!("{name}: bytes written again"), bytes, &serialize(&store).await?);
    let answers = answers(&store, pack).await?;
    tally.compare(
        &format!("{name}: kinds of search"),
        &answers.keys().collect::<Vec<_>>(),
        &wanted.keys().collect(),
    );
    for ((search, answers), wanted) in answers.iter().zip(wanted.values()) {
        tally.compare_all(&format!("{name}: {search}"), answers, wanted);
    }
    println!("{name}: compared");
    Ok(())
}

fn tally_case(tally: &mut Tally, one: &CaseReport, other: &CaseReport) {
    let name = &one.name;
    tally.compare(&format!("{name}: name"), name, &other.name);
    tally.compare(&format!("{name}: what came of making the stores"), &one.made, &other.made);
    tally.compare_all(&format!("{name}: operations"), &one.outcomes, &other.outcomes);
    let named =
        |report: &CaseReport| report.stores.iter().map(|store| store.store.clone()).collect::<Vec<_>>();
    tally.compare(&format!("{name}: stores"), &named(one), &named(other));
    for (one, other) in one.stores.iter().zip(&other.stores) {
        tally.compare_all(&format!("{name}: searches of {}", one.store), &one.searches, &other.searches);
    }
}

/// The text that stands for a query where only texts can be asked.
fn query_name(number: usize) -> String {
    format!("query {number}")
}

fn builder(pack: &Pack, engine: EngineKind) -> VectorStoreBuilder {
    let queries = pack.raw_queries().into_iter().enumerate();
    VectorStore::builder(Table(queries.map(|(number, query)| (query_name(number), query)).collect()))
        .engine(engine)
}

async fn serialize(store: &VectorStore) -> Result<Vec<u8>, String> {
    store.serialize_to_bytes().await.map_err(text)
}

fn bits(hits: Vec<Hit>) -> Vec<(String, u32)> {
    hits.iter().map(|hit| (hit.document.id.clone().unwrap_or_default(), hit.score.to_bits())).collect()
}

async fn answers(store: &VectorStore, pack: &Pack) -> Result<Answers, String> {
    let queries = pack.raw_queries();
    let mut answers = Answers::new();
    let mut alone = Vec::new();
    for query in &queries {
        alone.push(bits(store.similarity_search_with_score_by_vector(query, K).await.map_err(text)?));
    }
    answers.insert("all".into(), alone);
    for (name, filter) in pack.filters() {
        let options = SearchOptions::new().k(K).filter(filter.clone());
        let found = store.similarity_search_batch_by_vector(&queries, options).await.map_err(text)?;
        answers.insert(format!("filter {name}"), found.into_iter().map(bits).collect());
    }
    let (mut diverse, mut relevant) = (Vec::new(), Vec::new());
    for (number, query) in queries.iter().enumerate().take(FEW) {
        let options = MmrOptions::new().k(K).fetch_k(FETCH_K);
        let hits = store.max_marginal_relevance_search_with_score_by_vector(query, options).await;
        diverse.push(bits(hits.map_err(text)?));
        let hits = store.similarity_search_with_relevance_scores(&query_name(number), K).await;
        relevant.push(bits(hits.map_err(text)?));
    }
    answers.insert("mmr".into(), diverse);
    answers.insert("relevance".into(), relevant);
    Ok(answers)
}

/// An outcome to be compared to the last bit; of an error, its code.
fn exact(outcome: &Outcome) -> Value {
    match outcome {
        Err(failure) => json!({"error": failure.code}),
        Ok(Answer::Done) => json!({"ok": null}),
        Ok(Answer::True) => json!({"ok": true}),
        Ok(Answer::Ids(ids)) => json!({"ok": ids}),
        Ok(Answer::Docs(docs)) => {
            let hit = |doc: &crate::answer::Found| json!([doc.id, doc.score.map(f32::to_bits)]);
            json!({"ok": docs.iter().map(hit).collect::<Vec<_>>()})
        }
        Ok(Answer::State(state)) => json!({"ok": [state.ntotal, state.dim, state.ids]}),
        Ok(Answer::Vectors(vectors)) => {
            let row = |row: &Vec<f32>| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            json!({"ok": vectors.iter().map(row).collect::<Vec<_>>()})
        }
    }
}

/// A setup whose documents all have ids, so that none has to be made.
fn with_ids(setup: &Setup) -> Setup {
    let mut setup = setup.clone();
    let blank = setup.docs.iter().all(|doc| doc.id.as_deref().unwrap_or_default().is_empty());
    for (number, doc) in setup.docs.iter_mut().enumerate() {
        if blank || doc.id.is_none() {
            doc.id = Some(format!("made-{number}"));
        }
    }
    setup
}

/// An add whose documents all have ids; one that is refused for its shape stays as it is.
fn add_with_ids(add: AddRequest, operation: usize) -> AddRequest {
    let Ok(docs) = add.documents() else { return add };
    let id = |(number, id): (usize, Option<String>)| id.or(Some(format!("made-{operation}-{number}")));
    let ids = docs.into_iter().map(|doc| doc.id).enumerate().map(id).collect();
    AddRequest { ids: Some(ids), ..add }
}

/// Runs a case, and gives what came of it and the bytes of its stores in the end.
async fn run(case: &Case, number: usize, engine: EngineKind) -> Result<(CaseReport, Vec<Vec<u8>>), String> {
    let mut subjects = BTreeMap::new();
    let mut made = BTreeMap::new();
    for (name, setup) in case.setups() {
        let outcome = match Subject::build(&with_ids(setup), engine).await {
            Ok(subject) => {
                subjects.insert(name, subject);
                Ok(Answer::Done)
            }
            Err(failure) => Err(failure),
        };
        made.insert(name.to_owned(), exact(&outcome));
    }
    let mut outcomes = Vec::new();
    for (number, op) in case.ops.iter().enumerate() {
        let request = Request::read(op).map_err(|wrong| format!("{}: {wrong}", case.name))?;
        let outcome = match request {
            Request::Merge(from) => match (subjects.get(op.store.as_str()), subjects.get(from.as_str())) {
                (Some(main), Some(other)) => exact(&main.merge((from != op.store).then_some(other)).await),
                _ => Value::Null,
            },
            Request::Create => Value::Null,
            request => match (subjects.get_mut(op.store.as_str()), request) {
                (Some(subject), Request::Add(add)) => {
                    exact(&subject.run(&Request::Add(add_with_ids(add, number))).await)
                }
                (Some(subject), request) => exact(&subject.run(&request).await),
                (None, _) => Value::Null,
            },
        };
        outcomes.push(outcome);
    }
    let (mut stores, mut files) = (Vec::new(), Vec::new());
    for (place, (name, subject)) in subjects.iter().enumerate() {
        let bytes = serialize(subject.store()).await?;
        stores.push(StoreReport {
            store: (*name).to_owned(),
            file: format!("cases/{number}-{place}.twindex"),
            searches: searches(case, name, bytes.clone(), engine).await?,
        });
        files.push(bytes);
    }
    Ok((CaseReport { name: case.name.clone(), made, outcomes, stores }, files))
}

/// What comes of a case's searches of one of its stores, opened from bytes.
async fn searches(
    case: &Case,
    store: &str,
    bytes: Vec<u8>,
    engine: EngineKind,
) -> Result<Vec<Value>, String> {
    let Some((_, setup)) = case.setups().find(|(name, _)| *name == store) else { return Ok(Vec::new()) };
    let opened = Subject::open(setup, engine, bytes).await;
    let mut subject = opened.map_err(|failure| format!("{}: {store}: {}", case.name, failure.message))?;
    let mut found = Vec::new();
    for op in case.ops.iter().filter(|op| op.store == store) {
        let request = Request::read(op).map_err(|wrong| format!("{}: {wrong}", case.name))?;
        if matches!(request, Request::Search(_)) {
            found.push(exact(&subject.run(&request).await));
        }
    }
    Ok(found)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn cannot(what: &str, path: &Path, error: impl std::fmt::Display) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|error| cannot("make", folder, error))?;
    std::fs::write(path, bytes).map_err(|error| cannot("write", path, error))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), String> {
    write_file(path, &serde_json::to_vec(value).map_err(text)?)
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| cannot("read", path, error))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    serde_json::from_slice(&read_file(path)?).map_err(|error| cannot("read", path, error))
}
