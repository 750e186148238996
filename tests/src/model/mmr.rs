//! Maximal marginal relevance, checked choice by choice.

use super::search::{Candidate, Certainty, check_score};
use super::{Model, dot, length};
use crate::answer::Found;

/// Room between the values of two choices.
const NEAR: f64 = 2e-6;

/// What MMR is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// How many at most.
    pub k: usize,
    /// How many candidates.
    pub fetch_k: usize,
    /// Balance.
    pub lambda_mult: f64,
    /// A threshold on raw scores, which drops candidates.
    pub threshold: Option<f64>,
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let cosine = dot(a, b) / (length(a) * length(b));
    if cosine.is_finite() { cosine } else { 0.0 }
}

impl Model {
    /// Checks that each document found was the best choice when its turn came.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_choice(
        &self,
        query: &[f32],
        candidates: &[Candidate],
        wanted: Choice,
        found: &[Found],
    ) -> Result<(), String> {
        let query = self.prepare(query);
        let passing: Vec<(Candidate, Certainty)> = candidates
            .iter()
            .map(|candidate| (*candidate, self.passes(candidate, wanted.threshold)))
            .filter(|(_, certainty)| *certainty != Certainty::No)
            .collect();
        let mut pool = Vec::new();
        for (at, (candidate, _)) in passing.iter().enumerate() {
            match self.among_best(&passing, at, wanted.fetch_k) {
                (_, true) => pool.push((*candidate, Certainty::Yes)),
                (true, false) => pool.push((*candidate, Certainty::Maybe)),
                (false, false) => {}
            }
        }
        let certain = pool.iter().filter(|(_, certainty)| *certainty == Certainty::Yes).count();
        let most = pool.len().min(wanted.fetch_k).min(wanted.k);
        if found.len() < certain.min(wanted.k) || found.len() > most {
            return Err(format!("{} documents came back, {most} should", found.len()));
        }
        let chosen = self.located(found, &pool)?;
        let vector = |at: usize| &self.entries[pool[at].0.position].vector;
        let room = NEAR * (1.0 + wanted.lambda_mult.abs() + (1.0 - wanted.lambda_mult).abs());
        for (turn, &pick) in chosen.iter().enumerate() {
            let value = |at: usize| {
                let to_query = cosine(&query, vector(at));
                let redundancy =
                    chosen[..turn].iter().map(|&other| cosine(vector(at), vector(other))).reduce(f64::max);
                match redundancy {
                    None => to_query,
                    Some(most) => wanted.lambda_mult * to_query - (1.0 - wanted.lambda_mult) * most,
                }
            };
            let own = value(pick);
            for (at, (other, certainty)) in pool.iter().enumerate() {
                if chosen[..=turn].contains(&at) || *certainty == Certainty::Maybe {
                    continue;
                }
                let (entry, taken) = (&self.entries[other.position], &self.entries[pool[pick].0.position]);
                let first_of_equals = entry.raw == taken.raw && self.comes_before(other, &pool[pick].0);
                if value(at) > own + room || first_of_equals {
                    return Err(format!("choice {turn} was {:?}, though {:?} is better", taken.id, entry.id));
                }
            }
        }
        for (&at, hit) in chosen.iter().zip(found) {
            check_score(hit, pool[at].0.score, pool[at].0.slack)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Metric;
    use crate::model::values::Notes;
    use crate::request::NewDoc;
    use serde_json::json;

    #[test]
    fn only_the_best_choices_pass() {
        let mut model = Model::new(Metric::L2, false, None);
        let rows: [&[f32]; 4] = [&[1.0, 0.0], &[1.0, 0.0], &[0.6, 0.8], &[-1.0, 0.0]];
        for (i, row) in rows.iter().enumerate() {
            let id = i.to_string();
            let doc = NewDoc { id: Some(id.clone()), text: String::new(), metadata: json!({}), vector: None };
            model.add(&[doc], &[row.to_vec()], &[id]);
        }
        let query = [1.0, 0.1];
        let candidates = model.candidates(&query, None, &Notes::default()).unwrap();
        let check = |lambda_mult, fetch_k, ids: &[&str]| {
            let found: Vec<Found> = ids
                .iter()
                .map(|id| Found { id: (*id).into(), text: String::new(), metadata: json!({}), score: None })
                .collect();
            model.check_choice(
                &query,
                &candidates,
                Choice { k: 2, fetch_k, lambda_mult, threshold: None },
                &found,
            )
        };
        assert_eq!(check(1.0, 20, &["0", "1"]), Ok(()));
        assert_eq!(check(0.0, 20, &["0", "3"]), Ok(()));
        assert_eq!(check(0.0, 3, &["0", "2"]), Ok(()));
        assert!(check(1.0, 20, &["1", "0"]).is_err());
        assert!(check(0.0, 20, &["0", "2"]).is_err());
        assert!(check(0.0, 3, &["0", "3"]).is_err());
        assert!(check(0.5, 20, &["0"]).is_err());
    }
}
