//! Row-major blocks of vectors, and sets of row numbers.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::metric::{Metric, norm};

/// Vectors side by side: `len() * dim()` numbers, row after row. The division is checked when it is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rows<'a> {
    data: &'a [f32],
    dim: usize,
}

impl<'a> Rows<'a> {
    /// Sees `data` as rows of `dim` numbers.
    ///
    /// # Errors
    /// `empty_vector` if `dim` is 0, `ragged_rows` if the length is not a multiple of it.
    pub fn new(data: &'a [f32], dim: usize) -> Result<Self> {
        if dim == 0 {
            return Err(Error::EmptyVector);
        }
        if !data.len().is_multiple_of(dim) {
            return Err(Error::RaggedRows { dim, len: data.len() });
        }
        Ok(Self { data, dim })
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Numbers per row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All numbers, row after row.
    #[must_use]
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.dim..(i + 1) * self.dim]
    }

    /// Rows `range`, as a block.
    ///
    /// # Panics
    /// If the range leaves the block.
    #[must_use]
    pub fn slice(&self, range: std::ops::Range<usize>) -> Rows<'a> {
        Rows { data: &self.data[range.start * self.dim..range.end * self.dim], dim: self.dim }
    }

    /// These rows, in this order; borrowed if they are all of them.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn pick(&self, rows: &[usize]) -> Vectors<'a> {
        if rows.iter().copied().eq(0..self.len()) {
            return Vectors::from(*self);
        }
        let data: Vec<f32> = rows.iter().flat_map(|&i| self.row(i)).copied().collect();
        Vectors { data: data.into(), dim: self.dim }
    }

    /// Row after row.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + use<'a> {
        self.data.chunks_exact(self.dim)
    }

    /// Fails on vectors that a store with this metric cannot hold: `not_finite`, or `zero_vector` for cosine.
    pub(crate) fn check_for(&self, metric: Metric) -> Result<()> {
        self.check_finite()?;
        match self.iter().position(|row| metric == Metric::Cosine && norm(row) == 0.0) {
            Some(row) => Err(Error::ZeroVector { row }),
            None => Ok(()),
        }
    }

    /// Fails with `not_finite` on the first NaN or infinity.
    fn check_finite(&self) -> Result<()> {
        for (row, numbers) in self.iter().enumerate() {
            // The length is NaN exactly when a component is not finite, and it is much the faster test.
            if norm(numbers).is_nan() {
                let component = numbers.iter().position(|x| !x.is_finite()).unwrap_or(0);
                return Err(Error::NotFinite { row, component });
            }
        }
        Ok(())
    }
}

/// Rows that are borrowed, or owned and then perhaps kept as they are: what a store takes in.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors<'a> {
    data: Cow<'a, [f32]>,
    dim: usize,
}

impl<'a> Vectors<'a> {
    /// Takes `data` as rows of `dim` numbers.
    ///
    /// # Errors
    /// `empty_vector` if `dim` is 0, `ragged_rows` if the length is not a multiple of it.
    pub fn new(data: impl Into<Cow<'a, [f32]>>, dim: usize) -> Result<Self> {
        let data = data.into();
        Rows::new(&data, dim)?;
        Ok(Self { data, dim })
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows { data: &self.data, dim: self.dim }
    }

    /// The numbers, row after row, to change in place. Copies them if they are borrowed.
    pub fn rows_mut(&mut self) -> std::slice::ChunksExactMut<'_, f32> {
        self.data.to_mut().chunks_exact_mut(self.dim)
    }

    /// The numbers, without a copy if they are owned.
    #[must_use]
    pub fn into_data(self) -> Cow<'a, [f32]> {
        self.data
    }
}

impl<'a> From<Rows<'a>> for Vectors<'a> {
    fn from(rows: Rows<'a>) -> Self {
        Self { data: Cow::Borrowed(rows.data), dim: rows.dim }
    }
}

/// Lays vectors side by side.
///
/// Returns the block and its dimension; `dim` is what is expected, or `None` to take the first vector's.
///
/// # Errors
/// `dimension_mismatch` naming the first vector of another length, `empty_vector` if they hold no number.
pub fn flatten<V: AsRef<[f32]>>(vectors: &[V], dim: Option<usize>) -> Result<(Vec<f32>, usize)> {
    let Some(expected) = dim.or_else(|| vectors.first().map(|v| v.as_ref().len())) else {
        return Ok((Vec::new(), 1));
    };
    if expected == 0 {
        return Err(Error::EmptyVector);
    }
    let mut data = Vec::with_capacity(expected * vectors.len());
    for (row, vector) in vectors.iter().enumerate() {
        let vector = vector.as_ref();
        if vector.len() != expected {
            return Err(Error::DimensionMismatch { expected, actual: vector.len(), row });
        }
        data.extend_from_slice(vector);
    }
    Ok((data, expected))
}

/// A set of row numbers below a bound, as a bitmap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    words: Vec<u64>,
    count: usize,
}

impl Positions {
    /// The empty set, with room for positions below `bound`.
    #[must_use]
    pub fn none(bound: usize) -> Self {
        Self { words: vec![0; bound.div_ceil(64)], count: 0 }
    }

    /// Those positions below `bound` for which `keep` holds.
    pub fn try_filter<E>(bound: usize, mut keep: impl FnMut(usize) -> Result<bool, E>) -> Result<Self, E> {
        let mut set = Self::none(bound);
        for position in 0..bound {
            if keep(position)? {
                set.insert(position);
            }
        }
        Ok(set)
    }

    /// Puts a position in.
    ///
    /// # Panics
    /// If it lies outside the bound.
    pub fn insert(&mut self, position: usize) {
        let word = &mut self.words[position / 64];
        let bit = 1 << (position % 64);
        self.count += usize::from(*word & bit == 0);
        *word |= bit;
    }

    /// Whether a position is in.
    #[must_use]
    pub fn contains(&self, position: usize) -> bool {
        self.words.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    /// How many positions are in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The positions, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.iter_within(0..usize::MAX)
    }

    fn iter_within(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = usize> {
        let (first, words) = self.words_of(&range);
        let positions = words.iter().enumerate().flat_map(move |(at, &word)| bits_of(word, first + at));
        positions.filter(move |position| range.contains(position))
    }

    /// The words that hold a range, and the number of the first.
    fn words_of(&self, range: &std::ops::Range<usize>) -> (usize, &[u64]) {
        let first = (range.start / 64).min(self.words.len());
        let end = range.end.div_ceil(64).clamp(first, self.words.len());
        (first, &self.words[first..end])
    }

    /// At most how many positions lie in a range: those of the words that hold it.
    pub(crate) fn at_most_within(&self, range: &std::ops::Range<usize>) -> usize {
        self.words_of(range).1.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The positions as ranges of consecutive ones, ascending.
    pub fn runs(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.runs_within(0..usize::MAX)
    }

    /// The positions that lie in a range, as ranges of consecutive ones, ascending.
    pub fn runs_within(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = std::ops::Range<usize>> {
        let mut positions = self.iter_within(range).peekable();
        std::iter::from_fn(move || {
            let start = positions.next()?;
            let mut end = start + 1;
            while positions.next_if_eq(&end).is_some() {
                end += 1;
            }
            Some(start..end)
        })
    }

    /// The set as bytes, position `p` in bit `p % 8` of byte `p / 8`: FAISS's `IDSelectorBitmap`.
    #[must_use]
    pub fn to_bitmap(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

/// The positions in word `at` of a set, ascending.
fn bits_of(word: u64, at: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)))
        .take_while(|&rest| rest != 0)
        .map(move |rest| at * 64 + rest.trailing_zeros() as usize)
}

/// The algebra of sets that lie below one bound.
#[cfg(feature = "metadata-index")]
impl Positions {
    /// All positions below `bound`.
    pub(crate) fn all(bound: usize) -> Self {
        let mut set = Self::none(bound);
        set.insert_run(0..bound);
        set
    }

    /// The empty set below the same bound.
    pub(crate) fn to_empty(&self) -> Self {
        Self { words: vec![0; self.words.len()], count: 0 }
    }

    /// Puts consecutive positions in.
    pub(crate) fn insert_run(&mut self, run: std::ops::Range<usize>) {
        let mut at = run.start;
        while at < run.end {
            let word_end = (at / 64 + 1) * 64;
            let end = run.end.min(word_end);
            let bits = (u64::MAX >> (word_end - end)) & (u64::MAX << (at % 64));
            let word = &mut self.words[at / 64];
            self.count += (bits & !*word).count_ones() as usize;
            *word |= bits;
            at = end;
        }
    }

    /// Takes a position out.
    pub(crate) fn remove(&mut self, position: usize) {
        let word = &mut self.words[position / 64];
        let bit = 1 << (position % 64);
        self.count -= usize::from(*word & bit != 0);
        *word &= !bit;
    }

    /// Takes out the positions from `end` on.
    pub(crate) fn truncate(&mut self, end: usize) {
        if let Some(rest) = self.words.get_mut(end / 64..) {
            for (i, word) in rest.iter_mut().enumerate() {
                let kept = if i == 0 { !(u64::MAX << (end % 64)) } else { 0 };
                self.count -= (*word & !kept).count_ones() as usize;
                *word &= kept;
            }
        }
    }

    /// Takes out what is not in another set.
    pub(crate) fn intersect(&mut self, other: &Self) {
        self.combine(other, |word, other| word & other);
    }

    /// Takes out what is in another set.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.combine(other, |word, other| word & !other);
    }

    fn combine(&mut self, other: &Self, combine: impl Fn(u64, u64) -> u64) {
        assert_eq!(self.words.len(), other.words.len(), "sets below one bound");
        self.count = 0;
        for (word, &other) in self.words.iter_mut().zip(&other.words) {
            *word = combine(*word, other);
            self.count += word.count_ones() as usize;
        }
    }

    /// The positions from `start` on, ascending.
    pub(crate) fn iter_from(&self, start: usize) -> impl Iterator<Item = usize> {
        let first = (start / 64).min(self.words.len());
        self.words[first..].iter().enumerate().flat_map(move |(at, &word)| {
            bits_of(if at == 0 { word & (u64::MAX << (start % 64)) } else { word }, first + at)
        })
    }
}

/// Drops the given positions from a vector of rows, `width` items each; the rest closes up in order.
pub(crate) fn remove_rows<T: Copy>(items: &mut Vec<T>, width: usize, positions: &Positions) {
    let rows = items.len() / width;
    let mut to = 0;
    for from in (0..rows).filter(|&p| !positions.contains(p)) {
        if to != from {
            items.copy_within(from * width..(from + 1) * width, to * width);
        }
        to += 1;
    }
    items.truncate(to * width);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_iterate_in_order_and_in_runs() {
        let mut set = Positions::none(200);
        for p in [0, 1, 2, 63, 64, 130, 199, 130] {
            set.insert(p);
        }
        assert_eq!(set.len(), 7);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 1, 2, 63, 64, 130, 199]);
        assert_eq!(set.runs().collect::<Vec<_>>(), [0..3, 63..65, 130..131, 199..200]);
        assert!(set.contains(64) && !set.contains(65) && !set.contains(100_000));
        assert_eq!(set.to_bitmap()[0], 0b111);
    }

    #[cfg(feature = "metadata-index")]
    #[test]
    fn sets_combine_as_lists_of_positions_do() {
        for bound in [0, 1, 63, 64, 65, 128, 300] {
            let by_three = Positions::try_filter(bound, |p| Ok::<_, ()>(p % 3 == 0)).unwrap();
            let by_five = Positions::try_filter(bound, |p| Ok::<_, ()>(p % 5 == 0)).unwrap();
            let check = |set: &Positions, holds: &dyn Fn(usize) -> bool| {
                assert_eq!(set, &Positions::try_filter(bound, |p| Ok::<_, ()>(holds(p))).unwrap());
            };
            let changed = |change: &dyn Fn(&mut Positions)| {
                let mut set = by_three.clone();
                change(&mut set);
                set
            };
            check(&Positions::all(bound), &|_| true);
            check(&by_three.to_empty(), &|_| false);
            check(&changed(&|set| set.intersect(&by_five)), &|p| p % 15 == 0);
            check(&changed(&|set| set.subtract(&by_five)), &|p| p % 3 == 0 && p % 5 != 0);
            for cut in [0, 1, 62, 63, 64, 65, 127, 128, 200, 299, 300, 1000] {
                check(&changed(&|set| set.truncate(cut)), &|p| p % 3 == 0 && p < cut);
                let rest: Vec<usize> = (cut..bound).filter(|p| p % 3 == 0).collect();
                assert_eq!(by_three.iter_from(cut).collect::<Vec<_>>(), rest);
                let end = bound.min(cut + 70);
                let with_run = changed(&|set| set.insert_run(cut..end));
                check(&with_run, &|p| p % 3 == 0 || (cut..end).contains(&p));
                if cut < bound {
                    check(&changed(&|set| set.remove(cut)), &|p| p % 3 == 0 && p != cut);
                }
            }
        }
    }

    #[test]
    fn rows_refuse_ragged_blocks() {
        assert_eq!(Rows::new(&[1.0; 7], 3).unwrap_err().code(), "ragged_rows");
        assert_eq!(Rows::new(&[], 0).unwrap_err().code(), "empty_vector");
        let error = flatten(&[vec![1.0, 2.0], vec![1.0]], None).unwrap_err();
        assert_eq!(error, Error::DimensionMismatch { expected: 2, actual: 1, row: 1 });
    }

    #[test]
    fn removed_rows_close_up_in_order() {
        let mut items = vec![0, 0, 1, 1, 2, 2, 3, 3];
        let mut set = Positions::none(4);
        set.insert(0);
        set.insert(2);
        remove_rows(&mut items, 2, &set);
        assert_eq!(items, [1, 1, 3, 3]);
    }
}
