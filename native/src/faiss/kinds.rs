//! The kinds of index that are more, or less, than plain rows: IVF, HNSW, scalar and product quantizers.

use std::borrow::Cow;

use twindex_core::{Error, IndexInfo, Metric, Neighbor, Positions, Result, Rows, VectorIndex, normalize_l2};

use super::ffi::{Narrowing, RawIndex, compile_options, failed};
use super::ivf;

/// A filter that accepts at most this many rows is answered by scoring those rows, which is exact and no slower. So is
/// any filter on a plain PQ index, whose search takes no selector.
const NARROW: usize = 1024;

/// What a kind of index can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Flat,
    Ivf,
    Hnsw,
    Codes,
}

impl Family {
    /// The family of a factory string.
    pub(super) fn of(kind: &str) -> Result<Self> {
        let refuse = |reason: &str| {
            Err(Error::UnsupportedByIndex {
                kind: kind.to_owned(),
                operation: "be used here",
                reason: reason.into(),
            })
        };
        let parts: Vec<&str> = kind.split(',').collect();
        if parts.iter().any(|part| part.starts_with("IDMap") || part.starts_with('R') || part.ends_with("fs"))
        {
            return refuse("Twindex keeps ids itself, re-scores itself and does not take fast-scan codes");
        }
        // FAISS does not check these numbers: `HNSW0` and its like end the process.
        let number_after = |part: &str, prefix: &str| {
            let digits: String =
                part.strip_prefix(prefix)?.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().ok()
        };
        for part in &parts {
            for (prefix, least) in [("IVF", 1), ("HNSW", 2), ("PQ", 1)] {
                if part.starts_with(prefix) && number_after(part, prefix).is_none_or(|number| number < least)
                {
                    return refuse(&format!("expected a number of at least {least} after {prefix}"));
                }
            }
        }
        match parts[..] {
            ["Flat"] => Ok(Family::Flat),
            [first, _] if first.starts_with("IVF") => Ok(Family::Ivf),
            [first] | [first, "Flat"] if first.starts_with("HNSW") => Ok(Family::Hnsw),
            [first, storage] if first.starts_with("HNSW") && storage.starts_with("SQ") => Ok(Family::Hnsw),
            [first] if first.starts_with("SQ") || first.starts_with("PQ") => Ok(Family::Codes),
            _ => refuse("expected Flat, IVFn,Flat, IVFn,SQ8, IVFn,PQm, HNSWm, SQ8 or PQm, or their like"),
        }
    }
}

/// A FAISS index that is not flat.
#[derive(Debug)]
pub(super) struct FaissKind {
    raw: RawIndex,
    kind: String,
    family: Family,
    metric: Metric,
    ef_search: Option<usize>,
}

impl FaissKind {
    pub(super) fn new(kind: &str, family: Family, dim: usize, metric: Metric) -> Result<Self> {
        // A plain PQ index otherwise trains for polysemous search, which takes minutes and is never used here.
        let polysemous = family == Family::Codes && kind.starts_with("PQ") && !kind.ends_with("np");
        let description = if polysemous { format!("{kind}np") } else { kind.to_owned() };
        let raw = RawIndex::create(&description, dim, metric != Metric::L2)?;
        Self::from_raw(raw, kind, family, metric)
    }

    pub(super) fn open(kind: &str, family: Family, dim: usize, metric: Metric, bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let corrupt = |reason: String| Error::Corrupt { section: "faiss", reason };
        let raw = RawIndex::read_from(&mut |out| std::io::Read::read_exact(&mut rest, out))
            .map_err(|error| corrupt(error.to_string()))?;
        if !rest.is_empty() {
            return Err(corrupt(format!("{} bytes follow the index", rest.len())));
        }
        if raw.dim() != dim || raw.is_inner_product() != (metric != Metric::L2) {
            return Err(corrupt(format!("a {metric} index of dimension {dim} expected")));
        }
        Self::from_raw(raw, kind, family, metric)
    }

    fn from_raw(mut raw: RawIndex, kind: &str, family: Family, metric: Metric) -> Result<Self> {
        if family == Family::Ivf {
            if raw.ivf_lists().is_none() {
                return Err(failed(format_args!("{kind:?} did not give an IVF index")));
            }
            raw.set_direct_map(true)?;
        }
        Ok(Self { raw, kind: kind.to_owned(), family, metric, ef_search: None })
    }

    fn refuse<T>(&self, operation: &'static str, reason: impl Into<String>) -> Result<T> {
        Err(Error::UnsupportedByIndex { kind: self.kind.clone(), operation, reason: reason.into() })
    }

    #[cfg(any(feature = "gpu", test))]
    pub(super) fn raw(&self) -> &RawIndex {
        &self.raw
    }

    #[cfg(any(feature = "gpu", test))]
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// Whether a filter's rows are scored one and all.
    pub(super) fn is_narrow(&self, among: &Positions) -> bool {
        among.len() <= NARROW || self.kind.starts_with("PQ")
    }

    /// Fails with `too_few_to_train` if the kind takes more vectors.
    pub(super) fn check_enough_to_train(&self, count: usize) -> Result<()> {
        match self.raw.ivf_lists() {
            Some((expected, _)) if count < expected => {
                Err(Error::TooFewToTrain { kind: self.kind.clone(), expected, actual: count })
            }
            _ => Ok(()),
        }
    }

    /// An empty, untrained index with the same settings.
    pub(super) fn untrained(&self) -> Result<Self> {
        let mut fresh = Self::new(&self.kind, self.family, self.raw.dim(), self.metric)?;
        if let (Some((_, nprobe)), true) = (self.raw.ivf_lists(), self.family == Family::Ivf) {
            fresh.raw.set_nprobe(nprobe);
        }
        if let Some(ef_search) = self.ef_search {
            fresh.set_search_parameter("efSearch", ef_search)?;
        }
        Ok(fresh)
    }

    /// Takes an index of this kind that was trained and filled elsewhere.
    #[cfg(any(feature = "gpu", test))]
    pub(super) fn take_over(&mut self, mut raw: RawIndex) -> Result<()> {
        if let Some((_, nprobe)) = self.raw.ivf_lists() {
            raw.set_nprobe(nprobe);
        }
        if self.kind.contains("PQ") {
            // As it is when it is read from a file: FAISS then makes the tables that searches on the CPU use.
            let bytes = raw.to_bytes()?;
            let mut rest = &bytes[..];
            raw = RawIndex::read_from(&mut |out| std::io::Read::read_exact(&mut rest, out))?;
        }
        *self = Self::from_raw(raw, &self.kind, self.family, self.metric)?;
        Ok(())
    }

    /// Scores positions by the core's kernel, from the vectors as FAISS gives them back.
    pub(super) fn score(
        &self,
        query: &[f32],
        k: usize,
        positions: impl Iterator<Item = usize>,
    ) -> Result<Vec<Neighbor>> {
        let mut row = vec![0.0; self.raw.dim()];
        let mut found = Vec::new();
        for position in positions {
            self.raw.read(position, &mut row)?;
            found.push(Neighbor::scored(self.metric, query, &row, position));
        }
        found.sort_by(|a, b| Neighbor::order(self.metric, a, b));
        found.truncate(k);
        Ok(found)
    }

    fn search_one(&self, query: &[f32], k: usize, among: Option<&Positions>) -> Result<Vec<Neighbor>> {
        let available = among.map_or(self.len(), Positions::len);
        let k = k.min(available);
        if k == 0 {
            return Ok(Vec::new());
        }
        if let Some(among) = among
            && self.is_narrow(among)
        {
            return self.score(query, k, among.iter());
        }
        let asked = self.as_faiss(Rows::new(query, self.raw.dim())?);
        let asked = Rows::new(&asked, self.raw.dim())?;
        let bitmap = among.map(Positions::to_bitmap);
        let mut narrowing = Narrowing { bitmap: bitmap.as_deref(), nprobe: None };
        // The lists probed, or the part of the graph visited, may hold fewer than `k`: look further before giving up on any.
        loop {
            if let Some((lists, nprobe)) = self.raw.ivf_lists() {
                narrowing.nprobe = Some(narrowing.nprobe.map_or(nprobe, |n| n * 2).min(lists));
            }
            let found = self.raw.search(asked, k, &narrowing)?;
            let labels: Vec<usize> =
                found.labels.iter().filter_map(|&label| usize::try_from(label).ok()).collect();
            if labels.len() == k {
                return self.score(query, k, labels.into_iter());
            }
            match self.raw.ivf_lists() {
                Some((lists, _)) if narrowing.nprobe < Some(lists) => {}
                _ => break,
            }
        }
        match among {
            Some(among) => self.score(query, k, among.iter()),
            None => self.score(query, k, 0..self.len()),
        }
    }

    /// This IVF index, which has no direct map now, less some positions.
    fn without(&self, positions: &Positions) -> Result<Self> {
        let kept = ivf::without(&self.raw.to_bytes()?, &self.raw.ivf_list_sizes(), positions)
            .ok_or_else(|| failed("the inverted lists were not found where FAISS writes them"))?;
        let mut rest = &kept[..];
        let raw = RawIndex::read_from(&mut |out| std::io::Read::read_exact(&mut rest, out))?;
        Self::from_raw(raw, &self.kind, self.family, self.metric)
    }

    /// Vectors as FAISS holds them: of unit length for cosine.
    pub(super) fn as_faiss<'a>(&self, rows: Rows<'a>) -> Cow<'a, [f32]> {
        if self.metric == Metric::Cosine { unit(rows).into() } else { rows.data().into() }
    }
}

/// Vectors scaled to unit length.
pub(super) fn unit(rows: Rows<'_>) -> Vec<f32> {
    let mut data = rows.data().to_vec();
    data.chunks_exact_mut(rows.dim()).for_each(normalize_l2);
    data
}

impl VectorIndex for FaissKind {
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
        let data = self.as_faiss(rows);
        let rows = Rows::new(&data, rows.dim())?;
        if self.raw.is_trained() {
            return self.raw.add(rows);
        }
        self.check_enough_to_train(rows.len())?;
        // A training that fails half-way leaves a half-trained index: train a new one, and keep it only whole.
        let mut fresh = self.untrained()?;
        fresh.raw.train(rows)?;
        fresh.raw.set_direct_map(self.family == Family::Ivf)?;
        fresh.raw.add(rows)?;
        *self = fresh;
        Ok(())
    }

    fn search(&self, query: &[f32], k: usize, among: Option<&Positions>) -> Result<Vec<Neighbor>> {
        self.search_one(query, k, among)
    }

    fn search_batch(
        &self,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
    ) -> Result<Vec<Vec<Neighbor>>> {
        if among.is_some() || k > self.len() {
            return queries.iter().map(|query| self.search_one(query, k, among)).collect();
        }
        let asked = self.as_faiss(queries);
        let found = self.raw.search(Rows::new(&asked, queries.dim())?, k, &Narrowing::default())?;
        queries
            .iter()
            .zip(found.labels.chunks_exact(k))
            .map(|(query, labels)| {
                if labels.iter().any(|&label| label < 0) {
                    return self.search_one(query, k, None);
                }
                self.score(query, k, labels.iter().map(|&label| label as usize))
            })
            .collect()
    }

    fn read(&self, position: usize, out: &mut [f32]) -> Result<()> {
        self.raw.read(position, out)
    }

    fn remove(&mut self, positions: &Positions) -> Result<()> {
        self.check_can_remove()?;
        match self.family {
            Family::Ivf => {
                // The direct map counts old positions: it goes before the bytes are written, and is made anew.
                self.raw.set_direct_map(false)?;
                match self.without(positions) {
                    Ok(kept) => {
                        *self = kept;
                        Ok(())
                    }
                    Err(error) => self.raw.set_direct_map(true).and(Err(error)),
                }
            }
            _ => self.raw.remove(&positions.to_bitmap()),
        }
    }

    fn check_can_remove(&self) -> Result<()> {
        match self.family {
            Family::Hnsw => self.refuse("delete", "FAISS cannot take nodes out of an HNSW graph"),
            _ => Ok(()),
        }
    }

    fn to_engine_bytes(&self) -> Result<Vec<u8>> {
        self.raw.to_bytes()
    }

    fn set_search_parameter(&mut self, name: &str, value: usize) -> Result<()> {
        if value == 0 {
            let reason = "expected at least 1, got 0".into();
            return Err(Error::InvalidOption { option: "search parameter", reason });
        }
        match (self.family, name, self.raw.ivf_lists()) {
            (Family::Ivf, "nprobe", Some((lists, _))) => {
                self.raw.set_nprobe(value.min(lists));
                Ok(())
            }
            (Family::Hnsw, "efSearch", _) => {
                self.raw.set_parameter("efSearch", value)?;
                self.ef_search = Some(value);
                Ok(())
            }
            _ => self.refuse("take this search parameter", format!("it has no {name:?}")),
        }
    }

    fn info(&self) -> IndexInfo {
        let mut parameters = Vec::new();
        if let Some((lists, nprobe)) = self.raw.ivf_lists() {
            parameters.extend([("nlist".to_owned(), lists), ("nprobe".to_owned(), nprobe)]);
        }
        parameters.extend(self.ef_search.map(|value| ("efSearch".to_owned(), value)));
        IndexInfo {
            engine: "faiss",
            kind: self.kind.clone(),
            simd: compile_options().trim_start_matches("OPTIMIZE ").to_lowercase(),
            trained: self.raw.is_trained(),
            vector_bytes: (self.raw.code_size().unwrap_or(0) * self.len()) as u64,
            extra_bytes: 0,
            parameters,
        }
    }
}
