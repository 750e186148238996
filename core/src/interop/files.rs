//! Files of which nobody said what they are.

use std::sync::Arc;

use super::report::{ImportOptions, Imported, Report, assemble};
use super::{faiss, langchain, langchain_js};
use crate::bytes::{MAGIC, Source};
use crate::document::{Document, IdSource};
use crate::error::{Error, Result};
use crate::index::Engine;
use crate::store::{PartialSettings, Store};

/// Reads an index file of FAISS's alone: a document for each vector, without text, its id the number by which FAISS knows it.
///
/// # Errors
/// As [`faiss::read`], and `setting_mismatch`.
pub fn read_faiss(index: impl Source, options: &ImportOptions, engine: Arc<dyn Engine>) -> Result<Imported> {
    let mut file = faiss::read_for(index, &*engine, options.metric)?;
    let numbers: Vec<i64> = file.ids.take().unwrap_or_else(|| (0..file.len() as i64).collect());
    let documents = numbers.into_iter().map(|id| Document::new("").with_id(id.to_string())).collect();
    let mut report = Report::new("FAISS index file", "", 0);
    report
        .lost
        .push("nothing, but there are no texts: each document has its number in the index as id".into());
    assemble(file, documents, report, options, engine)
}

/// Reads files as a person has them, such as all files of a folder: a store of Twindex's, a LangChain folder for Python
/// (`NAME.faiss` and `NAME.pkl`), one of LangChain.js's (`faiss.index` and `docstore.json`), a pickle of `serialize_to_bytes`, or an index
/// file of FAISS's alone. Folders before a name are passed over.
///
/// # Errors
/// As the readers of each; `not_a_store` if the files are none of these, `invalid_option` if they are more than one index and
/// [`index_name`](ImportOptions::index_name) does not say which.
pub fn read_files(
    files: &[(String, Vec<u8>)],
    options: &ImportOptions,
    engine: Arc<dyn Engine>,
    ids: &dyn IdSource,
) -> Result<Imported> {
    let base = |name: &str| name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let named: Vec<(String, &[u8])> = files.iter().map(|(name, bytes)| (base(name), &bytes[..])).collect();
    let find = |wanted: &str| named.iter().find(|(name, _)| name == wanted).map(|&(_, bytes)| bytes);
    let stems =
        |end: &str| -> Vec<&str> { named.iter().filter_map(|(name, _)| name.strip_suffix(end)).collect() };

    let (mut imported, used) = if let (Some(index), Some(docstore)) =
        (find("faiss.index"), find("docstore.json"))
    {
        (langchain_js::read_folder(index, docstore, options, engine)?, 2)
    } else if let Some(store) = named.iter().find(|(_, bytes)| bytes.starts_with(&MAGIC)) {
        let store = Store::deserialize_from_bytes(store.1, engine)?;
        let given = PartialSettings {
            metric: options.metric,
            normalize_l2: options.normalize_l2,
            ..PartialSettings::default()
        };
        given.check(store.settings())?;
        let report = Report::new("Twindex store", store.settings().kind.clone(), store.len());
        (Imported { store, report }, 1)
    } else if let Some(stem) = pick(stems(".faiss"), options)? {
        let Some(index) = find(&format!("{stem}.faiss")) else { unreachable!("a stem of these names") };
        match find(&format!("{stem}.pkl")) {
            Some(pickle) => (langchain::read_folder(index, pickle, options, engine, ids)?, 2),
            None => (read_faiss(index, options, engine)?, 1),
        }
    } else {
        // Neither name nor neighbour tells: the first bytes of one file do.
        let [(name, bytes)] = &named[..] else {
            let names = named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            let reason = format!(
                "index.faiss with index.pkl, faiss.index with docstore.json, or one file expected, got {}",
                if names.is_empty() { "none" } else { &names }
            );
            return Err(Error::InvalidOption { option: "files", reason });
        };
        match bytes {
            [0x80, 2..=5, ..] => match langchain::read_serialized(bytes, options, engine, ids) {
                Err(Error::Corrupt { section: "pickle", reason }) if reason.ends_with("a tuple of 2") => {
                    let reason =
                        format!("{name} is half of a LangChain folder: its .faiss file belongs to it");
                    return Err(Error::InvalidOption { option: "files", reason });
                }
                read => (read?, 1),
            },
            _ => (read_faiss(*bytes, options, engine)?, 1),
        }
    };
    let ignored = named.len() - used;
    if ignored > 0 {
        imported.report.lost.push(format!("{ignored} other files, which were not looked at"));
    }
    Ok(imported)
}

fn pick<'a>(mut stems: Vec<&'a str>, options: &ImportOptions) -> Result<Option<&'a str>> {
    if let Some(name) = &options.index_name {
        stems.retain(|stem| stem == name);
    }
    match stems[..] {
        [] => Ok(None),
        [stem] => Ok(Some(stem)),
        _ => {
            let reason = format!("one index expected, or a name that tells which of {}", stems.join(", "));
            Err(Error::InvalidOption { option: "index_name", reason })
        }
    }
}
