//! From an index to bytes that FAISS reads.

use crate::ann::{AnnIndex, Body, Codec, Coded, Codes, Graph, Ivf, ProductQuantizer, ScalarQuantizer};
use crate::error::{Error, Result};
use crate::index::VectorIndex;
use crate::metric::Metric;

/// The index file of an index: its rows as an `IndexFlat`, or its own layout where it is not flat; inside an `IndexIDMap2` if FAISS is to know the
/// positions by these ids. FAISS has no cosine: its vectors come out of unit length, to be compared by inner product.
///
/// # Errors
/// `length_mismatch` if there is not one id for each vector, and what the engine reports.
pub fn write(index: &dyn VectorIndex, ids: Option<&[i64]>) -> Result<Vec<u8>> {
    let metric = index.metric();
    let mut out = Writer::default();
    let header = Header { dim: index.dim(), count: index.len(), metric, trained: true };
    if let Some(ids) = ids {
        if ids.len() != index.len() {
            return Err(Error::LengthMismatch { what: "ids", expected: index.len(), actual: ids.len() });
        }
        out.header(b"IxM2", &header);
    }
    match index.rows() {
        Some(rows) => {
            out.flat_head(&header);
            out.0.reserve_exact(size_of_val(rows.data()) + ids.map_or(0, |ids| 8 + size_of_val(ids)));
            if metric == Metric::Cosine {
                for row in rows.iter() {
                    let mut row = row.to_vec();
                    crate::metric::normalize_l2(&mut row);
                    out.floats(&row);
                }
            } else {
                out.floats(rows.data());
            }
        }
        None => out.0.extend(index.to_engine_bytes()?),
    }
    if let Some(ids) = ids {
        out.list(ids.iter().map(|id| id.to_le_bytes()));
    }
    Ok(out.0)
}

pub(crate) fn ann(index: &AnnIndex) -> Vec<u8> {
    let mut out = Writer::default();
    out.body(&index.body, index.faiss_metric(), index.is_trained());
    out.0
}

struct Header {
    dim: usize,
    count: usize,
    metric: Metric,
    trained: bool,
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn bytes(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.extend_from_slice(bytes.as_ref());
    }

    fn u64(&mut self, number: usize) {
        self.bytes((number as u64).to_le_bytes());
    }

    fn i32(&mut self, number: i32) {
        self.bytes(number.to_le_bytes());
    }

    fn floats(&mut self, numbers: &[f32]) {
        if cfg!(target_endian = "little") {
            self.bytes(bytemuck::cast_slice::<_, u8>(numbers));
        } else {
            numbers.iter().for_each(|number| self.bytes(number.to_le_bytes()));
        }
    }

    fn list<const N: usize>(&mut self, items: impl ExactSizeIterator<Item = [u8; N]>) {
        self.u64(items.len());
        items.for_each(|item| self.bytes(item));
    }

    fn float_list(&mut self, numbers: &[f32]) {
        self.u64(numbers.len());
        self.floats(numbers);
    }

    fn header(&mut self, letters: &[u8; 4], header: &Header) {
        // What FAISS writes where early versions had more.
        const UNUSED: u64 = 1 << 20;
        self.bytes(letters);
        self.bytes((header.dim as u32).to_le_bytes());
        self.u64(header.count);
        self.bytes(UNUSED.to_le_bytes());
        self.bytes(UNUSED.to_le_bytes());
        self.bytes([u8::from(header.trained)]);
        self.i32(i32::from(header.metric == Metric::L2));
    }

    /// All of a flat index but its numbers.
    fn flat_head(&mut self, header: &Header) {
        let letters = if header.metric == Metric::L2 { b"IxF2" } else { b"IxFI" };
        self.header(letters, header);
        self.u64(header.dim * header.count);
    }

    fn body(&mut self, body: &Body, metric: Metric, trained: bool) {
        let header = Header { dim: body.dim(), count: body.len(), metric, trained };
        match body {
            Body::Coded(coded) => self.coded(coded, header),
            Body::Ivf(ivf) => self.ivf(ivf, &header),
            Body::Hnsw(hnsw) => {
                let letters = match hnsw.storage.codec {
                    Codec::Float(_) => b"IHNf",
                    Codec::Scalar(_) => b"IHNs",
                    Codec::Product(_) => b"IHNp",
                };
                self.header(letters, &header);
                self.graph(&hnsw.graph);
                self.coded(&hnsw.storage, header);
            }
            Body::Refined(refined) => {
                self.header(b"IxRF", &header);
                self.body(&refined.base, metric, trained);
                self.coded(&refined.rows, header);
                self.floats(&[refined.k_factor]);
            }
        }
    }

    fn coded(&mut self, coded: &Coded, header: Header) {
        match &coded.codec {
            Codec::Float(_) => self.flat_head(&Header { trained: true, ..header }),
            Codec::Scalar(quantizer) => {
                self.header(b"IxSQ", &header);
                self.scalar_quantizer(quantizer, coded.codec.code_size());
                self.u64(coded.codes.byte_len());
            }
            Codec::Product(quantizer) => {
                self.header(b"IxPq", &header);
                self.product_quantizer(quantizer);
                self.u64(coded.codes.byte_len());
            }
        }
        self.codes(&coded.codes);
        if let Codec::Product(_) = coded.codec {
            // Search by distance tables, no signs, and FAISS's default threshold of the polysemous search that is not used.
            self.i32(0);
            self.bytes([0]);
            self.i32(coded.codec.code_size() as i32 * 8 + 1);
        }
    }

    fn codes(&mut self, codes: &Codes) {
        match codes {
            Codes::Floats(data) => self.floats(data),
            Codes::Bytes(bytes) => self.bytes(bytes),
        }
    }

    fn scalar_quantizer(&mut self, quantizer: &ScalarQuantizer, code_size: usize) {
        self.i32(quantizer.kind.number());
        self.i32(quantizer.range_stat);
        self.floats(&[quantizer.range_stat_arg]);
        self.u64(quantizer.dim);
        self.u64(code_size);
        self.float_list(&quantizer.trained);
    }

    fn product_quantizer(&mut self, quantizer: &ProductQuantizer) {
        self.u64(quantizer.dim);
        self.u64(quantizer.parts);
        self.u64(quantizer.bits);
        self.float_list(&quantizer.centroids);
    }

    fn ivf(&mut self, ivf: &Ivf, header: &Header) {
        let letters = match ivf.codec {
            Codec::Float(_) => b"IwFl",
            Codec::Scalar(_) => b"IwSq",
            Codec::Product(_) => b"IwPQ",
        };
        self.header(letters, header);
        self.u64(ivf.lists().len());
        self.u64(ivf.nprobe);
        self.body(&ivf.coarse, header.metric, true);
        // No direct map.
        self.bytes([0]);
        self.u64(0);
        let code_size = ivf.codec.code_size();
        match &ivf.codec {
            Codec::Float(_) => {}
            Codec::Scalar(quantizer) => {
                self.scalar_quantizer(quantizer, code_size);
                self.u64(code_size);
                self.bytes([u8::from(ivf.by_residual)]);
            }
            Codec::Product(quantizer) => {
                self.bytes([u8::from(ivf.by_residual)]);
                self.u64(code_size);
                self.product_quantizer(quantizer);
            }
        }
        self.bytes(b"ilar");
        self.u64(ivf.lists().len());
        self.u64(code_size);
        let sizes = ivf.lists().iter().map(|list| list.positions.len());
        let filled = sizes.clone().filter(|&size| size > 0).count();
        // As FAISS decides: all sizes, or those of the lists that hold something.
        if filled > ivf.lists().len() / 2 {
            self.bytes(b"full");
            self.u64(ivf.lists().len());
            sizes.for_each(|size| self.u64(size));
        } else {
            self.bytes(b"sprs");
            self.u64(2 * filled);
            for (number, size) in sizes.enumerate().filter(|&(_, size)| size > 0) {
                self.u64(number);
                self.u64(size);
            }
        }
        for list in ivf.lists() {
            self.codes(&list.codes);
            list.positions.iter().for_each(|&position| self.u64(position as usize));
        }
    }

    fn graph(&mut self, graph: &Graph) {
        self.list(graph.level_chances.iter().map(|x| x.to_le_bytes()));
        self.list(graph.level_starts.iter().map(|x| x.to_le_bytes()));
        self.list(graph.levels.iter().map(|x| x.to_le_bytes()));
        self.list(graph.offsets.iter().map(|x| x.to_le_bytes()));
        self.list(graph.slots.iter().map(|x| x.to_le_bytes()));
        for number in [graph.entry, graph.top_level, graph.ef_construction, graph.ef_search, graph.upper_beam]
        {
            self.i32(number);
        }
    }
}
