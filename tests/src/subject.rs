//! Twindex's store, run by the cases' operations.

use std::collections::BTreeMap;
use std::str::FromStr;

use async_trait::async_trait;
use serde_json::{Map, Value};
use twindex::core::{
    DeleteOptions, Document, Filter, Hit, Metadata, Metric, MmrOptions, SearchArgs, SearchOptions,
    SearchType, Store,
};
use twindex::embeddings::{Embeddings, EmbeddingsError};
use twindex::{EngineKind, RetrieverOptions, VectorStore, VectorStoreBuilder};

use crate::answer::{Answer, Failure, Found, Outcome, State};
use crate::judge::strategy_of;
use crate::model::search::relevance_fn;
use crate::model::{Relevance, callable, filter::callable_name};
use crate::oracle::{DocSpec, Setup, SetupKind, to_f32};
use crate::request::{
    AddKind, AddRequest, Kwargs, LoadRequest, Query, Request, Route, SearchKind, SearchRequest,
};

/// An embedding model that is a table.
#[derive(Debug, Clone)]
pub struct Table(pub BTreeMap<String, Vec<f32>>);

impl Table {
    fn look_up(&self, text: &str) -> Result<Vec<f32>, EmbeddingsError> {
        self.0
            .get(text)
            .cloned()
            .ok_or_else(|| EmbeddingsError::custom(format!("no vector for the text {text:?}")))
    }
}

#[async_trait]
impl Embeddings for Table {
    async fn embed_documents(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingsError> {
        texts.iter().map(|text| self.look_up(text)).collect()
    }

    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingsError> {
        self.look_up(text)
    }

    fn name(&self) -> &str {
        "table"
    }
}

/// Twindex's store with what it takes to make it again.
pub struct Subject {
    setup: Setup,
    engine: EngineKind,
    store: VectorStore,
}

fn native(error: twindex::Error) -> Failure {
    Failure::new(error.code(), error.to_string())
}

fn core(error: twindex::core::Error) -> Failure {
    Failure::new(error.code(), error.to_string())
}

fn metadata(map: &Map<String, Value>) -> Metadata {
    map.iter().map(|(key, value)| (key.clone(), twindex::core::Value::from(value.clone()))).collect()
}

fn metadata_of(value: &Value) -> Metadata {
    value.as_object().map(metadata).unwrap_or_default()
}

/// Metadata as JSON.
fn json(metadata: &Metadata) -> Value {
    serde_json::to_value(metadata).unwrap_or_default()
}

/// A filter of a case as Twindex takes it.
///
/// # Errors
/// What Twindex says of it.
pub fn filter(json_filter: &Value) -> Result<Filter, Failure> {
    match callable_name(json_filter) {
        Some(name) => {
            let name = name.to_owned();
            Ok(Filter::try_matching(move |document| callable::call(&name, &json(&document.metadata))))
        }
        None => Filter::try_from(json_filter.clone()).map_err(core),
    }
}

/// Rust has no numbers below 0 here: they come down to 0.
fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn search_args(kwargs: &Kwargs) -> Result<SearchArgs, Failure> {
    Ok(SearchArgs {
        k: kwargs.k.map(count),
        fetch_k: kwargs.fetch_k.map(count),
        lambda_mult: kwargs.lambda_mult.map(|x| x as f32),
        score_threshold: kwargs.score_threshold.map(|x| x as f32),
        filter: kwargs.filter.as_ref().map(filter).transpose()?,
        recall: None,
    })
}

fn documents(found: impl IntoIterator<Item = std::sync::Arc<Document>>) -> Answer {
    Answer::Docs(found.into_iter().map(|document| to_found(&document, None)).collect())
}

fn hits(found: Vec<Hit>) -> Answer {
    Answer::Docs(found.into_iter().map(|hit| to_found(&hit.document, Some(hit.score))).collect())
}

fn to_found(document: &Document, score: Option<f32>) -> Found {
    Found {
        id: document.id.clone().unwrap_or_default(),
        text: document.page_content.clone(),
        metadata: json(&document.metadata),
        score,
    }
}

/// An id for a place where Rust's types do not allow none: a version 4 uuid.
fn made_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    let (a, b) = (RandomState::new().hash_one(1), RandomState::new().hash_one(2));
    let variant = 0x8000 | (b >> 48) & 0x3fff;
    let (time, node) = (a >> 32, b & 0xffff_ffff_ffff);
    format!("{time:08x}-{:04x}-4{:03x}-{variant:04x}-{node:012x}", (a >> 16) & 0xffff, a & 0xfff)
}

fn whole_ids(ids: Vec<Option<String>>) -> Vec<String> {
    ids.into_iter().map(|id| id.unwrap_or_else(made_id)).collect()
}

impl Subject {
    /// Builds a store.
    ///
    /// # Errors
    /// What Twindex says; code `bad_case` if the setup names something that does not exist.
    pub async fn build(setup: &Setup, engine: EngineKind) -> Result<Self, Failure> {
        let mut builder = builder(setup, engine).distance_strategy(metric(strategy_of(setup).0)?);
        builder = builder.normalize_l2(setup.normalize_l2);
        if let Some(name) = &setup.relevance_score_fn {
            let function = Relevance::of_name(name).map_err(|error| Failure::new("bad_case", error))?;
            builder = builder.relevance_score_fn(relevance_fn(function));
        }
        let texts = || setup.docs.iter().map(|doc| doc.text.clone()).collect::<Vec<_>>();
        let metadatas = || {
            Some(setup.docs.iter().map(|doc| metadata(&doc.metadata.clone().unwrap_or_default())).collect())
        };
        let ids = || {
            let ids: Vec<Option<String>> = setup.docs.iter().map(|doc| doc.id.clone()).collect();
            ids.iter().any(Option::is_some).then(|| whole_ids(ids))
        };
        let store = match setup.kind {
            SetupKind::Empty => match setup.dim {
                Some(dim) => builder.dim(dim).build(),
                None => builder.build(),
            },
            SetupKind::FromDocuments => {
                let document = |doc: &DocSpec| Document {
                    id: doc.id.clone(),
                    page_content: doc.text.clone(),
                    metadata: metadata(&doc.metadata.clone().unwrap_or_default()),
                };
                builder.from_documents(setup.docs.iter().map(document).collect()).await
            }
            SetupKind::FromTexts => builder.from_texts(texts(), metadatas(), ids()).await,
            SetupKind::FromEmbeddings => {
                let pairs = setup.docs.iter().map(|doc| (doc.text.clone(), to_f32(&doc.vector))).collect();
                builder.from_embeddings(pairs, metadatas(), ids()).await
            }
        };
        Ok(Self { setup: setup.clone(), engine, store: store.map_err(native)? })
    }

    /// Opens a store from bytes, with the texts of a setup.
    ///
    /// # Errors
    /// What Twindex says.
    pub async fn open(setup: &Setup, engine: EngineKind, bytes: Vec<u8>) -> Result<Self, Failure> {
        let store = builder(setup, engine).deserialize_from_bytes(bytes).await.map_err(native)?;
        Ok(Self { setup: setup.clone(), engine, store })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &VectorStore {
        &self.store
    }

    /// Runs an operation; merging is [`merge`](Self::merge).
    ///
    /// # Errors
    /// What Twindex says.
    pub async fn run(&mut self, request: &Request) -> Outcome {
        match request {
            Request::Search(search) => self.search(search).await,
            Request::Add(add) => self.add(add).await.map(Answer::Ids),
            Request::Delete(ids) => {
                let options = match ids {
                    Some(ids) => DeleteOptions::ids(ids.iter().cloned()),
                    None => DeleteOptions::default(),
                };
                self.store.delete(options).await.map(|_| Answer::True).map_err(native)
            }
            Request::GetByIds(ids) => self.store.get_by_ids(ids).await.map(documents).map_err(native),
            Request::Load(load) => self.load(load).await,
            Request::State => self.state().map(Answer::State),
            Request::Vectors => self.vectors().map(Answer::Vectors),
            Request::Create | Request::Merge(_) => {
                Err(Failure::new("bad_case", "not an operation on one store"))
            }
        }
    }

    /// Merges another store into this one; none for this one itself.
    ///
    /// # Errors
    /// What Twindex says.
    pub async fn merge(&self, other: Option<&Subject>) -> Outcome {
        let other = other.map_or(&self.store, |other| &other.store);
        self.store.merge_from(other).await.map(|()| Answer::Done).map_err(native)
    }

    async fn search(&self, search: &SearchRequest) -> Outcome {
        match (&search.route, &search.query) {
            (Route::Method, query) => self.search_by_method(search, query).await,
            (Route::Search(name), Query::Text(query)) => {
                let search_type = SearchType::from_str(name).map_err(core)?;
                let args = search_args(&search.own)?;
                self.store.search(query, search_type, args).await.map(documents).map_err(native)
            }
            (Route::Retriever(name, call), Query::Text(query)) => {
                let search_type = SearchType::from_str(name).map_err(core)?;
                let search_kwargs = search_args(&search.own)?;
                let retriever = self
                    .store
                    .as_retriever(RetrieverOptions { search_type, search_kwargs })
                    .map_err(native)?;
                let found = if call.is_empty() {
                    retriever.invoke(query).await
                } else {
                    retriever.invoke_with(query, self.call_args(search, call).await?).await
                };
                found.map(documents).map_err(native)
            }
            (_, Query::Vector(_)) => Err(Failure::new("bad_case", "this search takes a text")),
        }
    }

    /// The arguments of a retriever's call. A null takes away what the retriever was made with, which Rust says by
    /// a filter or a threshold that everything passes.
    async fn call_args(
        &self,
        search: &SearchRequest,
        call: &Map<String, Value>,
    ) -> Result<SearchArgs, Failure> {
        let kwargs = Kwargs::read(call).map_err(|error| Failure::new("bad_case", error))?;
        let mut args = search_args(&kwargs)?;
        let taken_away = |name: &str| call.get(name).is_some_and(Value::is_null);
        if taken_away("filter") {
            args.filter = Some(filter(&Value::Object(Map::new()))?);
        }
        if taken_away("score_threshold") {
            let lower_is_better =
                self.store.read(|store| store.metric().lower_is_better()).map_err(native)?;
            let lowest = search.kind == Ok(SearchKind::Relevance) || !lower_is_better;
            args.score_threshold = Some(if lowest { f32::NEG_INFINITY } else { f32::INFINITY });
        }
        Ok(args)
    }

    async fn search_by_method(&self, search: &SearchRequest, query: &Query) -> Outcome {
        let args = search_args(&search.own)?;
        let store = &self.store;
        let answer = match (search.kind, search.scored, query) {
            (Ok(SearchKind::Plain), false, Query::Text(text)) => {
                store.similarity_search(text, args.search_options()).await.map(documents)
            }
            (Ok(SearchKind::Plain), true, Query::Text(text)) => {
                store.similarity_search_with_score(text, args.search_options()).await.map(hits)
            }
            (Ok(SearchKind::Plain), false, Query::Vector(vector)) => {
                store.similarity_search_by_vector(vector, args.search_options()).await.map(documents)
            }
            (Ok(SearchKind::Plain), true, Query::Vector(vector)) => {
                store.similarity_search_with_score_by_vector(vector, args.search_options()).await.map(hits)
            }
            (Ok(SearchKind::Relevance), _, Query::Text(text)) => {
                let options: SearchOptions = args.search_options();
                store.similarity_search_with_relevance_scores(text, options).await.map(hits)
            }
            (Ok(SearchKind::Mmr), false, Query::Text(text)) => {
                store.max_marginal_relevance_search(text, args.mmr_options()).await.map(documents)
            }
            (Ok(SearchKind::Mmr), false, Query::Vector(vector)) => {
                store.max_marginal_relevance_search_by_vector(vector, args.mmr_options()).await.map(documents)
            }
            (Ok(SearchKind::Mmr), true, Query::Vector(vector)) => {
                let options: MmrOptions = args.mmr_options();
                store.max_marginal_relevance_search_with_score_by_vector(vector, options).await.map(hits)
            }
            _ => return Err(Failure::new("bad_case", "no method takes this query")),
        };
        answer.map_err(native)
    }

    async fn add(&self, add: &AddRequest) -> Result<Vec<String>, Failure> {
        let texts = || add.items.iter().map(|item| item.text.clone());
        let metadatas = add.metadatas.as_ref().map(|items| items.iter().map(metadata_of).collect());
        let ids = add.ids.clone().map(whole_ids);
        let added = match add.kind {
            AddKind::Texts => self.store.add_texts(texts().collect(), metadatas, ids).await,
            AddKind::Documents => {
                let documents = add.items.iter().map(|item| Document {
                    id: item.id.clone(),
                    page_content: item.text.clone(),
                    metadata: metadata_of(&item.metadata),
                });
                self.store.add_documents(documents.collect(), ids).await
            }
            AddKind::Embeddings => {
                let pairs =
                    add.items.iter().map(|item| (item.text.clone(), item.vector.clone().unwrap_or_default()));
                self.store.add_embeddings(pairs.collect(), metadatas, ids).await
            }
        };
        added.map_err(native)
    }

    async fn load(&mut self, load: &LoadRequest) -> Outcome {
        let mut builder = builder(&self.setup, self.engine);
        if let Some(strategy) = &load.distance_strategy {
            builder = builder.distance_strategy(metric(strategy)?);
        }
        if let Some(normalize) = load.normalize_l2 {
            builder = builder.normalize_l2(normalize);
        }
        self.store = match &load.names {
            Some((save, load)) => {
                let folder =
                    tempfile::tempdir().map_err(|error| Failure::new("no_folder", error.to_string()))?;
                self.store.save_local(folder.path(), save).await.map_err(native)?;
                builder.load_local(folder.path(), load).await.map_err(native)?
            }
            None => {
                let bytes = self.store.serialize_to_bytes().await.map_err(native)?;
                builder.deserialize_from_bytes(bytes).await.map_err(native)?
            }
        };
        Ok(Answer::Done)
    }

    fn state(&self) -> Result<State, Failure> {
        let look = |store: &Store| {
            let id = |document: &Document| document.id.clone().unwrap_or_default();
            let ids: Vec<String> = store.documents().iter().map(|document| id(document)).collect();
            let mut docstore_ids: Vec<String> =
                ids.iter().filter_map(|name| store.get(name)).map(|document| id(document)).collect();
            docstore_ids.sort();
            let ntotal = store.index().map_or(0, |index| index.len());
            State { ntotal, dim: store.dim(), ids, docstore_ids }
        };
        self.store.read(look).map_err(native)
    }

    fn vectors(&self) -> Result<Vec<Vec<f32>>, Failure> {
        let look = |store: &Store| Ok((store.vectors()?, store.dim().unwrap_or(1)));
        let (vectors, dim) = self.store.read(look).map_err(native)?.map_err(core)?;
        Ok(vectors.chunks(dim).map(<[f32]>::to_vec).collect())
    }
}

fn builder(setup: &Setup, engine: EngineKind) -> VectorStoreBuilder {
    VectorStore::builder(Table(setup.table())).engine(engine)
}

fn metric(strategy: &str) -> Result<Metric, Failure> {
    Metric::from_str(strategy).map_err(core)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_here_are_version_4_uuids() {
        let ids = [made_id(), made_id()];
        assert!(ids.iter().all(|id| crate::compare::is_uuid4(id)), "{ids:?}");
        assert_ne!(ids[0], ids[1]);
    }
}
