//! A store seen as something that finds documents for a question.

use js_sys::Promise;
use twindex_core::{Error, SearchArgs, SearchType};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::convert::{documents_out, text_argument};
use crate::error::Result;
use crate::options::{SearchRequest, Thrown};
use crate::promise::promise;
use crate::store::{Handle, add_documents};

/// Finds documents for a question, by a search that was chosen before.
#[wasm_bindgen]
pub struct Retriever {
    store: Handle,
    search_type: SearchType,
    args: SearchArgs,
    thrown: Thrown,
}

impl Retriever {
    /// # Errors
    /// `score_threshold_required` for that search type without a threshold.
    pub(crate) fn new(store: Handle, search_type: SearchType, request: SearchRequest) -> Result<Self> {
        if search_type == SearchType::SimilarityScoreThreshold && request.args.score_threshold.is_none() {
            return Err(Error::ScoreThresholdRequired.into());
        }
        Ok(Self { store, search_type, thrown: request.thrown, args: request.args })
    }
}

#[wasm_bindgen]
impl Retriever {
    /// The documents for a question; options take the place of the retriever's own, one by one, and null takes one away.
    pub fn invoke(&self, query: &JsValue, options: &JsValue) -> Promise {
        promise(|| {
            let query = text_argument("query", query)?;
            let request = SearchRequest::mmr(options)?;
            let (signal, mut thrown) = (request.signal.clone(), request.thrown.clone());
            if request.args.filter.is_none() {
                thrown = self.thrown.clone();
            }
            let (store, search_type, args) = (self.store.clone(), self.search_type, request.over(&self.args));
            Ok(async move {
                let vector = store.embeddings.query(&query, signal.as_ref()).await?;
                let found = store.ask(&thrown, |store| store.search_by_type(&vector, search_type, args))?;
                Ok(documents_out(&store.warned(found)?))
            })
        })
    }

    /// Adds documents to the store behind it.
    #[wasm_bindgen(js_name = addDocuments)]
    pub fn add_documents(&self, documents: &JsValue, options: &JsValue) -> Promise {
        promise(|| add_documents(&self.store, documents, options, false))
    }
}
