//! Files that others wrote, against what those others hold and answer: folders laid out as `tests/data/fixtures`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::interop::{ImportOptions, Imported, read_faiss};
use crate::{Engine, Metric, SearchOptions, Store, Value};

/// What FAISS says of an index file: `NAME.json` beside `NAME.faiss`.
#[derive(Debug, Deserialize)]
pub struct ExpectedIndex {
    /// FAISS's class.
    pub class: String,
    d: usize,
    ntotal: usize,
    metric_type: i32,
    #[serde(default)]
    search_params: Map<String, Json>,
    #[serde(default)]
    queries: Vec<Vec<f32>>,
    ids: Vec<Vec<i64>>,
    distances: Vec<Vec<f32>>,
    #[serde(default)]
    decoded_first_3: Vec<Vec<f32>>,
}

impl ExpectedIndex {
    /// Whether a store can hold such an index; else it has to be refused by name.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.class.contains("Binary") && self.class != "IndexLSH" && self.metric_type < 2
    }

    /// Opens the index as a store and compares all that is known of it; an index that a store cannot hold has to be refused by its name.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn check(&self, bytes: &[u8], engine: Arc<dyn Engine>) -> Result<(), String> {
        let read = read_faiss(bytes, &ImportOptions::new(), engine);
        if !self.is_held() {
            return match read {
                Err(error)
                    if error.code() == "unsupported_content" && error.to_string().contains(&self.class) =>
                {
                    Ok(())
                }
                Err(error) => Err(format!("to be refused by its name, {}: {error}", self.class)),
                Ok(_) => Err(format!("{} was opened", self.class)),
            };
        }
        let Imported { mut store, report } = read.map_err(|error| error.to_string())?;
        let expect = |holds: bool, what: String| if holds { Ok(()) } else { Err(what) };
        expect(
            report.index.starts_with(&self.class),
            format!("{} expected, got {}", self.class, report.index),
        )?;
        expect(
            (store.dim(), store.len()) == (Some(self.d), self.ntotal),
            format!("{} x {} expected, got {} x {:?}", self.ntotal, self.d, store.len(), store.dim()),
        )?;
        expect(
            (store.metric() == Metric::L2) == (self.metric_type == 1),
            format!("metric {}", store.metric()),
        )?;
        for (name, value) in &self.search_params {
            let value = value.as_f64().unwrap_or_default() as usize;
            store.set_search_parameter(name, value).map_err(|error| error.to_string())?;
        }
        let compressed = store.settings().kind.contains("SQ") || store.settings().kind.contains("PQ");
        // FAISS rounds queries to bf16 as well, where the processor has products of those.
        let tolerance = match &*store.settings().kind {
            "SQbf16" => 1e-3,
            _ if compressed => 1e-4,
            _ => 1e-5,
        };
        for ((query, ids), distances) in self.queries.iter().zip(&self.ids).zip(&self.distances) {
            // Where FAISS finds fewer than asked for it fills up with -1 and the largest float; a store looks further.
            let found = distances.iter().take_while(|distance| distance.abs() < f32::MAX).count();
            let wanted: Vec<String> = ids[..found].iter().map(i64::to_string).collect();
            check_hits(&store, query, &wanted, distances, tolerance)?;
        }
        let mut row = vec![0.0; self.d];
        for (position, decoded) in self.decoded_first_3.iter().enumerate() {
            let read = store.index().map(|index| index.read(position, &mut row));
            read.unwrap_or(Ok(())).map_err(|error| error.to_string())?;
            // With fused multiply-add or without.
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
            expect(
                row.iter().zip(decoded).all(near),
                format!("vector {position}: {decoded:?} expected, got {row:?}"),
            )?;
        }
        Ok(())
    }
}

/// The hits of a query have these ids and scores, in this order; hits whose scores are equal within the tolerance may change places.
fn check_hits(
    store: &Store,
    query: &[f32],
    ids: &[String],
    scores: &[f32],
    tolerance: f32,
) -> Result<(), String> {
    if ids.is_empty() {
        return Ok(());
    }
    let hits = store.search(query, &SearchOptions::from(ids.len())).map_err(|error| error.to_string())?;
    let near = |a: f32, b: f32| (a - b).abs() <= tolerance * b.abs().max(1.0);
    if hits.len() != ids.len() {
        return Err(format!("{} hits expected, got {}", ids.len(), hits.len()));
    }
    for (hit, (id, &score)) in hits.iter().zip(ids.iter().zip(scores)) {
        let got = hit.document.id.as_deref().unwrap_or_default();
        if !near(hit.score, score) {
            return Err(format!("a score of {score} expected for {id}, got {} for {got}", hit.score));
        }
        // An id that was None in Python is another here.
        let tied = || ids.iter().zip(scores).any(|(id, &other)| id == got && near(other, score));
        if got != id && !id.is_empty() && !tied() {
            return Err(format!("{id} expected, got {got}"));
        }
    }
    Ok(())
}

/// How a store has to be read, from its `expected.json`.
#[must_use]
pub fn options(expected: &Json) -> ImportOptions {
    ImportOptions::new().normalize_l2(expected["normalize_L2"].as_bool().unwrap_or(false))
}

/// Compares a store of LangChain's with its `expected.json`, of Python or of JavaScript.
///
/// # Errors
/// What differs, in words.
pub fn check_store(store: &Store, expected: &Json) -> Result<(), String> {
    if Some(store.len() as u64) != expected["ntotal"].as_u64() {
        return Err(format!("{} documents expected, got {}", expected["ntotal"], store.len()));
    }
    let in_python = expected["docs"].as_array().map(|docs| docs.iter().collect::<Vec<_>>());
    let wanted: Vec<(Option<&str>, &Json, &str)> = match &in_python {
        Some(docs) => docs.iter().map(|doc| (doc["id"].as_str(), *doc, "page_content")).collect(),
        None => {
            let mapping = expected["mapping"].as_array().ok_or("docs or mapping expected")?;
            let key = |pair: &'_ Json| pair[1].as_str().map(str::to_owned);
            let mut docs = Vec::new();
            for (position, pair) in mapping.iter().enumerate() {
                if pair[0] != position {
                    return Err(format!("position {position} expected, got {}", pair[0]));
                }
                let doc = &expected["docs"][key(pair).unwrap_or_default()];
                docs.push((pair[1].as_str(), doc, "pageContent"));
            }
            docs
        }
    };
    for (document, (id, doc, content)) in store.documents().iter().zip(wanted) {
        let got = document.id.as_deref().unwrap_or_default();
        if id.is_some_and(|id| id != got) {
            return Err(format!("id {id:?} expected, got {got:?}"));
        }
        if doc[content].as_str() != Some(&document.page_content) {
            return Err(format!("{got}: text {} expected, got {:?}", doc[content], document.page_content));
        }
        let metadata = Value::from(converted(&doc["metadata"]));
        if !Value::Map(document.metadata.clone()).same_as(&metadata) {
            return Err(format!("{got}: metadata {metadata} expected, got {:?}", document.metadata));
        }
    }
    let Some(queries) = expected["queries"].as_array() else { return Ok(()) };
    let float = |x: &Json| x.as_f64().unwrap_or(f64::NAN) as f32;
    for query in queries {
        let embedding: Vec<f32> = query["embedding"].as_array().into_iter().flatten().map(float).collect();
        let results: Vec<&Json> = query["results"].as_array().into_iter().flatten().collect();
        let ids: Vec<String> =
            results.iter().map(|r| r["id"].as_str().unwrap_or_default().to_owned()).collect();
        let scores: Vec<f32> = results.iter().map(|r| float(&r["score"])).collect();
        check_hits(store, &embedding, &ids, &scores, 1e-5)?;
    }
    Ok(())
}

/// An `expected.json`. Integers past 64 bits become the text that they are converted to; a reader of JSON would make floats of them.
///
/// # Errors
/// What serde says.
pub fn parse(json: &str) -> serde_json::Result<Json> {
    let mut out = String::new();
    for part in json.split_inclusive([',', '[', ']', ':', '}', '\n']) {
        let end = part.len() - part.chars().next_back().map_or(0, char::len_utf8);
        let number = part[..end].trim();
        let digits = number.trim_start_matches('-');
        let past_64_bits = number.parse::<i64>().is_err() && number.parse::<u64>().is_err();
        if digits.len() >= 19 && digits.bytes().all(|byte| byte.is_ascii_digit()) && past_64_bits {
            out.extend(["\"", number, "\"", &part[end..]]);
        } else {
            out.push_str(part);
        }
    }
    serde_json::from_str(&out)
}

/// What a value of `expected.json`, with Python's types as tags, is to become.
fn converted(json: &Json) -> Json {
    let map = match json {
        Json::Array(items) => return items.iter().map(converted).collect(),
        Json::Object(map) => map,
        other => return other.clone(),
    };
    match map.get("$py").and_then(Json::as_str) {
        None => map.iter().map(|(key, value)| (key.clone(), converted(value))).collect::<Map<_, _>>().into(),
        Some("bytes") => {
            let hex = map["hex"].as_str().unwrap_or_default().as_bytes();
            let digit = |&digit: &u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
            let pairs = hex.as_chunks::<2>().0.iter();
            BASE64.encode(pairs.map(|[high, low]| digit(high) << 4 | digit(low)).collect::<Vec<u8>>()).into()
        }
        // NaN and infinities.
        Some("float") => Json::Null,
        Some("dict") => {
            let items = map["items"].as_array().into_iter().flatten();
            items.map(|pair| (pair[0].to_string(), converted(&pair[1]))).collect::<Map<_, _>>().into()
        }
        Some(_) => converted(&map["value"]),
    }
}
