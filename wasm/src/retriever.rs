//! A store seen as something that finds documents for a question.

use js_sys::Promise;
use twindex_core::{Error, SearchArgs, SearchType};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::convert::documents_out;
use crate::error::Result;
use crate::js::AbortSignal;
use crate::options::{SearchRequest, Thrown};
use crate::promise::promise;
use crate::store::{Handle, Query, add_documents, find, search_of};

/// Finds documents for a question, by a search that was chosen before.
#[wasm_bindgen]
pub struct Retriever {
    store: Handle,
    search_type: SearchType,
    args: SearchArgs,
    thrown: Thrown,
    signal: Option<AbortSignal>,
}

impl Retriever {
    /// # Errors
    /// `score_threshold_required` for that search type without a threshold.
    pub(crate) fn new(store: Handle, search_type: SearchType, request: SearchRequest) -> Result<Self> {
        if search_type == SearchType::SimilarityScoreThreshold && request.args.score_threshold.is_none() {
            return Err(Error::ScoreThresholdRequired.into());
        }
        let SearchRequest { args, thrown, signal, .. } = request;
        Ok(Self { store, search_type, args, thrown, signal })
    }
}

#[wasm_bindgen]
impl Retriever {
    /// The documents for a question; options take the place of the retriever's own, one by one, and null takes one away.
    pub fn invoke(&self, query: &JsValue, options: &JsValue) -> Promise {
        let request = SearchRequest::mmr(options)
            .map(|request| request.over(&self.args, &self.thrown, self.signal.as_ref()));
        find(&self.store, &Query::Text(query), request, search_of(self.search_type), documents_out)
    }

    /// Adds documents to the store behind it.
    #[wasm_bindgen(js_name = addDocuments)]
    pub fn add_documents(&self, documents: &JsValue, options: &JsValue) -> Promise {
        promise(|| add_documents(&self.store, documents, options, false))
    }
}
