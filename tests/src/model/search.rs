//! Searches by brute force, and whether an answer is one that exact search could give.
//!
//! The store sums in f32 and the model in f64, so two scores closer than rounding may come in either order. What is
//! certain is checked: whatever is clearly better comes first and is there, and of documents whose scores are
//! equal beyond doubt the earlier position comes first.

use serde_json::Value;

use super::filter;
use super::values::{Notes, equal};
use super::{Kinds, Metric, Model, Relevance, length};
use crate::answer::Found;

/// Relative room for rounding between two scores.
const NEAR: f64 = 1e-6;
/// Room between a score and what it should be, as the cases have it.
const SCORE: f64 = 1e-5;

/// A document that a search may return.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its position.
    pub position: usize,
    /// Its score.
    pub score: f64,
    /// How far rounding may move the score.
    pub slack: f64,
    /// Whether every way to sum it in f32 gives this very number.
    pub exact: bool,
}

/// Whether something holds, where rounding may leave it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It does not.
    No,
    /// Rounding decides.
    Maybe,
    /// It does.
    Yes,
}

/// What a search is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// How many at most.
    pub k: usize,
    /// A threshold on raw scores, before the cut to `k`.
    pub raw_threshold: Option<f64>,
    /// A threshold on relevances, after the cut to `k`.
    pub relevance_threshold: Option<f64>,
    /// Whether scores are relevances.
    pub by_relevance: bool,
}

/// Whether two numbers are the same score.
#[must_use]
pub fn close(a: f64, b: f64, slack: f64) -> bool {
    // The first holds for infinities too.
    a as f32 == b as f32 || (a - b).abs() <= (SCORE * 1f64.max(a.abs()).max(b.abs())).max(slack)
}

fn at_least(value: f64, bound: f64, slack: f64) -> Certainty {
    if (value - bound).abs() <= slack.max(NEAR * 1f64.max(bound.abs())) {
        Certainty::Maybe
    } else if value > bound {
        Certainty::Yes
    } else {
        Certainty::No
    }
}

impl Model {
    /// The score of a prepared query and the document at a position.
    #[must_use]
    pub fn candidate(&self, query: &[f64], position: usize) -> Candidate {
        let row = &self.entries[position].vector;
        let terms: Vec<f64> = match self.metric {
            Metric::L2 => query.iter().zip(row).map(|(q, x)| (q - x) * (q - x)).collect(),
            _ => query.iter().zip(row).map(|(q, x)| q * x).collect(),
        };
        let sum: f64 = terms.iter().sum();
        let size: f64 = terms.iter().map(|term| term.abs()).sum();
        let (score, slack) = match self.metric {
            Metric::L2 if self.normalize => (sum, NEAR * (sum + 1.0)),
            Metric::L2 | Metric::InnerProduct => (sum, NEAR * size),
            Metric::Cosine => ((sum / (length(query) * length(row))).clamp(-1.0, 1.0), NEAR),
        };
        // Scaling to unit length rounds.
        let exact = self.metric != Metric::Cosine && !self.normalize && sums_exactly(&terms);
        Candidate { position, score, slack, exact }
    }

    /// Every document that a filter accepts, in order of position, for a query that was checked.
    ///
    /// # Errors
    /// `callable_filter_raised`.
    pub fn candidates(
        &self,
        query: &[f32],
        filter: Option<&Value>,
        notes: &Notes,
    ) -> Result<Vec<Candidate>, Kinds> {
        let query = self.prepare(query);
        let mut candidates = Vec::new();
        let mut raised = false;
        for (position, entry) in self.entries.iter().enumerate() {
            match filter.map_or(Ok(true), |filter| filter::accepts(filter, &entry.metadata, notes)) {
                Ok(true) => candidates.push(self.candidate(&query, position)),
                Ok(false) => {}
                Err(_) => raised = true,
            }
        }
        if raised { Err(vec!["callable_filter_raised"]) } else { Ok(candidates) }
    }

    /// Whether `a` must come before `b`.
    #[must_use]
    pub fn comes_before(&self, a: &Candidate, b: &Candidate) -> bool {
        if self.ties(a, b) {
            return a.position < b.position;
        }
        let ahead = if self.metric == Metric::L2 { b.score - a.score } else { a.score - b.score };
        ahead > a.slack + b.slack
    }

    /// Whether two scores are equal beyond doubt.
    #[must_use]
    pub fn ties(&self, a: &Candidate, b: &Candidate) -> bool {
        self.entries[a.position].raw == self.entries[b.position].raw
            || a.exact && b.exact && a.score == b.score
    }

    /// Whether a raw score passes a raw threshold.
    #[must_use]
    pub fn passes(&self, candidate: &Candidate, threshold: Option<f64>) -> Certainty {
        let Some(threshold) = threshold else { return Certainty::Yes };
        // The store compares in f32.
        let threshold = f64::from(threshold as f32);
        if candidate.exact && f64::from(candidate.score as f32) == candidate.score {
            let passes = match self.metric {
                Metric::L2 => candidate.score <= threshold,
                _ => candidate.score >= threshold,
            };
            return if passes { Certainty::Yes } else { Certainty::No };
        }
        match self.metric {
            Metric::L2 => at_least(-candidate.score, -threshold, candidate.slack),
            _ => at_least(candidate.score, threshold, candidate.slack),
        }
    }

    /// The relevance of a raw score.
    #[must_use]
    pub fn relevance_of(&self, score: f64) -> f64 {
        match (self.relevance, self.metric) {
            (Some(function), _) => function.of_score(score),
            (None, Metric::L2) => 1.0 - score / std::f64::consts::SQRT_2,
            (None, _) => score,
        }
    }

    /// Whether a candidate is among the best `k` of the candidates: `(may be, must be)`.
    #[must_use]
    pub fn among_best(&self, pool: &[(Candidate, Certainty)], at: usize, k: usize) -> (bool, bool) {
        let (own, certain) = &pool[at];
        let others = || pool.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, other)| other);
        let surely_ahead =
            others().filter(|(other, c)| *c == Certainty::Yes && self.comes_before(other, own)).count();
        let perhaps_ahead = others().filter(|(other, _)| !self.comes_before(own, other)).count();
        (surely_ahead < k, *certain == Certainty::Yes && perhaps_ahead < k)
    }

    /// Checks the answer of a search, and that its warnings are right.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_hits(
        &self,
        candidates: &[Candidate],
        wanted: Selection,
        found: &[Found],
        warnings: &[String],
    ) -> Result<(), String> {
        let pool: Vec<(Candidate, Certainty)> = candidates
            .iter()
            .map(|candidate| (*candidate, self.passes(candidate, wanted.raw_threshold)))
            .filter(|(_, certainty)| *certainty != Certainty::No)
            .collect();
        let relevance = |candidate: &Candidate| self.relevance_of(candidate.score);
        let relevance_slack = |candidate: &Candidate| {
            let shift = relevance(&Candidate { score: candidate.score + candidate.slack, ..*candidate });
            (shift - relevance(candidate)).abs().max(NEAR)
        };
        let hits = self.located(found, &pool)?;
        let mut out_of_range = Certainty::No;
        for (at, (candidate, _)) in pool.iter().enumerate() {
            let (may, must) = self.among_best(&pool, at, wanted.k);
            let id = &self.entries[candidate.position].id;
            let there = hits.contains(&at);
            if there && !may {
                return Err(format!("{id:?} came back, though {} are better", wanted.k));
            }
            let kept = wanted.relevance_threshold.map_or(Certainty::Yes, |threshold| {
                at_least(relevance(candidate), f64::from(threshold as f32), relevance_slack(candidate))
            });
            if there && kept == Certainty::No {
                return Err(format!("{id:?} came back, below the threshold"));
            }
            if must && kept == Certainty::Yes && !there {
                return Err(format!("{id:?} is missing"));
            }
            if wanted.by_relevance && may {
                let (value, slack) = (relevance(candidate), relevance_slack(candidate));
                let outside = value < -slack || value > 1.0 + slack;
                let inside = (slack..=1.0 - slack).contains(&value);
                if outside && must {
                    out_of_range = Certainty::Yes;
                } else if !inside && out_of_range == Certainty::No {
                    out_of_range = Certainty::Maybe;
                }
            }
        }
        let certain = pool.iter().filter(|(_, certainty)| *certainty == Certainty::Yes).count();
        let least = if wanted.relevance_threshold.is_none() { certain.min(wanted.k) } else { 0 };
        if found.len() < least || found.len() > wanted.k {
            return Err(format!(
                "{} documents came back, {least} of at most {} should",
                found.len(),
                wanted.k
            ));
        }
        let chosen: Vec<&Candidate> = hits.iter().map(|&at| &pool[at].0).collect();
        for (i, later) in chosen.iter().enumerate() {
            if let Some(earlier) = chosen[..i].iter().find(|earlier| self.comes_before(later, earlier)) {
                let (late, early) = (&self.entries[later.position].id, &self.entries[earlier.position].id);
                return Err(format!("{late:?} came after {early:?}, but belongs before it"));
            }
        }
        for (candidate, hit) in chosen.iter().zip(found) {
            let (score, slack) = match wanted.by_relevance {
                true => (relevance(candidate), relevance_slack(candidate)),
                false => (candidate.score, candidate.slack),
            };
            check_score(hit, score, slack)?;
        }
        let mut sure = Vec::new();
        if wanted.relevance_threshold.is_some() && found.is_empty() {
            sure.push("no_relevant_docs");
        }
        let warned = |name: &str| warnings.iter().any(|warning| warning == name);
        match (out_of_range, warned("relevance_out_of_range")) {
            (Certainty::Yes, _) | (Certainty::Maybe, true) => sure.push("relevance_out_of_range"),
            _ => {}
        }
        if sure != warnings {
            Err(format!("warnings {warnings:?} were given instead of {sure:?}"))
        } else {
            Ok(())
        }
    }

    /// Where in the pool the documents found are; each must be there, once, unchanged.
    pub(super) fn located(
        &self,
        found: &[Found],
        pool: &[(Candidate, Certainty)],
    ) -> Result<Vec<usize>, String> {
        let mut places = Vec::with_capacity(found.len());
        for hit in found {
            self.check_document(hit)?;
            let place = pool.iter().position(|(candidate, _)| self.entries[candidate.position].id == hit.id);
            match place {
                None => return Err(format!("{:?} came back, but the filter or threshold drops it", hit.id)),
                Some(place) if places.contains(&place) => {
                    return Err(format!("{:?} came back twice", hit.id));
                }
                Some(place) => places.push(place),
            }
        }
        Ok(places)
    }

    /// Checks that a document is as it was stored.
    ///
    /// # Errors
    /// What differs.
    pub fn check_document(&self, found: &Found) -> Result<(), String> {
        let Some(position) = self.position(&found.id) else {
            return Err(format!("{:?} came back, which the store does not have", found.id));
        };
        let entry = &self.entries[position];
        // 1.0 and 1 are one number, and Twindex keeps it as the second.
        if found.text == entry.text && equal(&found.metadata, &entry.metadata, &Notes::default()) {
            return Ok(());
        }
        let Found { id, text, metadata, .. } = found;
        Err(format!(
            "{id:?} came back as {text:?} {metadata}, stored was {:?} {}",
            entry.text, entry.metadata
        ))
    }
}

/// Checks a score that came back, if one did.
pub(super) fn check_score(hit: &Found, score: f64, slack: f64) -> Result<(), String> {
    match hit.score {
        Some(actual) if !close(f64::from(actual), score, slack) => {
            Err(format!("{:?} has score {actual}, by brute force {score}", hit.id))
        }
        _ => Ok(()),
    }
}

/// Whether the sum is the same in f32 whatever the order: all terms are multiples of one power of two, and few.
fn sums_exactly(terms: &[f64]) -> bool {
    const BITS: i32 = 24;
    let size: f64 = terms.iter().map(|term| term.abs()).sum();
    (0..=BITS).map(|bits| f64::powi(2.0, bits)).any(|scale| {
        size * scale < f64::powi(2.0, BITS) && terms.iter().all(|term| (term * scale).fract() == 0.0)
    })
}

/// What a case's relevance function is called in Twindex's terms: applied to the f32 score.
#[must_use]
pub fn relevance_fn(function: Relevance) -> fn(f32) -> f32 {
    match function {
        Relevance::Identity => |score| score,
        Relevance::OneOverOnePlus => |score| 1.0 / (1.0 + score),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::NewDoc;
    use serde_json::json;

    fn model(metric: Metric, rows: &[&[f32]]) -> Model {
        let mut model = Model::new(metric, false, None);
        let docs: Vec<NewDoc> = (0..rows.len())
            .map(|i| NewDoc {
                id: Some(i.to_string()),
                text: String::new(),
                metadata: json!({}),
                vector: None,
            })
            .collect();
        let ids: Vec<String> = (0..rows.len()).map(|i| i.to_string()).collect();
        model.add(&docs, &rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>(), &ids);
        model
    }

    fn found(ids: &[(&str, f32)]) -> Vec<Found> {
        let found = |&(id, score): &(&str, f32)| Found {
            id: id.into(),
            text: String::new(),
            metadata: json!({}),
            score: Some(score),
        };
        ids.iter().map(found).collect()
    }

    fn plain(k: usize) -> Selection {
        Selection { k, raw_threshold: None, relevance_threshold: None, by_relevance: false }
    }

    #[test]
    fn only_the_exact_answer_passes() {
        let model = model(Metric::InnerProduct, &[&[1.0], &[2.0], &[1.0], &[-3.0]]);
        let candidates = model.candidates(&[1.0], None, &Notes::default()).unwrap();
        let check = |k, ids: &[(&str, f32)]| model.check_hits(&candidates, plain(k), &found(ids), &[]);
        assert_eq!(check(2, &[("1", 2.0), ("0", 1.0)]), Ok(()));
        assert_eq!(check(9, &[("1", 2.0), ("0", 1.0), ("2", 1.0), ("3", -3.0)]), Ok(()));
        for wrong in [
            &[("1", 2.0), ("2", 1.0)][..],
            &[("0", 1.0), ("1", 2.0)],
            &[("1", 2.0), ("0", 1.1)],
            &[("1", 2.0)],
            &[("1", 2.0), ("1", 2.0)],
            &[("1", 2.0), ("9", 1.0)],
            &[("1", 2.0), ("0", 1.0), ("2", 1.0)],
        ] {
            assert!(check(2, wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn thresholds_and_warnings_are_checked() {
        let model = model(Metric::L2, &[&[0.0], &[1.0], &[2.0]]);
        let candidates = model.candidates(&[0.0], None, &Notes::default()).unwrap();
        let raw = Selection { raw_threshold: Some(1.0), ..plain(3) };
        assert_eq!(model.check_hits(&candidates, raw, &found(&[("0", 0.0), ("1", 1.0)]), &[]), Ok(()));
        assert!(model.check_hits(&candidates, raw, &found(&[("0", 0.0)]), &[]).is_err());
        let relevance = Selection { relevance_threshold: Some(0.9), by_relevance: true, ..plain(3) };
        let out = ["relevance_out_of_range".to_owned()];
        assert_eq!(model.check_hits(&candidates, relevance, &found(&[("0", 1.0)]), &out), Ok(()));
        assert!(model.check_hits(&candidates, relevance, &found(&[("0", 1.0)]), &[]).is_err());
        assert!(model.check_hits(&candidates, relevance, &found(&[("0", 0.0)]), &out).is_err());
        let two = Selection { k: 1, relevance_threshold: Some(1.5), by_relevance: true, ..plain(1) };
        let none = ["no_relevant_docs".to_owned()];
        assert_eq!(model.check_hits(&candidates, two, &[], &none), Ok(()));
        assert!(model.check_hits(&candidates, two, &[], &[]).is_err());
    }

    #[test]
    fn cosine_is_cosine() {
        let model = model(Metric::Cosine, &[&[10.0, 0.0], &[0.3, 0.4]]);
        let candidates = model.candidates(&[3.0, 4.0], None, &Notes::default()).unwrap();
        assert_eq!(model.check_hits(&candidates, plain(2), &found(&[("1", 1.0), ("0", 0.6)]), &[]), Ok(()));
    }
}
