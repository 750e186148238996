//! How the numbers of vectors stand in a file: as they are, or in a half or about a quarter of the bytes.

use std::fmt;
use std::str::FromStr;

use half::f16;
use serde::Serialize;

use super::SectionKind;
use super::read::reserve;
use crate::error::{Error, Result};
use crate::metric::{Metric, norm};
use crate::rows::Rows;

/// Bits of an i8 row's scale that are 0, so that every code times the scale is an f32 without rounding: 17 + 7 bits.
const SCALE_MASK: u32 = 0x7f;
/// The largest code.
const MOST: u8 = 127;
const SCALE_LEN: usize = size_of::<f32>();

/// How the numbers of vectors stand in a file.
///
/// Whichever it is, a store holds f32 once it is opened: those that the file stands for, the same bits on every target. They are written again without any
/// loss, so that only the first save in an encoding loses something, and later ones only of vectors that came since.
///
/// | | bytes of a vector | what becomes of it |
/// | --- | --- | --- |
/// | `F32` | 4 d | nothing |
/// | `F16` | 2 d | each number is rounded to 11 bits (a part in 2,048), numbers below 6e-5 to multiples of 6e-8; those of 65,520 and more are an error |
/// | `I8` | d + 4 | each number is rounded to a multiple of a 127th of the vector's largest; vectors without a number above 1.5e-36 become zeros |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VectorEncoding {
    /// As they are, 32 bits each.
    #[default]
    F32,
    /// Half precision, 16 bits each.
    F16,
    /// Whole numbers of 8 bits, with a scale for each vector.
    I8,
}

impl VectorEncoding {
    /// All of them, the most exact first.
    pub const ALL: [VectorEncoding; 3] = [VectorEncoding::F32, VectorEncoding::F16, VectorEncoding::I8];

    /// `f32`, `f16` or `i8`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            VectorEncoding::F32 => "f32",
            VectorEncoding::F16 => "f16",
            VectorEncoding::I8 => "i8",
        }
    }

    /// The section that holds vectors written so.
    pub(super) fn section(self) -> SectionKind {
        match self {
            VectorEncoding::F32 => SectionKind::Vectors,
            VectorEncoding::F16 => SectionKind::VectorsF16,
            VectorEncoding::I8 => SectionKind::VectorsI8,
        }
    }

    /// How many bytes a vector of `dim` numbers takes.
    #[must_use]
    pub fn row_len(self, dim: usize) -> u64 {
        let dim = dim as u64;
        match self {
            VectorEncoding::F32 => dim * 4,
            VectorEncoding::F16 => dim * 2,
            VectorEncoding::I8 => dim + SCALE_LEN as u64,
        }
    }

    /// Writes rows one after another, and measures what they lose.
    pub(super) fn encode(self, rows: Rows<'_>, metric: Metric) -> Result<(Vec<u8>, Loss)> {
        let mut out = reserve("vectors", self.row_len(rows.dim()).saturating_mul(rows.len() as u64))?;
        let mut loss = Tally::default();
        let mut kept = vec![0.0; rows.dim()];
        for (number, row) in rows.iter().enumerate() {
            let start = out.len();
            self.encode_row(row, &mut out);
            let is_sound = self.decode_row(&out[start..], &mut kept).is_ok();
            let length = norm(&kept);
            let reason = match (length.is_nan() || !is_sound, length == 0.0 && metric == Metric::Cosine) {
                (true, _) => "is too large",
                (_, true) => "becomes all zeros, which has no direction,",
                _ => {
                    loss.take(row, &kept);
                    continue;
                }
            };
            let reason = format!("vector {number} {reason} as {}", self.name());
            return Err(Error::InvalidOption { option: "vectors", reason });
        }
        Ok((out, loss.finish(rows.len())))
    }

    pub(super) fn encode_row(self, row: &[f32], out: &mut Vec<u8>) {
        match self {
            VectorEncoding::F32 => row.iter().for_each(|x| out.extend(x.to_le_bytes())),
            VectorEncoding::F16 => row.iter().for_each(|&x| out.extend(f16::from_f32(x).to_le_bytes())),
            VectorEncoding::I8 => {
                let scale = scale_of(row);
                out.extend(scale.to_le_bytes());
                // A scale of 0 is that of a row of next to nothing.
                let code =
                    |&x: &f32| if scale == 0.0 { 0 } else { (x / scale).round_ties_even() as i8 as u8 };
                out.extend(row.iter().map(code));
            }
        }
    }

    /// What the bytes of a row stand for. Infinite numbers are left for the caller to find.
    pub(super) fn decode_row(self, bytes: &[u8], out: &mut [f32]) -> Result<(), &'static str> {
        match self {
            VectorEncoding::F32 => {
                for (x, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *x = f32::from_le_bytes(*bytes);
                }
            }
            VectorEncoding::F16 => {
                for (x, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *x = f16::from_le_bytes(*bytes).to_f32();
                }
            }
            VectorEncoding::I8 => {
                let Some((scale, codes)) = bytes.split_first_chunk() else {
                    return Err("a scale is missing");
                };
                let scale = f32::from_le_bytes(*scale);
                let most = codes.iter().fold(0, |most, &code| (code as i8).unsigned_abs().max(most));
                let is_one = scale.is_normal() && scale > 0.0 && scale.to_bits() & SCALE_MASK == 0;
                if !(is_one && most == MOST || scale.to_bits() == 0 && most == 0) {
                    return Err("a scale does not fit its codes");
                }
                for (x, &code) in out.iter_mut().zip(codes) {
                    *x = scale * f32::from(code as i8);
                }
            }
        }
        Ok(())
    }
}

/// The scale by which the largest number of a row has a code of 127 or -127; 0 if there is no such.
fn scale_of(row: &[f32]) -> f32 {
    let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let scale = f32::from_bits((most / f32::from(MOST)).to_bits() & !SCALE_MASK);
    if scale < f32::MIN_POSITIVE { 0.0 } else { scale }
}

impl fmt::Display for VectorEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for VectorEncoding {
    type Err = Error;

    /// Takes what [`name`](Self::name) gives.
    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|encoding| encoding.name() == name);
        known.ok_or_else(|| Error::InvalidOption {
            option: "vectors",
            reason: format!("expected f32, f16 or i8, got {name:?}"),
        })
    }
}

/// What vectors lose when they are written in an encoding: `|x - x'| / |x|`, where `x'` is what is read again, by Euclidean length.
///
/// Nothing for f32. A vector of all zeros loses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Loss {
    /// The most that a vector loses, from 0 to 1.
    pub largest: f64,
    /// The mean over all vectors.
    pub mean: f64,
}

impl Loss {
    /// Whether every vector is read again as it was.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.largest == 0.0
    }
}

/// Losses on their way to a mean.
#[derive(Default)]
struct Tally {
    largest: f64,
    sum: f64,
}

impl Tally {
    fn take(&mut self, row: &[f32], kept: &[f32]) {
        let (mut lost, mut whole) = (0.0, 0.0);
        for (&x, &kept) in row.iter().zip(kept) {
            let (x, kept) = (f64::from(x), f64::from(kept));
            lost += (x - kept) * (x - kept);
            whole += x * x;
        }
        if lost > 0.0 {
            let loss = (lost / whole).sqrt();
            self.largest = self.largest.max(loss);
            self.sum += loss;
        }
    }

    fn finish(self, count: usize) -> Loss {
        Loss { largest: self.largest, mean: self.sum / count.max(1) as f64 }
    }
}
