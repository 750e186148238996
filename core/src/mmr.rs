//! Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998), with LangChain's loop.

use crate::kernel::scalar::dot;
use crate::rows::Rows;

/// Chooses up to `k` of the candidate rows, in the order they are chosen.
///
/// Works on cosine similarity whatever the store's metric, in f32. The first choice is the candidate most
/// similar to the query; each next one has the largest `lambda * cos(query, c) - (1 - lambda) * max cos(c, chosen)`. Ties go to the
/// earlier candidate. A cosine that is not a number (a zero vector) counts as 0.
///
/// `lambda_mult` of 1 is pure similarity, 0 pure diversity.
///
/// # Panics
/// If the query's length is not the dimension of the rows.
#[must_use]
pub fn maximal_marginal_relevance(
    query: &[f32],
    candidates: Rows<'_>,
    k: usize,
    lambda_mult: f32,
) -> Vec<usize> {
    let count = candidates.len();
    let k = k.min(count);
    let lengths: Vec<f64> = candidates.iter().map(|row| f64::from(dot(row, row)).sqrt()).collect();
    let query_length = f64::from(dot(query, query)).sqrt();
    let cosine = |product: f32, lengths: f64| {
        let cosine = (f64::from(product) / lengths) as f32;
        if cosine.is_finite() { cosine } else { 0.0 }
    };
    let to_query: Vec<f32> = candidates
        .iter()
        .zip(&lengths)
        .map(|(row, length)| cosine(dot(query, row), query_length * length))
        .collect();
    let mut redundancy = vec![f32::NEG_INFINITY; count];
    let mut picked = vec![false; count];
    let mut chosen: Vec<usize> = Vec::with_capacity(k);
    while chosen.len() < k {
        let value = |i: usize| {
            if chosen.is_empty() {
                to_query[i]
            } else {
                lambda_mult * to_query[i] - (1.0 - lambda_mult) * redundancy[i]
            }
        };
        let mut best: Option<(usize, f32)> = None;
        for i in (0..count).filter(|&i| !picked[i]) {
            let value = value(i);
            if best.is_none_or(|(_, most)| value > most) {
                best = Some((i, value));
            }
        }
        let Some((next, _)) = best else { break };
        picked[next] = true;
        chosen.push(next);
        for i in (0..count).filter(|&i| !picked[i]) {
            let similarity = cosine(dot(candidates.row(i), candidates.row(next)), lengths[i] * lengths[next]);
            redundancy[i] = redundancy[i].max(similarity);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diversity_skips_the_duplicate() {
        let data = [1.0, 0.0, 1.0, 0.0, 0.6, 0.8, -1.0, 0.0];
        let rows = Rows::new(&data, 2).unwrap();
        assert_eq!(maximal_marginal_relevance(&[1.0, 0.1], rows, 2, 1.0), [0, 1]);
        assert_eq!(maximal_marginal_relevance(&[1.0, 0.1], rows, 2, 0.0), [0, 3]);
        assert_eq!(maximal_marginal_relevance(&[1.0, 0.1], rows, 9, 0.5).len(), 4);
        assert!(maximal_marginal_relevance(&[1.0, 0.1], Rows::new(&[], 2).unwrap(), 3, 0.5).is_empty());
    }

    #[test]
    fn zero_vectors_count_as_unlike_everything() {
        let rows = Rows::new(&[0.0, 0.0, 1.0, 0.0], 2).unwrap();
        assert_eq!(maximal_marginal_relevance(&[1.0, 0.0], rows, 2, 0.5), [1, 0]);
        assert_eq!(maximal_marginal_relevance(&[0.0, 0.0], rows, 2, 0.5), [0, 1]);
    }
}
