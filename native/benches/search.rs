//! What search is made of: memory beyond text and vectors, scan kernels against reading what they read, and opening a file against reading its
//! bytes. Answers are checked. Searches themselves, beside FAISS's, are measured by `cargo run --release -p twindex-tests --bin bench`.
//!
//! `cargo bench -p twindex --bench search` reads the data folder named by `TWINDEX_SHARED` (default `../shared`).

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use twindex::core::kernel::{CodeRows, ScanKernel, scalar::Portable};
use twindex::core::{Document, Metadata, Rows, Value};
use twindex::embeddings::LexicalEmbeddings;
use twindex::kernel::Native;
use twindex::{EngineKind, VectorStore};

mod data;

use data::{Failure, floats, wordnet};

struct Data {
    documents: Vec<Document>,
    vectors: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
}

fn read_data() -> Result<Data, Failure> {
    let folder = wordnet();
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

/// Scan kernels over the 8-bit codes of 100,000 x 384, against reading them at all.
fn code_kernels(data: &Data) -> Result<(), Failure> {
    const BLOCK: usize = 256;
    let (count, dim, best) = (100_000, 384, Native::detect());
    let mut codes = vec![0i8; count * dim];
    let rows = data.vectors.iter().cycle().zip(codes.chunks_exact_mut(dim));
    let sums: Vec<f32> = rows.map(|(row, codes)| best.encode(row, 127, codes).sum).collect();
    println!(
        "\ncode kernels, inner products with {count} x {dim} codes, one thread, against a streaming sum"
    );
    println!("| kernel | queries | streaming ms | scan ms | scan / streaming |\n|---|---|---|---|---|");
    for (name, kernel) in [("best of this machine", best), ("SimSIMD", best.with_simsimd_codes())] {
        for queries in [1, 32] {
            let mut asked = vec![0i8; queries * dim];
            for (query, codes) in data.queries.iter().zip(asked.chunks_exact_mut(dim)) {
                kernel.encode(query, kernel.most_query_code(), codes);
            }
            let mut products = vec![0i32; queries * BLOCK];
            let mut check = Vec::new();
            let [streaming, scan, ratio] = compare(
                15,
                |_| {
                    let mut lanes = [0u8; 64];
                    for block in codes.as_chunks::<64>().0 {
                        for (lane, code) in lanes.iter_mut().zip(block) {
                            *lane = lane.wrapping_add(code.cast_unsigned());
                        }
                    }
                    black_box(lanes);
                },
                |_| {
                    check.clear();
                    for (codes, sums) in codes.chunks(BLOCK * dim).zip(sums.chunks(BLOCK)) {
                        let products = &mut products[..queries * sums.len()];
                        kernel.dot_i8(&asked, CodeRows::new(dim, codes, sums), products);
                        check.push(products[0]);
                    }
                },
            );
            for (product, codes) in check.iter().zip(codes.chunks(BLOCK * dim)) {
                let exact: i32 =
                    asked[..dim].iter().zip(codes).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
                if *product != exact {
                    return Err(format!("{name} gives {product}, expected {exact}").into());
                }
            }
            println!("| {name} | {queries} | {:.2} | {:.2} | {ratio:.2} |", streaming * 1e3, scan * 1e3);
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
    code_kernels(&data)?;
    load(&data, &runtime)?;
    if started.elapsed() > Duration::from_secs(600) {
        println!("(a slow machine: {:.0} s)", started.elapsed().as_secs_f64());
    }
    Ok(())
}
