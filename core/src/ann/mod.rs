//! Indexes that are more, or less, than plain rows: inverted lists, graphs and quantized vectors, searched without FAISS.
//!
//! They are trained and built by FAISS, on a server or a GPU, and come here as FAISS's files ([`interop::faiss`](crate::interop::faiss)). A
//! search chooses candidates as FAISS does, at the same `nprobe` and `efSearch`, and scores them again by the portable kernel from
//! the vectors that FAISS would reconstruct.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::exact::RowStats;
use crate::flat::FlatEngine;
use crate::index::{Engine, IndexInfo, VectorIndex};
use crate::interop::faiss;
use crate::kernel::{ScanKernel, scalar::Portable};
use crate::metric::{Metric, normalize_l2};
use crate::rows::{Positions, Rows};
use crate::topk::{Neighbor, key, sort_and_cut};

mod codec;
mod hnsw;
mod ivf;

pub(crate) use codec::{Codec, Codes, ProductQuantizer, ScalarKind, ScalarQuantizer, Scan};
pub(crate) use hnsw::{Graph, Hnsw};
pub(crate) use ivf::{Ivf, List};

/// Rows scored at a time.
const BLOCK: usize = 1024;

/// A filter that accepts at most this many rows is answered by scoring those rows, which is exact and no slower. So is any filter on a plain PQ
/// index, as where FAISS is built in, whose search of that kind takes none.
const NARROW: usize = 1024;

/// A row that may be in the answer: its key, lower being better, and its position.
type Candidate = (f32, usize);

/// What is looked for, and by what.
pub(crate) struct Ask<'a> {
    kernel: &'a dyn ScanKernel,
    /// Squared L2 or inner product.
    metric: Metric,
    query: &'a [f32],
}

/// The best `k` candidates, and those so near the last of them that rounding may have decided.
struct Collector {
    k: usize,
    best: Vec<Candidate>,
    limit: f32,
}

impl Collector {
    fn new(k: usize) -> Self {
        Self { k, best: Vec::new(), limit: f32::INFINITY }
    }

    fn offer(&mut self, key: f32, position: usize) {
        if key > self.limit {
            return;
        }
        self.best.push((key, position));
        if self.best.len() >= 2 * self.k + 64 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.best.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        if let Some(&(key, _)) = self.best.get(self.k - 1) {
            self.limit = key + key.abs() * 1e-5;
            let end = self.best.partition_point(|candidate| candidate.0 <= self.limit);
            // Many equal ones: of those, the first by position.
            self.best.truncate(end.min(2 * self.k + 32));
        }
    }

    fn into_candidates(mut self) -> Vec<Candidate> {
        self.cut();
        self.best
    }
}

/// Vectors in order, and how they are written down: FAISS's `IndexFlat`, `IndexScalarQuantizer` and `IndexPQ`.
#[derive(Debug, Clone)]
pub(crate) struct Coded {
    pub(crate) codec: Codec,
    pub(crate) codes: Codes,
}

impl Coded {
    pub(crate) fn len(&self) -> usize {
        self.codes.len(&self.codec)
    }

    fn candidates(&self, ask: &Ask<'_>, k: usize, among: Option<&Positions>) -> Vec<Candidate> {
        let mut scan = Scan::new(&self.codec, ask.kernel, ask.metric, ask.query);
        let mut best = Collector::new(k);
        let mut scores = [0.0f32; BLOCK];
        let mut take = |run: std::ops::Range<usize>| {
            for start in run.clone().step_by(BLOCK) {
                let scores = &mut scores[..(run.end - start).min(BLOCK)];
                scan.scores(&self.codes, start, scores);
                for (i, &score) in scores.iter().enumerate() {
                    best.offer(key(ask.metric, score), start + i);
                }
            }
        };
        match among {
            Some(among) => among.runs().for_each(take),
            None => take(0..self.len()),
        }
        best.into_candidates()
    }
}

/// FAISS's `IndexRefine`: candidates of one index, scored by better vectors of the same rows.
#[derive(Debug, Clone)]
pub(crate) struct Refined {
    pub(crate) base: Box<Body>,
    pub(crate) rows: Coded,
    /// How many times `k` candidates are taken from the base.
    pub(crate) k_factor: f32,
}

/// What an index is made of.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Coded(Coded),
    Ivf(Ivf),
    Hnsw(Hnsw),
    Refined(Refined),
}

impl Body {
    pub(crate) fn len(&self) -> usize {
        match self {
            Body::Coded(coded) => coded.len(),
            Body::Ivf(ivf) => ivf.len(),
            Body::Hnsw(hnsw) => hnsw.storage.len(),
            Body::Refined(refined) => refined.rows.len(),
        }
    }

    pub(crate) fn dim(&self) -> usize {
        match self {
            Body::Coded(coded) => coded.codec.dim(),
            Body::Ivf(ivf) => ivf.codec.dim(),
            Body::Hnsw(hnsw) => hnsw.storage.codec.dim(),
            Body::Refined(refined) => refined.rows.codec.dim(),
        }
    }

    /// As FAISS's `index_factory` names it.
    pub(crate) fn kind(&self) -> String {
        match self {
            Body::Coded(coded) => coded.codec.name(),
            Body::Ivf(ivf) => {
                let coarse = match &*ivf.coarse {
                    Body::Coded(_) => String::new(),
                    other => format!("_{}", other.kind()),
                };
                format!("IVF{}{coarse},{}", ivf.lists().len(), ivf.codec.name())
            }
            Body::Hnsw(hnsw) => hnsw.kind(),
            Body::Refined(refined) => match &refined.rows.codec {
                Codec::Float(_) => format!("{},RFlat", refined.base.kind()),
                codec => format!("{},Refine({})", refined.base.kind(), codec.name()),
            },
        }
    }

    pub(crate) fn read(&self, position: usize, out: &mut [f32]) {
        match self {
            Body::Coded(coded) => coded.codes.decode(&coded.codec, position, out),
            Body::Ivf(ivf) => ivf.read(position, out),
            Body::Hnsw(hnsw) => hnsw.storage.codes.decode(&hnsw.storage.codec, position, out),
            Body::Refined(refined) => refined.rows.codes.decode(&refined.rows.codec, position, out),
        }
    }

    /// The rows that may be the best `k`, as far as this kind looks. `effort` multiplies how far that is.
    fn candidates(
        &self,
        ask: &Ask<'_>,
        k: usize,
        among: Option<&Positions>,
        effort: usize,
    ) -> Vec<Candidate> {
        match self {
            Body::Coded(coded) => coded.candidates(ask, k, among),
            Body::Ivf(ivf) => {
                let nprobe = ivf.nprobe.saturating_mul(effort).min(ivf.lists().len());
                ivf.candidates(ask, k, among, nprobe)
            }
            Body::Hnsw(hnsw) => {
                let ef_search = (hnsw.graph.ef_search as usize).saturating_mul(effort);
                hnsw.candidates(ask, k, among, ef_search.min(self.len()))
            }
            Body::Refined(refined) => {
                let wanted = (k as f64 * f64::from(refined.k_factor)) as usize;
                let wanted = wanted.clamp(k, self.len().max(k));
                let mut found = refined.base.candidates(ask, wanted, among, effort);
                let mut scan = Scan::new(&refined.rows.codec, ask.kernel, ask.metric, ask.query);
                for (key_of, position) in &mut found {
                    *key_of = key(ask.metric, scan.score_at(&refined.rows.codes, *position));
                }
                found
            }
        }
    }

    /// The best `k`, best first, as far as this kind looks.
    fn nearest(&self, ask: &Ask<'_>, k: usize) -> Vec<Candidate> {
        let mut found = self.candidates(ask, k, None, 1);
        found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found.truncate(k);
        found
    }

    /// Whether more effort than this finds nothing more.
    fn is_spent(&self, effort: usize) -> bool {
        match self {
            // A graph that does not lead to enough rows that a filter accepts will not do so for a while.
            Body::Coded(_) | Body::Hnsw(_) => true,
            Body::Ivf(ivf) => ivf.nprobe.saturating_mul(effort) >= ivf.lists().len(),
            Body::Refined(refined) => refined.base.is_spent(effort),
        }
    }

    fn byte_len(&self) -> usize {
        match self {
            Body::Coded(coded) => coded.codes.byte_len(),
            Body::Ivf(ivf) => ivf.lists().iter().map(|list| list.codes.byte_len()).sum(),
            Body::Hnsw(hnsw) => hnsw.storage.codes.byte_len(),
            Body::Refined(refined) => refined.base.byte_len() + refined.rows.codes.byte_len(),
        }
    }

    /// Bytes of lists and graphs.
    fn extra_len(&self) -> usize {
        match self {
            Body::Coded(_) => 0,
            Body::Ivf(ivf) => {
                ivf.coarse.byte_len() + ivf.len() * (size_of::<u32>() + size_of::<(u32, u32)>())
            }
            Body::Hnsw(hnsw) => {
                size_of_val(&hnsw.graph.slots[..])
                    + size_of_val(&hnsw.graph.offsets[..])
                    + size_of_val(&hnsw.graph.levels[..])
            }
            Body::Refined(refined) => refined.base.extra_len(),
        }
    }

    fn check_can_change(&self, operation: &'static str) -> Result<()> {
        match self {
            Body::Hnsw(hnsw) => Err(Error::UnsupportedByIndex {
                kind: hnsw.kind(),
                operation,
                reason: "its graph is built by FAISS, as a whole".into(),
            }),
            Body::Refined(refined) => refined.base.check_can_change(operation),
            Body::Coded(_) | Body::Ivf(_) => Ok(()),
        }
    }

    fn append(&mut self, kernel: &dyn ScanKernel, metric: Metric, rows: Rows<'_>) -> Result<()> {
        match self {
            Body::Coded(coded) => coded.codes.append(&coded.codec, rows),
            Body::Ivf(ivf) => {
                let coarse = ivf.coarse.clone();
                ivf.append(|query| coarse.nearest(&Ask { kernel, metric, query }, 1), rows)
            }
            Body::Hnsw(_) => self.check_can_change("add"),
            Body::Refined(refined) => {
                refined.base.check_can_change("add")?;
                let before = refined.rows.len();
                refined.rows.codes.append(&refined.rows.codec, rows)?;
                refined.base.append(kernel, metric, rows).inspect_err(|_| {
                    let mut gone = Positions::none(before + rows.len());
                    (before..before + rows.len()).for_each(|position| gone.insert(position));
                    refined.rows.codes.remove(&refined.rows.codec, &gone);
                })
            }
        }
    }

    fn remove(&mut self, positions: &Positions) {
        match self {
            Body::Coded(coded) => coded.codes.remove(&coded.codec, positions),
            Body::Ivf(ivf) => ivf.remove(positions),
            Body::Hnsw(_) => unreachable!("asked before"),
            Body::Refined(refined) => {
                refined.base.remove(positions);
                refined.rows.codes.remove(&refined.rows.codec, positions);
            }
        }
    }

    fn parameters(&self, out: &mut Vec<(String, usize)>) {
        match self {
            Body::Coded(_) => {}
            Body::Ivf(ivf) => {
                out.push(("nlist".into(), ivf.lists().len()));
                out.push(("nprobe".into(), ivf.nprobe));
            }
            Body::Hnsw(hnsw) => out.push(("efSearch".into(), hnsw.graph.ef_search as usize)),
            Body::Refined(refined) => {
                refined.base.parameters(out);
                out.push(("k_factor".into(), refined.k_factor as usize));
            }
        }
    }

    /// Whether there is such a parameter, which is then set.
    fn set_parameter(&mut self, name: &str, value: usize) -> bool {
        match (self, name) {
            (Body::Ivf(ivf), "nprobe") => ivf.nprobe = value.min(ivf.lists().len().max(1)),
            (Body::Hnsw(hnsw), "efSearch") => {
                hnsw.graph.ef_search = i32::try_from(value).unwrap_or(i32::MAX);
            }
            (Body::Refined(refined), "k_factor") => refined.k_factor = value as f32,
            (Body::Refined(refined), _) => return refined.base.set_parameter(name, value),
            _ => return false,
        }
        true
    }
}

/// An index that FAISS built, in memory of its own, searched without FAISS.
#[derive(Clone)]
pub struct AnnIndex {
    kind: String,
    metric: Metric,
    trained: bool,
    kernel: Arc<dyn ScanKernel>,
    pub(crate) body: Body,
}

impl fmt::Debug for AnnIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnnIndex")
            .field("kind", &self.kind)
            .field("metric", &self.metric)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl AnnIndex {
    pub(crate) fn new(kind: String, metric: Metric, trained: bool, body: Body) -> Self {
        Self { kind, metric, trained, kernel: Arc::new(Portable), body }
    }

    /// The same, scanned with this kernel.
    #[must_use]
    pub fn with_kernel(self, kernel: Arc<dyn ScanKernel>) -> Self {
        Self { kernel, ..self }
    }

    /// Whether it is ready to take vectors.
    pub(crate) fn is_trained(&self) -> bool {
        self.trained
    }

    /// The metric FAISS knows it by.
    pub(crate) fn faiss_metric(&self) -> Metric {
        if self.metric == Metric::L2 { Metric::L2 } else { Metric::InnerProduct }
    }

    /// Vectors as FAISS holds them: of unit length for cosine.
    fn as_faiss<'a>(&self, data: &'a [f32]) -> Cow<'a, [f32]> {
        let mut data = Cow::Borrowed(data);
        if self.metric == Metric::Cosine {
            data.to_mut().chunks_exact_mut(self.dim()).for_each(normalize_l2);
        }
        data
    }

    /// Scores positions by the portable kernel and keeps the best `k`.
    fn score(&self, query: &[f32], k: usize, positions: impl Iterator<Item = usize>) -> Vec<Neighbor> {
        let mut row = vec![0.0; self.dim()];
        let mut found: Vec<Neighbor> = positions
            .map(|position| {
                self.body.read(position, &mut row);
                Neighbor::scored(self.metric, query, &row, position)
            })
            .collect();
        sort_and_cut(self.metric, &mut found, k);
        found
    }
}

impl VectorIndex for AnnIndex {
    fn metric(&self) -> Metric {
        self.metric
    }

    fn dim(&self) -> usize {
        self.body.dim()
    }

    fn len(&self) -> usize {
        self.body.len()
    }

    fn append(&mut self, rows: Rows<'_>) -> Result<()> {
        if !self.trained {
            return Err(Error::UnsupportedByIndex {
                kind: self.kind.clone(),
                operation: "take vectors",
                reason: "it is not trained, and training needs FAISS".into(),
            });
        }
        let data = self.as_faiss(rows.data()).into_owned();
        let metric = self.faiss_metric();
        self.body.append(&*self.kernel, metric, Rows::new(&data, rows.dim())?)
    }

    fn search(&self, query: &[f32], k: usize, among: Option<&Positions>) -> Result<Vec<Neighbor>> {
        let k = k.min(among.map_or(self.len(), Positions::len));
        if k == 0 {
            return Ok(Vec::new());
        }
        let is_pq = matches!(&self.body, Body::Coded(Coded { codec: Codec::Product(_), .. }));
        if let Some(among) = among
            && (among.len() <= NARROW || is_pq)
        {
            return Ok(self.score(query, k, among.iter()));
        }
        let asked = self.as_faiss(query);
        let ask = Ask { kernel: &*self.kernel, metric: self.faiss_metric(), query: &asked };
        // The lists probed, or the part of the graph visited, may hold fewer than `k`: look further before giving up on any.
        let mut effort = 1;
        loop {
            let found = self.body.candidates(&ask, k, among, effort);
            if found.len() >= k {
                return Ok(self.score(query, k, found.into_iter().map(|(_, position)| position)));
            }
            if self.body.is_spent(effort) {
                break;
            }
            effort *= 2;
        }
        Ok(match among {
            Some(among) => self.score(query, k, among.iter()),
            None => self.score(query, k, 0..self.len()),
        })
    }

    fn read(&self, position: usize, out: &mut [f32]) -> Result<()> {
        self.body.read(position, out);
        Ok(())
    }

    fn remove(&mut self, positions: &Positions) -> Result<()> {
        self.check_can_remove()?;
        self.body.remove(positions);
        Ok(())
    }

    fn check_can_remove(&self) -> Result<()> {
        self.body.check_can_change("delete")
    }

    fn to_engine_bytes(&self) -> Result<Vec<u8>> {
        Ok(faiss::write_ann(self))
    }

    fn set_search_parameter(&mut self, name: &str, value: usize) -> Result<()> {
        if value == 0 {
            let reason = "expected at least 1, got 0".into();
            return Err(Error::InvalidOption { option: "search parameter", reason });
        }
        if self.body.set_parameter(name, value) {
            return Ok(());
        }
        Err(Error::UnsupportedByIndex {
            kind: self.kind.clone(),
            operation: "take this search parameter",
            reason: format!("it has no {name:?}"),
        })
    }

    fn info(&self) -> IndexInfo {
        let mut parameters = Vec::new();
        self.body.parameters(&mut parameters);
        IndexInfo {
            engine: "portable",
            kind: self.kind.clone(),
            simd: self.kernel.name().into(),
            trained: self.trained,
            vector_bytes: self.body.byte_len() as u64,
            extra_bytes: self.body.extra_len() as u64,
            parameters,
        }
    }
}

/// The engine without FAISS: kind `Flat` as [`FlatEngine`] has it, and every other kind that FAISS trained and wrote.
#[derive(Debug, Clone, Default)]
pub struct PortableEngine {
    flat: FlatEngine,
}

impl PortableEngine {
    /// An engine that scans with this kernel.
    #[must_use]
    pub fn new(kernel: Arc<dyn ScanKernel>) -> Self {
        Self { flat: FlatEngine::new(kernel) }
    }

    /// The kernel it scans with.
    #[must_use]
    pub fn kernel(&self) -> Arc<dyn ScanKernel> {
        self.flat.kernel()
    }
}

impl Engine for PortableEngine {
    fn name(&self) -> &'static str {
        self.flat.name()
    }

    fn create(&self, kind: &str, dim: usize, metric: Metric) -> Result<Box<dyn VectorIndex>> {
        self.flat.create(kind, dim, metric)
    }

    fn adopt(&self, kind: &str, dim: usize, stats: RowStats, data: Vec<f32>) -> Result<Box<dyn VectorIndex>> {
        self.flat.adopt(kind, dim, stats, data)
    }

    fn open(&self, kind: &str, dim: usize, metric: Metric, bytes: &[u8]) -> Result<Box<dyn VectorIndex>> {
        let file = faiss::read(bytes)?;
        let index = file.into_ann(kind, dim, metric)?;
        Ok(Box::new(index.with_kernel(self.kernel())))
    }

    fn ann_kernel(&self) -> Option<Arc<dyn ScanKernel>> {
        Some(self.kernel())
    }
}
