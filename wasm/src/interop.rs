//! What others wrote, and stores whose index is not flat: in the second module, which is loaded when one of these is met.

use js_sys::{Array, Promise, Uint8Array};
use serde::Serialize;
use twindex_core::interop::{ImportOptions, Imported, Report, faiss, langchain, langchain_js, read_files};
use twindex_core::{Error, Store};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::convert::{BytesSource, bytes_out};
use crate::error::{Failure, Result};
use crate::ids::Uuids;
use crate::promise::promise;
use crate::store::{VectorStore, engine};

fn plain(value: &impl Serialize) -> Result<JsValue> {
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .map_err(|error| Failure::new("internal_error", error.to_string()))
}

/// A copy of bytes outside this module, or an error where there is no room for it.
fn copied(bytes: &Uint8Array) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    let len = bytes.length();
    copy.try_reserve_exact(len as usize)
        .map_err(|_| Error::OutOfMemory { what: "bytes", bytes: len.into() })?;
    copy.resize(len as usize, 0);
    bytes.copy_to(&mut copy);
    Ok(copy)
}

/// Reads files that are LangChain's, FAISS's or Twindex's: `[bytes of the store, its kind, report]`. `contents` are as many `Uint8Array`s as
/// there are names; `interop-entry.mjs` has checked all that comes here.
#[wasm_bindgen(js_name = readFiles)]
pub fn read(
    names: Vec<String>,
    contents: &Array,
    distance_strategy: Option<String>,
    normalize_l2: Option<bool>,
    index_name: Option<String>,
) -> Promise {
    promise(|| {
        let mut options = ImportOptions::new();
        options.metric = distance_strategy.map(|name| name.parse()).transpose()?;
        options.normalize_l2 = normalize_l2;
        options.index_name = index_name;
        let contents = contents.iter().map(|content| copied(content.unchecked_ref()));
        let files = names.into_iter().zip(contents).map(|(name, content)| Ok((name, content?)));
        let files = files.collect::<Result<Vec<_>>>()?;
        let Imported { store, report } = read_files(&files, &options, engine(), &Uuids)?;
        drop(files);
        let bytes = bytes_out(&store.encode()?)?;
        let kind = JsValue::from_str(&store.settings().kind);
        let answer = Array::of3(&bytes, &kind, &plain(&report)?);
        Ok(async move { Ok(answer.into()) })
    })
}

/// Writes a store, given as its bytes, in another form: `[report, name, bytes, name, bytes, ...]`.
#[wasm_bindgen(js_name = writeFiles)]
pub fn write(store: &JsValue, format: &str, index_name: &str) -> Promise {
    promise(|| {
        let store = Store::read_from(BytesSource::new(store)?, engine())?;
        let (report, files) = files_of(&store, format, index_name)?;
        let answer = Array::of1(&plain(&report)?);
        for (name, bytes) in files {
            answer.push(&JsValue::from_str(&name));
            answer.push(&Uint8Array::from(&bytes[..]));
        }
        Ok(async move { Ok(answer.into()) })
    })
}

/// Names and contents.
type Files = Vec<(String, Vec<u8>)>;

fn files_of(store: &Store, format: &str, name: &str) -> Result<(Report, Files)> {
    Ok(match format {
        "langchain" => {
            let folder = langchain::write_folder(store)?;
            let files =
                vec![(format!("{name}.faiss"), folder.index), (format!("{name}.pkl"), folder.docstore)];
            (folder.report, files)
        }
        "langchain-pickle" => {
            let (pickle, report) = langchain::write_serialized(store)?;
            (report, vec![(format!("{name}.pkl"), pickle)])
        }
        "langchain-js" => {
            let folder = langchain_js::write_folder(store)?;
            (
                folder.report,
                vec![("faiss.index".into(), folder.index), ("docstore.json".into(), folder.docstore)],
            )
        }
        "faiss" => {
            let Some(index) = store.index() else {
                let reason =
                    "a FAISS index has a dimension, and this store never had a vector: give it one".into();
                return Err(Error::InvalidOption { option: "dim", reason }.into());
            };
            let mut report = Report::new("FAISS index file", store.settings().kind.clone(), store.len());
            report.lost.push("ids, texts and metadata".into());
            (report, vec![(format!("{name}.faiss"), faiss::write(index, None)?)])
        }
        other => {
            let expected = "langchain, langchain-js, langchain-pickle or faiss";
            return Err(Failure::new(
                "invalid_option",
                format!("option format: expected {expected}, got {other:?}"),
            ));
        }
    })
}

#[wasm_bindgen]
#[allow(missing_docs, reason = "index.d.ts documents each method once, for those who call it")]
impl VectorStore {
    #[wasm_bindgen(js_name = setSearchParameter)]
    pub fn set_search_parameter(&self, name: String, value: u32) -> Promise {
        self.set_parameter(name, value as usize)
    }
}
