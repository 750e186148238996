//! The benchmark: the store against FAISS's own `IndexFlat.search`, against the plain scan of the vectors, and against reading memory at all. Every
//! answer that is timed is checked.

pub mod cost;
pub mod data;
pub mod timing;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use faiss::Index as _;
use serde_json::{Map, Value, json};
use twindex::core::kernel::ScanKernel;
use twindex::core::{
    Filter, FlatIndex, Hit, Metric, Neighbor, Positions, Rows, SearchOptions, VectorIndex, norm,
};
use twindex::{VectorStore, kernel};
use twindex_core::testkit::brute_force;

use crate::subject::Table;
use data::{Data, apart};
use timing::{Compared, compare, median, stream, time};

/// How many neighbours are asked for.
pub const K: usize = 10;
/// Queries whose answers are compared with a full scan by the portable kernel.
const CHECKED: usize = 24;
/// What is asked of approximate searches, and of how many it is measured.
const RECALL: f32 = 0.99;
const RECALLED: usize = 200;
/// Different queries in the timed rounds.
const ROUNDS: usize = 60;

const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

fn short(metric: Metric) -> &'static str {
    match metric {
        Metric::L2 => "l2",
        Metric::InnerProduct => "ip",
        Metric::Cosine => "cosine",
    }
}

/// What one run found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Figures by name: ratios, and what they are made of.
    pub figures: Map<String, Value>,
    /// Answers that were compared.
    pub checked: usize,
    /// What was wrong.
    pub faults: Vec<String>,
}

impl Outcome {
    fn put(&mut self, name: impl Into<String>, figure: f64) {
        let rounded: f64 = format!("{figure:.4}").parse().unwrap_or(figure);
        self.figures.insert(name.into(), json!(rounded));
    }

    /// Prints a line and keeps the ratio.
    fn report(&mut self, name: &str, words: &str, compared: Compared, floor: Option<f64>) {
        let floor = match floor {
            Some(floor) if compared.ratio < floor => format!("at least {floor}  MISSED"),
            Some(floor) => format!("at least {floor}"),
            None => String::new(),
        };
        let Compared { first, second, ratio } = compared;
        println!("{words:64} {:>10.3} ms {:>10.3} ms {ratio:>8.2}  {floor}", first * 1e3, second * 1e3);
        self.put(name, ratio);
    }
}

/// The plain scan of vectors: a kernel that does not care for codes.
#[derive(Debug)]
struct WithoutCodes(Arc<dyn ScanKernel>);

impl ScanKernel for WithoutCodes {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn dot(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        self.0.dot(query, rows, out);
    }

    fn l2_squared(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
        self.0.l2_squared(query, rows, out);
    }
}

/// Runs it on the threads this process may use.
///
/// # Errors
/// What the store or FAISS says.
pub async fn run(data: &Data) -> Result<Outcome, Box<dyn std::error::Error>> {
    let mut outcome = Outcome::default();
    let kernel = kernel::best();
    let (rows, dim, threads) = (data.rows(), data.dim, kernel.threads());
    let faiss = twindex::faiss::FaissEngine::faiss_version();
    println!("{rows} x {dim} ({} of them real), k = {K}, {threads} threads, {}", data.real, kernel.name());
    println!("FAISS {faiss}\n");
    outcome.figures.extend([
        ("rows".into(), json!(rows)),
        ("dim".into(), json!(dim)),
        ("faiss".into(), json!(faiss)),
    ]);
    println!("{:64} {:>13} {:>13} {:>8}", "", "that", "ours", "ratio");
    for metric in METRICS {
        measure_metric(data, metric, &mut outcome).await?;
    }
    measure_ready(data, &mut outcome).await?;
    measure_filter(data, &mut outcome).await?;
    measure_memory(data, &mut outcome);
    Ok(outcome)
}

/// Waits for a store from between measurements.
fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}

async fn store_of(data: &Data, metric: Metric) -> Result<VectorStore, twindex::Error> {
    let store = VectorStore::builder(Table(BTreeMap::new())).distance_strategy(metric).build()?;
    store.add_with_vectors(data.documents.clone(), data.vectors_apart()).await?;
    Ok(store)
}

async fn measure_metric(
    data: &Data,
    metric: Metric,
    outcome: &mut Outcome,
) -> Result<(), Box<dyn std::error::Error>> {
    let name = short(metric);
    let store = store_of(data, metric).await?;
    let rows = Rows::new(&data.vectors, data.dim)?;
    for query in 0..CHECKED {
        let found = store.similarity_search_with_score_by_vector(data.query(query), K).await?;
        let expected = brute_force(metric, rows, data.query(query), K, None);
        check(data, metric, query, &found, &expected, outcome);
    }
    let kind = if metric == Metric::L2 { faiss::MetricType::L2 } else { faiss::MetricType::InnerProduct };
    let mut index = faiss::index_factory(data.dim as u32, "Flat", kind)?;
    index.add(&data.vectors)?;
    for (queries, rounds, floor) in [(1, ROUNDS, 6.0), (10, 20, 1.0), (1000, 3, 1.0)] {
        let batches: Vec<Vec<f32>> = (0..rounds + 2).map(|round| data.batch(round, queries)).collect();
        let apart: Vec<Vec<Vec<f32>>> = batches.iter().map(|batch| apart(batch, data.dim)).collect();
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        let compared = compare(
            rounds,
            |round| theirs = index.search(&batches[round], K).map(|found| found.labels).unwrap_or_default(),
            |round| {
                let found = wait(Box::pin(async {
                    match &apart[round][..] {
                        [query] => store
                            .similarity_search_with_score_by_vector(query, K)
                            .await
                            .map(|hits| vec![hits]),
                        queries => store.similarity_search_batch_by_vector(queries, K).await,
                    }
                }));
                ours = found.unwrap_or_default();
            },
        );
        // The last round's answers: FAISS ranks inner products, so cosine agrees on unit vectors only.
        let unit = data.vectors.chunks_exact(data.dim).all(|row| (norm(row) - 1.0).abs() < 1e-5);
        if metric != Metric::Cosine || unit {
            for (query, (found, labels)) in ours.iter().zip(theirs.chunks_exact(K)).enumerate() {
                let labels: Vec<usize> =
                    labels.iter().filter_map(|label| label.get().map(|at| at as usize)).collect();
                check_set(
                    data,
                    metric,
                    &batches[rounds + 1][query * data.dim..][..data.dim],
                    found,
                    &labels,
                    outcome,
                );
            }
        }
        if ours.len() != queries {
            outcome.faults.push(format!("{metric}: {} answers for {queries} queries", ours.len()));
        }
        let words = format!("{name}, {queries} at once, exact: FAISS IndexFlat.search / ours");
        outcome.report(&format!("{name}_{queries}_faiss_to_exact"), &words, compared, Some(floor));
        outcome.put(format!("{name}_{queries}_faiss_ms"), compared.first * 1e3);
    }
    measure_floors(data, metric, &store, outcome);
    measure_approximate(data, metric, &store, &mut index, outcome).await?;
    Ok(())
}

/// One query that may miss a little, against FAISS and against the exact search, and what it finds.
async fn measure_approximate(
    data: &Data,
    metric: Metric,
    store: &VectorStore,
    index: &mut impl faiss::Index,
    outcome: &mut Outcome,
) -> Result<(), twindex::Error> {
    let name = short(metric);
    let options = || SearchOptions::new().k(K).recall(RECALL);
    let (mut hits, mut of) = (0, 0);
    for query in 0..RECALLED {
        let exact = store.similarity_search_with_score_by_vector(data.query(query), K).await?;
        let found = store.similarity_search_with_score_by_vector(data.query(query), options()).await?;
        of += exact.len();
        // A hit has the same score as in the exact search, or is none.
        hits += found.iter().filter(|hit| exact.contains(hit)).count();
    }
    let recall = hits as f64 / of as f64;
    outcome.checked += RECALLED;
    if recall < f64::from(RECALL) {
        outcome.faults.push(format!("{metric}: recall@{K} is {recall}, not {RECALL}"));
    }
    let words = format!("{name}, recall@{K} of {RECALLED} queries that asked for {RECALL}");
    println!("{words:64} {:>13} {recall:>10.4}", "");
    outcome.put(format!("{name}_recall"), recall);
    let search = |round| {
        black_box(wait(store.similarity_search_with_score_by_vector(data.query(round), options()))).ok();
    };
    let faiss = |round| _ = black_box(index.search(data.query(round), K));
    let words = format!("{name}, one query: FAISS IndexFlat.search / ours at that recall");
    let compared = compare(ROUNDS, faiss, search);
    outcome.report(&format!("{name}_1_faiss_to_approximate"), &words, compared, Some(30.0));
    let exact = |round| {
        black_box(wait(store.similarity_search_with_score_by_vector(data.query(round), K))).ok();
    };
    let words = format!("{name}, one query: ours exact / ours at that recall");
    outcome.report(&format!("{name}_1_exact_to_approximate"), &words, compare(ROUNDS, exact, search), None);
    let batches: Vec<_> = (0..5).map(|round| apart(&data.batch(round, 1000), data.dim)).collect();
    let batch = |round: usize, options| {
        black_box(wait(store.similarity_search_batch_by_vector(&batches[round], options))).ok();
    };
    let compared =
        compare(3, |round| batch(round, SearchOptions::new().k(K)), |round| batch(round, options()));
    let words = format!("{name}, 1000 at once: ours exact / ours at that recall");
    outcome.report(&format!("{name}_1000_exact_to_approximate"), &words, compared, None);
    Ok(())
}

/// One query against reading the codes, and against the plain scan of the vectors.
fn measure_floors(data: &Data, metric: Metric, store: &VectorStore, outcome: &mut Outcome) {
    let name = short(metric);
    let search = |round| {
        let found = store.similarity_search_with_score_by_vector(data.query(round), K);
        black_box(wait(found)).ok();
    };
    let codes = vec![1u64; data.vectors.len() / 8];
    let compared = compare(ROUNDS, |_| _ = black_box(stream(&codes)), search);
    let words = format!("{name}, one query: reading its 8-bit codes on one thread / ours");
    outcome.report(&format!("{name}_1_stream_to_exact"), &words, compared, None);
    if let Ok(plain) = plain_index(data, metric) {
        let scan = |round| drop(black_box(plain.search(data.query(round), K, None)));
        let words = format!("{name}, one query: our scan of the vectors on one thread / ours");
        outcome.report(&format!("{name}_1_plain_to_exact"), &words, compare(ROUNDS, scan, search), None);
    }
}

fn plain_index(data: &Data, metric: Metric) -> twindex::core::Result<FlatIndex> {
    let mut plain = FlatIndex::new(data.dim, metric, Arc::new(WithoutCodes(kernel::best())))?;
    plain.append(Rows::new(&data.vectors, data.dim)?)?;
    Ok(plain)
}

/// How long it takes from vectors to the first answer.
async fn measure_ready(data: &Data, outcome: &mut Outcome) -> Result<(), twindex::Error> {
    let mut times = Vec::new();
    for _ in 0..3 {
        let (documents, vectors) = (data.documents.clone(), data.vectors_apart());
        let store = VectorStore::builder(Table(BTreeMap::new())).build()?;
        let start = std::time::Instant::now();
        store.add_with_vectors(documents, vectors).await?;
        let found = store.similarity_search_with_score_by_vector(data.query(0), K).await?;
        times.push(start.elapsed().as_secs_f64());
        if found.len() != K.min(data.rows()) {
            outcome.faults.push(format!("{} hits at the first search", found.len()));
        }
    }
    let ready = median(times);
    println!("{:64} {:>13} {:>10.1} ms", "from vectors and documents to the first answer", "", ready * 1e3);
    outcome.put("ready_seconds", ready);
    Ok(())
}

/// A filter that keeps one document in a hundred, against the plain scan of all vectors.
async fn measure_filter(data: &Data, outcome: &mut Outcome) -> Result<(), Box<dyn std::error::Error>> {
    const EVERY: usize = 100;
    let metric = Metric::L2;
    let store = VectorStore::builder(Table(BTreeMap::new())).distance_strategy(metric).build()?;
    let mut documents = data.documents.clone();
    for (at, document) in documents.iter_mut().enumerate() {
        document.metadata.insert("benchmark_part", twindex::core::Value::from((at % EVERY) as i64));
    }
    store.add_with_vectors(documents, data.vectors_apart()).await?;
    let filter: Filter = json!({"benchmark_part": 7}).try_into()?;
    let options = || SearchOptions::new().k(K).filter(filter.clone());
    let first = time(|| {
        let found = store.similarity_search_with_score_by_vector(data.query(0), options());
        black_box(wait(found)).ok();
    });
    println!("{:64} {:>13} {:>10.1} ms", "the first search with a filter", "", first * 1e3);
    outcome.put("first_filter_seconds", first);
    let among = Positions::try_filter(data.rows(), |at| Ok::<_, ()>(at % EVERY == 7))
        .unwrap_or_else(|()| Positions::none(0));
    let rows = Rows::new(&data.vectors, data.dim)?;
    for query in 0..CHECKED {
        let found = store.similarity_search_with_score_by_vector(data.query(query), options()).await?;
        check(
            data,
            metric,
            query,
            &found,
            &brute_force(metric, rows, data.query(query), K, Some(&among)),
            outcome,
        );
    }
    let plain = plain_index(data, metric)?;
    let compared = compare(
        ROUNDS,
        |round| drop(black_box(plain.search(data.query(round), K, None))),
        |round| {
            let found = store.similarity_search_with_score_by_vector(data.query(round), options());
            black_box(wait(found)).ok();
        },
    );
    let words = "a filter that keeps 1%: our scan of all vectors / ours";
    outcome.report("filter_1_percent_plain_to_exact", words, compared, Some(10.0));
    Ok(())
}

/// What the threads of this process read in a second, in all: what two threads can gain over one.
fn measure_memory(data: &Data, outcome: &mut Outcome) {
    let codes = vec![1u64; data.vectors.len() / 8];
    let kernel = kernel::best();
    let size = codes.len().div_ceil(kernel.threads()).max(1);
    let parts: Vec<&[u64]> = codes.chunks(size).collect();
    let read = || kernel.spread(parts.len(), &|part| _ = black_box(stream(parts[part])));
    read();
    let seconds = median((0..ROUNDS).map(|_| time(read)).collect());
    let bandwidth = (codes.len() * 8) as f64 / seconds / 1e9;
    println!(
        "{:64} {:>13} {bandwidth:>8.1} GB/s",
        "reading as much memory as the codes take, on all threads", ""
    );
    outcome.put("stream_gigabytes_per_second", bandwidth);
}

/// Ids, order and score bits are those of a full scan by the portable kernel.
fn check(
    data: &Data,
    metric: Metric,
    query: usize,
    found: &[Hit],
    expected: &[Neighbor],
    outcome: &mut Outcome,
) {
    outcome.checked += 1;
    let found: Vec<(Option<&str>, u32)> =
        found.iter().map(|hit| (hit.document.id.as_deref(), hit.score.to_bits())).collect();
    let expected: Vec<(Option<&str>, u32)> = expected
        .iter()
        .map(|hit| (data.documents[hit.position].id.as_deref(), hit.score.to_bits()))
        .collect();
    if found != expected {
        outcome.faults.push(format!("{metric}, query {query}: {found:?}, expected {expected:?}"));
    }
}

/// The same documents as FAISS found, unless the scores of those that differ are within its rounding.
fn check_set(
    data: &Data,
    metric: Metric,
    query: &[f32],
    found: &[Hit],
    labels: &[usize],
    outcome: &mut Outcome,
) {
    outcome.checked += 1;
    let Some(worst) = found.last().map(|hit| hit.score) else {
        outcome.faults.push(format!("{metric}: no hits"));
        return;
    };
    for &label in labels {
        let id = data.documents[label].id.as_deref();
        if found.iter().any(|hit| hit.document.id.as_deref() == id) {
            continue;
        }
        let score =
            Neighbor::scored(metric, query, &data.vectors[label * data.dim..][..data.dim], label).score;
        if (score - worst).abs() > 1e-5 * (1.0 + worst.abs()) {
            outcome.faults.push(format!("{metric}: FAISS found {id:?} with {score}, ours ends with {worst}"));
        }
    }
}
