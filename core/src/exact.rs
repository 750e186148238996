//! Exact search over plain rows: scan fast, re-score the few that can still be in the answer.
//!
//! [`RowStats`] is shared by every index that keeps plain rows: [`FlatIndex`](crate::FlatIndex), and FAISS's flat one.

use std::convert::Infallible;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "approximate")]
use crate::bits::{BitCodes, BitSearch};
use crate::error::{self, Error};
#[cfg(feature = "halves")]
use crate::halves::HalfSearch;
use crate::kernel::{ScanKernel, gamma};
use crate::metric::{Metric, norm};
use crate::quantize::{Codes, LEAST_QUERY_NORM, Scan};
use crate::rows::{Positions, Rows, remove_rows};
use crate::topk::{Candidates, Neighbor, key, sort_and_cut};

/// Rows per kernel call: the scores fit in the first-level cache.
pub(crate) const BLOCK: usize = 256;

/// Rows per kernel call where one query is searched for. In WebAssembly kernels read the quarters of a block as four streams, and a processor fetches ahead along streams
/// that are long: 8-bit codes are read a quarter faster by this than by [`BLOCK`].
pub(crate) const ALONE: usize = if cfg!(target_family = "wasm") { 4096 } else { BLOCK };

/// Of a block of rows of which a filter keeps fewer than one in so many, only those are scanned.
const SPARSE: usize = 8;

/// Bounds of lengths that are no further apart than by this factor are kept when rows go: rows of like lengths need not be read again at every deletion.
const ALIKE: f32 = 2.0;

/// Queries that are answered together, so that rows are read once for all of them.
const TOGETHER: usize = 32;

/// A search is split over threads in parts of at least this many products: waking a thread takes as long as reading a tenth of that.
#[cfg(not(target_family = "wasm"))]
const PART: usize = 1 << 20;

/// What exact search needs to know about rows beside the rows themselves.
///
/// Cosine keeps the length of each row; every metric keeps bounds of them, for the rounding bound.
#[derive(Clone)]
pub struct RowStats {
    metric: Metric,
    count: usize,
    norms: Vec<f32>,
    min_norm: f32,
    max_norm: f32,
    /// Made by the first search that they help, and kept up to date from then on.
    codes: MadeOnce<Codes>,
    /// Made by the first search that may miss a little.
    #[cfg(feature = "approximate")]
    bits: MadeOnce<BitCodes>,
}

/// Codes that one search makes, and no other waits for.
///
/// They are made on the threads of the kernel. A thread that waits there for the others may take up another search meanwhile, on the same stack: if that
/// waited for the codes, it would wait for itself.
struct MadeOnce<T> {
    made: OnceLock<Option<T>>,
    begun: AtomicBool,
}

impl<T> Default for MadeOnce<T> {
    fn default() -> Self {
        Self { made: OnceLock::new(), begun: AtomicBool::new(false) }
    }
}

impl<T: Clone> Clone for MadeOnce<T> {
    fn clone(&self) -> Self {
        let made = self.made.clone();
        Self { begun: made.get().is_some().into(), made }
    }
}

impl<T> MadeOnce<T> {
    /// The codes; `None` while another search makes them, or if there was no memory for them.
    fn get_or_make(&self, make: impl FnOnce() -> Option<T>) -> Option<&T> {
        if self.made.get().is_none() && !self.begun.swap(true, Ordering::Relaxed) {
            // Nobody else has set it, since nobody else has begun.
            let _ = self.made.set(make());
        }
        self.get()
    }

    fn get(&self) -> Option<&T> {
        self.made.get()?.as_ref()
    }

    /// Changes codes that are made; where `change` says that they are of no use any more, there are none from then on.
    fn change(&mut self, change: impl FnOnce(&mut T) -> bool) {
        if let Some(made) = self.made.get_mut()
            && !made.as_mut().is_some_and(change)
        {
            *made = None;
        }
    }
}

impl fmt::Debug for RowStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStats")
            .field("metric", &self.metric)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl RowStats {
    /// The statistics of no rows.
    #[must_use]
    pub fn new(metric: Metric) -> Self {
        Self {
            metric,
            count: 0,
            norms: Vec::new(),
            min_norm: f32::INFINITY,
            max_norm: 0.0,
            codes: MadeOnce::default(),
            #[cfg(feature = "approximate")]
            bits: MadeOnce::default(),
        }
    }

    /// How vectors are compared.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Takes in rows added at the end, which the kernel will search. They must be finite.
    pub fn append(&mut self, kernel: &dyn ScanKernel, rows: Rows<'_>) {
        // A first, large batch is held without slack; later ones grow as vectors do.
        if self.metric == Metric::Cosine && self.norms.is_empty() {
            self.norms.reserve_exact(rows.len());
        }
        rows.iter().for_each(|row| self.push(norm(row)));
        self.codes.change(|codes| codes.append(kernel, rows));
        #[cfg(feature = "approximate")]
        self.bits.change(|bits| bits.append(kernel, rows));
    }

    /// Takes in one row added at the end, if a store with this metric can hold it. For readers of files: one pass over the
    /// numbers both checks and measures them.
    ///
    /// # Errors
    /// `not_finite`, or `zero_vector` for cosine, naming the row as `row`.
    #[inline]
    pub fn push_checked(&mut self, numbers: &[f32]) -> error::Result<()> {
        let norm = norm(numbers);
        if norm.is_nan() {
            let component = numbers.iter().position(|x| !x.is_finite()).unwrap_or(0);
            return Err(Error::NotFinite { row: self.count, component });
        }
        if norm == 0.0 && self.metric == Metric::Cosine {
            return Err(Error::ZeroVector { row: self.count });
        }
        self.push(norm);
        // Codes that do not know this row would be of no use any more.
        self.codes.change(|_| false);
        #[cfg(feature = "approximate")]
        self.bits.change(|_| false);
        Ok(())
    }

    /// Takes in one row added at the end, by its length (see [`norm`]).
    #[inline]
    fn push(&mut self, norm: f32) {
        self.count += 1;
        self.stretch(norm);
        if self.metric == Metric::Cosine {
            self.norms.push(norm);
        }
    }

    /// Takes a length into the bounds.
    #[inline]
    fn stretch(&mut self, norm: f32) {
        self.min_norm = self.min_norm.min(norm);
        self.max_norm = self.max_norm.max(norm);
    }

    /// Forgets rows taken out. `left` are the others: where lengths differ much they are measured again, so that none stretches a bound that is gone.
    pub fn remove(&mut self, positions: &Positions, left: Rows<'_>) {
        self.count -= positions.len();
        if self.metric == Metric::Cosine {
            remove_rows(&mut self.norms, 1, positions);
        }
        if self.max_norm > ALIKE * self.min_norm {
            (self.min_norm, self.max_norm) = (f32::INFINITY, 0.0);
            left.iter().for_each(|row| self.stretch(norm(row)));
        }
        self.codes.change(|codes| {
            codes.remove(positions);
            true
        });
        #[cfg(feature = "approximate")]
        self.bits.change(|bits| {
            bits.remove(positions);
            true
        });
    }

    /// An upper bound of the lengths of all rows.
    #[must_use]
    pub fn max_norm(&self) -> f32 {
        self.max_norm
    }

    /// A lower bound of the lengths of all rows.
    #[must_use]
    pub fn min_norm(&self) -> f32 {
        self.min_norm
    }

    /// Bytes these statistics take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let codes = self.codes.get().map_or(0, Codes::bytes);
        #[cfg(feature = "approximate")]
        let codes = codes + self.bits.get().map_or(0, BitCodes::bytes);
        (self.norms.capacity() * size_of::<f32>()) as u64 + codes
    }

    /// The codes that searches by this kernel use, if they use any. The first search makes them; meanwhile, and where there is no memory for them, rows are
    /// searched as they are.
    fn codes_for(&self, kernel: &dyn ScanKernel, rows: Rows<'_>) -> Option<&Codes> {
        if !kernel.has_fast_i8() || !Codes::pay(rows.len(), rows.dim()) {
            return None;
        }
        self.codes.get_or_make(|| Codes::of(kernel, rows))
    }

    fn row_norm(&self, position: usize) -> f32 {
        self.norms.get(position).copied().unwrap_or(1.0)
    }

    /// The widest key that a row may have by a scan kernel and still be among the best `k` by the portable one, given
    /// the k-th best key of the scan.
    ///
    /// Both lie within [`gamma`] of the exact value (see [`ScanKernel`]). Write `s` for scan and `p` for portable keys, lower being
    /// better, and `S` for the k-th best `s`. Inner product: `|s - p| <= 2 gamma |q| |x| =: e`, so the k rows best by `s` have
    /// `p <= S + e`, and a row with `p <= S + e` has `s <= S + 2 e`. Squared L2: `s` and `p` are within factors `1 +- gamma` of the
    /// exact distance, so `s <= S ((1 + gamma) / (1 - gamma))^2`. Cosine divides inner products by the same
    /// stored lengths in both, and adds a few roundings.
    pub fn widen(&self, dim: usize, query_norm: f32) -> impl Fn(f32) -> f32 + use<> {
        let gamma = gamma(dim);
        let query_norm = f64::from(query_norm);
        let underflow = dim as f64 * f64::from(f32::MIN_POSITIVE);
        let (factor, offset) = match self.metric {
            Metric::L2 => (((1.0 + gamma) / (1.0 - gamma)).powi(2), 4.0 * underflow),
            Metric::InnerProduct => (1.0, 4.0 * (gamma * query_norm * f64::from(self.max_norm) + underflow)),
            // Underflow counts by the length of the row it is divided by, which may be small itself.
            Metric::Cosine => (1.0, (4.0 * gamma + 8.0 * f64::from(f32::EPSILON)) * query_norm),
        };
        move |key: f32| ((f64::from(key) * factor + offset) as f32).next_up()
    }

    /// Whether scan kernels keep their error bound on these rows: nothing overflows, and no row is so
    /// short that underflow matters.
    #[must_use]
    pub fn scan_is_safe(&self, dim: usize, query_norm: f32) -> bool {
        let (q, x) = (f64::from(query_norm), f64::from(self.max_norm));
        let in_range = (q + x) * (q + x) < 1e37 && gamma(dim) < 0.1;
        in_range && (self.metric != Metric::Cosine || q > 1e-12 && self.min_norm > 1e-12)
    }

    /// The best `k` of `rows`, exactly as the portable kernel orders them.
    ///
    /// `rows` are the rows these statistics were made of.
    #[must_use]
    pub fn search(
        &self,
        kernel: &dyn ScanKernel,
        rows: Rows<'_>,
        query: &[f32],
        k: usize,
        among: Option<&Positions>,
    ) -> Vec<Neighbor> {
        let Ok(query) = Rows::new(query, rows.dim()) else { unreachable!("a query is as long as the rows") };
        self.search_batch(kernel, rows, query, k, among).pop().unwrap_or_default()
    }

    /// [`search`](Self::search) for each of these queries, on the threads of the kernel: each takes some of the queries, or, where there are
    /// few, some of the rows.
    #[must_use]
    pub fn search_batch(
        &self,
        kernel: &dyn ScanKernel,
        rows: Rows<'_>,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
    ) -> Vec<Vec<Neighbor>> {
        let scan = |asked: Rows<'_>| Ok::<_, Infallible>(self.scan_batch(kernel, rows, asked, k, among));
        match self.search_batch_or(kernel, rows, queries, k, among, scan) {
            Ok(answers) => answers,
        }
    }

    /// [`search_batch`](Self::search_batch) that may miss a little: each of the best `k` is found with a probability of `recall`, and what is found
    /// has the scores of an exact search. Where that is no faster, among few rows or on a kernel not made for 1-bit codes, nothing is missed.
    #[cfg(feature = "approximate")]
    #[must_use]
    pub fn search_approximately(
        &self,
        kernel: &dyn ScanKernel,
        rows: Rows<'_>,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
        recall: f32,
    ) -> Vec<Vec<Neighbor>> {
        let found = match self.bits_for(kernel, rows, k, among) {
            Some((codes, bits)) => {
                let search = BitSearch { kernel, codes: bits, k, among, recall, most: rows.len() / 16 };
                each(kernel, queries.len(), &|at| self.search_by_bits(&search, codes, rows, queries.row(at)))
            }
            None => vec![None; queries.len()],
        };
        let left: Vec<usize> = (0..queries.len()).filter(|&at| found[at].is_none()).collect();
        let mut exact = self.search_batch(kernel, rows, queries.pick(&left).rows(), k, among).into_iter();
        found.into_iter().map(|found| found.or_else(|| exact.next()).unwrap_or_default()).collect()
    }

    /// The codes that approximate searches use, if they pay: an eighth of the rows is scanned by 8-bit codes in the time of all by their signs.
    #[cfg(feature = "approximate")]
    fn bits_for(
        &self,
        kernel: &dyn ScanKernel,
        rows: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
    ) -> Option<(&Codes, &BitCodes)> {
        let count = rows.len();
        let available = among.map_or(count, Positions::len);
        let pays = available / 64 >= k && available >= count / SPARSE && BitCodes::pay(count, rows.dim());
        if !pays || !kernel.has_fast_bits() {
            return None;
        }
        let codes = self.codes_for(kernel, rows)?;
        Some((codes, self.bits.get_or_make(|| BitCodes::of(kernel, self.metric, rows))?))
    }

    /// `None` where the signs are of no help.
    #[cfg(feature = "approximate")]
    fn search_by_bits(
        &self,
        search: &BitSearch<'_>,
        codes: &Codes,
        rows: Rows<'_>,
        query: &[f32],
    ) -> Option<Vec<Neighbor>> {
        let k = search.k;
        if !self.scan_is_safe(rows.dim(), norm(query)) {
            return None;
        }
        let found = search.candidates(query, |positions| {
            let seeds = self.rescore(rows, query, k, positions.iter().copied());
            seeds.get(k - 1).map(|neighbor| neighbor.score)
        })?;
        self.search_among(search.kernel, codes, rows, query, k, &found)
    }

    /// The best `k` of these rows, by their 8-bit codes.
    #[cfg(any(feature = "approximate", feature = "halves"))]
    fn search_among(
        &self,
        kernel: &dyn ScanKernel,
        codes: &Codes,
        rows: Rows<'_>,
        query: &[f32],
        k: usize,
        among: &[usize],
    ) -> Option<Vec<Neighbor>> {
        let asked = Rows::new(query, rows.dim()).ok()?;
        let mut scan = Scan::new(kernel, self.metric, asked, k, among.len());
        let picked = codes.pick(among);
        for start in (0..among.len()).step_by(BLOCK) {
            scan.take(kernel, &picked, start..among.len().min(start + BLOCK), None);
        }
        let kept = scan.finish().next()??;
        Some(self.rescore(rows, query, k, kept.into_iter().map(|at| among[at])))
    }

    /// [`search_batch`](Self::search_batch), where `others` answers those queries that codes cannot.
    ///
    /// # Errors
    /// What `others` fails with.
    pub fn search_batch_or<E>(
        &self,
        kernel: &dyn ScanKernel,
        rows: Rows<'_>,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
        others: impl FnOnce(Rows<'_>) -> Result<Vec<Vec<Neighbor>>, E>,
    ) -> Result<Vec<Vec<Neighbor>>, E> {
        let (mut answers, left) = self.search_by_codes(kernel, rows, queries, k, among);
        if !left.is_empty() {
            let asked = queries.pick(&left);
            for (i, answer) in left.into_iter().zip(others(asked.rows())?) {
                answers[i] = answer;
            }
        }
        Ok(answers)
    }

    /// Answers those queries that 8-bit codes can answer, and gives the numbers of the others: those of rows of very unlike lengths, or all, where the
    /// kernel is not made for codes or there are too few rows to pay.
    fn search_by_codes(
        &self,
        kernel: &dyn ScanKernel,
        rows: Rows<'_>,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
    ) -> (Vec<Vec<Neighbor>>, Vec<usize>) {
        let mut answers = vec![Vec::new(); queries.len()];
        let available = among.map_or(rows.len(), Positions::len);
        let pays = (1..available).contains(&k) && available >= BLOCK;
        let codes = if pays { self.codes_for(kernel, rows) } else { None };
        let Some(codes) = codes else {
            return (answers, (0..queries.len()).collect());
        };
        let is_safe = |&i: &usize| {
            let length = norm(queries.row(i));
            length >= LEAST_QUERY_NORM && self.scan_is_safe(rows.dim(), length)
        };
        let (safe, mut left): (Vec<usize>, Vec<usize>) = (0..queries.len()).partition(is_safe);
        let picked = queries.pick(&safe);
        let within = Within { stats: self, kernel, rows, k, among, available };
        let found = within.spread(picked.rows(), &|queries, range| within.by_codes(codes, queries, range));
        for (i, found) in safe.into_iter().zip(found) {
            match found {
                Some(found) => answers[i] = found,
                None => left.push(i),
            }
        }
        (answers, left)
    }

    /// [`search_batch`](Self::search_batch) by the rows as they are.
    #[must_use]
    pub fn scan_batch(
        &self,
        kernel: &dyn ScanKernel,
        rows: Rows<'_>,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
    ) -> Vec<Vec<Neighbor>> {
        let available = among.map_or(rows.len(), Positions::len);
        let k = k.min(available);
        if k == 0 {
            return vec![Vec::new(); queries.len()];
        }
        let within = Within { stats: self, kernel, rows, k, among, available };
        let found = within.spread(queries, &|queries, range| {
            queries.iter().map(|query| Some(within.scan(query, range.clone()))).collect()
        });
        found.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// Scores these positions by the portable kernel and keeps the best `k`.
    #[must_use]
    pub fn rescore(
        &self,
        rows: Rows<'_>,
        query: &[f32],
        k: usize,
        positions: impl Iterator<Item = usize>,
    ) -> Vec<Neighbor> {
        let query_norm = if self.metric == Metric::Cosine { norm(query) } else { 1.0 };
        let mut found: Vec<Neighbor> = positions
            .map(|position| {
                let score = self.metric.score(query, query_norm, rows.row(position), self.row_norm(position));
                Neighbor { position, score }
            })
            .collect();
        sort_and_cut(self.metric, &mut found, k);
        found
    }
}

/// What a task gives for each number below `count`, on the threads of the kernel.
#[cfg(not(target_family = "wasm"))]
fn each<T: Send>(kernel: &dyn ScanKernel, count: usize, task: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    use std::sync::Mutex;

    let done: Vec<_> = (0..count).map(|_| Mutex::new(None)).collect();
    kernel.spread(count, &|at| {
        *done[at].lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(task(at));
    });
    done.into_iter()
        .filter_map(|done| done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
        .collect()
}

#[cfg(all(feature = "approximate", target_family = "wasm"))]
fn each<T>(_: &dyn ScanKernel, count: usize, task: &dyn Fn(usize) -> T) -> Vec<T> {
    (0..count).map(task).collect()
}

/// What is the same for all parts of a search.
#[derive(Clone, Copy)]
struct Within<'a> {
    stats: &'a RowStats,
    kernel: &'a dyn ScanKernel,
    rows: Rows<'a>,
    /// From 1 to `available`.
    k: usize,
    among: Option<&'a Positions>,
    /// How many rows are searched in all.
    available: usize,
}

/// For each query what was found; `None` where that cannot be said.
type Found = Vec<Option<Vec<Neighbor>>>;

impl Within<'_> {
    /// Splits a search into groups of queries and parts of the rows, which `search` answers, and brings the answers together.
    #[cfg(not(target_family = "wasm"))]
    fn spread(&self, queries: Rows<'_>, search: &(dyn Fn(Rows<'_>, Range<usize>) -> Found + Sync)) -> Found {
        let (count, threads) = (self.rows.len(), self.kernel.threads());
        let groups = queries.len().div_ceil(TOGETHER).max(1);
        let together = queries.len().div_ceil(groups);
        let work = self.rows.dim().saturating_mul(self.available).saturating_mul(together);
        // Many groups keep all threads busy to the end; few are split evenly.
        let parts = if groups >= 4 * threads { 1 } else { threads.min(work / PART).max(1) };
        let size = count.div_ceil(parts).next_multiple_of(BLOCK);
        let found = each(self.kernel, groups * parts, &|task| {
            let (group, part) = (task / parts, task % parts);
            let queries = queries.slice(group * together..((group + 1) * together).min(queries.len()));
            search(queries, (part * size).min(count)..((part + 1) * size).min(count))
        });
        let mut found = found.into_iter();
        let mut answers = Found::with_capacity(queries.len());
        for _ in 0..groups {
            let of_group = found.by_ref().take(parts).reduce(|whole, part| self.both(whole, part));
            answers.extend(of_group.unwrap_or_default());
        }
        answers
    }

    /// Splits a search into groups of queries, which `search` answers. A module has one thread.
    #[cfg(target_family = "wasm")]
    fn spread(&self, queries: Rows<'_>, search: &dyn Fn(Rows<'_>, Range<usize>) -> Found) -> Found {
        let groups = queries.data().chunks(TOGETHER * queries.dim());
        groups
            .filter_map(|group| Rows::new(group, queries.dim()).ok())
            .flat_map(|group| search(group, 0..self.rows.len()))
            .collect()
    }

    #[cfg(not(target_family = "wasm"))]
    fn both(&self, one: Found, other: Found) -> Found {
        let both = |(one, other): (Option<Vec<_>>, Option<Vec<_>>)| {
            let mut both = one?;
            both.extend(other?);
            sort_and_cut(self.stats.metric, &mut both, self.k);
            Some(both)
        };
        one.into_iter().zip(other).map(both).collect()
    }

    /// The rows of a range that are searched, a kernel call's worth at a time. Where most of a block is searched all of it is scanned, since the kernels
    /// are fast on many rows; then there is a set that rows must be in to be candidates.
    fn blocks(
        &self,
        range: Range<usize>,
        size: usize,
    ) -> impl Iterator<Item = (Range<usize>, Option<&Positions>)> {
        let end = range.end;
        range.step_by(size).flat_map(move |start| {
            let block = start..end.min(start + size);
            let sparse = self.among.filter(|among| among.at_most_within(&block) < block.len() / SPARSE);
            let whole = if sparse.is_none() { Some((block.clone(), self.among)) } else { None };
            let runs = sparse.into_iter().flat_map(move |among| among.runs_within(block.clone()));
            whole.into_iter().chain(runs.map(|run| (run, None)))
        })
    }

    /// For each query the best `k` of the rows of a range, found by their codes; `None` if more than a few can be among the best, as among rows of
    /// very unlike lengths: reading the codes was then in vain.
    fn by_codes(&self, codes: &Codes, queries: Rows<'_>, range: Range<usize>) -> Found {
        // Codes are read once for all queries, which is no more than their upper halves for each of two.
        #[cfg(feature = "halves")]
        if queries.len() == 1
            && let Some(found) = self.by_halves(codes, queries.row(0), range.clone())
        {
            return vec![Some(found)];
        }
        // What the rest costs more than it would have by reading all rows at once: an eighth.
        let most = (self.available / 16).max(4 * self.k + 256);
        let mut scan = Scan::new(self.kernel, self.stats.metric, queries, self.k, most);
        let size = if queries.len() == 1 { ALONE } else { BLOCK };
        for (block, among) in self.blocks(range, size) {
            scan.take(self.kernel, codes, block, among);
        }
        let rescore = |query, positions: Vec<usize>| {
            self.stats.rescore(self.rows, query, self.k, positions.into_iter())
        };
        queries.iter().zip(scan.finish()).map(|(query, positions)| Some(rescore(query, positions?))).collect()
    }

    /// [`by_codes`](Self::by_codes) for one query, by their upper halves first; `None` where these are not kept or of no help.
    #[cfg(feature = "halves")]
    fn by_halves(&self, codes: &Codes, query: &[f32], range: Range<usize>) -> Option<Vec<Neighbor>> {
        let Self { stats, kernel, rows, k, among, .. } = *self;
        let search =
            HalfSearch { kernel, metric: stats.metric, codes, k, among, most: range.len() / 16, range };
        if !search.pays() || self.available < rows.len() / SPARSE {
            return None;
        }
        let found = search.candidates(query, |positions| {
            let seeds = stats.rescore(rows, query, k, positions.iter().copied());
            seeds.get(k - 1).map(|neighbor| neighbor.score)
        })?;
        stats.search_among(kernel, codes, rows, query, k, &found)
    }

    /// The best `k` of the rows of a range, by the rows as they are.
    fn scan(&self, query: &[f32], range: Range<usize>) -> Vec<Neighbor> {
        let Self { stats, kernel, rows, k, .. } = *self;
        let query_norm = norm(query);
        if k == self.available || !stats.scan_is_safe(rows.dim(), query_norm) {
            // Every row is wanted, or the bound does not hold: score them all by the portable kernel.
            let searched = range.filter(|&position| self.among.is_none_or(|among| among.contains(position)));
            return stats.rescore(rows, query, k, searched);
        }
        let mut candidates = Candidates::new(k, stats.widen(rows.dim(), query_norm));
        let mut scores = [0.0f32; ALONE];
        for (block, among) in self.blocks(range, ALONE) {
            let scores = &mut scores[..block.len()];
            match stats.metric {
                Metric::L2 => kernel.l2_squared(query, rows.slice(block.clone()), scores),
                Metric::InnerProduct | Metric::Cosine => kernel.dot(query, rows.slice(block.clone()), scores),
            }
            if stats.metric == Metric::Cosine {
                for (score, norm) in scores.iter_mut().zip(&stats.norms[block.clone()]) {
                    *score /= norm;
                }
            }
            for (position, &score) in block.zip(&*scores) {
                let key = key(stats.metric, score);
                if key <= candidates.limit() && among.is_none_or(|among| among.contains(position)) {
                    candidates.push(key, position);
                }
            }
        }
        stats.rescore(rows, query, k, candidates.positions())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::scalar::Portable;
    use crate::testkit::{Generator, OnCodes, brute_force};

    #[test]
    fn codes_answer_where_rows_differ_and_give_way_where_they_do_not() {
        let (count, dim) = (4000, 64);
        let data = Generator::new(6).floats(count * dim);
        let alike = data[..dim].repeat(count);
        for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
            for (data, answered) in [(&data, true), (&alike, false)] {
                let rows = Rows::new(data, dim).unwrap();
                let kernel = OnCodes::default();
                let mut stats = RowStats::new(metric);
                stats.append(&kernel, rows);
                let codes = Codes::of(&kernel, rows).unwrap();
                let (_, left) = stats.search_by_codes(&kernel, rows, rows.slice(8..11), 10, None);
                assert_eq!(left.len(), if answered { 0 } else { 3 }, "{metric}");
                let mut scan = Scan::new(&kernel, metric, rows.slice(8..9), 10, count);
                for start in (0..count).step_by(BLOCK) {
                    scan.take(&kernel, &codes, start..count.min(start + BLOCK), None);
                }
                let kept = scan.finish().next().unwrap().expect("it does not give up").len();
                assert_eq!(kept < 200, answered, "{metric}: {kept}");
            }
        }
        assert!(Codes::pay(1024, 384) && !Codes::pay(1024, 1 << 16) && !Codes::pay(1023, 384));
    }

    #[test]
    fn queries_that_codes_cannot_answer_leave_the_others_to_them() {
        let (count, dim) = (2000, 40);
        let mut random = Generator::new(8);
        let data = random.floats(count * dim);
        let rows = Rows::new(&data, dim).unwrap();
        let mut queries = random.floats(5 * dim);
        queries[dim..2 * dim].fill(0.0);
        queries[3 * dim..4 * dim].fill(1e25);
        let queries = Rows::new(&queries, dim).unwrap();
        for kernel in [OnCodes::default(), OnCodes { threads: 3, ..OnCodes::default() }] {
            for metric in [Metric::L2, Metric::InnerProduct] {
                let mut stats = RowStats::new(metric);
                stats.append(&kernel, rows);
                let (answers, left) = stats.search_by_codes(&kernel, rows, queries, 10, None);
                assert_eq!(left, [1, 3], "{metric}");
                assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), [10, 0, 10, 0, 10]);
                let found = stats.search_batch(&kernel, rows, queries, 10, None);
                for (found, query) in found.iter().zip(queries.iter()) {
                    assert_eq!(*found, brute_force(metric, rows, query, 10, None), "{metric}");
                }
            }
        }
    }

    /// A kernel one thread of which takes up another search while it waits for the others, as threads of a pool do.
    #[cfg(not(target_family = "wasm"))]
    #[derive(Default)]
    struct TakesUp {
        other: std::sync::Mutex<Option<Box<dyn FnOnce() + Send>>>,
    }

    #[cfg(not(target_family = "wasm"))]
    impl fmt::Debug for TakesUp {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("TakesUp")
        }
    }

    #[cfg(not(target_family = "wasm"))]
    impl ScanKernel for TakesUp {
        fn name(&self) -> &'static str {
            "takes up"
        }

        fn dot(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
            OnCodes::default().dot(query, rows, out);
        }

        fn l2_squared(&self, query: &[f32], rows: Rows<'_>, out: &mut [f32]) {
            OnCodes::default().l2_squared(query, rows, out);
        }

        fn has_fast_i8(&self) -> bool {
            true
        }

        fn spread(&self, count: usize, run: &(dyn Fn(usize) + Sync)) {
            (0..count).for_each(run);
            let other = self.other.lock().unwrap().take();
            other.into_iter().for_each(|other| other());
        }
    }

    #[cfg(not(target_family = "wasm"))]
    #[test]
    fn a_search_taken_up_while_codes_are_made_does_not_wait_for_them() {
        use std::sync::{Arc, mpsc};

        let (count, dim) = (5000, 32);
        let data: Arc<[f32]> = Generator::new(9).floats(count * dim).into();
        let rows = Rows::new(&data, dim).unwrap();
        let mut stats = RowStats::new(Metric::L2);
        stats.append(&Portable, rows);
        let expected = stats.rescore(rows, rows.row(7), 10, 0..count);
        let stats = Arc::new(stats);
        let (found, other_found) = mpsc::channel();
        let kernel = TakesUp::default();
        let other = {
            let (stats, data) = (stats.clone(), data.clone());
            move || {
                let rows = Rows::new(&data, dim).unwrap();
                found.send(stats.search(&OnCodes::default(), rows, rows.row(7), 10, None)).unwrap();
            }
        };
        *kernel.other.lock().unwrap() = Some(Box::new(other));
        assert_eq!(stats.search(&kernel, rows, rows.row(7), 10, None), expected);
        assert_eq!(other_found.recv().unwrap(), expected);
        assert!(stats.codes.get().is_some(), "there are codes now");
    }

    /// Rows of one of several kinds that bring scores together or drive them apart.
    fn awkward_row(random: &mut Generator, dim: usize, kind: usize, numbers: &mut Vec<f32>) {
        let start = numbers.len();
        let factor = 10f32.powi(random.below(17) as i32 - 8);
        let before = start / dim;
        if before > 0 && (2..6).contains(&kind) {
            let copied = random.below(before) * dim;
            numbers.extend_from_within(copied..copied + dim);
        } else {
            numbers.extend((0..dim).map(|_| random.float()));
        }
        let row = &mut numbers[start..];
        match kind {
            // Of any length; a copy; a copy but for a last bit; a multiple, which cosine cannot tell; the opposite.
            1 => row.iter_mut().for_each(|x| *x *= factor),
            3 => {
                let at = random.below(dim);
                row[at] = f32::from_bits(row[at].to_bits() ^ 1);
            }
            4 => row.iter_mut().for_each(|x| *x *= 1.0 + random.below(5) as f32),
            5 => row.iter_mut().for_each(|x| *x = -*x),
            // One number alone; signs alone; each number halfway between two codes.
            6 => {
                row.fill(0.0);
                row[random.below(dim)] = factor;
            }
            7 => row.iter_mut().for_each(|x| *x = factor.copysign(*x)),
            8 => {
                row.iter_mut().for_each(|x| *x = (random.below(254) as f32 - 126.5) * factor / 127.0);
                row[0] = factor;
            }
            _ => {}
        }
        if numbers[start..].iter().all(|&x| x == 0.0) {
            numbers[start] = 1.0;
        }
    }

    #[test]
    fn a_row_that_is_gone_stretches_no_bound() {
        let (dim, count) = (32, 200);
        let plain = Generator::new(4).floats(dim * count);
        for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
            let mut expected = RowStats::new(metric);
            expected.append(&Portable, Rows::new(&plain, dim).unwrap());
            let mut data = plain.clone();
            data.extend_from_slice(&[1e19; 32]);
            data.extend_from_slice(&[1e-19; 32]);
            let mut stats = RowStats::new(metric);
            stats.append(&Portable, Rows::new(&data, dim).unwrap());
            assert!(!stats.scan_is_safe(dim, 1.0), "{metric}");
            for kept in [count + 1, count] {
                let gone = Positions::try_filter(data.len() / dim, |p| Ok::<_, ()>(p >= kept)).unwrap();
                remove_rows(&mut data, dim, &gone);
                stats.remove(&gone, Rows::new(&data, dim).unwrap());
            }
            assert_eq!((stats.min_norm(), stats.max_norm()), (expected.min_norm(), expected.max_norm()));
            assert!(stats.scan_is_safe(dim, 1.0), "{metric}");
        }
    }

    #[test]
    fn whatever_the_rows_and_whatever_happens_to_them_a_search_finds_what_the_portable_kernel_finds() {
        for seed in 0..12 {
            let mut random = Generator::new(1000 + seed);
            let dim = [1, 31, 32, 33, 47, 64, 100, 257][random.below(8)];
            let metric = [Metric::L2, Metric::InnerProduct, Metric::Cosine][random.below(3)];
            let kernel = OnCodes {
                most_query_code: [127, 63][random.below(2)],
                threads: 1 + random.below(4),
                halves: random.below(4) > 0,
            };
            let kinds: Vec<usize> = (0..1 + random.below(3)).map(|_| random.below(9)).collect();
            let (mut data, mut stats) = (Vec::new(), RowStats::new(metric));
            for step in 0..5 {
                let start = data.len();
                for _ in
                    0..[1, 300, 1300, 5000][if step == 0 { 2 + random.below(2) } else { random.below(3) }]
                {
                    let kind = kinds[random.below(kinds.len())];
                    awkward_row(&mut random, dim, kind, &mut data);
                }
                let added = Rows::new(&data[start..], dim).unwrap();
                stats.append(&kernel, added);
                if random.below(2) == 0 {
                    let (of, width) = (2 + random.below(9), 1 + random.below(200));
                    let count = data.len() / dim;
                    let gone = Positions::try_filter(count, |p| Ok::<_, ()>(p / width % of == 0)).unwrap();
                    remove_rows(&mut data, dim, &gone);
                    stats.remove(&gone, Rows::new(&data, dim).unwrap());
                }
                let rows = Rows::new(&data, dim).unwrap();
                let count = rows.len();
                if count == 0 {
                    continue;
                }
                // Some are rows, or near to them.
                let mut asked = data.clone();
                for _ in 0..[1, 3, 40][random.below(3)] {
                    let kind = random.below(9);
                    awkward_row(&mut random, dim, kind, &mut asked);
                }
                let asked = asked.split_off(data.len());
                let asked = Rows::new(&asked, dim).unwrap();
                // Blocks of which all, most, a few or none are searched.
                let (of, width) = (1 + random.below(40), 1 + random.below(700));
                let some = Positions::try_filter(count, |p| Ok::<_, ()>(p / width % of == 0)).unwrap();
                for among in [None, Some(&some)] {
                    let available = among.map_or(count, Positions::len);
                    let k = [1, 2, 10, 100, available.max(2) - 1, available.max(1)][random.below(6)];
                    let found = stats.search_batch(&kernel, rows, asked, k, among);
                    for (query, found) in asked.iter().zip(found) {
                        let expected = brute_force(metric, rows, query, k, among);
                        let bits = |found: &[Neighbor]| -> Vec<_> {
                            found.iter().map(|n| (n.position, n.score.to_bits())).collect()
                        };
                        assert_eq!(
                            bits(&found),
                            bits(&expected),
                            "seed {seed}, {metric}, {dim}, k {k}, {kinds:?}"
                        );
                    }
                }
            }
        }
    }
}
