//! Folders that LangChain's `FAISS.save_local` wrote, and what its `serialize_to_bytes` gives; both hold pickles.
//!
//! LangChain opens them with `allow_dangerous_deserialization=True`, because a pickle may call anything. Here it is read as data: a handful of classes by
//! name, every other refused by name. A document's id is its key in the docstore; positions come from `index_to_docstore_id`.
//!
//! | in Python's metadata | here |
//! | --- | --- |
//! | `datetime`, `date` | text, as `isoformat()` |
//! | `Decimal`, `UUID`, `Path`, integers past 64 bits | text, as `str()` |
//! | `tuple`, `set`, `frozenset` | list; a set sorted by the JSON of its items |
//! | `bytes` | text in base64 |
//! | numpy scalars | number |
//! | keys that are not `str` | text, as `str()`; `invalid_metadata` if two become one |
//! | NaN, infinity | null |
//! | an id that is `None` | a new uuid |
//! | unpaired surrogates in text | U+FFFD |
//!
//! The [`Report`] counts them.

use std::collections::HashMap;
use std::sync::Arc;

use super::faiss;
use super::pickle::{self, Converter, Global, Id, Key, Object, Pickle, Pickler};
use super::report::{ImportOptions, Imported, Report, assemble};
use crate::bytes::Source;
use crate::document::{Document, IdSource};
use crate::error::{Error, Result};
use crate::index::Engine;
use crate::metric::Metric;
use crate::store::Store;
use crate::value::Metadata;

/// Reads a folder of LangChain's for Python: `{index_name}.faiss` and `{index_name}.pkl`.
///
/// # Errors
/// As [`faiss::read`]; `unsupported_content` naming the class or opcode in the pickle that is not read; `corrupt` if index and pickle do not
/// belong together, `invalid_metadata`, `setting_mismatch`.
pub fn read_folder(
    index: impl Source,
    pickle: &[u8],
    options: &ImportOptions,
    engine: Arc<dyn Engine>,
    ids: &dyn IdSource,
) -> Result<Imported> {
    let pickle = pickle::read(pickle)?;
    let Object::Tuple(parts) = pickle.get(pickle.root) else { return not_langchain(&pickle) };
    let &[docstore, mapping] = &parts[..] else { return not_langchain(&pickle) };
    let mut report =
        Report::new(format!("LangChain folder (Python, pickle protocol {})", pickle.protocol), "", 0);
    let documents = documents(&pickle, docstore, mapping, ids, &mut report)?;
    assemble(faiss::read_for(index, &*engine, options.metric)?, documents, report, options, engine)
}

/// Reads what LangChain's `serialize_to_bytes` gave.
///
/// # Errors
/// As [`read_folder`].
pub fn read_serialized(
    pickle: &[u8],
    options: &ImportOptions,
    engine: Arc<dyn Engine>,
    ids: &dyn IdSource,
) -> Result<Imported> {
    let pickle = pickle::read(pickle)?;
    let Object::Tuple(parts) = pickle.get(pickle.root) else { return not_langchain(&pickle) };
    let &[index, docstore, mapping] = &parts[..] else { return not_langchain(&pickle) };
    let bytes = match pickle.get(index) {
        Object::Made { by: Global::FaissIndex, state: Some(state), .. } => {
            pickle.entry(*state, "this").and_then(|this| pickle.bytes(this))
        }
        _ => None,
    };
    let Some(bytes) = bytes else {
        return pickle::corrupt(format!(
            "a FAISS index with its bytes expected, got {}",
            pickle.describe(index)
        ));
    };
    let mut report = Report::new(
        format!("LangChain store, serialized (Python, pickle protocol {})", pickle.protocol),
        "",
        0,
    );
    let documents = documents(&pickle, docstore, mapping, ids, &mut report)?;
    assemble(faiss::read_for(&bytes[..], &*engine, options.metric)?, documents, report, options, engine)
}

fn not_langchain<T>(pickle: &Pickle<'_>) -> Result<T> {
    let got = match pickle.get(pickle.root) {
        Object::Tuple(parts) => format!("a tuple of {}", parts.len()),
        _ => pickle.describe(pickle.root).to_owned(),
    };
    pickle::corrupt(format!(
        "LangChain's (docstore, index_to_docstore_id), or these after the index, expected, got {got}"
    ))
}

/// The documents by position.
fn documents(
    pickle: &Pickle<'_>,
    docstore: Id,
    mapping: Id,
    ids: &dyn IdSource,
    report: &mut Report,
) -> Result<Vec<Document>> {
    let mut converter = Converter::new(pickle);
    let dict = match pickle.get(docstore) {
        Object::Made { by: Global::Docstore, state: Some(state), .. } => pickle.entry(*state, "_dict"),
        _ => None,
    };
    let Some(Object::Dict(stored)) = dict.map(|dict| pickle.get(dict)) else {
        return pickle::corrupt(format!("an InMemoryDocstore expected, got {}", pickle.describe(docstore)));
    };
    let mut by_key: HashMap<Key, Id> = HashMap::with_capacity(stored.len());
    for &(key, document) in stored {
        by_key.insert(converter.docstore_key(key)?, document);
    }
    let Object::Dict(mapping) = pickle.get(mapping) else {
        return pickle::corrupt(format!(
            "index_to_docstore_id, a dict, expected, got {}",
            pickle.describe(mapping)
        ));
    };
    let mut keys: Vec<Option<Id>> = vec![None; mapping.len()];
    for &(position, key) in mapping {
        let slot = match pickle.get(position) {
            Object::Int(n) => usize::try_from(*n).ok().and_then(|position| keys.get_mut(position)),
            _ => None,
        };
        match slot {
            Some(slot) if slot.is_none() => *slot = Some(key),
            _ => {
                return pickle::corrupt(format!(
                    "index_to_docstore_id: each position from 0 to {} once expected",
                    mapping.len().saturating_sub(1)
                ));
            }
        }
    }
    let mut documents = Vec::with_capacity(keys.len());
    for (position, key) in keys.into_iter().flatten().enumerate() {
        let key = converter.docstore_key(key)?;
        // An entry is taken out, so that one document under two positions is told as such.
        let Some(document) = by_key.remove(&key) else {
            let id = match key {
                Key::None => "None".into(),
                Key::Text(text) => format!("{text:?}"),
                Key::Other(text) => text,
            };
            return pickle::corrupt(format!(
                "position {position}: its id {id} is not in the docstore, or comes twice"
            ));
        };
        let (page_content, metadata) = document_parts(pickle, &mut converter, document, position)?;
        let id = match key {
            Key::Text(text) | Key::Other(text) => text,
            Key::None => {
                converter.count("id None to a new uuid");
                ids.next_id()
            }
        };
        documents.push(Document { id: Some(id), page_content, metadata });
    }
    if !by_key.is_empty() {
        report.lost.push(format!("{} documents of the docstore that no position names", by_key.len()));
    }
    report.converted =
        converter.converted.into_iter().map(|(what, count)| (what.to_owned(), count)).collect();
    Ok(documents)
}

fn document_parts(
    pickle: &Pickle<'_>,
    converter: &mut Converter<'_, '_>,
    document: Id,
    position: usize,
) -> Result<(String, Metadata)> {
    let fields = match pickle.get(document) {
        Object::Made { by: Global::Document, state: Some(state), .. } => {
            converter.entry(*state, "__dict__")?
        }
        _ => None,
    };
    let (content, metadata) = match fields {
        Some(fields) => (converter.entry(fields, "page_content")?, converter.entry(fields, "metadata")?),
        None => {
            let got = pickle.describe(document);
            return pickle::corrupt(format!("position {position}: a Document expected, got {got}"));
        }
    };
    let Some(content) = content else {
        return pickle::corrupt(format!("position {position}: a Document with page_content expected"));
    };
    let content = converter.text(content)?;
    let metadata = match metadata {
        Some(metadata) => converter.metadata(metadata, position)?,
        None => Metadata::new(),
    };
    Ok((content, metadata))
}

/// The files of a folder, and what they do not keep.
#[derive(Debug)]
#[non_exhaustive]
pub struct Folder {
    /// `{index_name}.faiss`, or `faiss.index` for LangChain.js.
    pub index: Vec<u8>,
    /// `{index_name}.pkl`, or `docstore.json` for LangChain.js.
    pub docstore: Vec<u8>,
    /// What was written.
    pub report: Report,
}

/// Writes a folder that LangChain's `FAISS.load_local` opens (langchain-core 0.3 and later).
///
/// # Errors
/// What the engine reports.
pub fn write_folder(store: &Store) -> Result<Folder> {
    let mut report = exported(store, "LangChain folder (Python, pickle protocol 4)");
    let index = index_file(store, &mut report)?;
    let mut pickler = Pickler::new();
    docstore(&mut pickler, store);
    pickler.op(0x86);
    Ok(Folder { index, docstore: pickler.finish(), report })
}

/// Writes what LangChain's `FAISS.deserialize_from_bytes` opens (langchain-core 0.3 and later).
///
/// # Errors
/// What the engine reports.
pub fn write_serialized(store: &Store) -> Result<(Vec<u8>, Report)> {
    let mut report = exported(store, "LangChain store, serialized (Python, pickle protocol 4)");
    let index = index_file(store, &mut report)?;
    let class = faiss::read(&index[..])?.class;
    let mut pickler = Pickler::new();
    pickler.class("faiss.swigfaiss", class);
    pickler.empty_tuple();
    pickler.new_object();
    pickler.dict();
    pickler.mark();
    pickler.name("this");
    pickler.bytes(&index);
    pickler.set_items();
    pickler.build();
    docstore(&mut pickler, store);
    pickler.op(0x87);
    Ok((pickler.finish(), report))
}

/// The docstore and the map of positions, on the stack.
fn docstore(pickler: &mut Pickler, store: &Store) {
    pickler.class("langchain_community.docstore.in_memory", "InMemoryDocstore");
    pickler.empty_tuple();
    pickler.new_object();
    pickler.dict();
    pickler.mark();
    pickler.name("_dict");
    pickler.dict();
    pickler.mark();
    for document in store.documents() {
        let id = document.id.as_deref().unwrap_or_default();
        pickler.text(id);
        pickler.class("langchain_core.documents.base", "Document");
        pickler.empty_tuple();
        pickler.new_object();
        pickler.dict();
        pickler.mark();
        pickler.name("__dict__");
        pickler.dict();
        pickler.mark();
        pickler.name("id");
        pickler.text(id);
        pickler.name("metadata");
        pickler.map(&document.metadata);
        pickler.name("page_content");
        pickler.text(&document.page_content);
        pickler.name("type");
        pickler.name("Document");
        pickler.set_items();
        pickler.name("__pydantic_extra__");
        pickler.none();
        pickler.name("__pydantic_fields_set__");
        pickler.op(0x8f);
        pickler.mark();
        pickler.name("id");
        pickler.name("metadata");
        pickler.name("page_content");
        pickler.op(0x90);
        pickler.name("__pydantic_private__");
        pickler.none();
        pickler.set_items();
        pickler.build();
    }
    pickler.set_items();
    pickler.set_items();
    pickler.build();
    pickler.dict();
    pickler.mark();
    for (position, id) in store.index_to_docstore_id() {
        pickler.int(position as i128);
        pickler.text(id);
    }
    pickler.set_items();
}

/// The report of what is written, before anything is lost.
pub(super) fn exported(store: &Store, what: &str) -> Report {
    Report::new(what, store.settings().kind.clone(), store.len())
}

/// The index file, and what it does not keep of the store's settings.
pub(super) fn index_file(store: &Store, report: &mut Report) -> Result<Vec<u8>> {
    let Some(index) = store.index() else {
        let reason = "a FAISS index has a dimension, and this store never had a vector: give it one".into();
        return Err(Error::InvalidOption { option: "dim", reason });
    };
    if store.metric() == Metric::Cosine {
        report.lost.push("the lengths of vectors: FAISS has no cosine, so they are of unit length, compared by inner product".into());
    }
    if store.settings().normalize_l2 {
        report.lost.push("normalize_L2, which LangChain's files do not keep: pass it when loading".into());
    }
    faiss::write(index, None)
}
