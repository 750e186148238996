//! From bytes to an index.

use std::collections::HashMap;

use super::{Content, FaissFile};
use crate::ann::{
    Body, Codec, Coded, Codes, Graph, Hnsw, Ivf, List, ProductQuantizer, Refined, ScalarKind, ScalarQuantizer,
};
use crate::bytes::Source;
use crate::error::{Error, Result};
use crate::exact::RowStats;
use crate::index::{ReadRows, RowSource, VectorIndex};
use crate::metric::Metric;
use crate::store::MAX_DOCUMENTS;

/// Indexes inside indexes: an id map of a transform of a refinement of an IVF of a graph, and some to spare.
const MAX_DEPTH: usize = 8;

/// Numbers per vector; FAISS has been seen with some thousands.
const MAX_DIM: usize = 1 << 20;

/// Inverted lists of an index that is not trained, which take no bytes of the file; FAISS's guidelines go up to this for a billion vectors.
const MAX_EMPTY_LISTS: u64 = 1 << 20;

/// Copied at a time: about half of a second-level cache.
const PIECE: usize = 128 << 10;

/// What takes plain rows as they are read, and the metric they are to be compared by if it is not the file's.
type Taker<'a> = (&'a dyn ReadRows, Option<Metric>);

pub(super) fn file(source: &mut dyn Source, taker: Option<Taker<'_>>) -> Result<FaissFile> {
    let mut reader = Reader { total: source.total(), source, at: 0 };
    let parsed = reader.index(0, taker)?;
    if reader.at != reader.total {
        return corrupt(format!("{} bytes follow the index", reader.total - reader.at));
    }
    finish(parsed)
}

fn corrupt<T>(reason: String) -> Result<T> {
    Err(Error::Corrupt { section: "faiss", reason })
}

fn unsupported<T>(needs: impl Into<String>) -> Result<T> {
    Err(Error::UnsupportedContent { needs: needs.into() })
}

/// An index as it stands in the file.
struct Parsed {
    class: &'static str,
    metric: Metric,
    dim: usize,
    count: usize,
    trained: bool,
    node: Node,
}

enum Node {
    Index(Box<dyn VectorIndex>),
    Flat {
        data: Vec<f32>,
        stats: RowStats,
    },
    Coded(Coded),
    /// With the ids in its lists.
    Ivf {
        coarse: Box<Body>,
        nprobe: usize,
        codec: Codec,
        by_residual: bool,
        lists: Vec<(Codes, Vec<i64>)>,
        direct_map: bool,
    },
    Hnsw(Hnsw),
    Refined {
        base: Box<Parsed>,
        rows: Coded,
        k_factor: f32,
    },
    IdMap {
        inner: Box<Parsed>,
        ids: Vec<i64>,
    },
    Normalized(Box<Parsed>),
}

/// Takes wrappers off, and turns FAISS's ids into positions.
fn finish(parsed: Parsed) -> Result<FaissFile> {
    let (class, metric, dim) = (parsed.class, parsed.metric, parsed.dim);
    let mut file = match parsed.node {
        Node::IdMap { inner, ids } => {
            let mut file = finish(*inner)?;
            if ids.len() != file.len() {
                return corrupt(format!("{} ids expected in the id map, got {}", file.len(), ids.len()));
            }
            if file.ids.is_some() {
                return unsupported("one map of ids; this file has one inside another");
            }
            file.ids = (!is_numbering(&ids)).then_some(ids);
            file
        }
        Node::Normalized(inner) => {
            let mut file = finish(*inner)?;
            file.normalize_l2 = true;
            file
        }
        Node::Index(index) => FaissFile {
            class,
            kind: "Flat".into(),
            metric: index.metric(),
            dim,
            normalize_l2: false,
            ids: None,
            notes: Vec::new(),
            content: Content::Index(index),
        },
        Node::Flat { data, stats } => FaissFile {
            class,
            kind: "Flat".into(),
            metric,
            dim,
            normalize_l2: false,
            ids: None,
            notes: Vec::new(),
            content: Content::Flat { data, stats },
        },
        _ => {
            let mut notes = Vec::new();
            let trained = parsed.trained;
            let (body, ids) = body(parsed, &mut notes)?;
            let (kind, content) = (body.kind(), Content::Ann { body, trained });
            FaissFile { class, kind, metric, dim, normalize_l2: false, ids, notes, content }
        }
    };
    file.class = class;
    Ok(file)
}

fn is_numbering(ids: &[i64]) -> bool {
    ids.iter().zip(0..).all(|(&id, position)| id == position)
}

/// What a search works on, and the ids that its positions stand for.
fn body(parsed: Parsed, notes: &mut Vec<String>) -> Result<(Body, Option<Vec<i64>>)> {
    Ok(match parsed.node {
        Node::Flat { data, .. } => {
            let codec = Codec::Float(parsed.dim);
            (Body::Coded(Coded { codec, codes: Codes::Floats(data) }), None)
        }
        Node::Coded(coded) => (Body::Coded(coded), None),
        Node::Hnsw(hnsw) => (Body::Hnsw(hnsw), None),
        Node::Refined { base, rows, k_factor } => {
            let (base, ids) = body(*base, notes)?;
            if ids.is_some() {
                return unsupported("a FAISS IndexRefine without ids of its own inside");
            }
            (Body::Refined(Refined { base: Box::new(base), rows, k_factor }), None)
        }
        Node::Ivf { coarse, nprobe, codec, by_residual, lists, direct_map } => {
            if direct_map {
                notes.push("the direct map, which only FAISS's remove_ids and reconstruct need".into());
            }
            // Positions are given in the order of ids, which is the order of adding unless ids of one's own were given.
            let mut ids: Vec<i64> = Vec::new();
            reserve(&mut ids, "ids", parsed.count as u64)?;
            lists.iter().for_each(|list| ids.extend(&list.1));
            ids.sort_unstable();
            if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
                return corrupt(format!("inverted lists: id {} comes twice", pair[0]));
            }
            let numbered = is_numbering(&ids);
            let positions: HashMap<i64, u32> =
                if numbered { HashMap::new() } else { ids.iter().copied().zip(0..).collect() };
            let lists = lists
                .into_iter()
                .map(|(codes, ids)| {
                    let positions = ids.iter().map(|id| if numbered { *id as u32 } else { positions[id] });
                    List { codes, positions: positions.collect() }
                })
                .collect();
            let ivf = Ivf::new(coarse, nprobe, codec, by_residual, lists)?;
            (Body::Ivf(ivf), (!numbered).then_some(ids))
        }
        Node::Index(_) => unreachable!("rows inside another index stay with it"),
        Node::IdMap { .. } => {
            return unsupported("a FAISS id map on the outside; this file has one inside another index");
        }
        Node::Normalized(_) => {
            return unsupported(
                "a FAISS IndexPreTransform on the outside; this file has one inside another index",
            );
        }
    })
}

fn reserve<T>(items: &mut Vec<T>, what: &'static str, count: u64) -> Result<()> {
    let bytes = count.saturating_mul(size_of::<T>() as u64);
    let reserved = usize::try_from(count).ok().and_then(|count| items.try_reserve_exact(count).ok());
    reserved.ok_or(Error::OutOfMemory { what, bytes })
}

/// The rows of a flat index, checked and measured while each piece is in the cache.
struct RowsLeft<'r, 'a> {
    dim: usize,
    stats: RowStats,
    reader: &'r mut Reader<'a>,
}

impl RowSource for RowsLeft<'_, '_> {
    fn fill(&mut self, out: &mut [u8]) -> Result<()> {
        let row = self.dim * size_of::<f32>();
        let mut numbers = vec![0.0f32; self.dim];
        for piece in out.chunks_mut((PIECE / row).max(1) * row) {
            self.reader.fill(piece)?;
            if cfg!(target_endian = "big") {
                piece.as_chunks_mut::<4>().0.iter_mut().for_each(|number| number.reverse());
            }
            for bytes in piece.chunks_exact(row) {
                // Where the engine keeps its rows they may not lie as f32 have to.
                if let Ok(numbers) = bytemuck::try_cast_slice(bytes) {
                    self.stats.push_checked(numbers)?;
                } else {
                    bytemuck::cast_slice_mut(&mut numbers).copy_from_slice(bytes);
                    self.stats.push_checked(&numbers)?;
                }
            }
        }
        Ok(())
    }

    fn stats(&mut self) -> RowStats {
        std::mem::replace(&mut self.stats, RowStats::new(Metric::L2))
    }
}

struct Reader<'a> {
    source: &'a mut dyn Source,
    total: u64,
    at: u64,
}

/// What every index starts with.
struct Header {
    dim: usize,
    count: usize,
    trained: bool,
    metric: i32,
}

impl Header {
    fn metric(&self, class: &str) -> Result<Metric> {
        let name = match self.metric {
            0 => return Ok(Metric::InnerProduct),
            1 => return Ok(Metric::L2),
            2 => "L1",
            3 => "Linf",
            4 => "Lp",
            20 => "Canberra",
            21 => "BrayCurtis",
            22 => "JensenShannon",
            23 => "Jaccard",
            24 => "NaNEuclidean",
            25 => "Gower",
            number => return corrupt(format!("metric 0 to 4 or 20 to 25 expected, got {number}")),
        };
        unsupported(format!(
            "the metric {name}, for a FAISS {class}; stores have L2, inner product and cosine"
        ))
    }
}

impl Reader<'_> {
    fn left(&self) -> u64 {
        self.total - self.at
    }

    /// Copies the next bytes.
    fn fill(&mut self, out: &mut [u8]) -> Result<()> {
        let len = out.len() as u64;
        if len > self.left() {
            return Err(Error::Truncated { expected: self.at.saturating_add(len), actual: self.total });
        }
        self.source.copy(self.at, out)?;
        self.at += len;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn f32(&mut self) -> Result<f32> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    fn bool(&mut self, what: &str) -> Result<bool> {
        match self.array::<1>()?[0] {
            0 => Ok(false),
            1 => Ok(true),
            other => corrupt(format!("byte {}: {what}: 0 or 1 expected, got {other}", self.at - 1)),
        }
    }

    /// Room for so many items, if the file has them.
    fn room<T>(&mut self, what: &'static str, count: u64) -> Result<Vec<T>> {
        let len = count.checked_mul(size_of::<T>() as u64);
        if len.is_none_or(|len| len > self.left()) {
            let (at, left, size) = (self.at, self.left(), size_of::<T>());
            return corrupt(format!(
                "byte {at}: {count} {what} of {size} bytes expected, {left} bytes are left"
            ));
        }
        let mut items = Vec::new();
        reserve(&mut items, what, count)?;
        Ok(items)
    }

    /// So many numbers, which follow without a count.
    fn numbers<T: bytemuck::Pod + FromLe>(&mut self, what: &'static str, count: u64) -> Result<Vec<T>> {
        let mut items = self.room::<T>(what, count)?;
        items.resize(count as usize, T::zeroed());
        self.fill(bytemuck::cast_slice_mut(&mut items))?;
        T::order(&mut items);
        Ok(items)
    }

    /// A count and so many numbers.
    fn list<T: bytemuck::Pod + FromLe>(&mut self, what: &'static str) -> Result<Vec<T>> {
        let count = self.u64()?;
        self.numbers(what, count)
    }

    /// A count, which must be this, and so many numbers.
    fn list_of<T: bytemuck::Pod + FromLe>(&mut self, what: &'static str, expected: usize) -> Result<Vec<T>> {
        let at = self.at;
        let count = self.u64()?;
        if count != expected as u64 {
            return corrupt(format!("byte {at}: {expected} {what} expected, got {count}"));
        }
        self.numbers(what, count)
    }

    /// Sees to it that the rows of a flat index, which follow, are there.
    fn rows_head(&mut self, dim: usize, count: usize) -> Result<u64> {
        let at = self.at;
        let numbers = self.u64()?;
        if dim.checked_mul(count).map(|expected| expected as u64) != Some(numbers) {
            return corrupt(format!(
                "byte {at}: {count} vectors of {dim} numbers expected, got {numbers} numbers"
            ));
        }
        if numbers.checked_mul(size_of::<f32>() as u64).is_none_or(|bytes| bytes > self.left()) {
            let left = self.left();
            return corrupt(format!(
                "byte {at}: {count} vectors of {dim} numbers expected, {left} bytes are left"
            ));
        }
        Ok(numbers)
    }

    /// Rows of a flat index, in memory of their own.
    fn rows(&mut self, dim: usize, count: usize, metric: Metric) -> Result<(Vec<f32>, RowStats)> {
        let numbers = self.rows_head(dim, count)?;
        let mut data = self.room::<f32>("numbers of vectors", numbers)?;
        data.resize(numbers as usize, 0.0);
        let mut rows = RowsLeft { dim, stats: RowStats::new(metric), reader: self };
        rows.fill(bytemuck::cast_slice_mut(&mut data))?;
        Ok((data, rows.stats))
    }

    fn header(&mut self) -> Result<Header> {
        let at = self.at;
        let dim = self.i32()?;
        let count = i64::from_le_bytes(self.array()?);
        self.array::<16>()?;
        let trained = self.bool("is_trained")?;
        let metric = self.i32()?;
        if metric > 1 {
            self.f32()?;
        }
        let dim = match usize::try_from(dim) {
            Ok(dim @ 1..=MAX_DIM) => dim,
            _ => return corrupt(format!("byte {at}: a dimension from 1 to {MAX_DIM} expected, got {dim}")),
        };
        let count = match u64::try_from(count) {
            Ok(count) if count <= MAX_DOCUMENTS as u64 => count as usize,
            Ok(count) => {
                let actual = usize::try_from(count).unwrap_or(usize::MAX);
                return Err(Error::TooManyRows { limit: MAX_DOCUMENTS, actual });
            }
            Err(_) => return corrupt(format!("byte {}: a number of vectors expected, got {count}", at + 4)),
        };
        Ok(Header { dim, count, trained, metric })
    }

    /// An index; `taker` takes its rows if they are plain, and the whole of what is read.
    fn index(&mut self, depth: usize, taker: Option<Taker<'_>>) -> Result<Parsed> {
        if depth > MAX_DEPTH {
            return corrupt(format!("indexes nested at most {MAX_DEPTH} deep expected"));
        }
        let at = self.at;
        let letters = self.array::<4>()?;
        let class = match &letters {
            b"IxF2" => "IndexFlatL2",
            b"IxFI" => "IndexFlatIP",
            b"IxFl" => "IndexFlat",
            b"IxSQ" => "IndexScalarQuantizer",
            b"IxPq" => "IndexPQ",
            b"IwFl" => "IndexIVFFlat",
            b"IwSq" => "IndexIVFScalarQuantizer",
            b"IwPQ" => "IndexIVFPQ",
            b"IHNf" => "IndexHNSWFlat",
            b"IHNs" => "IndexHNSWSQ",
            b"IHNp" => "IndexHNSWPQ",
            b"IxRF" => "IndexRefine",
            b"IxMp" => "IndexIDMap",
            b"IxM2" => "IndexIDMap2",
            b"IxPT" => "IndexPreTransform",
            _ => return refuse(&letters, at),
        };
        let header = self.header()?;
        let metric = header.metric(class)?;
        if header.count > 0 && !header.trained {
            return corrupt(format!("byte {at}: {class}: an index with vectors expected to be trained"));
        }
        let node = match class {
            "IndexFlatL2" | "IndexFlatIP" | "IndexFlat" if let Some((engine, wanted)) = taker => {
                self.rows_head(header.dim, header.count)?;
                let metric = wanted.unwrap_or(metric);
                let mut rows = RowsLeft { dim: header.dim, stats: RowStats::new(metric), reader: self };
                let index = engine.read_rows(header.dim, metric, header.count, &mut rows)?;
                Node::Index(index)
            }
            "IndexFlatL2" | "IndexFlatIP" | "IndexFlat" => {
                let (data, stats) = self.rows(header.dim, header.count, metric)?;
                Node::Flat { data, stats }
            }
            "IndexScalarQuantizer" => {
                let codec = self.scalar_quantizer(&header)?;
                Node::Coded(self.coded(codec, header.count)?)
            }
            "IndexPQ" => {
                let codec = self.product_quantizer(&header)?;
                let coded = self.coded(codec, header.count)?;
                self.i32()?;
                self.bool("encode_signs")?;
                self.i32()?;
                Node::Coded(coded)
            }
            "IndexIVFFlat" | "IndexIVFScalarQuantizer" | "IndexIVFPQ" => {
                self.ivf(class, &header, metric, depth)?
            }
            "IndexHNSWFlat" | "IndexHNSWSQ" | "IndexHNSWPQ" => self.hnsw(class, &header, metric, depth)?,
            "IndexRefine" => {
                let base = self.nested(class, &header, metric, depth, None)?;
                let rows = self.storage(class, &header, metric, depth)?;
                let k_factor = self.f32()?;
                if !(1.0..=1e6).contains(&k_factor) {
                    return corrupt(format!("{class}: a k_factor of 1 or more expected, got {k_factor}"));
                }
                if base.count != header.count {
                    return corrupt(format!(
                        "{class}: {} vectors expected, got {}",
                        header.count, base.count
                    ));
                }
                Node::Refined { base: Box::new(base), rows, k_factor }
            }
            "IndexIDMap" | "IndexIDMap2" => {
                let inner = self.nested(class, &header, metric, depth, taker)?;
                let ids = self.list_of("ids", header.count)?;
                Node::IdMap { inner: Box::new(inner), ids }
            }
            _ => self.transform(class, &header, metric, depth, taker)?,
        };
        // FAISS has a class of its own for the common case.
        let class = match &node {
            Node::Refined { rows: Coded { codec: Codec::Float(_), .. }, .. } => "IndexRefineFlat",
            _ => class,
        };
        Ok(Parsed { class, metric, dim: header.dim, count: header.count, trained: header.trained, node })
    }

    /// The index inside another, which must agree with it.
    fn nested(
        &mut self,
        class: &str,
        header: &Header,
        metric: Metric,
        depth: usize,
        taker: Option<Taker<'_>>,
    ) -> Result<Parsed> {
        let at = self.at;
        let inner = self.index(depth + 1, taker)?;
        if (inner.dim, inner.metric) != (header.dim, metric) {
            return corrupt(format!(
                "byte {at}: {class}: an index inside with dimension {} and metric {metric} expected, got {} and {}",
                header.dim, inner.dim, inner.metric
            ));
        }
        if header.trained && !inner.trained {
            return corrupt(format!(
                "byte {at}: {class}: a trained {} expected inside, as it is trained itself",
                inner.class
            ));
        }
        Ok(inner)
    }

    /// The vectors inside another index: as many as it says, in order.
    fn storage(&mut self, class: &str, header: &Header, metric: Metric, depth: usize) -> Result<Coded> {
        let at = self.at;
        let inner = self.nested(class, header, metric, depth, None)?;
        if inner.count != header.count {
            return corrupt(format!(
                "byte {at}: {class}: {} vectors expected inside, got {}",
                header.count, inner.count
            ));
        }
        match inner.node {
            Node::Flat { data, .. } => {
                Ok(Coded { codec: Codec::Float(inner.dim), codes: Codes::Floats(data) })
            }
            Node::Coded(coded) => Ok(coded),
            _ => {
                unsupported(format!("flat or quantized vectors inside a FAISS {class}, not {}", inner.class))
            }
        }
    }

    fn scalar_quantizer(&mut self, header: &Header) -> Result<Codec> {
        let at = self.at;
        let number = self.i32()?;
        let Some(kind) = ScalarKind::of_number(number) else {
            return unsupported(format!("the FAISS scalar quantizer of type {number}; known are 0 to 8"));
        };
        let range_stat = self.i32()?;
        let range_stat_arg = self.f32()?;
        let dim = self.u64()?;
        let code_size = self.u64()?;
        let trained: Vec<f32> = self.list("trained values")?;
        let expected = if header.trained { kind.trained_len(header.dim) } else { trained.len() };
        if trained.len() != expected {
            return corrupt(format!("byte {at}: {expected} trained values expected, got {}", trained.len()));
        }
        let quantizer = ScalarQuantizer { kind, dim: header.dim, trained, range_stat, range_stat_arg };
        if !quantizer.trained.iter().all(|x| x.is_finite()) || quantizer.reach() > f64::from(f32::MAX) {
            return corrupt(format!("byte {at}: trained values that decode to finite numbers expected"));
        }
        let codec = Codec::Scalar(quantizer);
        if dim != header.dim as u64 || code_size != codec.code_size() as u64 {
            return corrupt(format!(
                "byte {at}: a scalar quantizer of {} dimensions in {} bytes expected, got {dim} in {code_size}",
                header.dim,
                codec.code_size()
            ));
        }
        Ok(codec)
    }

    fn product_quantizer(&mut self, header: &Header) -> Result<Codec> {
        let at = self.at;
        let (dim, parts, bits) = (self.u64()?, self.u64()?, self.u64()?);
        let fits =
            dim == header.dim as u64 && parts > 0 && dim.is_multiple_of(parts) && (1..=24).contains(&bits);
        if !fits {
            return corrupt(format!(
                "byte {at}: a product quantizer of {} dimensions in equal parts of 1 to 24 bits expected, got {dim} in {parts} of {bits}",
                header.dim
            ));
        }
        let (parts, bits) = (parts as usize, bits as usize);
        let expected = (1usize << bits).saturating_mul(header.dim);
        let centroids: Vec<f32> = self.list_of("centroid numbers", expected)?;
        if !centroids.iter().all(|x| x.is_finite()) {
            return corrupt(format!("byte {at}: finite centroids expected"));
        }
        Ok(Codec::Product(ProductQuantizer { dim: header.dim, parts, bits, centroids }))
    }

    fn coded(&mut self, codec: Codec, count: usize) -> Result<Coded> {
        let expected = count.saturating_mul(codec.code_size());
        let bytes = self.list_of("bytes of codes", expected)?;
        let codes = Codes::Bytes(bytes);
        check_codes(&codec, &codes, count, "codes")?;
        Ok(Coded { codec, codes })
    }

    fn ivf(&mut self, class: &'static str, header: &Header, metric: Metric, depth: usize) -> Result<Node> {
        let lists_at = self.at;
        let list_count = self.u64()?;
        let nprobe = self.u64()?;
        let at = self.at;
        let coarse = self.nested(class, header, metric, depth, None)?;
        if list_count == 0 || coarse.count as u64 != list_count && header.trained {
            return corrupt(format!(
                "byte {lists_at}: {class}: one centroid for each of {list_count} lists expected, got {}",
                coarse.count
            ));
        }
        if !header.trained && list_count > MAX_EMPTY_LISTS {
            return corrupt(format!(
                "byte {lists_at}: {class}: at most {MAX_EMPTY_LISTS} lists expected before training, got {list_count}"
            ));
        }
        let coarse_class = coarse.class;
        let coarse = match body(coarse, &mut Vec::new())? {
            (body @ (Body::Coded(_) | Body::Hnsw(_)), None) => Box::new(body),
            _ => {
                return unsupported(format!(
                    "a flat or HNSW quantizer of a FAISS {class}, not {coarse_class} (byte {at})"
                ));
            }
        };
        let direct_map = self.direct_map()?;
        let (codec, by_residual) = match class {
            "IndexIVFFlat" => (Codec::Float(header.dim), false),
            "IndexIVFScalarQuantizer" => {
                let codec = self.scalar_quantizer(header)?;
                self.code_size(&codec)?;
                (codec, self.bool("by_residual")?)
            }
            _ => {
                let by_residual = self.bool("by_residual")?;
                let at = self.at;
                let code_size = self.u64()?;
                let codec = self.product_quantizer(header)?;
                if code_size != codec.code_size() as u64 {
                    return corrupt(format!(
                        "byte {at}: codes of {} bytes expected, got {code_size}",
                        codec.code_size()
                    ));
                }
                (codec, by_residual)
            }
        };
        let lists_at = self.at;
        let lists = self.inverted_lists(&codec, list_count, header.count)?;
        if by_residual && reach_of_lists(&codec, &lists) + reach_of(&coarse) > f64::from(f32::MAX) {
            return corrupt(format!(
                "byte {lists_at}: {class}: differences from centroids whose sums with them are finite expected"
            ));
        }
        let nprobe = usize::try_from(nprobe).unwrap_or(usize::MAX);
        Ok(Node::Ivf { coarse, nprobe, codec, by_residual, lists, direct_map })
    }

    fn code_size(&mut self, codec: &Codec) -> Result<()> {
        let at = self.at;
        let size = self.u64()?;
        if size == codec.code_size() as u64 {
            return Ok(());
        }
        corrupt(format!("byte {at}: codes of {} bytes expected, got {size}", codec.code_size()))
    }

    /// Passes over the map from ids to places in lists, which is made anew; whether there is one.
    fn direct_map(&mut self) -> Result<bool> {
        let at = self.at;
        let kind = self.array::<1>()?[0];
        if kind > 2 {
            return corrupt(format!("byte {at}: a direct map of type 0, 1 or 2 expected, got {kind}"));
        }
        self.list::<i64>("places of a direct map")?;
        if kind == 2 {
            self.list::<[i64; 2]>("pairs of a direct map")?;
        }
        Ok(kind != 0)
    }

    fn inverted_lists(
        &mut self,
        codec: &Codec,
        expected: u64,
        count: usize,
    ) -> Result<Vec<(Codes, Vec<i64>)>> {
        let at = self.at;
        let letters = self.array::<4>()?;
        let sizes = match &letters {
            b"il00" => Vec::new(),
            b"ilar" => {
                let list_count = self.u64()?;
                if list_count != expected {
                    return corrupt(format!(
                        "byte {at}: {expected} inverted lists expected, got {list_count}"
                    ));
                }
                self.code_size(codec)?;
                self.list_sizes(list_count)?
            }
            _ => {
                return unsupported(format!(
                    "inverted lists in memory (\"ilar\"), not {:?}",
                    letters.escape_ascii().to_string()
                ));
            }
        };
        let total = sizes.iter().try_fold(0u64, |sum, &(_, size)| sum.checked_add(size));
        if total != Some(count as u64) {
            return corrupt(format!(
                "byte {at}: inverted lists of {count} vectors in all expected, got {}",
                total.map_or("too many".into(), |total| total.to_string())
            ));
        }
        let mut lists: Vec<(Codes, Vec<i64>)> = Vec::new();
        reserve(&mut lists, "inverted lists", expected)?;
        let mut sizes = sizes.into_iter().peekable();
        for number in 0..expected {
            let size = sizes.next_if(|&(of, _)| of == number).map_or(0, |(_, size)| size);
            let codes = match codec {
                Codec::Float(dim) => {
                    let numbers = size.saturating_mul(*dim as u64);
                    Codes::Floats(self.numbers("numbers of an inverted list", numbers)?)
                }
                _ => {
                    let bytes = size.saturating_mul(codec.code_size() as u64);
                    Codes::Bytes(self.numbers("bytes of an inverted list", bytes)?)
                }
            };
            check_codes(codec, &codes, size as usize, &format!("inverted list {number}"))?;
            lists.push((codes, self.numbers("ids of an inverted list", size)?));
        }
        Ok(lists)
    }

    /// The lists that hold something, in order, and how much.
    fn list_sizes(&mut self, list_count: u64) -> Result<Vec<(u64, u64)>> {
        let at = self.at;
        match &self.array::<4>()? {
            b"full" => {
                let sizes: Vec<u64> = self.list("sizes of inverted lists")?;
                if sizes.len() as u64 != list_count {
                    return corrupt(format!(
                        "byte {at}: {list_count} sizes of lists expected, got {}",
                        sizes.len()
                    ));
                }
                Ok((0..).zip(sizes).filter(|&(_, size)| size > 0).collect())
            }
            b"sprs" => {
                let numbers: Vec<u64> = self.list("sizes of inverted lists")?;
                let (pairs, rest) = numbers.as_chunks::<2>();
                let ordered = pairs.windows(2).all(|pair| pair[0][0] < pair[1][0]);
                if !rest.is_empty() || !ordered || pairs.last().is_some_and(|pair| pair[0] >= list_count) {
                    return corrupt(format!(
                        "byte {at}: pairs of list and size expected, lists ascending and below {list_count}"
                    ));
                }
                Ok(pairs.iter().map(|&[number, size]| (number, size)).filter(|&(_, size)| size > 0).collect())
            }
            other => {
                corrupt(format!("byte {at}: \"full\" or \"sprs\" expected, got \"{}\"", other.escape_ascii()))
            }
        }
    }

    fn hnsw(&mut self, class: &'static str, header: &Header, metric: Metric, depth: usize) -> Result<Node> {
        let graph = Graph {
            level_chances: self.list("level probabilities")?,
            level_starts: self.list("starts of levels")?,
            levels: self.list("levels of nodes")?,
            offsets: self.list("offsets of nodes")?,
            slots: self.list("neighbours")?,
            entry: self.i32()?,
            top_level: self.i32()?,
            ef_construction: self.i32()?,
            ef_search: self.i32()?,
            upper_beam: self.i32()?,
        };
        graph.check(header.count)?;
        let storage = self.storage(class, header, metric, depth)?;
        let fits = matches!(
            (&storage.codec, class),
            (Codec::Float(_), "IndexHNSWFlat")
                | (Codec::Scalar(_), "IndexHNSWSQ")
                | (Codec::Product(_), "IndexHNSWPQ")
        );
        if !fits {
            return corrupt(format!(
                "{class}: vectors of its kind expected inside, got {}",
                storage.codec.name()
            ));
        }
        Ok(Node::Hnsw(Hnsw { graph, storage }))
    }

    fn transform(
        &mut self,
        class: &'static str,
        header: &Header,
        metric: Metric,
        depth: usize,
        taker: Option<Taker<'_>>,
    ) -> Result<Node> {
        let at = self.at;
        let count = self.i32()?;
        if count != 1 {
            return unsupported(format!("a FAISS {class} with one transform, not {count} (byte {at})"));
        }
        let letters = self.array::<4>()?;
        if &letters != b"VNrm" {
            let name = match &letters {
                b"rrot" => "RandomRotationMatrix",
                b"PcAm" => "PCAMatrix",
                b"LTra" => "LinearTransform",
                b"RmDT" => "RemapDimensionsTransform",
                b"VCnt" => "CenteringTransform",
                b"Viqt" => "ITQTransform",
                _ => "VectorTransform",
            };
            return unsupported(format!(
                "L2 normalisation as the transform of a FAISS {class}, not {name} ({:?})",
                letters.escape_ascii().to_string()
            ));
        }
        let norm = self.f32()?;
        let dims = (self.i32()?, self.i32()?);
        self.bool("is_trained of a transform")?;
        let dim = header.dim as i32;
        if norm != 2.0 || dims != (dim, dim) {
            return unsupported(format!(
                "a NormalizationTransform to norm 2 of {dim} dimensions, not norm {norm} of {} to {}",
                dims.0, dims.1
            ));
        }
        let inner = self.nested(class, header, metric, depth, taker)?;
        if inner.count != header.count {
            return corrupt(format!(
                "{class}: {} vectors expected inside, got {}",
                header.count, inner.count
            ));
        }
        Ok(Node::Normalized(Box::new(inner)))
    }
}

/// Fails on vectors that a store cannot hold: half-precision codes can be NaN or infinite, and so can plain numbers.
fn check_codes(codec: &Codec, codes: &Codes, count: usize, place: &str) -> Result<()> {
    let may_be_infinite = match codec {
        Codec::Float(_) => true,
        Codec::Scalar(quantizer) => matches!(quantizer.kind, ScalarKind::Fp16 | ScalarKind::Bf16),
        Codec::Product(_) => false,
    };
    if !may_be_infinite {
        return Ok(());
    }
    let mut row = vec![0.0f32; codec.dim()];
    for at in 0..count {
        codes.decode(codec, at, &mut row);
        if let Some(component) = row.iter().position(|x| !x.is_finite()) {
            return corrupt(format!("{place}: vector {at} is not finite at component {component}"));
        }
    }
    Ok(())
}

/// The greatest number, by size, in the vectors of an index.
fn reach_of(body: &Body) -> f64 {
    let mut row = vec![0.0f32; body.dim()];
    (0..body.len()).fold(0.0, |most, at| {
        body.read(at, &mut row);
        row.iter().fold(most, |most, x| f64::from(x.abs()).max(most))
    })
}

/// The greatest number, by size, that codes in lists stand for, or could: bf16 reaches as far as f32, so there the codes themselves are asked.
fn reach_of_lists(codec: &Codec, lists: &[(Codes, Vec<i64>)]) -> f64 {
    match codec {
        Codec::Scalar(quantizer) if quantizer.kind != ScalarKind::Bf16 => quantizer.reach(),
        Codec::Product(quantizer) => {
            quantizer.centroids.iter().fold(0.0, |most, x| f64::from(x.abs()).max(most))
        }
        Codec::Scalar(_) | Codec::Float(_) => {
            let mut row = vec![0.0f32; codec.dim()];
            let mut most = 0.0f64;
            for (codes, _) in lists {
                for at in 0..codes.len(codec) {
                    codes.decode(codec, at, &mut row);
                    most = row.iter().fold(most, |most, x| f64::from(x.abs()).max(most));
                }
            }
            most
        }
    }
}

/// Tells what kind of index these letters name, none that a store can hold.
fn refuse<T>(letters: &[u8; 4], at: u64) -> Result<T> {
    let known = match letters {
        b"IxHe" => "IndexLSH",
        b"IBxF" => "IndexBinaryFlat",
        b"IBMp" => "IndexBinaryIDMap",
        b"IBM2" => "IndexBinaryIDMap2",
        b"IBwF" => "IndexBinaryIVF",
        b"IBHf" => "IndexBinaryHNSW",
        b"IBHh" | b"IBHm" => "IndexBinaryHash",
        b"IBFf" => "IndexBinaryFromFloat",
        b"IxPQ" | b"IxPo" => "IndexPQ of an early version",
        b"IvFl" | b"IvFL" => "IndexIVFFlat of an early version",
        b"IvPQ" | b"IvQR" | b"IwQR" => "IndexIVFPQ or IndexIVFPQR",
        b"IvSQ" => "IndexIVFScalarQuantizer of an early version",
        b"IxRP" | b"IxRq" => "IndexResidualQuantizer",
        b"IxLS" => "IndexLocalSearchQuantizer",
        b"IPfs" => "IndexPQFastScan",
        b"IwPf" => "IndexIVFPQFastScan",
        b"IHN2" => "IndexHNSW2Level",
        b"INSf" => "IndexNSGFlat",
        b"INNf" => "IndexNNDescentFlat",
        b"Ix2L" => "Index2Layer",
        b"IxLa" => "IndexLattice",
        b"IxSP" => "IndexShards",
        b"null" => "null index, saved without its vectors",
        _ => "",
    };
    let name = letters.escape_ascii().to_string();
    match (known, at) {
        ("", 0) if letters[0] != b'I' => Err(Error::NotAStore { looks_like: None }),
        ("", _) => {
            unsupported(format!("FAISS's kind of index {name:?} (byte {at}), which is not known here"))
        }
        _ => unsupported(format!("a FAISS {known} ({name:?}), which stores do not have")),
    }
}

/// Numbers that lie little-endian in files.
trait FromLe: Sized {
    fn order(items: &mut [Self]);
}

macro_rules! from_le {
    ($($number:ty),*) => {$(
        impl FromLe for $number {
            fn order(items: &mut [Self]) {
                if cfg!(target_endian = "big") {
                    bytemuck::cast_slice_mut::<_, [u8; size_of::<$number>()]>(items)
                        .iter_mut()
                        .for_each(|bytes| bytes.reverse());
                }
            }
        }
    )*};
}

from_le!(u8, i32, i64, u64, f32, f64);

impl FromLe for [i64; 2] {
    fn order(items: &mut [Self]) {
        i64::order(items.as_flattened_mut());
    }
}
