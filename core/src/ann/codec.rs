//! How vectors are written down: as f32, or as the codes of FAISS's scalar and product quantizers.

use half::f16;

use crate::Positions;
use crate::error::{Error, Result};
use crate::kernel::ScanKernel;
use crate::metric::Metric;
use crate::rows::{Rows, remove_rows};

/// FAISS's `ScalarQuantizer::QuantizerType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarKind {
    Bits8,
    Bits4,
    Bits8Uniform,
    Bits4Uniform,
    Fp16,
    Bits8Direct,
    Bits6,
    Bf16,
    Bits8DirectSigned,
}

impl ScalarKind {
    /// In the order of FAISS's numbers.
    const ALL: [ScalarKind; 9] = [
        ScalarKind::Bits8,
        ScalarKind::Bits4,
        ScalarKind::Bits8Uniform,
        ScalarKind::Bits4Uniform,
        ScalarKind::Fp16,
        ScalarKind::Bits8Direct,
        ScalarKind::Bits6,
        ScalarKind::Bf16,
        ScalarKind::Bits8DirectSigned,
    ];

    pub(crate) fn of_number(number: i32) -> Option<Self> {
        usize::try_from(number).ok().and_then(|number| Self::ALL.get(number).copied())
    }

    pub(crate) fn number(self) -> i32 {
        self as i32
    }

    /// As `index_factory` names it; the uniform and direct kinds, which it has no name for, as FAISS's enum does.
    fn name(self) -> &'static str {
        match self {
            ScalarKind::Bits8 => "SQ8",
            ScalarKind::Bits4 => "SQ4",
            ScalarKind::Bits8Uniform => "SQ8_uniform",
            ScalarKind::Bits4Uniform => "SQ4_uniform",
            ScalarKind::Fp16 => "SQfp16",
            ScalarKind::Bits8Direct => "SQ8_direct",
            ScalarKind::Bits6 => "SQ6",
            ScalarKind::Bf16 => "SQbf16",
            ScalarKind::Bits8DirectSigned => "SQ8_direct_signed",
        }
    }

    fn bits(self) -> usize {
        match self {
            ScalarKind::Bits4 | ScalarKind::Bits4Uniform => 4,
            ScalarKind::Bits6 => 6,
            ScalarKind::Fp16 | ScalarKind::Bf16 => 16,
            _ => 8,
        }
    }

    /// How many numbers training left: a minimum and an extent for each dimension, or for all.
    pub(crate) fn trained_len(self, dim: usize) -> usize {
        match self {
            ScalarKind::Bits8 | ScalarKind::Bits4 | ScalarKind::Bits6 => 2 * dim,
            ScalarKind::Bits8Uniform | ScalarKind::Bits4Uniform => 2,
            _ => 0,
        }
    }
}

/// FAISS's `ScalarQuantizer`, trained.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScalarQuantizer {
    pub(crate) kind: ScalarKind,
    pub(crate) dim: usize,
    pub(crate) trained: Vec<f32>,
    /// How training chose the range; kept for writing.
    pub(crate) range_stat: i32,
    pub(crate) range_stat_arg: f32,
}

impl ScalarQuantizer {
    fn range(&self, j: usize) -> (f32, f32) {
        let (least, extent) = self.trained.split_at(self.trained.len() / 2);
        let j = if least.len() == 1 { 0 } else { j };
        (least[j], extent[j])
    }

    /// No number that a code stands for is greater than this, by size.
    pub(crate) fn reach(&self) -> f64 {
        match self.kind {
            ScalarKind::Fp16 => f64::from(f16::MAX.to_f32()),
            ScalarKind::Bf16 => f64::from(f32::MAX),
            ScalarKind::Bits8Direct | ScalarKind::Bits8DirectSigned => 255.0,
            _ => {
                // The highest code stands for half a step above the extent: at 4 bits, 15.5 / 15 of it.
                let (least, extent) = self.trained.split_at(self.trained.len() / 2);
                least.iter().zip(extent).fold(0.0, |most, (&least, &extent)| {
                    (f64::from(least.abs()) + 1.1 * f64::from(extent.abs())).max(most)
                })
            }
        }
    }

    fn decode(&self, code: &[u8], out: &mut [f32]) {
        let steps = ((1u32 << self.kind.bits().min(8)) - 1) as f32;
        for (j, x) in out.iter_mut().enumerate() {
            let level = match self.kind {
                ScalarKind::Fp16 => {
                    *x = f16::from_le_bytes([code[2 * j], code[2 * j + 1]]).to_f32();
                    continue;
                }
                ScalarKind::Bf16 => {
                    *x = f32::from_bits(u32::from(u16::from_le_bytes([code[2 * j], code[2 * j + 1]])) << 16);
                    continue;
                }
                ScalarKind::Bits8Direct => {
                    *x = f32::from(code[j]);
                    continue;
                }
                ScalarKind::Bits8DirectSigned => {
                    *x = f32::from(code[j]) - 128.0;
                    continue;
                }
                kind => read_bits(code, j * kind.bits(), kind.bits()),
            };
            let (least, extent) = self.range(j);
            *x = least + (level as f32 + 0.5) / steps * extent;
        }
    }

    fn encode(&self, row: &[f32], code: &mut [u8]) -> Result<()> {
        let steps = ((1u32 << self.kind.bits().min(8)) - 1) as f32;
        for (j, &x) in row.iter().enumerate() {
            match self.kind {
                ScalarKind::Fp16 => {
                    let half = f16::from_f32(x);
                    if half.is_infinite() {
                        return Err(self.out_of_range(x, "numbers that 16 bits can hold"));
                    }
                    code[2 * j..][..2].copy_from_slice(&half.to_le_bytes());
                }
                ScalarKind::Bf16 => {
                    // As FAISS rounds: half up, by carrying into the upper half.
                    let half = (x.to_bits().wrapping_add(0x8000) >> 16) as u16;
                    if !f32::from_bits(u32::from(half) << 16).is_finite() {
                        return Err(self.out_of_range(x, "numbers that 16 bits can hold"));
                    }
                    code[2 * j..][..2].copy_from_slice(&half.to_le_bytes());
                }
                ScalarKind::Bits8Direct | ScalarKind::Bits8DirectSigned => {
                    let signed = self.kind == ScalarKind::Bits8DirectSigned;
                    let level = if signed { x + 128.0 } else { x };
                    if !(0.0..=255.0).contains(&level) || level.fract() != 0.0 {
                        let range = if signed { "-128 to 127" } else { "0 to 255" };
                        return Err(self.out_of_range(x, &format!("whole numbers from {range}")));
                    }
                    code[j] = level as u8;
                }
                kind => {
                    let (least, extent) = self.range(j);
                    let part = if extent == 0.0 { 0.0 } else { ((x - least) / extent).clamp(0.0, 1.0) };
                    write_bits(code, j * kind.bits(), (part * steps) as u32);
                }
            }
        }
        Ok(())
    }

    fn out_of_range(&self, x: f32, expected: &str) -> Error {
        Error::UnsupportedByIndex {
            kind: self.kind.name().into(),
            operation: "take these vectors",
            reason: format!("expected {expected}, got {x}"),
        }
    }
}

/// FAISS's `ProductQuantizer`, trained.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProductQuantizer {
    pub(crate) dim: usize,
    /// Into how many parts a vector is cut; they divide it.
    pub(crate) parts: usize,
    pub(crate) bits: usize,
    /// `parts` x `2^bits` x `dim / parts`.
    pub(crate) centroids: Vec<f32>,
}

impl ProductQuantizer {
    pub(crate) fn part_dim(&self) -> usize {
        self.dim / self.parts
    }

    fn codes(&self) -> usize {
        1 << self.bits
    }

    fn centroids_of(&self, part: usize) -> std::slice::ChunksExact<'_, f32> {
        let size = self.codes() * self.part_dim();
        self.centroids[part * size..][..size].chunks_exact(self.part_dim())
    }

    fn decode(&self, code: &[u8], out: &mut [f32]) {
        let (part_dim, codes) = (self.part_dim(), self.codes());
        for (part, out) in out.chunks_exact_mut(part_dim).enumerate() {
            let index = part * codes + read_bits(code, part * self.bits, self.bits) as usize;
            out.copy_from_slice(&self.centroids[index * part_dim..][..part_dim]);
        }
    }

    fn encode(&self, row: &[f32], code: &mut [u8]) {
        for (part, row) in row.chunks_exact(self.part_dim()).enumerate() {
            let mut nearest = (f32::INFINITY, 0);
            for (i, centroid) in self.centroids_of(part).enumerate() {
                let distance = small_l2(row, centroid);
                if distance < nearest.0 {
                    nearest = (distance, i as u32);
                }
            }
            write_bits(code, part * self.bits, nearest.1);
        }
    }

    /// What each code adds to the score of a query, `parts` x `2^bits` (Jégou et al., *Product quantization for nearest neighbor
    /// search*, 2011: asymmetric distances).
    fn fill_table(&self, query: &[f32], metric: Metric, table: &mut Vec<f32>) {
        table.clear();
        for (part, query) in query.chunks_exact(self.part_dim()).enumerate() {
            table.extend(self.centroids_of(part).map(|centroid| match metric {
                Metric::L2 => small_l2(query, centroid),
                Metric::InnerProduct | Metric::Cosine => query.iter().zip(centroid).map(|(a, b)| a * b).sum(),
            }));
        }
    }

    fn look_up(&self, table: &[f32], code: &[u8]) -> f32 {
        if self.bits == 8 {
            let parts = table.chunks_exact(256).zip(code);
            return parts.map(|(table, &code)| table[usize::from(code)]).sum();
        }
        let parts = table.chunks_exact(self.codes()).enumerate();
        parts.map(|(part, table)| table[read_bits(code, part * self.bits, self.bits) as usize]).sum()
    }
}

fn small_l2(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// `bits` bits (at most 24) from bit `at` on, counted from the lowest bit of the first byte up.
fn read_bits(code: &[u8], at: usize, bits: usize) -> u32 {
    let mut word = 0u32;
    for (i, &byte) in code[at / 8..(at + bits).div_ceil(8)].iter().enumerate() {
        word |= u32::from(byte) << (8 * i);
    }
    (word >> (at % 8)) & ((1 << bits) - 1)
}

/// Puts a value at bit `at` of a code whose bits there are 0.
fn write_bits(code: &mut [u8], at: usize, value: u32) {
    let word = value << (at % 8);
    for (i, byte) in code[at / 8..].iter_mut().take(4).enumerate() {
        *byte |= (word >> (8 * i)) as u8;
    }
}

/// How the vectors of an index are written down.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Codec {
    /// As they are: this many f32.
    Float(usize),
    Scalar(ScalarQuantizer),
    Product(ProductQuantizer),
}

impl Codec {
    /// Numbers per vector.
    pub(crate) fn dim(&self) -> usize {
        match self {
            Codec::Float(dim) => *dim,
            Codec::Scalar(quantizer) => quantizer.dim,
            Codec::Product(quantizer) => quantizer.dim,
        }
    }

    /// Bytes per vector.
    pub(crate) fn code_size(&self) -> usize {
        match self {
            Codec::Float(dim) => dim * size_of::<f32>(),
            Codec::Scalar(quantizer) => (quantizer.dim * quantizer.kind.bits()).div_ceil(8),
            Codec::Product(quantizer) => (quantizer.parts * quantizer.bits).div_ceil(8),
        }
    }

    /// As it stands in a factory string.
    pub(crate) fn name(&self) -> String {
        match self {
            Codec::Float(_) => "Flat".into(),
            Codec::Scalar(quantizer) => quantizer.kind.name().into(),
            Codec::Product(ProductQuantizer { parts, bits: 8, .. }) => format!("PQ{parts}"),
            Codec::Product(quantizer) => format!("PQ{}x{}", quantizer.parts, quantizer.bits),
        }
    }
}

/// Vectors in order, written down by a [`Codec`] that is kept once for many of these.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Codes {
    Floats(Vec<f32>),
    Bytes(Vec<u8>),
}

impl Codes {
    pub(crate) fn none(codec: &Codec) -> Self {
        match codec {
            Codec::Float(_) => Codes::Floats(Vec::new()),
            _ => Codes::Bytes(Vec::new()),
        }
    }

    pub(crate) fn byte_len(&self) -> usize {
        match self {
            Codes::Floats(data) => size_of_val(&data[..]),
            Codes::Bytes(bytes) => bytes.len(),
        }
    }

    pub(crate) fn len(&self, codec: &Codec) -> usize {
        self.byte_len() / codec.code_size()
    }

    /// Copies out the vector at a position.
    pub(crate) fn decode(&self, codec: &Codec, position: usize, out: &mut [f32]) {
        match self {
            Codes::Floats(data) => out.copy_from_slice(&data[position * out.len()..][..out.len()]),
            Codes::Bytes(bytes) => {
                let code = &bytes[position * codec.code_size()..][..codec.code_size()];
                match codec {
                    Codec::Float(_) => unreachable!("floats are kept as floats"),
                    Codec::Scalar(quantizer) => quantizer.decode(code, out),
                    Codec::Product(quantizer) => quantizer.decode(code, out),
                }
            }
        }
    }

    /// Adds vectors at the end, all or none.
    pub(crate) fn append(&mut self, codec: &Codec, rows: Rows<'_>) -> Result<()> {
        match self {
            Codes::Floats(data) => {
                data.try_reserve(rows.data().len()).map_err(|_| no_memory(size_of_val(rows.data())))?;
                data.extend_from_slice(rows.data());
            }
            Codes::Bytes(bytes) => {
                let (before, size) = (bytes.len(), codec.code_size());
                bytes.try_reserve(rows.len() * size).map_err(|_| no_memory(rows.len() * size))?;
                bytes.resize(before + rows.len() * size, 0);
                for (row, code) in rows.iter().zip(bytes[before..].chunks_exact_mut(size)) {
                    match codec {
                        Codec::Float(_) => unreachable!("floats are kept as floats"),
                        Codec::Scalar(quantizer) => {
                            if let Err(error) = quantizer.encode(row, code) {
                                bytes.truncate(before);
                                return Err(error);
                            }
                        }
                        Codec::Product(quantizer) => quantizer.encode(row, code),
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds codes of the same codec at the end.
    pub(crate) fn extend(&mut self, more: Codes) {
        match (self, more) {
            (Codes::Floats(data), Codes::Floats(more)) => data.extend(more),
            (Codes::Bytes(bytes), Codes::Bytes(more)) => bytes.extend(more),
            _ => unreachable!("codes of one codec"),
        }
    }

    /// Takes vectors out; the rest closes up in order.
    pub(crate) fn remove(&mut self, codec: &Codec, positions: &Positions) {
        match self {
            Codes::Floats(data) => remove_rows(data, codec.dim(), positions),
            Codes::Bytes(bytes) => remove_rows(bytes, codec.code_size(), positions),
        }
    }
}

fn no_memory(bytes: usize) -> Error {
    Error::OutOfMemory { what: "vectors", bytes: bytes as u64 }
}

/// A query on its way through codes: scores them about as [`Metric`] does, fast.
pub(crate) struct Scan<'a> {
    codec: &'a Codec,
    kernel: &'a dyn ScanKernel,
    metric: Metric,
    query: Vec<f32>,
    /// What is added to every score: the part of an inner product that a list has in common.
    offset: f32,
    table: Vec<f32>,
    row: Vec<f32>,
}

impl<'a> Scan<'a> {
    /// `metric` is squared L2 or inner product.
    pub(crate) fn new(codec: &'a Codec, kernel: &'a dyn ScanKernel, metric: Metric, query: &[f32]) -> Self {
        let mut scan = Self {
            codec,
            kernel,
            metric,
            query: query.to_vec(),
            offset: 0.0,
            table: Vec::new(),
            row: vec![0.0; codec.dim()],
        };
        scan.prepare();
        scan
    }

    fn prepare(&mut self) {
        if let Codec::Product(quantizer) = self.codec {
            quantizer.fill_table(&self.query, self.metric, &mut self.table);
        }
    }

    /// Sets the query for codes that are differences from a centroid.
    pub(crate) fn set_centroid(&mut self, query: &[f32], centroid: &[f32]) {
        match self.metric {
            Metric::L2 => {
                self.query.clear();
                self.query.extend(query.iter().zip(centroid).map(|(q, c)| q - c));
                self.prepare();
            }
            Metric::InnerProduct | Metric::Cosine => {
                self.offset = query.iter().zip(centroid).map(|(q, c)| q * c).sum();
            }
        }
    }

    /// The scores of consecutive codes, one for each slot of `out`.
    pub(crate) fn scores(&mut self, codes: &Codes, start: usize, out: &mut [f32]) {
        match codes {
            Codes::Floats(data) => {
                let dim = self.query.len();
                let rows = Rows::new(&data[start * dim..][..out.len() * dim], dim);
                let Ok(rows) = rows else { unreachable!("whole rows") };
                score(self.kernel, self.metric, &self.query, rows, out);
            }
            Codes::Bytes(bytes) => {
                let size = self.codec.code_size();
                for (code, out) in bytes[start * size..].chunks_exact(size).zip(out.iter_mut()) {
                    match self.codec {
                        Codec::Float(_) => unreachable!("floats are kept as floats"),
                        Codec::Product(quantizer) => *out = quantizer.look_up(&self.table, code),
                        Codec::Scalar(quantizer) => {
                            quantizer.decode(code, &mut self.row);
                            let row = Rows::new(&self.row, self.row.len());
                            let Ok(row) = row else { unreachable!("one row") };
                            score(self.kernel, self.metric, &self.query, row, std::slice::from_mut(out));
                        }
                    }
                }
            }
        }
        if self.offset != 0.0 {
            out.iter_mut().for_each(|score| *score += self.offset);
        }
    }

    pub(crate) fn score_at(&mut self, codes: &Codes, position: usize) -> f32 {
        let mut score = [0.0];
        self.scores(codes, position, &mut score);
        score[0]
    }
}

fn score(kernel: &dyn ScanKernel, metric: Metric, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
    match metric {
        Metric::L2 => kernel.l2_squared(query, rows, out),
        Metric::InnerProduct | Metric::Cosine => kernel.dot(query, rows, out),
    }
}
