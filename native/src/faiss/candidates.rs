//! What FAISS found, before it is scored again.

use twindex_core::Positions;

use super::ffi::Found;

/// How many more than `k` neighbours are asked of FAISS, so that its rounding can be ruled out.
pub(super) const SLACK: usize = 6;

/// Rows that FAISS found for one query, best first by its own scores.
#[derive(Debug)]
pub(super) struct Candidates<'a> {
    /// Their positions; -1 where it found none.
    pub(super) labels: &'a [i64],
    /// FAISS's scores, one for each label.
    pub(super) scores: &'a [f32],
    /// Which of them may be in the answer; `None` for all.
    pub(super) among: Option<&'a Positions>,
    /// Whether these are all rows that FAISS could find.
    pub(super) all: bool,
}

impl Candidates<'_> {
    /// Those that may be in the answer, with FAISS's scores.
    pub(super) fn kept(&self) -> Vec<(usize, f32)> {
        let found = self.labels.iter().zip(self.scores);
        found
            .filter_map(|(&label, &score)| Some((usize::try_from(label).ok()?, score)))
            .filter(|&(position, _)| self.among.is_none_or(|among| among.contains(position)))
            .collect()
    }

    /// Whether FAISS found fewer than it was asked for.
    pub(super) fn are_short(&self) -> bool {
        self.labels.iter().any(|&label| label < 0)
    }
}

impl Found {
    /// What was found for query `i`, of which `fetch` rows were asked.
    pub(super) fn of<'a>(
        &'a self,
        i: usize,
        fetch: usize,
        among: Option<&'a Positions>,
        all: bool,
    ) -> Candidates<'a> {
        let range = i * fetch..(i + 1) * fetch;
        Candidates { labels: &self.labels[range.clone()], scores: &self.distances[range], among, all }
    }
}
