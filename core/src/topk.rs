//! Neighbours and bounded selection with a total order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::metric::{Metric, norm};
use crate::sort::sorted;

/// A row found by a search: its position and its raw score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// Row number.
    pub position: usize,
    /// Raw score: see [`Metric`].
    pub score: f32,
}

impl Neighbor {
    /// A row at a position, scored by the portable kernel.
    #[must_use]
    pub fn scored(metric: Metric, query: &[f32], row: &[f32], position: usize) -> Self {
        let length = |vector| if metric == Metric::Cosine { norm(vector) } else { 1.0 };
        Self { position, score: metric.score(query, length(query), row, length(row)) }
    }

    /// Best first: by score, equal scores by position, NaN last.
    #[must_use]
    pub fn order(metric: Metric, a: &Neighbor, b: &Neighbor) -> Ordering {
        by_key((key(metric, a.score), a.position), (key(metric, b.score), b.position))
    }
}

/// A score as a number of which the lower is better; NaN becomes infinity, the worst.
#[inline]
pub(crate) fn key(metric: Metric, score: f32) -> f32 {
    if score.is_nan() {
        f32::INFINITY
    } else if metric.lower_is_better() {
        score
    } else {
        -score
    }
}

fn by_key(a: (f32, usize), b: (f32, usize)) -> Ordering {
    // Keys are never NaN, and -0 must equal 0.
    a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal).then(a.1.cmp(&b.1))
}

/// Sorts best first and keeps the best `k`.
pub fn sort_and_cut(metric: Metric, neighbors: &mut Vec<Neighbor>, k: usize) {
    let order = sorted(neighbors.len(), &mut |a, b| Neighbor::order(metric, &neighbors[a], &neighbors[b]));
    *neighbors = order.into_iter().take(k).map(|at| neighbors[at]).collect();
}

#[derive(Debug, PartialEq)]
struct Key(f32);

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The candidates of a scan: every row whose approximate key is within `widen` of the k-th best key seen.
pub(crate) struct Candidates<W> {
    k: usize,
    best: BinaryHeap<Key>,
    limit: f32,
    widen: W,
    kept: Vec<(f32, u32)>,
    prune_at: usize,
}

impl<W: Fn(f32) -> f32> Candidates<W> {
    pub(crate) fn new(k: usize, widen: W) -> Self {
        let prune_at = 4 * k + 1024;
        Self { k, best: BinaryHeap::new(), limit: f32::INFINITY, widen, kept: Vec::new(), prune_at }
    }

    /// The worst key that can still be in the answer.
    #[inline]
    pub(crate) fn limit(&self) -> f32 {
        self.limit
    }

    #[inline]
    pub(crate) fn push(&mut self, key: f32, position: usize) {
        if key > self.limit {
            return;
        }
        self.kept.push((key, position as u32));
        if self.best.len() < self.k {
            self.best.push(Key(key));
        } else if let Some(mut worst) = self.best.peek_mut()
            && key < worst.0
        {
            *worst = Key(key);
        }
        if self.best.len() == self.k
            && let Some(worst) = self.best.peek()
        {
            self.limit = (self.widen)(worst.0);
        }
        if self.kept.len() >= self.prune_at {
            let limit = self.limit;
            self.kept.retain(|&(key, _)| key <= limit);
            self.prune_at = 2 * self.kept.len() + 1024;
        }
    }

    /// Positions of all candidates, in the order they were pushed.
    pub(crate) fn positions(self) -> impl Iterator<Item = usize> {
        let limit = self.limit;
        self.kept.into_iter().filter(move |&(key, _)| key <= limit).map(|(_, position)| position as usize)
    }
}

/// Those of the lowest keys: `count`, and more where the last are equal.
#[cfg(any(feature = "approximate", feature = "halves"))]
pub(crate) fn lowest(keys: impl Iterator<Item = (usize, f32)>, count: usize) -> Vec<usize> {
    let mut candidates = Candidates::new(count, |key| key);
    keys.for_each(|(at, key)| candidates.push(key, at));
    candidates.positions().collect()
}

/// The candidates of a scan that knows an interval for each row: those whose best end is not worse than the k-th best worst end.
#[derive(Debug)]
pub(crate) struct Certain {
    k: usize,
    /// The best worst ends, the worst of them on top.
    worst: BinaryHeap<Key>,
    limit: f32,
    kept: Vec<(f32, u32)>,
    prune_at: usize,
}

impl Certain {
    pub(crate) fn new(k: usize) -> Self {
        Self { k, worst: BinaryHeap::new(), limit: f32::INFINITY, kept: Vec::new(), prune_at: 4 * k + 256 }
    }

    /// The worst best end that can still be in the answer.
    #[inline]
    pub(crate) fn limit(&self) -> f32 {
        self.limit
    }

    /// Whether there are more than so many candidates. Those that have dropped out since are counted, up to an eighth more: to forget them takes a look
    /// at all, which must not be taken for a few.
    pub(crate) fn exceeds(&mut self, most: usize) -> bool {
        if self.kept.len() <= most + most / 8 {
            return false;
        }
        self.prune();
        self.kept.len() > most
    }

    fn prune(&mut self) {
        let limit = self.limit;
        self.kept.retain(|&(best, _)| best <= limit);
        self.prune_at = 2 * self.kept.len() + 4 * self.k + 256;
    }

    #[inline]
    pub(crate) fn push(&mut self, best: f32, worst: f32, position: usize) {
        self.kept.push((best, position as u32));
        if self.worst.len() < self.k {
            self.worst.push(Key(worst));
        } else if let Some(mut top) = self.worst.peek_mut()
            && worst < top.0
        {
            *top = Key(worst);
        }
        if self.worst.len() == self.k
            && let Some(top) = self.worst.peek()
        {
            self.limit = top.0;
        }
        if self.kept.len() >= self.prune_at {
            self.prune();
        }
    }

    /// Positions of all candidates, in the order they were pushed.
    pub(crate) fn positions(self) -> impl Iterator<Item = usize> {
        let limit = self.limit;
        self.kept.into_iter().filter(move |&(best, _)| best <= limit).map(|(_, position)| position as usize)
    }
}
