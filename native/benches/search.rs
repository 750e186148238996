//! Our store's search by vector, documents included, against FAISS's own `search` call on the same vectors, in one run; and
//! opening a file against reading its bytes. Prints ratios (below 1: we are faster) and checks every answer.
//!
//! `cargo bench -p twindex --bench search` reads the data folder named by `TWINDEX_SHARED` (default `../shared`).

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use faiss::Index as _;
use twindex::core::kernel::{ScanKernel, scalar::Portable};
use twindex::core::{Document, Metadata, Metric, Rows, Value};
use twindex::embeddings::LexicalEmbeddings;
use twindex::{EngineKind, VectorStore};

type Failure = Box<dyn std::error::Error>;

const K: usize = 10;

fn floats(path: &Path) -> Result<Vec<f32>, Failure> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    Ok(bytes[header..].as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect())
}

struct Data {
    documents: Vec<Document>,
    vectors: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
}

fn read_data() -> Result<Data, Failure> {
    let shared = std::env::var_os("TWINDEX_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let folder = shared.join("data/wordnet");
    let rows = |name: &str| -> Result<Vec<Vec<f32>>, Failure> {
        Ok(floats(&folder.join(name))?.chunks_exact(384).map(<[f32]>::to_vec).collect())
    };
    let corpus = std::fs::read_to_string(folder.join("corpus.jsonl"))?;
    let documents = corpus
        .lines()
        .map(|line| {
            let Value::Map(mut row) = serde_json::from_str(line)? else {
                return Err("a line is not a map".into());
            };
            let text =
                |value: Option<Value>| value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            let metadata = match row.remove("metadata") {
                Some(Value::Map(map)) => map,
                _ => Metadata::new(),
            };
            let id = text(row.remove("id"));
            Ok(Document::new(text(row.remove("text"))).with_id(id).with_metadata(metadata))
        })
        .collect::<Result<_, Failure>>()?;
    Ok(Data { documents, vectors: rows("embeddings.npy")?, queries: rows("query_embeddings.npy")? })
}

/// Runs two pieces of work in turn and returns the median times and the median of the ratios second / first.
fn compare(rounds: usize, mut first: impl FnMut(usize), mut second: impl FnMut(usize)) -> [f64; 3] {
    let time = |work: &mut dyn FnMut(usize), round| {
        let start = Instant::now();
        work(round);
        start.elapsed().as_secs_f64()
    };
    let (mut firsts, mut seconds, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds + 2 {
        // In turn, and in both orders, so that a drift of the machine hits both.
        let (a, b) = if round % 2 == 0 {
            let a = time(&mut first, round);
            (a, time(&mut second, round))
        } else {
            let b = time(&mut second, round);
            (time(&mut first, round), b)
        };
        if round >= 2 {
            firsts.push(a);
            seconds.push(b);
            ratios.push(b / a);
        }
    }
    [firsts, seconds, ratios].map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    })
}

/// Scan kernels over 100,000 x 384, against reading the numbers at all.
fn kernels(data: &Data) -> Result<(), Failure> {
    let rows: Vec<f32> = data.vectors.iter().cycle().take(100_000).flatten().copied().collect();
    let rows = Rows::new(&rows, 384)?;
    let kernels: [(&str, Arc<dyn ScanKernel>); 2] =
        [("best of this machine", twindex::kernel::best()), ("portable", Arc::new(Portable))];
    println!("\nscan kernels, inner products with {} x 384, one thread, against a streaming sum", rows.len());
    println!("| kernel | on | streaming ms | scan ms | scan / streaming |\n|---|---|---|---|---|");
    for (name, kernel) in kernels {
        let mut scores = vec![0.0f32; rows.len()];
        let mut sum = 0u32;
        let [streaming, scan, ratio] = compare(
            15,
            |_| {
                // Sixteen independent sums, so that additions do not wait for each other.
                let mut lanes = [0u32; 16];
                for block in rows.data().as_chunks::<16>().0 {
                    for (lane, x) in lanes.iter_mut().zip(block) {
                        *lane = lane.wrapping_add(x.to_bits());
                    }
                }
                sum = black_box(lanes.iter().fold(0, |a, b| a.wrapping_add(*b)));
            },
            |round| {
                for start in (0..rows.len()).step_by(250) {
                    let block = rows.slice(start..start + 250);
                    kernel.dot(&data.queries[round], block, &mut scores[start..start + 250]);
                }
            },
        );
        let query = &data.queries[16];
        for (row, score) in rows.iter().zip(&scores).step_by(997) {
            let exact: f64 = row.iter().zip(query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            if (exact - f64::from(*score)).abs() > 1e-5 {
                return Err(format!("{name} gives {score}, expected {exact}").into());
            }
        }
        println!("| {name} | {} | {:.2} | {:.2} | {ratio:.2} |", kernel.name(), streaming * 1e3, scan * 1e3);
    }
    Ok(())
}

fn search(data: &Data, runtime: &tokio::runtime::Runtime) -> Result<(), Failure> {
    println!(
        "search by vector with documents, {} x 384, k = {K}, against FAISS IndexFlat.search",
        data.vectors.len()
    );
    println!("| metric | queries in a call | FAISS ms | ours ms | ours / FAISS |\n|---|---|---|---|---|");
    for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
        let kind = if metric == Metric::L2 { faiss::MetricType::L2 } else { faiss::MetricType::InnerProduct };
        let mut faiss = faiss::index_factory(384, "Flat", kind)?;
        faiss.add(&data.vectors.concat())?;
        let store = VectorStore::builder(LexicalEmbeddings::default()).distance_strategy(metric).build()?;
        runtime.block_on(store.add_with_vectors(data.documents.clone(), data.vectors.clone()))?;
        for (queries, rounds) in [(1, 300), (10, 60), (1000, 21)] {
            let batch = |round: usize| -> Vec<Vec<f32>> {
                (0..queries)
                    .map(|i| data.queries[(round * queries + i) % data.queries.len()].clone())
                    .collect()
            };
            let batches: Vec<Vec<Vec<f32>>> = (0..rounds + 2).map(batch).collect();
            let flat: Vec<Vec<f32>> = batches.iter().map(|batch| batch.concat()).collect();
            let mut labels = Vec::new();
            let mut found = Vec::new();
            let [theirs, ours, ratio] = compare(
                rounds,
                |round| labels = black_box(faiss.search(&flat[round], K)).expect("FAISS searches").labels,
                |round| {
                    found = runtime.block_on(async {
                        if queries == 1 {
                            let query = &batches[round][0];
                            vec![
                                store.similarity_search_with_score_by_vector(query, K).await.expect("search"),
                            ]
                        } else {
                            store.similarity_search_batch_by_vector(&batches[round], K).await.expect("search")
                        }
                    });
                },
            );
            // On unit vectors all three metrics rank alike, and near-ties are farther apart than rounding.
            for (hits, labels) in found.iter().zip(labels.chunks_exact(K)) {
                let expected: Vec<&str> = labels
                    .iter()
                    .map(|label| {
                        data.documents[label.get().expect("a label") as usize].id.as_deref().unwrap_or("")
                    })
                    .collect();
                let actual: Vec<&str> =
                    hits.iter().map(|hit| hit.document.id.as_deref().unwrap_or("")).collect();
                if expected != actual {
                    return Err(format!("answers differ: FAISS {expected:?}, ours {actual:?}").into());
                }
            }
            let (theirs, ours) = (theirs * 1e3, ours * 1e3);
            println!("| {metric} | {queries} | {theirs:.3} | {ours:.3} | {ratio:.3} |");
        }
    }
    Ok(())
}

fn load(data: &Data, runtime: &tokio::runtime::Runtime) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let store = VectorStore::builder(LexicalEmbeddings::default()).build()?;
    for copy in 0..5 {
        let documents = data
            .documents
            .iter()
            .map(|d| Document { id: d.id.as_ref().map(|id| format!("{id}-{copy}")), ..d.clone() })
            .collect();
        runtime.block_on(store.add_with_vectors(documents, data.vectors.clone()))?;
    }
    runtime.block_on(store.save_local(folder.path(), "index"))?;
    let count = store.count()?;
    drop(store);
    let path = folder.path().join("index.twindex");
    let size = std::fs::metadata(&path)?.len();
    println!(
        "\nload_local of {count} x 384 with WordNet's documents, {} MB, warm cache, against std::fs::read",
        size / 1_000_000
    );
    println!("| engine | read ms | load ms | load / read |\n|---|---|---|---|");
    for (name, engine, map) in [
        ("faiss", EngineKind::Faiss, false),
        ("flat", EngineKind::Flat, false),
        ("mapped", EngineKind::Flat, true),
    ] {
        let [read, load, ratio] = compare(
            9,
            |_| drop(black_box(std::fs::read(&path).expect("read"))),
            |_| {
                let builder = VectorStore::builder(LexicalEmbeddings::default()).engine(engine).map_file(map);
                let store = runtime.block_on(builder.load_local(folder.path(), "index")).expect("load");
                assert_eq!(store.count().expect("count"), count);
                // Freeing is not loading.
                std::mem::forget(store);
            },
        );
        println!("| {name} | {:.1} | {:.1} | {ratio:.2} |", read * 1e3, load * 1e3);
    }
    Ok(())
}

/// Resident memory of this process, in bytes.
fn resident() -> Result<usize, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse::<usize>()? * 1024)
}

fn memory(data: &Data, runtime: &tokio::runtime::Runtime) -> Result<(), Failure> {
    // Documents with a text and an id as long as a uuid, so that what is left is the store's own, ids included.
    const COUNT: usize = 400_000;
    const DIM: usize = 8;
    const TEXT: usize = 64;
    let store = VectorStore::builder(LexicalEmbeddings::default()).build()?;
    let before = resident()?;
    for start in (0..COUNT).step_by(10_000) {
        let documents = (start..start + 10_000)
            .map(|i| Document::new(format!("{i:0TEXT$}")).with_id(format!("{i:08x}-0000-4000-8000-{i:012x}")))
            .collect();
        let vectors = vec![data.vectors[start / 10_000][..DIM].to_vec(); 10_000];
        runtime.block_on(store.add_with_vectors(documents, vectors))?;
    }
    let taken = resident()? - before;
    let per_document = taken as f64 / COUNT as f64 - (TEXT + DIM * 4) as f64;
    println!(
        "\nmemory beyond text and vectors, {COUNT} documents: {per_document:.0} bytes a document (resident)"
    );
    println!("the store's own account: {:?}", store.info()?);
    Ok(())
}

fn main() -> Result<(), Failure> {
    // `cargo test --benches` passes no `--bench`: nothing is measured then.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let started = Instant::now();
    let data = read_data()?;
    let runtime = tokio::runtime::Runtime::new()?;
    println!(
        "FAISS {}, kernel {}",
        twindex::faiss::FaissEngine::faiss_version(),
        twindex::kernel::best().name()
    );
    memory(&data, &runtime)?;
    kernels(&data)?;
    search(&data, &runtime)?;
    load(&data, &runtime)?;
    if started.elapsed() > Duration::from_secs(600) {
        println!("(a slow machine: {:.0} s)", started.elapsed().as_secs_f64());
    }
    Ok(())
}
