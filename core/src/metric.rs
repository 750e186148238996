//! Distance strategies: what a score is, which way is better, and how it becomes a relevance.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::kernel::scalar;

/// How two vectors are compared: LangChain's distance strategies.
///
/// | metric | score of a hit | better | `score_threshold` keeps | relevance |
/// | --- | --- | --- | --- | --- |
/// | [`L2`](Metric::L2) | squared Euclidean distance, as FAISS gives it | lower | `score <= t` | `1 - score / sqrt(2)` |
/// | [`InnerProduct`](Metric::InnerProduct) | inner product | higher | `score >= t` | the score |
/// | [`Cosine`](Metric::Cosine) | cosine similarity, -1 to 1 | higher | `score >= t` | the score |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Metric {
    /// Squared Euclidean distance (`EUCLIDEAN_DISTANCE`), the default.
    #[default]
    L2,
    /// Inner product (`MAX_INNER_PRODUCT`, also called `DOT_PRODUCT`).
    InnerProduct,
    /// Cosine similarity (`COSINE`). Vectors are stored as given; a zero vector is refused.
    Cosine,
}

impl Metric {
    /// LangChain's name: `EUCLIDEAN_DISTANCE`, `MAX_INNER_PRODUCT` or `COSINE`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Metric::L2 => "EUCLIDEAN_DISTANCE",
            Metric::InnerProduct => "MAX_INNER_PRODUCT",
            Metric::Cosine => "COSINE",
        }
    }

    /// Whether a lower score is the better one.
    #[must_use]
    pub fn lower_is_better(self) -> bool {
        self == Metric::L2
    }

    /// Whether a raw score passes a raw `score_threshold` (inclusive, compared in f32 as LangChain does).
    #[must_use]
    pub fn passes(self, score: f32, threshold: f32) -> bool {
        if self.lower_is_better() { score <= threshold } else { score >= threshold }
    }

    /// LangChain's relevance of a raw score, in f32. For L2 it is LangChain's own number, `1 - score/sqrt(2)`,
    /// although the score is squared: thresholds people have tuned keep working.
    #[must_use]
    pub fn relevance(self, score: f32) -> f32 {
        match self {
            Metric::L2 => 1.0 - score / std::f32::consts::SQRT_2,
            Metric::InnerProduct | Metric::Cosine => score,
        }
    }

    /// The score of a row, by the portable kernel: the number every hit carries on every target.
    ///
    /// `query_norm` and `row_norm` are the lengths by [`norm`]; only cosine uses them.
    #[must_use]
    pub(crate) fn score(self, query: &[f32], query_norm: f32, row: &[f32], row_norm: f32) -> f32 {
        match self {
            Metric::L2 => scalar::l2_squared(query, row),
            Metric::InnerProduct => scalar::dot(query, row),
            Metric::Cosine => {
                let product = f64::from(query_norm) * f64::from(row_norm);
                ((f64::from(scalar::dot(query, row)) / product) as f32).clamp(-1.0, 1.0)
            }
        }
    }
}

/// Euclidean length of a vector, rounded to f32. Safe from overflow and underflow: where the sum of squares
/// leaves f32's normal range it is taken in f64. Infinite or NaN exactly when a component is.
#[must_use]
pub fn norm(row: &[f32]) -> f32 {
    let squares = scalar::dot(row, row);
    if squares.is_normal() {
        return f64::from(squares).sqrt() as f32;
    }
    let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    // The length of a finite vector can exceed f32::MAX by a factor of sqrt(dim).
    if squares.is_finite() { squares.sqrt().min(f64::from(f32::MAX)) as f32 } else { f32::NAN }
}

/// Scales a vector to unit length as LangChain's `normalize_L2` does, `x * (1 / sqrt(sum of squares))` in f32.
/// Zero vectors stay zero.
pub fn normalize_l2(row: &mut [f32]) {
    let squares = scalar::dot(row, row);
    let factor = if squares.is_normal() {
        1.0 / squares.sqrt()
    } else {
        let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        if squares == 0.0 {
            return;
        }
        let factor = 1.0 / squares.sqrt();
        row.iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
        return;
    };
    row.iter_mut().for_each(|x| *x *= factor);
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    /// Accepts LangChain's names and the short ones `l2`, `euclidean`, `ip`, `inner_product`, `dot_product`,
    /// `dot`, `cosine`, in any case. `JACCARD` is refused: LangChain computes squared L2 under that name.
    fn from_str(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "euclidean_distance" | "euclidean" | "l2" => Ok(Metric::L2),
            "max_inner_product" | "inner_product" | "ip" | "dot_product" | "dot" => Ok(Metric::InnerProduct),
            "cosine" => Ok(Metric::Cosine),
            _ => Err(Error::UnknownDistanceStrategy { name: name.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_survive_overflow_and_underflow() {
        assert_eq!(norm(&[3.0, 4.0]), 5.0);
        assert_eq!(norm(&[3e30, 4e30]), 5e30);
        assert_eq!(norm(&[3e-30, 4e-30]), 5e-30);
        assert_eq!(norm(&[0.0, -0.0]), 0.0);
        assert!(norm(&[f32::INFINITY, 0.0]).is_nan());
        assert!(norm(&[f32::NAN]).is_nan());
        assert_eq!(norm(&[f32::MAX; 8]), f32::MAX);
    }

    #[test]
    fn normalizing_keeps_zero_rows_and_survives_extremes() {
        for (mut row, expected) in [
            ([3.0, 4.0], [0.6, 0.8]),
            ([0.0, 0.0], [0.0, 0.0]),
            ([3e30, 4e30], [0.6, 0.8]),
            ([3e-30, 4e-30], [0.6, 0.8]),
        ] {
            normalize_l2(&mut row);
            for (a, b) in row.iter().zip(expected) {
                assert!((a - b).abs() <= 1e-7, "{row:?}");
            }
        }
    }
}
