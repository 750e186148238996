//! The case files, as they are written.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

/// One file of cases.
#[derive(Debug, Clone, Deserialize)]
pub struct CaseFile {
    /// Version of the layout; 1.
    #[serde(default = "one")]
    pub schema: u64,
    /// The cases.
    pub cases: Vec<Case>,
}

fn one() -> u64 {
    1
}

/// A store to build, operations to run on it, and what LangChain answered.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Unique: `group/short_name`.
    pub name: String,
    /// The store called `main`.
    pub setup: Setup,
    /// Further stores by name.
    #[serde(default)]
    pub others: BTreeMap<String, Setup>,
    /// Operations in order.
    pub ops: Vec<Op>,
    /// One entry per operation.
    pub expected: Vec<Expected>,
}

impl Case {
    /// The stores by name, `main` first.
    pub fn setups(&self) -> impl Iterator<Item = (&str, &Setup)> {
        std::iter::once(("main", &self.setup))
            .chain(self.others.iter().map(|(name, setup)| (name.as_str(), setup)))
    }
}

/// How a store is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetupKind {
    /// From documents, their texts embedded.
    FromDocuments,
    /// From texts, metadatas and ids, the texts embedded.
    FromTexts,
    /// From pairs of text and vector.
    FromEmbeddings,
    /// Empty, with a dimension.
    Empty,
}

/// A store to build.
#[derive(Debug, Clone, Deserialize)]
pub struct Setup {
    /// How it is made.
    pub kind: SetupKind,
    /// LangChain's name of the strategy.
    #[serde(default = "euclidean")]
    pub distance_strategy: String,
    /// Whether vectors are scaled to unit length.
    #[serde(default, rename = "normalize_L2")]
    pub normalize_l2: bool,
    /// The dimension of an empty store.
    #[serde(default)]
    pub dim: Option<usize>,
    /// The index of an empty store, where it is not `IndexFlatL2`.
    #[serde(default)]
    pub index: Option<String>,
    /// Name of a relevance function.
    #[serde(default)]
    pub relevance_score_fn: Option<String>,
    /// What to build from.
    #[serde(default)]
    pub docs: Vec<DocSpec>,
    /// Further texts and their vectors.
    #[serde(default)]
    pub embeddings: BTreeMap<String, Vec<f64>>,
}

fn euclidean() -> String {
    "EUCLIDEAN_DISTANCE".into()
}

impl Setup {
    /// The store's table from text to vector.
    #[must_use]
    pub fn table(&self) -> BTreeMap<String, Vec<f32>> {
        let mut table = BTreeMap::new();
        for doc in &self.docs {
            table.entry(doc.text.clone()).or_insert_with(|| to_f32(&doc.vector));
        }
        table.extend(self.embeddings.iter().map(|(text, vector)| (text.clone(), to_f32(vector))));
        table
    }
}

/// A document, with its vector where the setup gives it.
#[derive(Debug, Clone, Deserialize)]
pub struct DocSpec {
    /// The id, a string or a number; none for one that the store makes.
    #[serde(default, deserialize_with = "id")]
    pub id: Option<String>,
    /// The text.
    pub text: String,
    /// The metadata.
    #[serde(default)]
    pub metadata: Option<Map<String, Value>>,
    /// The vector, in setups.
    #[serde(default)]
    pub vector: Vec<f64>,
}

fn id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    id_text(&value).map_err(serde::de::Error::custom)
}

/// An id as text: numbers become strings, null is none.
///
/// # Errors
/// If it is anything else.
pub fn id_text(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        other => Err(format!("an id must be a string, got {other}")),
    }
}

/// Numbers of a vector as the store takes them.
#[must_use]
pub fn to_f32(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&x| x as f32).collect()
}

/// An operation.
#[derive(Debug, Clone, Deserialize)]
pub struct Op {
    /// Its name.
    pub op: String,
    /// The store it is run on.
    #[serde(default = "main")]
    pub store: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Map<String, Value>,
}

fn main() -> String {
    "main".into()
}

/// What LangChain answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawExpected")]
pub struct Expected {
    /// The answer, or the kind of the error.
    pub answer: Wanted,
    /// Names of warnings, sorted.
    pub warnings: Vec<String>,
    /// Groups of ids whose scores are equal.
    pub ties: Vec<Vec<Value>>,
    /// The answer of a store without the named quirk.
    pub better: Option<Better>,
}

/// An answer as a case file writes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// It succeeds, with this value.
    Ok(Value),
    /// It fails, with this kind of error.
    Error(String),
}

/// What a store without a quirk answers.
#[derive(Debug, Clone)]
pub struct Better {
    /// The answer.
    pub answer: Wanted,
    /// Name of the quirk.
    pub quirk: String,
}

#[derive(Deserialize)]
struct RawError {
    kind: String,
}

#[derive(Deserialize)]
struct RawExpected {
    #[serde(default, deserialize_with = "present")]
    ok: Option<Value>,
    error: Option<RawError>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    ties: Vec<Vec<Value>>,
    better: Option<RawBetter>,
}

#[derive(Deserialize)]
struct RawBetter {
    #[serde(default, deserialize_with = "present")]
    ok: Option<Value>,
    error: Option<RawError>,
    #[serde(default)]
    quirk: String,
}

/// Keeps `"ok": null` apart from no `ok`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn wanted(ok: Option<Value>, error: Option<RawError>) -> Result<Wanted, String> {
    match (ok, error) {
        (Some(value), None) => Ok(Wanted::Ok(value)),
        (None, Some(error)) => Ok(Wanted::Error(error.kind)),
        _ => Err("expected exactly one of ok and error".into()),
    }
}

impl TryFrom<RawExpected> for Expected {
    type Error = String;

    fn try_from(raw: RawExpected) -> Result<Self, String> {
        let better = match raw.better {
            Some(better) => Some(Better { answer: wanted(better.ok, better.error)?, quirk: better.quirk }),
            None => None,
        };
        Ok(Self { answer: wanted(raw.ok, raw.error)?, warnings: raw.warnings, ties: raw.ties, better })
    }
}

/// Reads the `*.json` files of a folder, sorted by name.
///
/// # Errors
/// A sentence that names the file: it cannot be read, is no case file, or has cases whose operations and answers do not pair.
pub fn read_folder(folder: &Path) -> Result<Vec<Case>, String> {
    let cannot =
        |what: &Path, error: &dyn std::fmt::Display| format!("cannot read {}: {error}", what.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| cannot(folder, &e))? {
        let path = entry.map_err(|e| cannot(folder, &e))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|e| cannot(&path, &e))?;
        cases.extend(parse_file(&text).map_err(|e| cannot(&path, &e))?);
    }
    Ok(cases)
}

/// The cases of one file.
///
/// # Errors
/// What is wrong with it.
pub fn parse_file(text: &str) -> Result<Vec<Case>, String> {
    let file: CaseFile = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if file.schema != 1 {
        return Err(format!("schema 1 expected, got {}", file.schema));
    }
    for case in &file.cases {
        if case.ops.len() != case.expected.len() {
            let (ops, expected) = (case.ops.len(), case.expected.len());
            return Err(format!("case {} has {ops} operations and {expected} answers", case.name));
        }
    }
    Ok(file.cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_an_answer_and_nothing_is_not() {
        let expected: Expected = serde_json::from_str(r#"{"ok": null}"#).unwrap();
        assert_eq!(expected.answer, Wanted::Ok(Value::Null));
        assert!(serde_json::from_str::<Expected>("{}").is_err());
        let failed: Expected =
            serde_json::from_str(r#"{"error": {"kind": "x"}, "better": {"ok": [], "quirk": "q"}}"#).unwrap();
        assert_eq!(failed.answer, Wanted::Error("x".into()));
        assert_eq!(failed.better.unwrap().answer, Wanted::Ok(Value::Array(vec![])));
    }

    #[test]
    fn the_first_text_wins_and_embeddings_come_on_top() {
        let setup: Setup = serde_json::from_str(
            r#"{"kind": "from_documents", "docs": [{"text": "a", "vector": [1]}, {"text": "a", "vector": [2]},
                {"id": 7, "text": "b", "vector": [3]}], "embeddings": {"b": [4]}}"#,
        )
        .unwrap();
        assert_eq!(setup.docs[1].id, None);
        assert_eq!(setup.docs[2].id.as_deref(), Some("7"));
        assert_eq!(setup.table(), BTreeMap::from([("a".into(), vec![1.0]), ("b".into(), vec![4.0])]));
    }

    #[test]
    fn operations_without_answers_are_refused() {
        let text = r#"{"schema": 1, "cases": [{"name": "g/x", "setup": {"kind": "empty", "dim": 2},
            "ops": [{"op": "state"}], "expected": []}]}"#;
        assert!(parse_file(text).unwrap_err().contains("1 operations and 0 answers"));
    }
}
