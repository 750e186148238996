//! Indexes with a copy on NVIDIA cards.
//!
//! `Mirrored` is an index of this crate, the host, and a copy of it that FAISS holds on one or more cards. The host is the truth: it is what is read, changed, saved and
//! scored from. The copy finds candidates, and trains approximate kinds. What the copy cannot answer the host answers: a `k` beyond FAISS's limit on cards,
//! queries whose best rows lie too near to others to tell by rounded scores, filters that keep too little of what was found.
//!
//! FAISS's indexes on cards take no selector (a flat one ignores it without a word). With a filter more neighbours are asked for than `k`, and those outside are
//! dropped: what is left is the answer as soon as it is certain that no row beyond the last one found belongs in it. Failing that more are asked for, up to FAISS's
//! limit, and then the host searches among the exact set of positions, as it does without a card. So no filter starves `k`.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use twindex_core::{Error, IndexInfo, Metric, Neighbor, Positions, Result, Rows, VectorIndex};

use super::candidates::{Candidates, SLACK};
use super::ffi::{Found, RawIndex, failed};
use super::flat::FaissFlat;
use super::kinds::FaissKind;

#[cfg(feature = "gpu")]
mod cards;
#[cfg(feature = "gpu")]
mod ffi;
mod fit;
mod host;
#[cfg(test)]
mod tests;

#[cfg(feature = "gpu")]
pub(crate) use cards::{NvidiaCards, Shared, list};
use fit::bytes_on_cards;
#[cfg(feature = "gpu")]
pub(super) use fit::check_kind;
use host::Form;
pub(super) use host::Host;

/// The most neighbours that FAISS finds on a card, and the most lists it probes there.
const MOST: usize = 2048;

/// Queries in one call: enough to fill a card, few enough that scoring again what one call found is done while the next one runs.
const QUERIES: usize = 2048;

/// Where copies of indexes are kept: cards, or what stands in for them in tests.
pub(super) trait Cards: std::fmt::Debug + Send + Sync {
    /// Puts an index there, trained or not. `half_tables` is whether tables of product quantizers are of half precision.
    fn upload(&self, index: &RawIndex, half_tables: bool) -> Result<Arc<dyn CardIndex>>;

    /// Fails with `out_of_memory` if so many more bytes, of all cards together, are not there.
    fn check_room(&self, bytes: u64) -> Result<()>;

    /// Whether rows can be added to a copy, or an index trained; if not it is made anew from the host, or trained on the first card alone.
    fn is_single(&self) -> bool;

    /// Gives up on the cards if the CPU may stand in for them, and says so; else gives the error back.
    fn stand_in(&self, error: Error) -> Result<()>;

    /// Whether the cards were given up.
    fn are_given_up(&self) -> bool;
}

/// A copy of an index, on cards. Calls wait for each other: FAISS's memory on a card is not made for two at once.
pub(super) trait CardIndex: std::fmt::Debug + Send + Sync {
    /// The nearest `k` rows of each query, best first by FAISS's own scores; at most [`MOST`].
    fn search(&self, queries: Rows<'_>, k: usize, nprobe: Option<usize>) -> Result<Found>;

    /// Trains an approximate kind.
    fn train(&self, rows: Rows<'_>) -> Result<()>;

    /// Adds rows at the end. After an error the copy may hold some of them.
    fn add(&self, rows: Rows<'_>) -> Result<()>;

    /// Lets go of memory that adding left behind.
    fn shrink(&self) -> Result<()>;

    /// The index as it is on the CPU.
    fn download(&self) -> Result<RawIndex>;
}

/// The copy that an index has.
#[derive(Debug)]
enum State {
    /// On the cards, like the host.
    Ready(Arc<dyn CardIndex>, Form),
    /// There is none, and the next search makes it.
    Missing,
}

/// An index with a copy on cards.
#[derive(Debug)]
pub(super) struct Mirrored<H> {
    host: H,
    cards: Arc<dyn Cards>,
    state: Mutex<State>,
}

/// What to upload: the host's own index, or one made of its rows.
pub(super) enum Image<'a> {
    Own(&'a RawIndex),
    Made(RawIndex),
}

impl Deref for Image<'_> {
    type Target = RawIndex;

    fn deref(&self) -> &RawIndex {
        match self {
            Image::Own(raw) => raw,
            Image::Made(raw) => raw,
        }
    }
}

impl<H: Host> Mirrored<H> {
    /// An index and its copy, made now.
    ///
    /// # Errors
    /// `out_of_memory` if the cards have too little, what FAISS reports.
    pub(super) fn new(host: H, cards: Arc<dyn Cards>) -> Result<Self> {
        let index = Self { host, cards, state: Mutex::new(State::Missing) };
        index.ready().or_else(|error| index.cards.stand_in(error).map(|()| None))?;
        Ok(index)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy, made if it is missing; `None` if the index is not trained or the cards were given up.
    fn ready(&self) -> Result<Option<(Arc<dyn CardIndex>, Form)>> {
        if self.cards.are_given_up() || !self.host.is_trained() {
            *self.state() = State::Missing;
            return Ok(None);
        }
        let mut state = self.state();
        if let State::Ready(copy, form) = &*state {
            return Ok(Some((copy.clone(), *form)));
        }
        self.cards.check_room(bytes_on_cards(&self.host, self.host.len()))?;
        let form = self.host.form();
        let copy = self.cards.upload(&*self.host.image(form)?, self.host.needs_half_tables())?;
        *state = State::Ready(copy.clone(), form);
        Ok(Some((copy, form)))
    }

    /// What the cards find, scored again; what they cannot settle comes from the host.
    fn search_on_cards(
        &self,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
    ) -> Result<Vec<Vec<Neighbor>>> {
        let available = among.map_or(self.host.len(), Positions::len);
        let k = k.min(available);
        let most = MOST.min(self.host.len());
        let nprobe = self.host.nprobe();
        let fetch = first_fetch(k, self.host.len(), available);
        let too_much = fetch > most && most < self.host.len();
        if k == 0 || too_much || nprobe > Some(MOST) || among.is_some_and(|among| self.host.is_narrow(among))
        {
            return self.host.search_batch(queries, k.max(1), among);
        }
        let Some(asked) = self.host.queries_for_cards(queries) else {
            return self.host.search_batch(queries, k, among);
        };
        let asked = Rows::new(&asked, queries.dim())?;
        let Some((copy, form)) = self.ready()? else {
            return self.host.search_batch(queries, k, among);
        };
        let round = Round { host: &self.host, copy: &*copy, form, queries, asked, k, among, nprobe };
        let mut answers = vec![None; queries.len()];
        let mut pending: Vec<usize> = (0..queries.len()).collect();
        let mut fetch = fetch.min(most);
        loop {
            round.run(&pending, fetch, &mut answers)?;
            pending.retain(|&i| answers[i].is_none());
            if pending.is_empty() || fetch == most {
                break;
            }
            fetch = (fetch * 4).min(most);
        }
        if !pending.is_empty() {
            let left = queries.pick(&pending);
            for (i, found) in pending.into_iter().zip(self.host.search_batch(left.rows(), k, among)?) {
                answers[i] = Some(found);
            }
        }
        Ok(answers.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Adds rows that the host has already to the copy.
    fn extend_copy(&self, added: Rows<'_>) -> Result<()> {
        let State::Ready(copy, form) = std::mem::replace(&mut *self.state(), State::Missing) else {
            return self.ready().map(|_| ());
        };
        // What is there is moved to make room, and so needs room twice.
        let in_place = self.cards.is_single()
            && form == self.host.form()
            && self.cards.check_room(bytes_on_cards(&self.host, self.host.len())).is_ok();
        let rows = self.host.rows_for_cards(added, form);
        if in_place && copy.add(Rows::new(&rows, added.dim())?).is_ok() {
            *self.state() = State::Ready(copy, form);
            return Ok(());
        }
        // Gone before there is a new one, so that both need not fit.
        drop(copy);
        self.ready().map(|_| ())
    }

    /// Trains an approximate kind on a card, puts the rows in there, and takes the whole back as the host.
    fn train_on_card(&mut self, rows: Rows<'_>) -> Result<()> {
        self.host.check_enough_to_train(rows.len())?;
        let mut host = self.host.fresh()?;
        let data = host.rows_for_cards(rows, Form::Own);
        let data = Rows::new(&data, rows.dim())?;
        // Lists grow in steps, each with room to spare, and are moved.
        self.cards.check_room(2 * bytes_on_cards(&host, rows.len()))?;
        let copy = self.cards.upload(host.raw(), host.needs_half_tables())?;
        copy.train(data)?;
        copy.add(data)?;
        host.adopt(copy.download()?)?;
        if host.len() != rows.len() {
            return Err(failed(format_args!(
                "{} vectors came back from the card, expected {}",
                host.len(),
                rows.len()
            )));
        }
        let mut state = State::Missing;
        if self.cards.is_single() {
            copy.shrink()?;
            state = State::Ready(copy, Form::Own);
        }
        let trained = Self { host, cards: self.cards.clone(), state: Mutex::new(state) };
        trained.ready()?;
        *self = trained;
        Ok(())
    }
}

/// How many neighbours are asked for first: a few more than `k`, and with a filter as many as should hold `k` that it accepts.
fn first_fetch(k: usize, len: usize, available: usize) -> usize {
    let wanted = k + SLACK;
    if available == len {
        return wanted.min(len);
    }
    let spread = (len as f64 / available.max(1) as f64 * 1.25).max(1.0);
    ((wanted as f64 * spread).ceil() as usize).saturating_add(2 * SLACK).min(len)
}

/// One search of a batch, with what is the same for all of its queries.
struct Round<'a, H> {
    host: &'a H,
    copy: &'a dyn CardIndex,
    form: Form,
    /// The queries as they came, which scores are made with.
    queries: Rows<'a>,
    /// The queries as the cards take them.
    asked: Rows<'a>,
    k: usize,
    among: Option<&'a Positions>,
    nprobe: Option<usize>,
}

impl<H: Host> Round<'_, H> {
    /// Asks the cards for `fetch` neighbours of these queries and fills in the answers that are certain.
    fn run(&self, pending: &[usize], fetch: usize, answers: &mut [Option<Vec<Neighbor>>]) -> Result<()> {
        let mut settled: Vec<Result<Option<Vec<Neighbor>>>> = Vec::new();
        settled.resize_with(pending.len(), || Ok(None));
        let all = fetch == self.host.len();
        // Threads score again what the cards found while the cards find the next.
        rayon::in_place_scope(|scope| {
            for (part, out) in pending.chunks(QUERIES).zip(settled.chunks_mut(QUERIES)) {
                let asked = self.asked.pick(part);
                let found = Arc::new(self.copy.search(asked.rows(), fetch, self.nprobe)?);
                for (number, (part, out)) in part.chunks(SCORED).zip(out.chunks_mut(SCORED)).enumerate() {
                    let found = found.clone();
                    scope.spawn(move |_| {
                        for (i, (&query, out)) in part.iter().zip(out).enumerate() {
                            let candidates = found.of(number * SCORED + i, fetch, self.among, all);
                            *out = self.host.settle(self.queries.row(query), self.k, &candidates, self.form);
                        }
                    });
                }
            }
            Ok::<(), Error>(())
        })?;
        for (&i, found) in pending.iter().zip(settled) {
            answers[i] = found?;
        }
        Ok(())
    }
}

/// Queries that one task scores again.
const SCORED: usize = 64;

impl<H: Host> VectorIndex for Mirrored<H> {
    fn metric(&self) -> Metric {
        self.host.metric()
    }

    fn dim(&self) -> usize {
        self.host.dim()
    }

    fn len(&self) -> usize {
        self.host.len()
    }

    fn append(&mut self, rows: Rows<'_>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        if !self.cards.are_given_up() && !self.host.is_trained() {
            match self.train_on_card(rows) {
                Ok(()) => return Ok(()),
                // Nothing was wrong with the cards.
                Err(error @ Error::TooFewToTrain { .. }) => return Err(error),
                Err(error) => self.cards.stand_in(error)?,
            }
        }
        let before = self.host.len();
        self.host.append(rows)?;
        let Err(error) = self.extend_copy(rows) else { return Ok(()) };
        let Err(error) = self.cards.stand_in(error) else { return Ok(()) };
        // The host goes back to what it was; its copy comes back with the next search.
        let mut added = Positions::none(self.host.len());
        (before..self.host.len()).for_each(|position| added.insert(position));
        *self.state() = State::Missing;
        self.host.remove(&added)?;
        Err(error)
    }

    fn search(&self, query: &[f32], k: usize, among: Option<&Positions>) -> Result<Vec<Neighbor>> {
        let query = Rows::new(query, self.dim())?;
        Ok(self.search_batch(query, k, among)?.pop().unwrap_or_default())
    }

    fn search_batch(
        &self,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
    ) -> Result<Vec<Vec<Neighbor>>> {
        if !self.cards.are_given_up() {
            match self.search_on_cards(queries, k, among) {
                Ok(found) => return Ok(found),
                Err(error) => self.cards.stand_in(error)?,
            }
        }
        self.host.search_batch(queries, k, among)
    }

    /// Cards search flat indexes exactly, which misses nothing.
    fn search_approximately(
        &self,
        queries: Rows<'_>,
        k: usize,
        among: Option<&Positions>,
        recall: f32,
    ) -> Result<Vec<Vec<Neighbor>>> {
        if self.host.rows().is_some() && !self.cards.are_given_up() {
            return self.search_batch(queries, k, among);
        }
        self.host.search_approximately(queries, k, among, recall)
    }

    fn read(&self, position: usize, out: &mut [f32]) -> Result<()> {
        self.host.read(position, out)
    }

    fn rows(&self) -> Option<Rows<'_>> {
        self.host.rows()
    }

    fn remove(&mut self, positions: &Positions) -> Result<()> {
        self.host.remove(positions)?;
        *self.state() = State::Missing;
        // It is done. Should the smaller copy not come to be, the next search says why.
        let _ = self.ready();
        Ok(())
    }

    fn check_can_remove(&self) -> Result<()> {
        self.host.check_can_remove()
    }

    fn to_engine_bytes(&self) -> Result<Vec<u8>> {
        self.host.to_engine_bytes()
    }

    fn set_search_parameter(&mut self, name: &str, value: usize) -> Result<()> {
        self.host.set_search_parameter(name, value)
    }

    fn info(&self) -> IndexInfo {
        self.host.info()
    }
}
