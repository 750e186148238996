use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::document::Document;
use crate::error::Error;
use crate::testkit::Generator;
use crate::value::{Metadata, Value};

/// Names of fields, some of them ways to the same values.
const NAMES: [&str; 10] = ["a", "b", "a.b", "in", "in.b", "in.b.c", "tags", "few", "many", "absent"];

fn scalar(random: &mut Generator) -> Value {
    let texts = ["", "x", "y", "xy", "x\u{e9}", "1"];
    match random.below(14) {
        0 => Value::Null,
        1 | 2 => Value::Bool(random.below(2) == 0),
        3 => Value::Float(random.below(3) as f64),
        4 => Value::Float(0.5 * random.below(5) as f64 - 1.0),
        5 => Value::from(9_007_199_254_740_991 + random.below(4) as u64),
        6 => Value::Float(9_007_199_254_740_992.0),
        7 => Value::from(u64::MAX - random.below(2) as u64),
        8 => Value::Float([1e300, -1e300, -0.0, 18_446_744_073_709_551_616.0][random.below(4)]),
        9..12 => Value::from(texts[random.below(texts.len())]),
        _ => Value::Int(random.below(5) as i64 - 1),
    }
}

fn value(random: &mut Generator, depth: usize) -> Value {
    match random.below(if depth == 0 { 8 } else { 12 }) {
        8 | 9 => Value::List((0..random.below(4)).map(|_| value(random, depth - 1)).collect()),
        10 | 11 => {
            let keys = ["b", "c", "b.c"];
            let entry = |random: &mut Generator| (keys[random.below(3)], value(random, depth - 1));
            Value::Map((0..random.below(3)).map(|_| entry(random)).collect())
        }
        _ => scalar(random),
    }
}

fn metadata(random: &mut Generator) -> Metadata {
    let mut metadata = Metadata::new();
    for name in ["a", "b", "a.b", "in"] {
        if random.below(3) > 0 {
            metadata.insert(name, value(random, 2));
        }
    }
    if random.below(2) == 0 {
        metadata.insert("tags", (0..random.below(4)).map(|_| value(random, 1)).collect::<Vec<_>>());
    }
    // Values that many share, and values that nearly all differ.
    if random.below(9) > 0 {
        metadata.insert("few", [Value::Int(0), Value::Float(0.5), Value::from("x")][random.below(3)].clone());
    }
    metadata.insert("many", random.below(100_000) as u64);
    metadata
}

fn condition(random: &mut Generator) -> Value {
    let operators =
        ["$eq", "$ne", "$neq", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$contains", "$exists"];
    let operators: Metadata = (0..random.below(3))
        .map(|_| {
            let operator = operators[random.below(operators.len())];
            (operator, operand(operator, random))
        })
        .collect();
    operators.into()
}

fn operand(operator: &str, random: &mut Generator) -> Value {
    match operator {
        "$in" | "$nin" => Value::List((0..random.below(4)).map(|_| value(random, 1)).collect()),
        "$exists" => Value::Bool(random.below(2) == 0),
        _ if random.below(40) == 0 => Value::Float(f64::NAN),
        _ if random.below(8) == 0 => Value::from(random.below(100_000) as u64),
        _ => value(random, 2),
    }
}

fn filter_map(random: &mut Generator, depth: usize) -> Metadata {
    let mut map = Metadata::new();
    for _ in 0..random.below(3) + usize::from(depth == 2) {
        let list = |random: &mut Generator| -> Value {
            (0..random.below(4)).map(|_| Value::Map(filter_map(random, depth - 1))).collect::<Vec<_>>().into()
        };
        match random.below(if depth == 0 { 5 } else { 9 }) {
            0 => map.insert(NAMES[random.below(NAMES.len())], value(random, 2)),
            1..5 => map.insert(NAMES[random.below(NAMES.len())], condition(random)),
            5 => map.insert("$and", list(random)),
            6 | 7 => map.insert("$or", list(random)),
            _ => map.insert("$not", filter_map(random, depth - 1)),
        };
    }
    map
}

/// A filter of any shape, now and then with functions, which may fail.
fn filter(random: &mut Generator) -> Filter {
    let parsed = loop {
        // A random map as a value may look like operators that are not; those are not filters.
        if let Ok(filter) = Filter::parse(&Value::Map(filter_map(random, 2))) {
            break filter;
        }
    };
    let function = |modulus: usize, fails: usize| {
        Filter::try_matching(move |document| {
            let number: usize = document.page_content.parse().unwrap_or_default();
            if number == fails {
                Err(format!("{modulus}: {number}"))
            } else {
                Ok(!number.is_multiple_of(modulus))
            }
        })
    };
    match random.below(6) {
        0 => parsed.and(function(3, random.below(400))),
        1 => function(2, usize::MAX).and(parsed),
        2 => {
            let other = function(5, random.below(400));
            function(3, random.below(400)).and(parsed).and(other)
        }
        _ => parsed,
    }
}

fn documents(random: &mut Generator, numbers: std::ops::Range<usize>) -> Vec<Arc<Document>> {
    numbers
        .map(|i| {
            let document = Document::new(i.to_string()).with_id(i.to_string());
            Arc::new(document.with_metadata(metadata(random)))
        })
        .collect()
}

fn one_by_one(documents: &Documents, filter: &Filter) -> Result<Positions> {
    Positions::try_filter(documents.len(), |position| filter.matches(documents.at(position)))
}

fn reopened(documents: &Documents) -> Documents {
    let encoded = crate::bytes::encode_documents(documents).unwrap();
    Documents::decode(encoded, documents.len()).unwrap()
}

#[test]
fn any_filter_accepts_what_it_accepts_document_by_document_whatever_happens_in_between() {
    let (mut accepted, mut refused, mut failed) = (0, 0, 0);
    for seed in 0..60 {
        let mut random = Generator::new(seed);
        let mut held = Documents::default();
        let mut added = 0;
        for _ in 0..12 {
            match random.below(5) {
                0 | 1 => {
                    let more = [1, 3, 40, 700][random.below(4)];
                    held.extend(documents(&mut random, added..added + more).into_iter());
                    added += more;
                }
                2 => {
                    let (modulus, rest) = (random.below(6) + 1, random.below(6));
                    let gone =
                        Positions::try_filter(held.len(), |p| Ok::<_, Error>(p % modulus == rest)).unwrap();
                    held.remove(&gone);
                }
                3 => held = reopened(&held),
                _ => {}
            }
            for _ in 0..8 {
                let filter = filter(&mut random);
                let found = held.matching(&filter);
                assert_eq!(found, one_by_one(&held, &filter), "seed {seed}: {filter:?}");
                match found {
                    Ok(found) => {
                        accepted += found.len();
                        refused += held.len() - found.len();
                    }
                    Err(_) => failed += 1,
                }
            }
        }
    }
    // The filters are neither all true nor all false.
    assert!(accepted > 100_000 && refused > 100_000 && failed > 100, "{accepted} {refused} {failed}");
}

fn numbered(count: usize) -> Documents {
    let mut held = Documents::default();
    held.extend((0..count).map(|i| {
        let document = Document::new("").with_id(i.to_string()).with("kind", (i % 7) as u64);
        Arc::new(document.with("url", format!("https://example.org/{i:050}")))
    }));
    held
}

fn parse(json: serde_json::Value) -> Filter {
    json.try_into().unwrap()
}

#[test]
fn documents_that_came_encoded_stay_so_while_a_filter_is_answered() {
    let held = reopened(&numbered(3000));
    let untouched = held.own_bytes();
    let filter = parse(serde_json::json!({"kind": {"$in": [3, 9]}, "url": {"$gt": "https://example.org/"}}));
    assert_eq!(held.matching(&filter).unwrap().len(), 429);
    assert_eq!(held.own_bytes(), untouched);
    assert!(held.metadata_index_bytes() > 0);
}

#[test]
fn what_columns_take_is_told_and_bounded() {
    let mut held = numbered(20_000);
    assert_eq!(held.metadata_index_bytes(), 0);
    held.matching(&parse(serde_json::json!({"kind": 1}))).unwrap();
    let kind = held.metadata_index_bytes();
    assert!((1000..60_000).contains(&kind), "seven bitmaps take {kind} bytes");
    held.matching(&parse(serde_json::json!({"url": "x"}))).unwrap();
    let both = held.metadata_index_bytes();
    assert!(both - kind > 20_000 * 70, "one text for each document takes {both} bytes");
    for i in 0..100 {
        held.matching(&parse(serde_json::json!({format!("field {i}"): 1}))).unwrap();
    }
    assert_eq!(held.metadata_index().lock().len(), MAX_FIELDS);
    let gone = Positions::all(19_999);
    let mut gone_of_all = Positions::none(20_000);
    gone.iter().for_each(|position| gone_of_all.insert(position));
    held.remove(&gone_of_all);
    held.matching(&parse(serde_json::json!({"kind": 1}))).unwrap();
    assert!(held.metadata_index_bytes() < 20_000);
}

#[test]
fn fields_of_many_long_texts_are_asked_document_by_document() {
    let mut held = Documents::default();
    held.extend((0..5000).map(|i| {
        Arc::new(Document::new("").with_id(i.to_string()).with("text", format!("{i}{}", "long ".repeat(100))))
    }));
    let filter = parse(serde_json::json!({"text": {"$gt": "3"}}));
    assert_eq!(held.matching(&filter), one_by_one(&held, &filter));
    assert!(held.metadata_index_bytes() < 1000);
}

#[test]
fn columns_are_kept_through_a_few_changes_and_made_again_after_many() {
    let mut held = numbered(4000);
    let filter = parse(serde_json::json!({"kind": 2}));
    held.matching(&filter).unwrap();
    let covered =
        |held: &Documents| held.metadata_index().lock().first().map(|f| f.made.get().unwrap().covered);
    let mut gone = Positions::none(4000);
    [0, 2, 9, 3999].into_iter().for_each(|position| gone.insert(position));
    held.remove(&gone);
    assert_eq!(covered(&held), Some(3996));
    let more = |count: usize| numbered(count).iter().cloned().collect::<Vec<_>>().into_iter();
    held.extend(more(100));
    assert_eq!(covered(&held), Some(3996));
    assert_eq!(held.matching(&filter), one_by_one(&held, &filter));
    held.extend(more(1000));
    assert_eq!(covered(&held), None);
    assert_eq!(held.matching(&filter), one_by_one(&held, &filter));
    assert_eq!(covered(&held), Some(5096));
}

#[test]
fn a_function_is_asked_only_about_what_fields_leave_open() {
    let held = numbered(700);
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let function = Filter::matching(move |_| counter.fetch_add(1, Ordering::Relaxed).is_multiple_of(2));
    let found = held.matching(&parse(serde_json::json!({"kind": 2})).and(function)).unwrap();
    assert_eq!((found.len(), asked.load(Ordering::Relaxed)), (50, 100));
}
