//! Whether an answer is the one a case file writes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::answer::{Answer, Found, Outcome, State};
use crate::model::values::{Notes, equal};
use crate::oracle::Wanted;

/// Which made-up id stands for which `<uuid:n>` of the case file.
#[derive(Debug, Clone, Default)]
pub struct Uuids {
    bound: BTreeMap<String, String>,
}

/// Whether this is a version 4 uuid as text.
#[must_use]
pub fn is_uuid4(id: &str) -> bool {
    let bytes = id.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(i, &byte)| match i {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            19 => b"89ab".contains(&byte),
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

impl Uuids {
    /// Whether the actual id is what the case file writes; an id that it shows for the first time is remembered.
    fn matches(&mut self, written: &Value, actual: &str) -> bool {
        let Some(written) = written.as_str() else { return false };
        if !written.starts_with("<uuid:") {
            return written == actual;
        }
        match self.bound.get(written) {
            Some(bound) => bound == actual,
            None if is_uuid4(actual) && !self.bound.values().any(|bound| bound == actual) => {
                self.bound.insert(written.to_owned(), actual.to_owned());
                true
            }
            None => false,
        }
    }

    /// An actual id as the case file would write it.
    fn written<'a>(&'a self, actual: &'a str) -> &'a str {
        self.bound.iter().find(|(_, bound)| *bound == actual).map_or(actual, |(written, _)| written)
    }
}

/// Whether metadata came back as it was: 1.0 and 1 are one number, and Twindex keeps it as the second.
fn same_metadata(written: Option<&Value>, actual: &Value) -> bool {
    written.is_some_and(|written| equal(written, actual, &Notes::default()))
}

/// Whether two scores are the same by the cases' rule.
#[must_use]
pub fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * 1f64.max(a.abs()).max(b.abs())
}

/// Compares an outcome with what is written; ids made up are remembered in `uuids` as far as they agree.
#[must_use]
pub fn agrees(wanted: &Wanted, ties: &[Vec<Value>], outcome: &Outcome, uuids: &mut Uuids) -> bool {
    match (wanted, outcome) {
        (Wanted::Error(kind), Err(failure)) => *kind == failure.code,
        (Wanted::Ok(value), Ok(answer)) => {
            let mut known = uuids.clone();
            let agree = answers_agree(value, ties, answer, &mut known);
            if agree {
                *uuids = known;
            }
            agree
        }
        _ => false,
    }
}

fn answers_agree(value: &Value, ties: &[Vec<Value>], answer: &Answer, uuids: &mut Uuids) -> bool {
    let items = value.as_array();
    match answer {
        // The names of the files written are ours.
        Answer::Done => value.is_null() || value.get("files").is_some(),
        Answer::True => value == &Value::Bool(true),
        Answer::Ids(ids) => items.is_some_and(|items| {
            items.len() == ids.len() && items.iter().zip(ids).all(|(item, id)| uuids.matches(item, id))
        }),
        Answer::Docs(docs) => items.is_some_and(|items| docs_agree(items, ties, docs, uuids)),
        Answer::State(state) => state_agrees(value, state, uuids),
        Answer::Vectors(vectors) => items.is_some_and(|items| {
            items.len() == vectors.len()
                && items.iter().zip(vectors).all(|(item, vector)| {
                    item.as_array().is_some_and(|item| {
                        item.len() == vector.len()
                            && item
                                .iter()
                                .zip(vector)
                                .all(|(a, &b)| a.as_f64().is_some_and(|a| close(a, b.into())))
                    })
                })
        }),
    }
}

fn docs_agree(items: &[Value], ties: &[Vec<Value>], docs: &[Found], uuids: &mut Uuids) -> bool {
    if items.len() != docs.len() {
        return false;
    }
    introduce(items, docs, uuids);
    // Ties may swap documents, but none may come twice.
    let twice = || docs.iter().enumerate().any(|(i, doc)| docs[..i].iter().any(|other| other.id == doc.id));
    if !ties.is_empty() && twice() {
        return false;
    }
    items.iter().zip(docs).all(|(item, doc)| {
        let written = item.get("id").unwrap_or(&Value::Null);
        let scores = match (item.get("score"), doc.score) {
            (None, None) => true,
            (Some(written), Some(actual)) => {
                written.as_f64().is_some_and(|written| close(written, actual.into()))
            }
            _ => false,
        };
        let actual = Value::from(uuids.written(&doc.id));
        if *written == actual {
            let same_text = item.get("text").and_then(Value::as_str) == Some(&doc.text);
            return scores && same_text && same_metadata(item.get("metadata"), &doc.metadata);
        }
        scores && ties.iter().any(|group| group.contains(written) && group.contains(&actual))
    })
}

/// Pairs ids made up and not seen before with documents of the same content, the same place first.
fn introduce(items: &[Value], docs: &[Found], uuids: &mut Uuids) {
    let unknown =
        |uuids: &Uuids, written: &str| written.starts_with("<uuid:") && !uuids.bound.contains_key(written);
    for (i, item) in items.iter().enumerate() {
        let Some(written) = item.get("id").and_then(Value::as_str).filter(|id| unknown(uuids, id)) else {
            continue;
        };
        let same = |doc: &&Found| {
            item.get("text").and_then(Value::as_str) == Some(&doc.text)
                && same_metadata(item.get("metadata"), &doc.metadata)
                && uuids.written(&doc.id) == doc.id
                && is_uuid4(&doc.id)
        };
        if let Some(doc) = docs.get(i).filter(same).or_else(|| docs.iter().find(same)) {
            uuids.bound.insert(written.to_owned(), doc.id.clone());
        }
    }
}

fn state_agrees(value: &Value, state: &State, uuids: &mut Uuids) -> bool {
    let pairs = value.get("index_to_docstore_id").and_then(Value::as_array);
    let Some(pairs) = pairs.filter(|pairs| pairs.len() == state.ids.len()) else { return false };
    let in_order = pairs.iter().zip(&state.ids).enumerate().all(|(position, (pair, id))| {
        pair.get(0) == Some(&Value::from(position))
            && pair.get(1).is_some_and(|written| uuids.matches(written, id))
    });
    let mut docstore: Vec<&str> = state.docstore_ids.iter().map(|id| uuids.written(id)).collect();
    docstore.sort_unstable();
    in_order
        && value.get("ntotal") == Some(&Value::from(state.ntotal))
        && value.get("dim") == Some(&Value::from(state.dim))
        && value.get("docstore_ids") == Some(&Value::from(docstore))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ONE: &str = "0b0c3a52-6f6e-4d3a-9a51-1d4f0a2b3c4d";
    const TWO: &str = "1b0c3a52-6f6e-4d3a-aa51-1d4f0a2b3c4d";

    fn doc(id: &str, score: f32) -> Found {
        Found { id: id.into(), text: "t".into(), metadata: json!({"n": 1}), score: Some(score) }
    }

    fn written(id: &str, score: f64) -> Value {
        json!({"id": id, "text": "t", "metadata": {"n": 1}, "score": score})
    }

    #[test]
    fn made_up_ids_are_remembered() {
        let mut uuids = Uuids::default();
        let added = |ids: &[&str]| Ok(Answer::Ids(ids.iter().map(|id| (*id).into()).collect()));
        let wanted = Wanted::Ok(json!(["<uuid:0>", "a"]));
        assert!(!agrees(&wanted, &[], &added(&["x", "a"]), &mut uuids));
        assert!(agrees(&wanted, &[], &added(&[ONE, "a"]), &mut uuids));
        assert!(!agrees(&wanted, &[], &added(&[TWO, "a"]), &mut uuids));
        let state = |ids: [&str; 2]| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            Ok(Answer::State(State { ntotal: 2, dim: Some(1), docstore_ids: ids.clone(), ids }))
        };
        let wanted = Wanted::Ok(
            json!({"ntotal": 2, "dim": 1, "index_to_docstore_id": [[0, "<uuid:0>"], [1, "<uuid:1>"]],
            "docstore_ids": ["<uuid:0>", "<uuid:1>"]}),
        );
        assert!(agrees(&wanted, &[], &state([ONE, TWO]), &mut uuids.clone()));
        assert!(!agrees(&wanted, &[], &state([TWO, ONE]), &mut uuids));
    }

    #[test]
    fn ties_may_swap_and_nothing_else() {
        let wanted = Wanted::Ok(json!([written("a", 1.0), written("b", 1.0), written("c", 2.0)]));
        let ties = [vec![json!("a"), json!("b"), json!("d")]];
        let check = |ids: [(&str, f32); 3], ties: &[Vec<Value>]| {
            let docs = ids.iter().map(|&(id, score)| doc(id, score)).collect();
            agrees(&wanted, ties, &Ok(Answer::Docs(docs)), &mut Uuids::default())
        };
        assert!(check([("a", 1.0), ("b", 1.0), ("c", 2.0)], &[]));
        assert!(check([("d", 1.0), ("a", 1.0), ("c", 2.0)], &ties));
        assert!(!check([("b", 1.0), ("a", 1.0), ("c", 2.0)], &[]));
        assert!(!check([("a", 1.0), ("a", 1.0), ("c", 2.0)], &ties));
        assert!(!check([("a", 1.0), ("c", 1.0), ("b", 2.0)], &ties));
        assert!(!check([("a", 1.1), ("b", 1.0), ("c", 2.0)], &ties));
    }

    #[test]
    fn types_count() {
        let wanted = Wanted::Ok(json!([{"id": "a", "text": "t", "metadata": {"n": true}}]));
        let plain = Found { score: None, ..doc("a", 0.0) };
        assert!(!agrees(&wanted, &[], &Ok(Answer::Docs(vec![plain])), &mut Uuids::default()));
        assert!(agrees(&Wanted::Ok(Value::Null), &[], &Ok(Answer::Done), &mut Uuids::default()));
        assert!(!agrees(&Wanted::Ok(Value::Null), &[], &Ok(Answer::True), &mut Uuids::default()));
    }

    #[test]
    fn uuids_are_of_version_4() {
        assert!(is_uuid4(ONE) && is_uuid4(TWO));
        assert!(!is_uuid4("0b0c3a52-6f6e-1d3a-9a51-1d4f0a2b3c4d"));
        assert!(!is_uuid4("0b0c3a52-6f6e-4d3a-7a51-1d4f0a2b3c4d"));
        assert!(!is_uuid4("x"));
    }
}
