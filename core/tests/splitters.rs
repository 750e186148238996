//! The splitters against what LangChain's return: all golden cases, and a committed subset with its texts.
//!
//! The full golden files are too large to commit. They are read from the folder that `TWINDEX_SHARED`
//! names, or from `shared` beside the workspace. Without that folder this fails where `TWINDEX_SHARED` or `CI`
//! is set, and elsewhere says that only the subset was checked.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use twindex_core::text::{
    CharacterTextSplitter, KeepSeparator, LengthFunction, RecursiveCharacterTextSplitter, TextSplitter,
};
use twindex_core::{Error, Metadata};

#[derive(Deserialize)]
struct Golden {
    #[serde(default)]
    texts: HashMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    text: String,
    class: String,
    length: Option<String>,
    params: Map<String, Value>,
    warnings: Option<usize>,
    chunks: Option<Vec<String>>,
    start_index: Option<Vec<i64>>,
    error: Option<String>,
    same_chunks_as: Option<String>,
}

/// The splitter a case describes; parameters may have Python's names or JavaScript's.
fn splitter(case: &Case) -> Box<dyn TextSplitter> {
    // JavaScript counts UTF-16 code units and has nothing else.
    let length = match case.length.as_deref() {
        Some("chars") => LengthFunction::CodePoints,
        None | Some("utf16") => LengthFunction::Utf16,
        Some("utf8") => LengthFunction::Utf8,
        Some(other) => panic!("{}: unknown length {other}", case.id),
    };
    macro_rules! with_params {
        ($splitter:expr, $($own:pat => $set:expr),*) => {{
            let mut splitter = $splitter.length_function(length).add_start_index(true);
            for (name, value) in &case.params {
                let number = || usize::try_from(value.as_u64().unwrap()).unwrap();
                splitter = match name.as_str() {
                    "chunk_size" | "chunkSize" => splitter.chunk_size(number()),
                    "chunk_overlap" | "chunkOverlap" => splitter.chunk_overlap(number()),
                    "is_separator_regex" => splitter.is_separator_regex(value.as_bool().unwrap()),
                    "strip_whitespace" => splitter.strip_whitespace(value.as_bool().unwrap()),
                    "keep_separator" | "keepSeparator" => splitter.keep_separator(match value {
                        Value::Bool(false) => KeepSeparator::No,
                        Value::Bool(true) => KeepSeparator::Start,
                        other => {
                            assert_eq!(other, "end");
                            KeepSeparator::End
                        }
                    }),
                    $($own => $set(splitter, value),)*
                    other => panic!("{}: unknown parameter {other}", case.id),
                };
            }
            Box::new(splitter)
        }};
    }
    match case.class.as_str() {
        "CharacterTextSplitter" => with_params!(
            CharacterTextSplitter::new(),
            "separator" => |s: CharacterTextSplitter, v: &Value| s.separator(v.as_str().unwrap())
        ),
        "RecursiveCharacterTextSplitter" => with_params!(
            RecursiveCharacterTextSplitter::new(),
            "separators" => |s: RecursiveCharacterTextSplitter, v: &Value| {
                s.separators(v.as_array().unwrap().iter().map(|v| v.as_str().unwrap()))
            }
        ),
        other => panic!("{}: unknown class {other}", case.id),
    }
}

/// Compares a case with what LangChain returned, as a list of what differs.
fn check(case: &Case, text: &str) -> Vec<String> {
    let what = format!("{} {} {}", case.id, case.class, Value::Object(case.params.clone()));
    let splitter = splitter(case);
    let report = splitter.split_text_report(text);
    if let Some(error) = &case.error {
        // The one thing taken here that Python refuses: global flags in a separator that is kept.
        let kept = case.params.contains_key("keep_separator");
        return match report {
            Err(Error::InvalidSplitter { .. }) => vec![],
            Ok(_) if kept && error.contains("global flags not at the start") => vec![],
            other => vec![format!("{what}: expected InvalidSplitter as for {error}, got {other:?}")],
        };
    }
    let report = match report {
        Ok(report) => report,
        Err(error) => return vec![format!("{what}: {error}")],
    };
    let mut wrong = Vec::new();
    let chunks = case.chunks.as_ref().expect("chunks");
    if let Some(i) =
        (0..chunks.len().max(report.chunks.len())).find(|&i| chunks.get(i) != report.chunks.get(i))
    {
        let (ours, theirs) = (report.chunks.get(i), chunks.get(i));
        wrong.push(format!("{what}: chunk {i} is\n  {ours:?}, expected\n  {theirs:?}"));
    }
    if Some(report.oversized.len()) != case.warnings {
        wrong.push(format!("{what}: {} warnings, expected {:?}", report.oversized.len(), case.warnings));
    }
    if let Some(expected) = &case.start_index {
        let documents = splitter.create_documents(&[text], &[Metadata::new()]).expect("documents");
        let places: Vec<i64> =
            documents.iter().map(|d| d.metadata.get("start_index").unwrap().as_i64().unwrap()).collect();
        if places != *expected {
            wrong.push(format!("{what}: start_index {places:?}, expected {expected:?}"));
        }
    }
    wrong
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn golden(path: &Path) -> Golden {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn assert_none_wrong(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_committed_subset_splits_as_in_langchain() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/splitters/subset.json");
    let golden = golden(Path::new(path));
    assert!(golden.cases.len() >= 300, "only {} cases", golden.cases.len());
    let wrong: Vec<_> = golden.cases.iter().flat_map(|case| check(case, &golden.texts[&case.text])).collect();
    assert_none_wrong(&wrong);
}

#[test]
fn every_golden_case_splits_as_in_langchain() {
    let named = std::env::var_os("TWINDEX_SHARED").map(PathBuf::from);
    let must_exist = named.is_some() || std::env::var_os("CI").is_some();
    let shared = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let data = shared.join("data");
    if !data.is_dir() {
        assert!(!must_exist, "the golden files are missing: no folder {}", data.display());
        // Not eprintln!, which the test harness shows only for a test that fails.
        let note = "NOT CHECKED: the full golden files. Only the committed subset was; there is no folder";
        writeln!(std::io::stderr(), "{note} {}", data.display()).expect("stderr");
        return;
    }
    let mut texts: HashMap<String, String> = HashMap::new();
    let mut text_of =
        |name: &String| texts.entry(name.clone()).or_insert_with(|| read(&data.join(name))).clone();

    let python = golden(&data.join("splitters/python.json"));
    assert_eq!(python.cases.len(), 33);
    let mut wrong: Vec<_> = python.cases.iter().flat_map(|case| check(case, &text_of(&case.text))).collect();

    let same: HashMap<_, _> = python.cases.iter().map(|case| (case.id.as_str(), &case.chunks)).collect();
    let mut like_python = 0;
    for mut case in golden(&data.join("splitters/javascript.json")).cases {
        if let Some(python) = &case.same_chunks_as {
            case.chunks = same[python.as_str()].clone();
            wrong.extend(check(&case, &text_of(&case.text)));
            like_python += 1;
        }
    }
    assert_eq!(like_python, 16);
    assert_none_wrong(&wrong);
}
