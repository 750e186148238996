//! FAISS's flat index, exact to the bit.

use std::io;
use std::sync::Arc;

use rayon::prelude::*;
use twindex_core::kernel::{ScanKernel, gamma};
use twindex_core::{IndexInfo, Metric, Neighbor, Positions, Result, RowStats, Rows, VectorIndex, norm};

use super::candidates::{Candidates, SLACK};
use super::ffi::{Narrowing, RawIndex, failed};

/// Where codes do not answer, FAISS's matrix product wins from this many queries in one call over scanning the rows for each (its own
/// threshold is the same).
const BATCH: usize = 20;

/// Vectors in a FAISS `IndexFlat`.
#[derive(Debug)]
pub(super) struct FaissFlat {
    raw: RawIndex,
    metric: Metric,
    stats: RowStats,
    kernel: Arc<dyn ScanKernel>,
}

/// An `IndexFlat` read in FAISS's file layout, of which `fill` gives the numbers: FAISS allocates once, and `fill` writes there.
pub(super) fn read(
    dim: usize,
    metric: Metric,
    count: usize,
    fill: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
) -> Result<RawIndex> {
    let numbers = count.checked_mul(dim).ok_or_else(|| failed("too many numbers"))?;
    let d = i32::try_from(dim).map_err(failed)?;
    let mut header = Vec::with_capacity(45);
    header.extend(if metric == Metric::L2 { b"IxF2" } else { b"IxFI" });
    header.extend(d.to_le_bytes());
    header.extend((count as i64).to_le_bytes());
    header.extend([(1i64 << 20).to_le_bytes(); 2].concat());
    header.push(1);
    header.extend(i32::from(metric == Metric::L2).to_le_bytes());
    header.extend((numbers as u64).to_le_bytes());
    let mut header = &header[..];
    let raw = RawIndex::read_from(&mut |out| {
        if header.is_empty() { fill(out) } else { io::Read::read_exact(&mut header, out) }
    })?;
    if raw.flat_rows().map(<[f32]>::len) != Some(numbers) {
        return Err(failed("the flat index came out in another size"));
    }
    Ok(raw)
}

impl FaissFlat {
    pub(super) fn new(dim: usize, metric: Metric, kernel: Arc<dyn ScanKernel>) -> Result<Self> {
        let raw = RawIndex::create("Flat", dim, metric != Metric::L2)?;
        Ok(Self { raw, metric, stats: RowStats::new(metric), kernel })
    }

    pub(super) fn from_raw(
        raw: RawIndex,
        metric: Metric,
        stats: RowStats,
        kernel: Arc<dyn ScanKernel>,
    ) -> Self {
        Self { raw, metric, stats, kernel }
    }

    #[cfg(any(feature = "gpu", test))]
    pub(super) fn raw(&self) -> &RawIndex {
        &self.raw
    }

    pub(super) fn all(&self) -> Rows<'_> {
        rows_of(&self.raw)
    }

    fn scan(&self, query: &[f32], k: usize, among: Option<&Positions>) -> Vec<Neighbor> {
        self.stats.search(&*self.kernel, self.all(), query, k, among)
    }

    /// Whether inner products with the rows as they are order them nearly by cosine: all are nearly of one length. FAISS has no cosine.
    pub(super) fn alike(&self) -> bool {
        self.metric != Metric::Cosine || self.stats.max_norm() <= self.stats.min_norm() * 1.000_1
    }

    /// Whether FAISS's scores bound the exact ones closely enough to be worth asking.
    pub(super) fn faiss_can_help(&self, queries: Rows<'_>) -> bool {
        queries.iter().all(|query| self.stats.scan_is_safe(self.raw.dim(), norm(query)))
    }

    /// How far beyond FAISS's k-th score a row's FAISS score may lie while its exact score is among the best `k`, for rows of lengths from `least` to `most`.
    ///
    /// Both are rounded. For inner products each is within `gamma |q| |x|` of the exact value. For squared L2 the matrix product computes
    /// `|q|^2 + |x|^2 - 2 q.x`, three sums of that kind and two additions, so within `5 gamma (|q| + |x|)^2`, and the exact score within `gamma` of
    /// itself. A row enters the answer only if the two errors, at it and at the k-th, make up the difference. For cosine FAISS's score is
    /// `|q| |x| cos`, in which `|x|` varies by at most `most - least`.
    fn slack(&self, query: &[f32], (least, most): (f64, f64)) -> f32 {
        let gamma = gamma(self.raw.dim());
        let q = f64::from(norm(query));
        let tiny = self.raw.dim() as f64 * f64::from(f32::MIN_POSITIVE);
        let slack = match self.metric {
            Metric::L2 => 12.0 * gamma * (q + most) * (q + most),
            Metric::InnerProduct => 4.0 * gamma * q * most,
            Metric::Cosine => {
                (4.0 * gamma + 8.0 * f64::from(f32::EPSILON)) * q * most + 2.0 * q * (most - least)
            }
        };
        ((slack + 4.0 * tiny) as f32).next_up()
    }

    /// The shortest and the longest a row may be.
    pub(super) fn lengths(&self) -> (f64, f64) {
        (f64::from(self.stats.min_norm()), f64::from(self.stats.max_norm()))
    }

    /// The same of rows that were scaled to unit length: [`normalize_l2`](twindex_core::normalize_l2) takes a root of a sum within `gamma`, and rounds twice.
    #[cfg(any(feature = "gpu", test))]
    pub(super) fn unit_lengths(&self) -> (f64, f64) {
        let error = gamma(self.raw.dim()) + 4.0 * f64::from(f32::EPSILON);
        (1.0 - error, 1.0 + error)
    }

    /// The best `k` of a query, from FAISS's candidates; `None` if rows that are not among these could be too.
    pub(super) fn settle_within(
        &self,
        query: &[f32],
        k: usize,
        candidates: &Candidates<'_>,
        lengths: (f64, f64),
    ) -> Option<Vec<Neighbor>> {
        // As the core's keys: lower is better.
        let key = |score: f32| if self.metric == Metric::L2 { score } else { -score };
        if candidates.are_short() {
            return None;
        }
        let mut kept = candidates.kept();
        if !candidates.all {
            let limit = key(kept.get(k - 1)?.1) + self.slack(query, lengths);
            let settled = key(*candidates.scores.last()?) > limit;
            if !settled {
                return None;
            }
            kept.retain(|&(_, score)| key(score) <= limit);
        }
        Some(self.stats.rescore(self.all(), query, k, kept.iter().map(|&(position, _)| position)))
    }

    /// FAISS's candidates for a batch, scored again; queries it cannot settle are scanned.
    fn search_by_faiss(
        &self,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
    ) -> Result<Vec<Vec<Neighbor>>> {
        let available = among.map_or(self.len(), Positions::len);
        let fetch = (k + SLACK).min(available);
        let bitmap = among.map(Positions::to_bitmap);
        let found =
            self.raw.search(queries, fetch, &Narrowing { bitmap: bitmap.as_deref(), nprobe: None })?;
        let answer = |(i, query): (usize, &[f32])| {
            let candidates = found.of(i, fetch, None, fetch == available);
            self.settle_within(query, k, &candidates, self.lengths())
                .unwrap_or_else(|| self.scan(query, k, among))
        };
        Ok(queries.data().par_chunks_exact(queries.dim()).enumerate().map(answer).collect())
    }
}

fn rows_of(raw: &RawIndex) -> Rows<'_> {
    let data = raw.flat_rows().expect("made as a flat index");
    Rows::new(data, raw.dim()).expect("FAISS keeps whole rows")
}

impl VectorIndex for FaissFlat {
    fn metric(&self) -> Metric {
        self.metric
    }

    fn dim(&self) -> usize {
        self.raw.dim()
    }

    fn len(&self) -> usize {
        self.raw.len()
    }

    fn append(&mut self, rows: Rows<'_>) -> Result<()> {
        self.raw.add(rows)?;
        self.stats.append(&*self.kernel, rows);
        Ok(())
    }

    fn search(&self, query: &[f32], k: usize, among: Option<&Positions>) -> Result<Vec<Neighbor>> {
        Ok(self.scan(query, k, among))
    }

    fn search_batch(
        &self,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
    ) -> Result<Vec<Vec<Neighbor>>> {
        let (kernel, rows) = (&*self.kernel, self.all());
        let available = among.map_or(self.len(), Positions::len);
        self.stats.search_batch_or(kernel, rows, queries, k, among, |asked| {
            if asked.len() >= BATCH
                && (1..available).contains(&k)
                && self.alike()
                && self.faiss_can_help(asked)
            {
                self.search_by_faiss(asked, k, among)
            } else {
                Ok(self.stats.scan_batch(kernel, rows, asked, k, among))
            }
        })
    }

    fn search_approximately(
        &self,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
        recall: f32,
    ) -> Result<Vec<Vec<Neighbor>>> {
        Ok(self.stats.search_approximately(&*self.kernel, self.all(), queries, k, among, recall))
    }

    fn read(&self, position: usize, out: &mut [f32]) -> Result<()> {
        out.copy_from_slice(self.all().row(position));
        Ok(())
    }

    fn rows(&self) -> Option<Rows<'_>> {
        Some(self.all())
    }

    fn remove(&mut self, positions: &Positions) -> Result<()> {
        self.raw.remove(&positions.to_bitmap())?;
        self.stats.remove(positions, rows_of(&self.raw));
        Ok(())
    }

    fn info(&self) -> IndexInfo {
        IndexInfo {
            engine: "faiss",
            kind: "Flat".into(),
            simd: self.kernel.name().into(),
            trained: true,
            vector_bytes: size_of_val(self.all().data()) as u64,
            extra_bytes: self.stats.bytes(),
            parameters: Vec::new(),
        }
    }
}
