//! Operations of a case with their arguments read and checked.

use serde_json::{Map, Value};

use crate::oracle::{DocSpec, Op, id_text, to_f32};

/// What is asked with.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// A text, to be looked up in the table.
    Text(String),
    /// A vector.
    Vector(Vec<f32>),
}

/// Which search it comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchKind {
    /// By raw score.
    Plain,
    /// By relevance.
    Relevance,
    /// Maximal marginal relevance.
    Mmr,
}

/// How the search is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Route {
    /// By the method of that kind.
    Method,
    /// By `search`, with the name of a search type.
    Search(String),
    /// By a retriever: its search type, and the arguments of the call.
    Retriever(String, Map<String, Value>),
}

/// Options of a search: what is absent or null takes its default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kwargs {
    /// How many documents.
    pub k: Option<i64>,
    /// How many candidates.
    pub fetch_k: Option<i64>,
    /// Balance of MMR.
    pub lambda_mult: Option<f64>,
    /// A threshold.
    pub score_threshold: Option<f64>,
    /// A filter.
    pub filter: Option<Value>,
}

impl Kwargs {
    /// Reads the options among arguments; others are passed over, as LangChain does.
    ///
    /// # Errors
    /// If one is of a type that no case should have.
    pub fn read(args: &Map<String, Value>) -> Result<Self, String> {
        let given = |name: &str| args.get(name).filter(|value| !value.is_null());
        let integer = |name: &str| {
            given(name)
                .map(|v| v.as_i64().ok_or_else(|| format!("{name} must be an integer, got {v}")))
                .transpose()
        };
        let number = |name: &str| {
            given(name)
                .map(|v| v.as_f64().ok_or_else(|| format!("{name} must be a number, got {v}")))
                .transpose()
        };
        Ok(Self {
            k: integer("k")?,
            fetch_k: integer("fetch_k")?,
            lambda_mult: number("lambda_mult")?,
            score_threshold: number("score_threshold")?,
            filter: given("filter").cloned(),
        })
    }
}

/// A search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchRequest {
    /// How it is asked for.
    pub route: Route,
    /// What it comes down to; an error code if the configuration is refused.
    pub kind: Result<SearchKind, &'static str>,
    /// Whether scores come back.
    pub scored: bool,
    /// What is asked with.
    pub query: Query,
    /// The options of the method, of `search`, or those a retriever is made with.
    pub own: Kwargs,
    /// The options in effect: for a retriever with those of the call in their place.
    pub effective: Kwargs,
    /// Whether the threshold was written as an integer, which LangChain's retriever refuses.
    pub integer_threshold: bool,
}

/// A document to add; the vector is given, or looked up by text.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDoc {
    /// The id; none for one that the store makes.
    pub id: Option<String>,
    /// The text.
    pub text: String,
    /// The metadata, a map.
    pub metadata: Value,
    /// The vector, if given.
    pub vector: Option<Vec<f32>>,
}

/// Which call adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddKind {
    /// `add_texts`.
    Texts,
    /// `add_documents`.
    Documents,
    /// `add_embeddings`.
    Embeddings,
}

/// An add.
#[derive(Debug, Clone, PartialEq)]
pub struct AddRequest {
    /// Which call.
    pub kind: AddKind,
    /// Texts, with the documents' ids and metadata for [`AddKind::Documents`], with vectors for [`AddKind::Embeddings`].
    pub items: Vec<NewDoc>,
    /// The argument `metadatas`.
    pub metadatas: Option<Vec<Value>>,
    /// The argument `ids`; an item that is none has to be made.
    pub ids: Option<Vec<Option<String>>>,
}

impl AddRequest {
    /// What is to be stored, or `length_mismatch`.
    ///
    /// # Errors
    /// The code.
    pub fn documents(&self) -> Result<Vec<NewDoc>, &'static str> {
        let count = self.items.len();
        let mut documents = self.items.clone();
        if let Some(metadatas) = &self.metadatas {
            if metadatas.len() != count {
                return Err("length_mismatch");
            }
            documents.iter_mut().zip(metadatas).for_each(|(doc, metadata)| doc.metadata = metadata.clone());
        }
        match &self.ids {
            Some(ids) if ids.is_empty() => documents.iter_mut().for_each(|doc| doc.id = None),
            Some(ids) if ids.len() != count => return Err("length_mismatch"),
            Some(ids) => documents.iter_mut().zip(ids).for_each(|(doc, id)| doc.id.clone_from(id)),
            None => drop_blank_ids(&mut documents),
        }
        Ok(documents)
    }
}

/// Documents' own ids count if at least one is not empty.
pub fn drop_blank_ids(documents: &mut [NewDoc]) {
    let any = documents.iter().any(|doc| doc.id.as_deref().is_some_and(|id| !id.is_empty()));
    if !any {
        documents.iter_mut().for_each(|doc| doc.id = None);
    }
}

/// A save and load, through a folder or through bytes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoadRequest {
    /// Through a folder: the name to save under, and the name to load.
    pub names: Option<(String, String)>,
    /// Whether LangChain's opt-in flag is given.
    pub allow: bool,
    /// A strategy given to the loader.
    pub distance_strategy: Option<String>,
    /// A normalisation given to the loader.
    pub normalize_l2: Option<bool>,
}

/// An operation, read.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Make the store.
    Create,
    /// Search it.
    Search(Box<SearchRequest>),
    /// Add to it.
    Add(AddRequest),
    /// Delete from it.
    Delete(Option<Vec<String>>),
    /// Read by ids.
    GetByIds(Vec<String>),
    /// Merge another store into it.
    Merge(String),
    /// Save and load it.
    Load(LoadRequest),
    /// Say what it holds.
    State,
    /// Give all vectors.
    Vectors,
}

impl Request {
    /// Reads an operation.
    ///
    /// # Errors
    /// If it is none that cases have, or an argument is of a type that no case should have.
    pub fn read(op: &Op) -> Result<Self, String> {
        let args = &op.args;
        Ok(match op.op.as_str() {
            "create" => Request::Create,
            "state" => Request::State,
            "vectors" => Request::Vectors,
            "get_by_ids" => Request::GetByIds(strings(args, "ids")?.unwrap_or_default()),
            "delete" => Request::Delete(strings(args, "ids")?),
            "merge_from" => Request::Merge(text(args, "from")?.ok_or("merge_from needs from")?),
            "add_texts" | "add_documents" | "add_embeddings" => Request::Add(add(op)?),
            "save_load" | "serialize_roundtrip" => Request::Load(load(op)?),
            _ => Request::Search(Box::new(search(op)?)),
        })
    }
}

fn given<'a>(args: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    args.get(name).filter(|value| !value.is_null())
}

fn text(args: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    given(args, name)
        .map(|value| {
            value.as_str().map(str::to_owned).ok_or_else(|| format!("{name} must be text, got {value}"))
        })
        .transpose()
}

fn list<'a>(args: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Vec<Value>>, String> {
    given(args, name)
        .map(|v| v.as_array().ok_or_else(|| format!("{name} must be a list, got {v}")))
        .transpose()
}

fn strings(args: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, String> {
    let Some(items) = list(args, name)? else { return Ok(None) };
    let text = |item| id_text(item).map(Option::unwrap_or_default);
    items.iter().map(text).collect::<Result<_, _>>().map(Some)
}

fn vector(value: &Value) -> Result<Vec<f32>, String> {
    let numbers: Option<Vec<f64>> =
        value.as_array().and_then(|items| items.iter().map(Value::as_f64).collect());
    numbers
        .map(|numbers| to_f32(&numbers))
        .ok_or_else(|| format!("a vector must be a list of numbers, got {value}"))
}

fn metadata(value: &Value) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::Object(Map::new())),
        Value::Object(_) => Ok(value.clone()),
        other => Err(format!("metadata must be a map, got {other}")),
    }
}

fn add(op: &Op) -> Result<AddRequest, String> {
    let no_metadata = || Value::Object(Map::new());
    let args = &op.args;
    let (kind, items) = match op.op.as_str() {
        "add_texts" => {
            let texts = strings(args, "texts")?.unwrap_or_default();
            let item = |text| NewDoc { id: None, text, metadata: no_metadata(), vector: None };
            (AddKind::Texts, texts.into_iter().map(item).collect())
        }
        "add_documents" => {
            let documents = given(args, "documents").cloned().unwrap_or(Value::Array(Vec::new()));
            let documents: Vec<DocSpec> = serde_json::from_value(documents).map_err(|e| e.to_string())?;
            let item = |doc: DocSpec| NewDoc {
                id: doc.id,
                text: doc.text,
                metadata: Value::Object(doc.metadata.unwrap_or_default()),
                vector: None,
            };
            (AddKind::Documents, documents.into_iter().map(item).collect())
        }
        _ => {
            let pair = |pair: &Value| match pair.as_array().map(Vec::as_slice) {
                Some([Value::String(text), numbers]) => {
                    let vector = Some(vector(numbers)?);
                    Ok(NewDoc { id: None, text: text.clone(), metadata: no_metadata(), vector })
                }
                _ => Err(format!("a pair of text and vector expected, got {pair}")),
            };
            let pairs = list(args, "text_embeddings")?.into_iter().flatten();
            (AddKind::Embeddings, pairs.map(pair).collect::<Result<_, String>>()?)
        }
    };
    let metadatas = list(args, "metadatas")?.map(|items| items.iter().map(metadata).collect()).transpose()?;
    let ids = list(args, "ids")?.map(|items| items.iter().map(id_text).collect()).transpose()?;
    Ok(AddRequest { kind, items, metadatas, ids })
}

fn load(op: &Op) -> Result<LoadRequest, String> {
    let args = &op.args;
    let flag = |name: &str| {
        given(args, name)
            .map(|v| v.as_bool().ok_or_else(|| format!("{name} must be true or false")))
            .transpose()
    };
    let names = match op.op.as_str() {
        "save_load" => {
            let save = text(args, "index_name")?.unwrap_or_else(|| "index".into());
            let load = text(args, "load_index_name")?.unwrap_or_else(|| save.clone());
            Some((save, load))
        }
        _ => None,
    };
    Ok(LoadRequest {
        names,
        allow: flag("allow")?.unwrap_or(true),
        distance_strategy: text(args, "distance_strategy")?,
        normalize_l2: flag("normalize_L2")?,
    })
}

fn kind_of(search_type: &str) -> Result<SearchKind, &'static str> {
    match search_type {
        "similarity" => Ok(SearchKind::Plain),
        "similarity_score_threshold" => Ok(SearchKind::Relevance),
        "mmr" => Ok(SearchKind::Mmr),
        _ => Err("invalid_search_type"),
    }
}

fn search(op: &Op) -> Result<SearchRequest, String> {
    use SearchKind::{Mmr, Plain, Relevance};
    let args = &op.args;
    let query = match given(args, "embedding") {
        Some(numbers) => Query::Vector(vector(numbers)?),
        None => Query::Text(text(args, "query")?.ok_or_else(|| format!("{} needs a query", op.op))?),
    };
    let method = |kind, scored| (Route::Method, Ok(kind), scored);
    let search_type = || text(args, "search_type").map(|name| name.unwrap_or_else(|| "similarity".into()));
    let map = |name: &str| match given(args, name) {
        None => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(other) => Err(format!("{name} must be a map, got {other}")),
    };
    let mut own = args.clone();
    let mut effective = args.clone();
    let (route, mut kind, scored) = match op.op.as_str() {
        "similarity_search" | "similarity_search_by_vector" => method(Plain, false),
        "similarity_search_with_score" | "similarity_search_with_score_by_vector" => method(Plain, true),
        "similarity_search_with_relevance_scores" => method(Relevance, true),
        "max_marginal_relevance_search" | "max_marginal_relevance_search_by_vector" => method(Mmr, false),
        "max_marginal_relevance_search_with_score_by_vector" => method(Mmr, true),
        "search" => {
            let name = search_type()?;
            let kind = kind_of(&name);
            (Route::Search(name), kind, false)
        }
        "retriever" => {
            let name = search_type()?;
            let kind = kind_of(&name);
            let call = map("invoke_kwargs")?;
            own = map("search_kwargs")?;
            effective = own.clone();
            effective.extend(call.clone());
            (Route::Retriever(name, call), kind, false)
        }
        other => return Err(format!("no operation is called {other:?}")),
    };
    // A retriever takes any number as its threshold, and nothing else.
    let threshold = own.get("score_threshold").cloned().unwrap_or_default();
    if let (Route::Retriever(..), Ok(Relevance)) = (&route, &kind)
        && !threshold.is_number()
    {
        own.remove("score_threshold");
        kind = Err("score_threshold_required");
    }
    let effective = Kwargs::read(if kind.is_ok() { &effective } else { &own })?;
    let integer_threshold = threshold.is_i64() || threshold.is_u64();
    Ok(SearchRequest { route, kind, scored, query, own: Kwargs::read(&own)?, effective, integer_threshold })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Request {
        Request::read(&serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn a_call_overrides_a_retriever_key_by_key() {
        let Request::Search(search) = read(
            r#"{"op": "retriever", "args": {"query": "q", "search_kwargs": {"k": 2, "filter": {"a": 1}},
                "invoke_kwargs": {"k": 3, "filter": null}}}"#,
        ) else {
            panic!("a search")
        };
        assert_eq!((search.own.k, search.effective.k), (Some(2), Some(3)));
        assert!(search.own.filter.is_some() && search.effective.filter.is_none());
        assert_eq!(search.kind, Ok(SearchKind::Plain));
    }

    #[test]
    fn a_threshold_retriever_needs_a_number() {
        for (threshold, kind) in [
            ("1", Ok(SearchKind::Relevance)),
            ("0.5", Ok(SearchKind::Relevance)),
            ("true", Err("score_threshold_required")),
            ("null", Err("score_threshold_required")),
        ] {
            let json = format!(
                r#"{{"op": "retriever", "args": {{"query": "q", "search_type": "similarity_score_threshold",
                    "search_kwargs": {{"score_threshold": {threshold}}}}}}}"#
            );
            let Request::Search(search) = read(&json) else { panic!("a search") };
            assert_eq!(search.kind, kind, "{threshold}");
        }
    }

    #[test]
    fn ids_come_from_the_argument_then_from_the_documents() {
        let documents = |json: &str| {
            let Request::Add(add) = read(json) else { panic!("an add") };
            add.documents().map(|docs| docs.into_iter().map(|doc| doc.id).collect::<Vec<_>>())
        };
        let text = |id: &str| Some(id.to_owned());
        let docs = r#""documents": [{"id": "a", "text": "x"}, {"text": "y"}]"#;
        let with = |ids: &str| documents(&format!(r#"{{"op": "add_documents", "args": {{{docs}{ids}}}}}"#));
        assert_eq!(with(""), Ok(vec![text("a"), None]));
        assert_eq!(with(r#", "ids": []"#), Ok(vec![None, None]));
        assert_eq!(with(r#", "ids": ["k", ""]"#), Ok(vec![text("k"), text("")]));
        assert_eq!(with(r#", "ids": ["k"]"#), Err("length_mismatch"));
        let blank = r#"{"op": "add_documents", "args": {"documents": [{"id": "", "text": "x"}]}}"#;
        assert_eq!(documents(blank), Ok(vec![None]));
    }

    #[test]
    fn unknown_operations_are_refused() {
        let op: Op = serde_json::from_str(r#"{"op": "compact", "args": {"query": "q"}}"#).unwrap();
        assert!(Request::read(&op).is_err());
    }
}
