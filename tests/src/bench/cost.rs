//! What one way of searching costs at one number of rows: time for a query, memory, and time until it can search.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::str::FromStr;
use std::time::Instant;

use faiss::Index as _;
use serde_json::{Value, json};
use twindex::VectorStore;
use twindex::core::{Document, Metric, Neighbor, Rows, SearchOptions};
use twindex_core::testkit::brute_force;

use super::data::Data;
use super::timing::{median, stream};
use super::{K, RECALL};
use crate::subject::Table;

/// Queries whose answers are compared with a full scan.
const CHECKED: usize = 20;
/// Queries that are timed, after some that are not.
const ROUNDS: usize = 100;
const WARM_UP: usize = 5;
/// Rows that a store is given at a time.
const BATCH: usize = 1_000;
/// FAISS's graph with its own defaults for building it, and how many candidates a search keeps.
const HNSW: (&str, usize) = ("HNSW32", 64);

/// A way of searching, or what no search is faster than.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The store's exact search.
    Exact,
    /// The store's search that may miss a little.
    Approximate,
    /// FAISS's `IndexFlat`, as it is.
    FaissFlat,
    /// FAISS's `IndexHNSW`, in a store.
    FaissHnsw,
    /// Reading as much memory as 8-bit codes take.
    ReadCodes,
    /// Reading as much memory as the vectors take.
    ReadVectors,
}

impl Mode {
    const NAMES: [(&'static str, Self); 6] = [
        ("exact", Self::Exact),
        ("approximate", Self::Approximate),
        ("faiss-flat", Self::FaissFlat),
        ("faiss-hnsw", Self::FaissHnsw),
        ("read-codes", Self::ReadCodes),
        ("read-vectors", Self::ReadVectors),
    ];

    /// Whether it promises the true neighbours.
    fn is_exact(self) -> bool {
        matches!(self, Self::Exact | Self::FaissFlat)
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, mode)| *mode).ok_or_else(|| {
            format!("expected one of {}, got {name:?}", Self::NAMES.map(|(known, _)| known).join(", "))
        })
    }
}

/// What was measured.
#[derive(Debug)]
pub struct Cost {
    /// From vectors in the caller's hands to the first answer.
    build_seconds: f64,
    /// Each query.
    query_seconds: Vec<f64>,
    /// A store's, by what the process has grown; none where the system does not tell, and for what is only read.
    bytes: Option<u64>,
    /// The share of the true neighbours; none where nothing is found.
    recall: Option<f64>,
    /// What was wrong.
    pub faults: Vec<String>,
}

impl Cost {
    /// One JSON object: milliseconds and bytes.
    #[must_use]
    pub fn json(&self, data: &Data) -> Value {
        let mut sorted = self.query_seconds.clone();
        sorted.sort_by(f64::total_cmp);
        json!({
            "rows": data.rows(),
            "real": data.real,
            "dim": data.dim,
            "build_ms": self.build_seconds * 1e3,
            "query_ms": median(sorted.clone()) * 1e3,
            "query_least_ms": sorted[0] * 1e3,
            "bytes": self.bytes,
            "recall": self.recall,
            "faiss": twindex::faiss::FaissEngine::faiss_version(),
        })
    }
}

/// Ready to be asked.
enum Index {
    Store(VectorStore, SearchOptions),
    Faiss(faiss::index::IndexImpl),
    Memory(Vec<u64>),
}

/// Measures a way on the threads that this process may use.
///
/// # Errors
/// What the store or FAISS says.
pub async fn measure(data: &Data, mode: Mode) -> Result<Cost, Box<dyn std::error::Error>> {
    let before = resident_bytes();
    let start = Instant::now();
    let mut index = build(data, mode).await?;
    index.find(data.query(0)).await?;
    let build_seconds = start.elapsed().as_secs_f64();
    let bytes = match &index {
        Index::Store(..) => before.zip(resident_bytes()).map(|(before, after)| after.saturating_sub(before)),
        // The vectors and next to nothing more.
        Index::Faiss(_) => Some(size_of_val(&*data.vectors) as u64),
        Index::Memory(_) => None,
    };

    let mut query_seconds = Vec::new();
    for round in 0..WARM_UP + ROUNDS {
        let start = Instant::now();
        black_box(index.find(data.query(round)).await?);
        if round >= WARM_UP {
            query_seconds.push(start.elapsed().as_secs_f64());
        }
    }
    let mut cost = Cost { build_seconds, query_seconds, bytes, recall: None, faults: Vec::new() };
    if !matches!(index, Index::Memory(_)) {
        check(data, mode, &mut index, &mut cost).await?;
    }
    Ok(cost)
}

async fn build(data: &Data, mode: Mode) -> Result<Index, Box<dyn std::error::Error>> {
    let options = SearchOptions::new().k(K);
    Ok(match mode {
        Mode::Exact => Index::Store(store_of(data, "Flat").await?, options),
        Mode::Approximate => Index::Store(store_of(data, "Flat").await?, options.recall(RECALL)),
        Mode::FaissFlat => {
            let mut index = faiss::index_factory(data.dim as u32, "Flat", faiss::MetricType::L2)?;
            index.add(&data.vectors)?;
            Index::Faiss(index)
        }
        Mode::FaissHnsw => {
            let (kind, candidates) = HNSW;
            let store = store_of(data, kind).await?;
            store.set_search_parameter("efSearch", candidates).await?;
            Index::Store(store, options)
        }
        Mode::ReadCodes => Index::Memory(vec![1; data.vectors.len().div_ceil(8)]),
        Mode::ReadVectors => Index::Memory(vec![1; data.vectors.len().div_ceil(2)]),
    })
}

/// A store of documents without text: what is measured is vectors.
async fn store_of(data: &Data, kind: &str) -> Result<VectorStore, twindex::Error> {
    let store = VectorStore::builder(Table(BTreeMap::new()))
        .distance_strategy(Metric::L2)
        .index_factory(kind)
        .build()?;
    for (batch, vectors) in data.vectors.chunks(BATCH * data.dim).enumerate() {
        let vectors: Vec<Vec<f32>> = vectors.chunks_exact(data.dim).map(<[f32]>::to_vec).collect();
        let ids = (batch * BATCH..).map(|row| Document::new("").with_id(row.to_string()));
        store.add_with_vectors(ids.take(vectors.len()).collect(), vectors).await?;
    }
    Ok(store)
}

impl Index {
    /// Rows and squared distances, best first; nothing where memory is only read.
    async fn find(&mut self, query: &[f32]) -> Result<Vec<(usize, f32)>, Box<dyn std::error::Error>> {
        Ok(match self {
            Self::Store(store, options) => {
                let hits = store.similarity_search_with_score_by_vector(query, options.clone()).await?;
                hits.iter().map(|hit| (row_of(&hit.document), hit.score)).collect()
            }
            Self::Faiss(index) => {
                let found = index.search(query, K)?;
                let rows = found.labels.iter().filter_map(|label| label.get());
                rows.map(|row| row as usize).zip(found.distances).collect()
            }
            Self::Memory(words) => {
                black_box(stream(words));
                Vec::new()
            }
        })
    }
}

fn row_of(document: &Document) -> usize {
    document.id.as_deref().and_then(|id| id.parse().ok()).unwrap_or(usize::MAX)
}

/// Compares answers with a full scan by the portable kernel. A row that is as near as the last true neighbour, up to rounding, is one.
async fn check(
    data: &Data,
    mode: Mode,
    index: &mut Index,
    cost: &mut Cost,
) -> Result<(), Box<dyn std::error::Error>> {
    let rows = Rows::new(&data.vectors, data.dim)?;
    let (mut near, mut of) = (0, 0);
    for query in 0..CHECKED {
        let expected = brute_force(Metric::L2, rows, data.query(query), K, None);
        let found = index.find(data.query(query)).await?;
        let last = expected.last().map_or(0.0, |hit| hit.score);
        let hits = found.iter().filter(|(row, _)| {
            data.vectors.get(row * data.dim..(row + 1) * data.dim).is_some_and(|vector| {
                let score = Neighbor::scored(Metric::L2, data.query(query), vector, *row).score;
                score <= last + 1e-5 * (1.0 + last)
            })
        });
        let hits = hits.count().min(expected.len());
        if mode.is_exact() && hits < expected.len() {
            cost.faults.push(format!("query {query}: {found:?}, expected {expected:?}"));
        }
        near += hits;
        of += expected.len();
    }
    cost.recall = Some(near as f64 / of as f64);
    Ok(())
}

/// What this process holds in memory, where the system tells as Linux does.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
