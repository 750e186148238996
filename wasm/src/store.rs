//! The exported store. Each method converts in, makes one core call, converts out.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use js_sys::{Array, Function, Object, Promise};
use twindex_core::bytes::Loss;
use twindex_core::{
    DeleteOptions, Document, Error, Filter, Hit, RelevanceHits, SearchArgs, SearchType, Store, Vectors,
    Warning,
};
use twindex_simd128::Simd128;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::convert::{
    self, BytesSource, Origin, bytes_out, document_out, documents_out, floats_out, hits_out, is_text,
    text_argument, texts, texts_out,
};
use crate::embeddings::{Embeddings, reserve};
use crate::error::{Failure, Result, unreadable};
use crate::ids::Uuids;
use crate::js::{self, make_warning, set_own, warn};
use crate::options::{self, AddRequest, AddVectorsRequest, SearchRequest, StoreRequest, Thrown};
use crate::promise::{check, promise};
use crate::retriever::Retriever;

/// What a store is made of. All handles are the same store, which ends with the last of them: a call under way outlives `free`.
pub(crate) struct Shared {
    /// Borrowed within one synchronous call at a time; never across an await, and never while a promise's work begins.
    store: RefCell<Store>,
    pub(crate) embeddings: Embeddings,
    on_warning: Option<Function>,
    raised: Rc<RefCell<Option<Failure>>>,
}

pub(crate) type Handle = Rc<Shared>;

impl Shared {
    fn new(mut store: Store, embeddings: Embeddings, request: StoreRequest) -> Handle {
        store.set_relevance_score_fn(request.relevance);
        Rc::new(Self {
            store: RefCell::new(store),
            embeddings,
            on_warning: request.on_warning,
            raised: request.raised,
        })
    }

    /// Asks the store; what the caller's own functions threw meanwhile is the cause of the error.
    pub(crate) fn ask<T>(
        &self,
        thrown: &Thrown,
        work: impl FnOnce(&Store) -> twindex_core::Result<T>,
    ) -> Result<T> {
        let answer = work(&self.store.borrow());
        if let Some(failure) = self.raised.take() {
            return Err(failure);
        }
        answer.map_err(|error| with_cause(error, thrown))
    }

    fn change<T>(
        &self,
        thrown: &Thrown,
        work: impl FnOnce(&mut Store) -> twindex_core::Result<T>,
    ) -> Result<T> {
        work(&mut self.store.borrow_mut()).map_err(|error| with_cause(error, thrown))
    }

    /// Says what the caller should know, and gives the hits.
    pub(crate) fn warned(&self, found: RelevanceHits) -> Result<Vec<Hit>> {
        for warning in &found.warnings {
            let told = warning_out(warning);
            match &self.on_warning {
                Some(on_warning) => {
                    on_warning.call1(&JsValue::UNDEFINED, &told).map_err(Failure::Thrown)?;
                }
                None => warn(&told),
            }
        }
        Ok(found.hits)
    }

    fn dim(&self) -> Option<usize> {
        self.store.borrow().dim()
    }
}

/// A warning as `StoreWarning` of `index.d.ts`. JavaScript writes the numbers in it: the code that writes floats is a tenth of the download.
fn warning_out(warning: &Warning) -> Object {
    let number = |x: &f32| JsValue::from_f64((*x).into());
    let (before, numbers) = match warning {
        Warning::RelevanceOutOfRange { relevances } => {
            ("relevance scores should be between 0 and 1, got", relevances.iter().map(number).collect())
        }
        Warning::NoRelevantDocs { score_threshold } => {
            ("no document reaches the relevance score threshold", Array::of1(&number(score_threshold)))
        }
        _ => ("", Array::new()),
    };
    make_warning(warning.code(), before, &numbers)
}

fn with_cause(error: Error, thrown: &Thrown) -> Failure {
    let failure = Failure::from(error);
    match thrown.take() {
        Some(value) => failure.caused_by(value),
        None => failure,
    }
}

#[cfg(not(feature = "interop"))]
type OwnEngine = twindex_core::FlatEngine;
#[cfg(feature = "interop")]
type OwnEngine = twindex_core::PortableEngine;

pub(crate) fn engine() -> Arc<OwnEngine> {
    Arc::new(OwnEngine::new(Arc::new(Simd128)))
}

fn empty(embeddings: &JsValue, options: &JsValue) -> Result<Handle> {
    let request = StoreRequest::parse(options)?;
    check(request.signal.as_ref())?;
    let embeddings = Embeddings::new(embeddings)?;
    let store = Store::new(request.settings.clone().or_default(), engine())?;
    Ok(Shared::new(store, embeddings, request))
}

/// Embeds documents and adds them, or puts them in the place of others.
async fn embed_and_add(
    store: &Handle,
    documents: Vec<Document>,
    request: AddRequest,
    upsert: bool,
) -> Result<JsValue> {
    // What is wrong with the documents is said before anything is paid for.
    Store::check_documents(&documents)?;
    let texts: Vec<&str> = documents.iter().map(|document| &*document.page_content).collect();
    let vectors = store.embeddings.documents(&texts, store.dim(), &request.embed).await?;
    put(store, documents, vectors, upsert)
}

/// Adds documents, or puts them in the place of others.
fn put(store: &Handle, documents: Vec<Document>, vectors: Vectors<'static>, upsert: bool) -> Result<JsValue> {
    let ids = store.change(&Thrown::default(), |store| {
        if upsert { store.upsert(documents, vectors, &Uuids) } else { store.add(documents, vectors, &Uuids) }
    })?;
    Ok(texts_out(ids))
}

/// `addDocuments` and `upsert`.
pub(crate) fn add_documents(
    store: &Handle,
    documents: &JsValue,
    options: &JsValue,
    upsert: bool,
) -> Result<impl Future<Output = Result<JsValue>> + use<>> {
    let mut request = AddRequest::parse(options)?;
    let documents = convert::documents(documents, request.ids.take())?;
    let store = store.clone();
    Ok(async move { embed_and_add(&store, documents, request, upsert).await })
}

/// Vectors and their documents, as `addVectors` takes them.
fn with_vectors(
    dim: Option<usize>,
    vectors: &JsValue,
    documents: &JsValue,
    request: &mut AddVectorsRequest,
) -> Result<(Vec<Document>, Vectors<'static>)> {
    let documents = convert::documents(documents, request.ids.take())?;
    Store::check_documents(&documents)?;
    // A dimension beside a store's own is compared with it by core, vector by vector.
    let vectors = convert::vectors(Origin::Argument("vectors"), vectors, request.dim.or(dim), None)?;
    Ok((documents, vectors))
}

/// Documents with vectors, searchable. See `index.d.ts`, which says what each method takes and gives.
#[wasm_bindgen]
pub struct VectorStore {
    handle: Handle,
}

impl VectorStore {
    fn made(handle: Handle) -> JsValue {
        VectorStore { handle }.into()
    }

    #[cfg(feature = "interop")]
    pub(crate) fn set_parameter(&self, name: String, value: usize) -> Promise {
        let store = self.handle.clone();
        promise(|| {
            Ok(async move {
                store.change(&Thrown::default(), |store| store.set_search_parameter(&name, value))?;
                Ok(JsValue::UNDEFINED)
            })
        })
    }
}

/// Every search but batches. One function, and pointers to what differs: the download is smaller by it.
pub(crate) fn find(
    store: &Handle,
    query: &Query<'_>,
    request: Result<SearchRequest>,
    work: Search,
    out: fn(&[Hit]) -> JsValue,
) -> Promise {
    promise(|| {
        let request = request?;
        let query = match query {
            Query::Text(text) => Asked::Text(text_argument("query", text)?),
            Query::Vector(vector) => Asked::Vector(convert::vector(Origin::Argument("vector"), vector)?),
        };
        let store = store.clone();
        Ok(async move {
            let vector = match query {
                Asked::Text(text) => store.embeddings.query(&text, request.signal.as_ref()).await?,
                Asked::Vector(vector) => vector,
            };
            check(request.signal.as_ref())?;
            let SearchRequest { args, thrown, .. } = request;
            let found = store.ask(&thrown, |store| work(store, &vector, args))?;
            Ok(out(&store.warned(found)?))
        })
    })
}

/// The search of a type.
pub(crate) fn search_of(search_type: SearchType) -> Search {
    match search_type {
        SearchType::Similarity => similarity,
        SearchType::SimilarityScoreThreshold => with_relevance,
        SearchType::Mmr => mmr,
    }
}

pub(crate) enum Query<'a> {
    Text(&'a JsValue),
    Vector(&'a JsValue),
}

enum Asked {
    Text(String),
    Vector(Vec<f32>),
}

pub(crate) type Search = fn(&Store, &[f32], SearchArgs) -> twindex_core::Result<RelevanceHits>;

fn accepted_by(store: &Store, filter: &Filter) -> twindex_core::Result<Vec<String>> {
    let mut ids = Vec::new();
    for (position, document) in store.documents().iter().enumerate() {
        if filter.matches(document)? {
            ids.push(store.documents().id(position).to_owned());
        }
    }
    Ok(ids)
}

fn without_warnings(hits: Vec<Hit>) -> RelevanceHits {
    RelevanceHits { hits, warnings: Vec::new() }
}

fn similarity(store: &Store, query: &[f32], args: SearchArgs) -> twindex_core::Result<RelevanceHits> {
    store.search(query, &args.search_options()).map(without_warnings)
}

fn with_relevance(store: &Store, query: &[f32], args: SearchArgs) -> twindex_core::Result<RelevanceHits> {
    store.search_with_relevance(query, &args.search_options())
}

fn mmr(store: &Store, query: &[f32], args: SearchArgs) -> twindex_core::Result<RelevanceHits> {
    store.max_marginal_relevance_search(query, &args.mmr_options()).map(without_warnings)
}

#[wasm_bindgen]
#[allow(missing_docs, reason = "index.d.ts documents each method once, for those who call it")]
impl VectorStore {
    /// An empty store, at once: the loader adds what a method that makes a store was given.
    #[wasm_bindgen(constructor)]
    pub fn new(embeddings: &JsValue, options: &JsValue) -> Result<VectorStore, JsValue> {
        empty(embeddings, options).map(|handle| Self { handle }).map_err(Failure::into_js)
    }

    /// `bytes` is a `Uint8Array` or an `ArrayBuffer`: the loader has awaited everything else.
    pub fn deserialize(bytes: &JsValue, embeddings: &JsValue, options: &JsValue) -> Promise {
        promise(|| {
            let request = StoreRequest::parse(options)?;
            check(request.signal.as_ref())?;
            let embeddings = Embeddings::new(embeddings)?;
            let store = Store::read_from(BytesSource::new(bytes)?, engine())?;
            request.settings.check(store.settings())?;
            let handle = Shared::new(store, embeddings, request);
            Ok(async move { Ok(Self::made(handle)) })
        })
    }

    #[wasm_bindgen(js_name = addTexts)]
    pub fn add_texts(&self, texts: &JsValue, metadatas: &JsValue, options: &JsValue) -> Promise {
        promise(|| {
            let mut request = AddRequest::parse(options)?;
            let documents = convert::texts_to_documents(texts, metadatas, request.ids.take())?;
            let store = self.handle.clone();
            Ok(async move { embed_and_add(&store, documents, request, false).await })
        })
    }

    #[wasm_bindgen(js_name = addDocuments)]
    pub fn add_documents(&self, documents: &JsValue, options: &JsValue) -> Promise {
        promise(|| add_documents(&self.handle, documents, options, false))
    }

    pub fn upsert(&self, documents: &JsValue, options: &JsValue) -> Promise {
        promise(|| add_documents(&self.handle, documents, options, true))
    }

    #[wasm_bindgen(js_name = addVectors)]
    pub fn add_vectors(&self, vectors: &JsValue, documents: &JsValue, options: &JsValue) -> Promise {
        self.put_vectors(vectors, documents, options, false)
    }

    #[wasm_bindgen(js_name = upsertVectors)]
    pub fn upsert_vectors(&self, vectors: &JsValue, documents: &JsValue, options: &JsValue) -> Promise {
        self.put_vectors(vectors, documents, options, true)
    }

    fn put_vectors(
        &self,
        vectors: &JsValue,
        documents: &JsValue,
        options: &JsValue,
        upsert: bool,
    ) -> Promise {
        promise(|| {
            let mut request = AddVectorsRequest::parse(options)?;
            check(request.signal.as_ref())?;
            let (documents, vectors) = with_vectors(self.handle.dim(), vectors, documents, &mut request)?;
            let store = self.handle.clone();
            Ok(async move {
                check(request.signal.as_ref())?;
                put(&store, documents, vectors, upsert)
            })
        })
    }

    #[wasm_bindgen(js_name = similaritySearch)]
    pub fn similarity_search(&self, query: &JsValue, k: &JsValue, filter: &JsValue) -> Promise {
        find(&self.handle, &Query::Text(query), SearchRequest::search(k, filter), similarity, documents_out)
    }

    #[wasm_bindgen(js_name = similaritySearchWithScore)]
    pub fn similarity_search_with_score(&self, query: &JsValue, k: &JsValue, filter: &JsValue) -> Promise {
        find(&self.handle, &Query::Text(query), SearchRequest::search(k, filter), similarity, hits_out)
    }

    #[wasm_bindgen(js_name = similaritySearchByVector)]
    pub fn similarity_search_by_vector(&self, vector: &JsValue, k: &JsValue, filter: &JsValue) -> Promise {
        find(
            &self.handle,
            &Query::Vector(vector),
            SearchRequest::search(k, filter),
            similarity,
            documents_out,
        )
    }

    #[wasm_bindgen(js_name = similaritySearchVectorWithScore)]
    pub fn similarity_search_vector_with_score(
        &self,
        vector: &JsValue,
        k: &JsValue,
        filter: &JsValue,
    ) -> Promise {
        find(&self.handle, &Query::Vector(vector), SearchRequest::search(k, filter), similarity, hits_out)
    }

    #[wasm_bindgen(js_name = similaritySearchWithRelevanceScores)]
    pub fn similarity_search_with_relevance_scores(
        &self,
        query: &JsValue,
        k: &JsValue,
        filter: &JsValue,
    ) -> Promise {
        find(&self.handle, &Query::Text(query), SearchRequest::search(k, filter), with_relevance, hits_out)
    }

    #[wasm_bindgen(js_name = similaritySearchBatch)]
    pub fn similarity_search_batch(&self, queries: &JsValue, k: &JsValue, filter: &JsValue) -> Promise {
        promise(|| {
            let request = SearchRequest::search(k, filter)?;
            let list = js::list_of(queries).map_err(unreadable("queries"))?;
            let (questions, vectors) = match list.dyn_ref::<Array>() {
                Some(list) if is_text(&list.get(0)) => (texts("queries", list)?, None),
                list => {
                    let queries = list.map_or(queries, |list| list);
                    let origin = Origin::Argument("queries");
                    (Vec::new(), Some(convert::vectors(origin, queries, self.handle.dim(), None)?))
                }
            };
            let store = self.handle.clone();
            Ok(async move {
                check(request.signal.as_ref())?;
                let vectors = match vectors {
                    Some(vectors) => vectors,
                    None => embed_queries(&store, &questions, &request).await?,
                };
                let SearchRequest { args, thrown, .. } = request;
                let options = args.search_options();
                let found = store.ask(&thrown, |store| store.search_batch(vectors.rows(), &options))?;
                Ok(found.iter().map(|hits| hits_out(hits)).collect::<Array>().into())
            })
        })
    }

    #[wasm_bindgen(js_name = maxMarginalRelevanceSearch)]
    pub fn max_marginal_relevance_search(&self, query: &JsValue, options: &JsValue) -> Promise {
        find(&self.handle, &Query::Text(query), SearchRequest::mmr(options), mmr, documents_out)
    }

    #[wasm_bindgen(js_name = maxMarginalRelevanceSearchByVector)]
    pub fn max_marginal_relevance_search_by_vector(&self, vector: &JsValue, options: &JsValue) -> Promise {
        find(&self.handle, &Query::Vector(vector), SearchRequest::mmr(options), mmr, documents_out)
    }

    #[wasm_bindgen(js_name = maxMarginalRelevanceSearchWithScoreByVector)]
    pub fn max_marginal_relevance_search_with_score_by_vector(
        &self,
        vector: &JsValue,
        options: &JsValue,
    ) -> Promise {
        find(&self.handle, &Query::Vector(vector), SearchRequest::mmr(options), mmr, hits_out)
    }

    pub fn search(&self, query: &JsValue, search_type: &JsValue, options: &JsValue) -> Promise {
        match options::search_type(search_type) {
            Ok(search_type) => {
                let request = SearchRequest::mmr(options);
                find(&self.handle, &Query::Text(query), request, search_of(search_type), documents_out)
            }
            Err(failure) => Promise::reject(&failure.into_js()),
        }
    }

    #[wasm_bindgen(js_name = asRetriever)]
    pub fn as_retriever(&self, options: &JsValue) -> Promise {
        promise(|| {
            let (search_type, request) = options::retriever(options)?;
            let retriever = Retriever::new(self.handle.clone(), search_type, request)?;
            Ok(async move { Ok(retriever.into()) })
        })
    }

    pub fn delete(&self, options: &JsValue) -> Promise {
        promise(|| {
            let thrown = Thrown::default();
            let mut request = options::delete(options, &thrown)?;
            let store = self.handle.clone();
            Ok(async move {
                // A filter may be the caller's function, which may call the store: it is asked before the store is held to be changed.
                if let (None, Some(filter)) = (&request.ids, &request.filter) {
                    let accepted = store.ask(&thrown, |store| accepted_by(store, filter))?;
                    request = DeleteOptions::ids(accepted);
                }
                let deleted = store.change(&thrown, |store| store.delete(&request))?;
                Ok(JsValue::from_f64(deleted as f64))
            })
        })
    }

    #[wasm_bindgen(js_name = getByIds)]
    pub fn get_by_ids(&self, ids: &JsValue) -> Promise {
        promise(|| {
            let ids = texts("ids", ids)?;
            let store = self.handle.clone();
            Ok(async move {
                let found = store.ask(&Thrown::default(), |store| Ok(store.get_by_ids(&ids)))?;
                Ok(found.iter().map(|document| document_out(document)).collect::<Array>().into())
            })
        })
    }

    #[wasm_bindgen(js_name = mergeFrom)]
    pub fn merge_from(&self, other: &VectorStore) -> Promise {
        promise(|| {
            if Rc::ptr_eq(&self.handle, &other.handle) {
                let reason = "they are one and the same store".to_owned();
                return Err(Error::MergeIncompatible { reason }.into());
            }
            let (store, other) = (self.handle.clone(), other.handle.clone());
            Ok(async move {
                store.change(&Thrown::default(), |store| store.merge_from(&other.store.borrow()))?;
                Ok(JsValue::UNDEFINED)
            })
        })
    }

    /// The bytes, or what the vectors lose in them: `[largest, mean]`.
    pub fn serialize(&self, vectors: &JsValue, loss: bool) -> Promise {
        promise(|| {
            let encoding = options::vectors(vectors)?;
            let store = self.handle.clone();
            Ok(async move {
                let store = store.store.borrow();
                let encoding = encoding.unwrap_or(store.vector_encoding());
                if loss {
                    let Loss { largest, mean } = store.vector_loss(encoding)?;
                    return Ok(Array::of2(&JsValue::from_f64(largest), &JsValue::from_f64(mean)).into());
                }
                bytes_out(&store.encode_as(encoding)?).map(Into::into)
            })
        })
    }

    pub fn count(&self) -> Promise {
        self.tell(|store| Ok(JsValue::from_f64(store.len() as f64)))
    }

    pub fn ids(&self) -> Promise {
        self.tell(|store| Ok(texts_out(store.documents().ids())))
    }

    #[wasm_bindgen(js_name = getVector)]
    pub fn get_vector(&self, id: &JsValue) -> Promise {
        promise(|| {
            let id = text_argument("id", id)?;
            let store = self.handle.clone();
            Ok(async move { Ok(floats_out(&store.store.borrow().vector(&id)?)?.into()) })
        })
    }

    #[wasm_bindgen(js_name = getVectors)]
    pub fn get_vectors(&self) -> Promise {
        self.tell(|store| match store.index().and_then(|index| index.rows()) {
            Some(rows) => floats_out(rows.data()).map(Into::into),
            None => floats_out(&store.vectors()?).map(Into::into),
        })
    }

    pub fn info(&self) -> Promise {
        self.tell(|store| {
            let info = store.info();
            let index = info.index.as_ref();
            let told = Object::new();
            let set = |key: &str, value: JsValue| set_own(&told, key, &value);
            set("count", (info.count as f64).into());
            set("dim", info.dim.map_or(JsValue::NULL, |dim| (dim as f64).into()));
            set("distanceStrategy", info.metric.into());
            set("normalizeL2", info.normalize_l2.into());
            set("kind", (*info.kind).into());
            set("vectors", info.vector_encoding.name().into());
            set("simd", twindex_core::kernel::ScanKernel::name(&Simd128).into());
            set(
                "vectorBytes",
                index.map_or(0.0, |index| (index.vector_bytes + index.extra_bytes) as f64).into(),
            );
            set("documentBytes", ((info.document_bytes + info.encoded_bytes) as f64).into());
            #[cfg(feature = "interop")]
            set("parameters", parameters(index));
            Ok(told.into())
        })
    }

    fn tell(&self, work: fn(&Store) -> Result<JsValue>) -> Promise {
        let store = self.handle.clone();
        promise(|| Ok(async move { work(&store.store.borrow()) }))
    }
}

/// Search parameters and their values.
#[cfg(feature = "interop")]
fn parameters(index: Option<&twindex_core::IndexInfo>) -> JsValue {
    let told = Object::new();
    for (name, value) in index.iter().flat_map(|index| &index.parameters) {
        set_own(&told, name, &(*value as f64).into());
    }
    told.into()
}

/// Models may treat queries differently from documents, so these are not embedded as a batch of documents.
async fn embed_queries(
    store: &Handle,
    questions: &[String],
    request: &SearchRequest,
) -> Result<Vectors<'static>> {
    let (mut data, mut dim) = (Vec::new(), store.dim());
    for (row, question) in questions.iter().enumerate() {
        let vector = store.embeddings.query(question, request.signal.as_ref()).await?;
        let expected = *dim.get_or_insert(vector.len());
        if vector.len() != expected {
            return Err(Error::DimensionMismatch { expected, actual: vector.len(), row }.into());
        }
        if data.is_empty() {
            reserve(&mut data, expected, questions.len())?;
        }
        data.extend_from_slice(&vector);
    }
    Ok(Vectors::new(data, dim.unwrap_or(1))?)
}
