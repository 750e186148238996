//! Filtered search against reading all vectors: `cargo bench -p twindex --bench filter`.
//!
//! Rows of the data folder named by `TWINDEX_SHARED` (default `../shared`) with their metadata, repeated to 100,000 (`TWINDEX_BENCH_ROWS` for others) with
//! a seeded change of each, and a number of its own for each document. The full scan is on one thread, a search on those of `RAYON_NUM_THREADS`. Each answer is compared, ids and score bits, with
//! asking every document and scoring what passes by the portable kernel.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use std::{env, fs};

use twindex::core::kernel::{ScanKernel, scalar::Portable};
use twindex::core::testkit::Generator;
use twindex::core::{
    DeleteOptions, Document, Filter, FlatEngine, Metadata, Rows, SearchOptions, Settings, Store, Value,
};

mod data;

use data::{Failure, floats, wordnet};

const DIM: usize = 384;
const K: usize = 10;
const ROUNDS: usize = 15;
/// How much a number of a repeated row changes at most; real ones are about 0.05.
const CHANGE: f32 = 0.01;

fn metadata(folder: &Path) -> Result<Vec<Metadata>, Failure> {
    let corpus = fs::read_to_string(folder.join("corpus.jsonl"))?;
    let of_line = |line| match serde_json::from_str::<Metadata>(line)?.remove("metadata") {
        Some(Value::Map(metadata)) => Ok(metadata),
        other => Err(format!("metadata expected, got {other:?}").into()),
    };
    corpus.lines().map(of_line).collect()
}

/// The store, and its vectors.
fn build(folder: &Path, count: usize) -> Result<(Store, Vec<f32>), Failure> {
    let (rows, metadata) = (floats(&folder.join("embeddings.npy"))?, metadata(folder)?);
    let mut random = Generator::new(11);
    let vectors: Vec<f32> =
        rows.iter().cycle().take(count * DIM).map(|x| x + CHANGE * random.float()).collect();
    let documents = (0..count)
        .map(|i| {
            let mut metadata = metadata[i % metadata.len()].clone();
            metadata.insert("number", random.below(100_000) as u64);
            Document::new(format!("document {i}")).with_id(i.to_string()).with_metadata(metadata)
        })
        .collect();
    let mut store = Store::new(Settings::default(), engine())?;
    store.add(documents, Rows::new(&vectors, DIM)?, &|| unreachable!("all have ids"))?;
    Ok((store, vectors))
}

fn engine() -> Arc<FlatEngine> {
    Arc::new(FlatEngine::new(twindex::kernel::best()))
}

/// The data folder's filters, and some of kinds that it lacks.
fn filters(folder: &Path) -> Result<Vec<(String, Filter)>, Failure> {
    let data: serde_json::Value = serde_json::from_str(&fs::read_to_string(folder.join("filters.json"))?)?;
    let data = data.as_object().ok_or("a map of filters expected")?;
    let own = [
        ("numbers, hundredth", serde_json::json!({"number": {"$gte": 41_000, "$lt": 42_000}})),
        ("numbers, half", serde_json::json!({"number": {"$lt": 50_000}})),
        ("strings between", serde_json::json!({"lemma": {"$gte": "m", "$lt": "n"}})),
        ("item of a list", serde_json::json!({"words": {"$contains": "run"}})),
        ("part of a string", serde_json::json!({"lemma": {"$contains": "berry"}})),
    ];
    let own = own.into_iter().map(|(name, filter)| (name.to_owned(), filter));
    let data = data.iter().map(|(name, about)| (name.clone(), about["filter"].clone()));
    own.chain(data).map(|(name, filter)| Ok((name, Filter::try_from(filter)?))).collect()
}

/// Reads all rows and keeps the best, and does nothing else.
fn scan(kernel: &dyn ScanKernel, rows: Rows<'_>, query: &[f32]) -> Vec<(f32, usize)> {
    let mut best = vec![(f32::INFINITY, usize::MAX); K];
    let mut scores = [0.0f32; 256];
    for start in (0..rows.len()).step_by(scores.len()) {
        let end = rows.len().min(start + scores.len());
        let scores = &mut scores[..end - start];
        kernel.l2_squared(query, rows.slice(start..end), scores);
        for (i, &score) in scores.iter().enumerate() {
            if score < best[K - 1].0 {
                let at = best.partition_point(|&(kept, _)| kept <= score);
                best.insert(at, (score, start + i));
                best.pop();
            }
        }
    }
    best
}

fn check(
    store: &Store,
    rows: Rows<'_>,
    query: &[f32],
    filter: &Filter,
    options: &SearchOptions,
) -> Result<usize, Failure> {
    let mut passed = Vec::new();
    for (position, document) in store.documents().iter().enumerate() {
        if filter.matches(document)? {
            let mut score = [0.0];
            Portable.l2_squared(query, rows.slice(position..position + 1), &mut score);
            passed.push((score[0], position));
        }
    }
    let count = passed.len();
    passed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    passed.truncate(K);
    let expected = passed.iter().map(|&(score, position)| (score.to_bits(), position.to_string()));
    let hits = store.search(query, options)?;
    let found = hits.iter().map(|hit| (hit.score.to_bits(), hit.document.id.clone().unwrap_or_default()));
    if !found.eq(expected) {
        return Err(format!("{filter:?}: another answer than asking every document").into());
    }
    Ok(count)
}

/// Milliseconds to delete a document after these filters were answered.
fn deleting(bytes: &[u8], filters: &[(String, Filter)]) -> Result<f64, Failure> {
    let mut store = Store::deserialize_from_bytes(bytes, engine())?;
    for (_, filter) in filters {
        store.documents().matching(filter)?;
    }
    let mut times = Vec::new();
    for i in 0..ROUNDS {
        let (time, deleted) = timed(|| store.delete(&DeleteOptions::ids([(i * 100).to_string()])));
        deleted?;
        times.push(time);
    }
    Ok(median(times))
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64() * 1e3, result)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() -> Result<(), Failure> {
    let count: usize = env::var("TWINDEX_BENCH_ROWS").ok().map_or(Ok(100_000), |rows| rows.parse())?;
    let folder = wordnet();
    let (store, vectors) = build(&folder, count)?;
    let rows = Rows::new(&vectors, DIM)?;
    let queries = floats(&folder.join("query_embeddings.npy"))?;
    let queries: Vec<&[f32]> = queries.chunks_exact(DIM).take(ROUNDS).collect();
    let bytes = store.serialize_to_bytes()?;
    let kernel = twindex::kernel::best();

    println!(
        "{count} x {DIM}, squared L2, k = {K}, kernel {}, {} threads; medians in ms",
        kernel.name(),
        kernel.threads()
    );
    println!(
        "making: the first time that a filter names its fields, in a store of documents and in one just opened from bytes"
    );
    println!(
        "| filter | keeps | every document asked | set by the index | making | making, opened | filtered search | full f32 scan | scan / search |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, filter) in filters(&folder)? {
        let fresh = Store::deserialize_from_bytes(&bytes, engine())?;
        let (opened, _) = timed(|| fresh.documents().matching(&filter));
        let other = Store::deserialize_from_bytes(&bytes, engine())?;
        other.documents().iter().for_each(|document| {
            black_box(document);
        });
        let (making, _) = timed(|| other.documents().matching(&filter));
        drop((fresh, other));

        let options = SearchOptions::from(K).filter(filter.clone());
        let mut kept = 0;
        let (mut asking, mut set, mut search, mut scanning) = (vec![], vec![], vec![], vec![]);
        let mut ratios = Vec::new();
        for (round, query) in queries.iter().enumerate() {
            if round < 3 {
                kept = check(&store, rows, query, &filter, &options)?;
            }
            let (time, _) = timed(|| {
                store.documents().iter().filter(|document| filter.matches(document) == Ok(true)).count()
            });
            asking.push(time);
            set.push(timed(|| black_box(store.documents().matching(&filter))).0);
            let (searched, hits) = timed(|| store.search(query, &options));
            hits?;
            let (scanned, best) = timed(|| scan(&*kernel, rows, query));
            black_box(best);
            search.push(searched);
            scanning.push(scanned);
            ratios.push(scanned / searched);
        }
        let [asking, set, search, scanning] = [asking, set, search, scanning].map(median);
        println!(
            "| {name} | {:.2}% | {asking:.2} | {set:.3} | {making:.1} | {opened:.1} | {search:.3} | {scanning:.2} | {:.1} |",
            100.0 * kept as f64 / count as f64,
            median(ratios)
        );
    }
    let (without, with) = (deleting(&bytes, &[])?, deleting(&bytes, &filters(&folder)?)?);
    println!("deleting one document: {without:.2} ms, and {with:.2} ms with all these fields in the index");
    let info = store.info();
    println!(
        "the index of {} documents takes {} bytes, {:.1} a document; their records {}",
        info.count,
        info.metadata_index_bytes,
        info.metadata_index_bytes as f64 / count as f64,
        info.document_bytes
    );
    Ok(())
}
