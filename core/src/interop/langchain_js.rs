//! Folders that LangChain.js's `FaissStore.save` wrote: `faiss.index` and `docstore.json`.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::faiss;
use super::langchain::{Folder, exported, index_file};
use super::report::{ImportOptions, Imported, Report, assemble};
use crate::bytes::Source;
use crate::document::Document;
use crate::error::{Error, Result};
use crate::index::Engine;
use crate::store::Store;
use crate::value::{Metadata, Value};

/// The largest integer that JavaScript can tell from its neighbours.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

#[derive(Deserialize)]
struct JsDocument {
    #[serde(rename = "pageContent")]
    page_content: String,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    id: Option<Json>,
}

fn corrupt<T>(reason: String) -> Result<T> {
    Err(Error::Corrupt { section: "docstore.json", reason })
}

/// Reads a folder of LangChain.js's. A document's id is its key in the docstore, which need not be the `id` it carries.
///
/// # Errors
/// As [`faiss::read`]; `corrupt` if `docstore.json` is not LangChain's, or does not belong to the index, `setting_mismatch`.
pub fn read_folder(
    index: impl Source,
    docstore: &[u8],
    options: &ImportOptions,
    engine: Arc<dyn Engine>,
) -> Result<Imported> {
    type Parts = (Vec<(String, JsDocument)>, HashMap<String, String>);
    let (entries, mapping): Parts = match serde_json::from_slice(docstore) {
        Ok(parts) => parts,
        Err(error) => {
            return corrupt(format!(
                "LangChain.js's [[[id, document], ...], {{position: id}}] expected: {error}"
            ));
        }
    };
    let mut by_key: HashMap<String, JsDocument> = entries.into_iter().collect();
    let mut report = Report::new("LangChain.js folder", "", 0);
    let mut other_ids = 0;
    let mut documents = Vec::with_capacity(mapping.len());
    for position in 0..mapping.len() {
        let Some(key) = mapping.get(&position.to_string()) else {
            return corrupt(format!(
                "each position from 0 to {} once expected, {position} is missing",
                mapping.len() - 1
            ));
        };
        let Some(document) = by_key.remove(key) else {
            return corrupt(format!(
                "position {position}: its id {key:?} is not in the docstore, or comes twice"
            ));
        };
        other_ids += usize::from(document.id.is_some_and(|id| id != Json::Null && id.as_str() != Some(key)));
        documents.push(Document {
            id: Some(key.clone()),
            page_content: document.page_content,
            metadata: document.metadata.unwrap_or_default(),
        });
    }
    if other_ids > 0 {
        report.lost.push(format!("{other_ids} ids of documents that are not their keys in the docstore"));
    }
    if !by_key.is_empty() {
        report.lost.push(format!("{} documents of the docstore that no position names", by_key.len()));
    }
    assemble(faiss::read_for(index, &*engine, options.metric)?, documents, report, options, engine)
}

/// Writes a folder that LangChain.js's `FaissStore.load` opens.
///
/// # Errors
/// What the engine reports.
pub fn write_folder(store: &Store) -> Result<Folder> {
    let mut report = exported(store, "LangChain.js folder");
    let index = index_file(store, &mut report)?;
    let mut rounded = 0;
    let entries: Vec<Json> = store
        .documents()
        .into_iter()
        .map(|document| {
            document.metadata.iter().for_each(|(_, value)| count_unsafe(value, &mut rounded));
            let (id, text, metadata) = (&document.id, &document.page_content, &document.metadata);
            json!([id, { "pageContent": text, "metadata": metadata, "id": id }])
        })
        .collect();
    if rounded > 0 {
        report.lost.push(format!(
            "the last digits of {rounded} integers past 2^53, which JavaScript rounds when it reads them"
        ));
    }
    let mapping: serde_json::Map<String, Json> =
        store.index_to_docstore_id().map(|(position, id)| (position.to_string(), id.into())).collect();
    match serde_json::to_vec(&(entries, mapping)) {
        Ok(docstore) => Ok(Folder { index, docstore, report }),
        Err(error) => corrupt(error.to_string()),
    }
}

fn count_unsafe(value: &Value, count: &mut usize) {
    match value {
        Value::Int(n) => *count += usize::from(n.unsigned_abs() > MAX_SAFE_INTEGER),
        Value::UInt(_) => *count += 1,
        Value::List(items) => items.iter().for_each(|item| count_unsafe(item, count)),
        Value::Map(map) => map.iter().for_each(|(_, item)| count_unsafe(item, count)),
        _ => {}
    }
}
