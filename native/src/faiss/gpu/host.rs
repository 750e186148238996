//! What an index must tell, so that a copy of it can search in its place.

use super::super::kinds::unit;
use super::*;

/// In which form rows are on the cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::faiss) enum Form {
    /// As the host holds them.
    Own,
    /// Scaled to unit length, which FAISS needs for cosine where they are of different lengths.
    Unit,
}

/// An index that can have a copy on cards.
pub(in crate::faiss) trait Host: VectorIndex + Sized {
    /// FAISS's index.
    fn raw(&self) -> &RawIndex;

    fn is_trained(&self) -> bool {
        self.raw().is_trained()
    }

    /// The form that its rows need on cards now.
    fn form(&self) -> Form {
        Form::Own
    }

    /// What to upload.
    fn image(&self, form: Form) -> Result<Image<'_>>;

    /// Rows to add to the copy.
    fn rows_for_cards<'a>(&self, rows: Rows<'a>, form: Form) -> Cow<'a, [f32]>;

    /// Queries as the cards take them; `None` if FAISS's scores would say too little about them.
    fn queries_for_cards<'a>(&self, queries: Rows<'a>) -> Option<Cow<'a, [f32]>>;

    /// Lists to probe, for kinds that have lists.
    fn nprobe(&self) -> Option<usize> {
        None
    }

    /// Whether a filter keeps so few rows that the host scores them all.
    fn is_narrow(&self, _among: &Positions) -> bool {
        false
    }

    /// The best `k` of a query, from what the cards found; `None` if that does not say.
    fn settle(
        &self,
        query: &[f32],
        k: usize,
        candidates: &Candidates<'_>,
        form: Form,
    ) -> Result<Option<Vec<Neighbor>>>;

    /// Whether FAISS needs tables of half precision for it on cards.
    fn needs_half_tables(&self) -> bool {
        false
    }

    /// Fails with `too_few_to_train` if it takes more vectors.
    fn check_enough_to_train(&self, _count: usize) -> Result<()> {
        Ok(())
    }

    /// An empty, untrained index with the same settings.
    fn fresh(&self) -> Result<Self>;

    /// Takes an index that a card trained and filled.
    fn adopt(&mut self, raw: RawIndex) -> Result<()>;
}

impl Host for FaissFlat {
    fn raw(&self) -> &RawIndex {
        self.raw()
    }

    fn form(&self) -> Form {
        if self.alike() { Form::Own } else { Form::Unit }
    }

    fn image(&self, form: Form) -> Result<Image<'_>> {
        /// Rows that are scaled at a time.
        const PIECE: usize = 1 << 16;
        if form == Form::Own {
            return Ok(Image::Own(self.raw()));
        }
        let rows = self.all();
        let mut made = RawIndex::create("Flat", rows.dim(), true)?;
        for start in (0..rows.len()).step_by(PIECE) {
            let scaled = unit(rows.slice(start..(start + PIECE).min(rows.len())));
            made.add(Rows::new(&scaled, rows.dim())?)?;
        }
        Ok(Image::Made(made))
    }

    fn rows_for_cards<'a>(&self, rows: Rows<'a>, form: Form) -> Cow<'a, [f32]> {
        match form {
            Form::Own => rows.data().into(),
            Form::Unit => unit(rows).into(),
        }
    }

    fn queries_for_cards<'a>(&self, queries: Rows<'a>) -> Option<Cow<'a, [f32]>> {
        self.faiss_can_help(queries).then(|| queries.data().into())
    }

    fn settle(
        &self,
        query: &[f32],
        k: usize,
        candidates: &Candidates<'_>,
        form: Form,
    ) -> Result<Option<Vec<Neighbor>>> {
        let lengths = match form {
            Form::Own => self.lengths(),
            Form::Unit => self.unit_lengths(),
        };
        Ok(self.settle_within(query, k, candidates, lengths))
    }

    fn fresh(&self) -> Result<Self> {
        Err(failed("a flat index is not trained"))
    }

    fn adopt(&mut self, _raw: RawIndex) -> Result<()> {
        Err(failed("a flat index is not trained"))
    }
}

impl Host for FaissKind {
    fn raw(&self) -> &RawIndex {
        self.raw()
    }

    fn image(&self, _form: Form) -> Result<Image<'_>> {
        Ok(Image::Own(self.raw()))
    }

    fn rows_for_cards<'a>(&self, rows: Rows<'a>, _form: Form) -> Cow<'a, [f32]> {
        self.as_faiss(rows)
    }

    fn queries_for_cards<'a>(&self, queries: Rows<'a>) -> Option<Cow<'a, [f32]>> {
        Some(self.as_faiss(queries))
    }

    fn nprobe(&self) -> Option<usize> {
        self.raw().ivf_lists().map(|(_, nprobe)| nprobe)
    }

    fn is_narrow(&self, among: &Positions) -> bool {
        FaissKind::is_narrow(self, among)
    }

    fn settle(
        &self,
        query: &[f32],
        k: usize,
        candidates: &Candidates<'_>,
        _form: Form,
    ) -> Result<Option<Vec<Neighbor>>> {
        let mut kept = candidates.kept();
        if kept.len() < k {
            return Ok(None);
        }
        // FAISS's choice: the best `k` by its scores of what it holds.
        kept.truncate(k);
        self.score(query, k, kept.into_iter().map(|(position, _)| position)).map(Some)
    }

    fn needs_half_tables(&self) -> bool {
        /// Bytes of code from which the tables do not fit otherwise.
        const MOST: usize = 48;
        self.kind().contains(",PQ") && self.raw().code_size() > Some(MOST)
    }

    fn check_enough_to_train(&self, count: usize) -> Result<()> {
        FaissKind::check_enough_to_train(self, count)
    }

    fn fresh(&self) -> Result<Self> {
        self.untrained()
    }

    fn adopt(&mut self, raw: RawIndex) -> Result<()> {
        self.take_over(raw)
    }
}
