//! Options of calls: known keys, right types, core's defaults for what is absent.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use js_sys::Function;
use twindex_core::bytes::VectorEncoding;
use twindex_core::{
    DeleteOptions, Error, Filter, MAX_NESTING, Metric, PartialSettings, RelevanceScoreFn, SearchArgs,
    SearchType, Value,
};
use wasm_bindgen::{JsCast, JsValue};

use crate::convert::{document_out, is_text, optional_ids, text_argument, texts};
use crate::error::{Failure, Result, unreadable};
use crate::js::{AbortSignal, describe, get, is_signal, options_of};
use crate::local::Local;
use crate::metadata::{Defect, Reader};

/// What the caller's functions threw while core was calling them: kept here, since core's errors hold text only.
pub type Thrown = Rc<RefCell<Option<JsValue>>>;

/// An options object; undefined and null stand for none of them.
pub struct Options(JsValue);

impl Options {
    /// An options object with no other keys than these, which stand with commas between.
    ///
    /// # Errors
    /// `invalid_argument`, `invalid_option`.
    pub fn new(value: &JsValue, known: &str) -> Result<Self> {
        if value.is_undefined() || value.is_null() {
            return Ok(Self(JsValue::UNDEFINED));
        }
        let options = options_of(value, known).map_err(unreadable("options"))?;
        match options.as_string() {
            Some(key) => Err(Failure::new(
                "invalid_option",
                format!("unknown option {key:?}: expected one of {known}"),
            )),
            None if options.is_undefined() => Err(Failure::argument("options", "an object", value)),
            None => Ok(Self(options)),
        }
    }

    /// An option; null, like undefined, stands for one that is not given.
    fn get(&self, key: &'static str) -> Result<Option<JsValue>> {
        if self.0.is_undefined() {
            return Ok(None);
        }
        let value = get(&self.0, key).map_err(unreadable(key))?;
        Ok((!value.is_undefined() && !value.is_null()).then_some(value))
    }

    /// Whether an option is there as null: taken away from those it stands beside.
    fn is_null(&self, key: &str) -> bool {
        !self.0.is_undefined() && get(&self.0, key).is_ok_and(|value| value.is_null())
    }

    fn number(&self, key: &'static str) -> Result<Option<f32>> {
        self.get(key)?
            .map(|value| match value.as_f64() {
                Some(number) if !number.is_nan() => Ok(number as f32),
                _ => Err(wrong(key, "a number", &value)),
            })
            .transpose()
    }

    #[cfg(feature = "approximate")]
    fn recall(&self) -> Result<Option<f32>> {
        let recall = self.number("recall")?;
        match recall {
            Some(recall) if !(recall > 0.0 && recall <= 1.0) => Err(wrong(
                "recall",
                "a number above 0 and at most 1",
                &self.get("recall")?.unwrap_or_default(),
            )),
            _ => Ok(recall),
        }
    }

    /// Told apart from an option that no module knows.
    #[cfg(not(feature = "approximate"))]
    fn no_recall(&self) -> Result<()> {
        match self.get("recall")? {
            Some(value) => {
                Err(wrong("recall", "init(source) with the source of twindex/approximate first", &value))
            }
            None => Ok(()),
        }
    }

    fn count(&self, key: &'static str) -> Result<Option<usize>> {
        self.get(key)?.map(|value| count(key, &value)).transpose()
    }

    fn dim(&self) -> Result<Option<usize>> {
        let dim = self.count("dim")?;
        if dim.is_some_and(|dim| dim > i32::MAX as usize) {
            return Err(wrong("dim", "less than 2^31", &self.get("dim")?.unwrap_or_default()));
        }
        Ok(dim)
    }

    fn boolean(&self, key: &'static str) -> Result<Option<bool>> {
        self.get(key)?
            .map(|value| value.as_bool().ok_or_else(|| wrong(key, "true or false", &value)))
            .transpose()
    }

    fn function(&self, key: &'static str) -> Result<Option<Function>> {
        self.get(key)?
            .map(|value| value.dyn_into::<Function>().map_err(|value| wrong(key, "a function", &value)))
            .transpose()
    }

    /// What cancels the call.
    ///
    /// # Errors
    /// `invalid_option`.
    pub fn signal(&self) -> Result<Option<AbortSignal>> {
        let Some(value) = self.get("signal")? else { return Ok(None) };
        if is_signal(&value) {
            Ok(Some(value.unchecked_into()))
        } else {
            Err(wrong("signal", "an AbortSignal", &value))
        }
    }

    fn filter(&self, key: &'static str, thrown: &Thrown) -> Result<Option<Filter>> {
        self.get(key)?.map(|value| filter(&value, thrown)).transpose()
    }
}

fn wrong(option: &'static str, expected: &str, actual: &JsValue) -> Failure {
    Error::InvalidOption { option, reason: format!("expected {expected}, got {}", describe(actual)) }.into()
}

/// A count, such as `k`. Core refuses 0, and so what is below it.
fn count(option: &'static str, value: &JsValue) -> Result<usize> {
    match value.as_f64() {
        // More than any store holds is as many as there are.
        Some(number) if number.fract() == 0.0 => Ok(number.clamp(0.0, f64::from(u32::MAX)) as usize),
        Some(number) if number.is_infinite() && number > 0.0 => Ok(u32::MAX as usize),
        _ => Err(wrong(option, "a whole number", value)),
    }
}

/// A filter: conditions or a function.
///
/// # Errors
/// `invalid_filter_type`, `malformed_filter`, `filter_too_deep`, `unsupported_filter_operator`.
pub fn filter(value: &JsValue, thrown: &Thrown) -> Result<Filter> {
    if let Some(keep) = value.dyn_ref::<Function>() {
        return Ok(predicate(keep.clone(), thrown.clone()));
    }
    let conditions = Reader::for_filter().object(value).map_err(|defect| match defect {
        Defect::TooDeep => Failure::from(Error::FilterTooDeep { limit: MAX_NESTING }),
        Defect::Other(reason) => Failure::new("malformed_filter", format!("filter {reason}")),
    })?;
    let Some(conditions) = conditions else {
        let message = format!("a filter is an object or a function, got {}", describe(value));
        return Err(Failure::new("invalid_filter_type", message));
    };
    Ok(Filter::parse(&Value::Map(conditions))?)
}

fn predicate(keep: Function, thrown: Thrown) -> Filter {
    let local = Local::new((keep, thrown));
    Filter::try_matching(move |document| {
        let Some(local) = local.get() else { unreachable!("{ONE_THREAD}") };
        let (keep, thrown) = &*local;
        match keep.call1(&JsValue::UNDEFINED, &document_out(document)) {
            Ok(answer) => {
                answer.as_bool().ok_or_else(|| format!("expected true or false, got {}", describe(&answer)))
            }
            Err(value) => {
                let message = describe(&value);
                thrown.replace(Some(value));
                Err(message)
            }
        }
    })
}

const ONE_THREAD: &str = "a module has one thread";

/// Options of searches, as far as they are given.
pub struct SearchRequest {
    /// What core is asked.
    pub args: SearchArgs,
    /// What cancels the call.
    pub signal: Option<AbortSignal>,
    /// What a filter function threw.
    pub thrown: Thrown,
    /// Which arguments are null, and so taken away from those of a retriever.
    nulls: Vec<&'static str>,
}

const SEARCH: &str = "k, filter, fetchK, scoreThreshold, recall, signal";
const MMR: &str = "k, filter, fetchK, scoreThreshold, lambda, signal";

impl SearchRequest {
    /// Of a method that takes `k` or options, and perhaps a filter after them.
    ///
    /// # Errors
    /// `invalid_argument`, `invalid_option`, what is wrong with a filter.
    pub fn search(k_or_options: &JsValue, filter_argument: &JsValue) -> Result<Self> {
        let mut request = Self::parse(k_or_options, SEARCH)?;
        if !filter_argument.is_undefined() && !filter_argument.is_null() {
            if request.args.filter.is_some() {
                let reason = "expected once, got it in the options and beside them".to_owned();
                return Err(Error::InvalidOption { option: "filter", reason }.into());
            }
            request.args.filter = Some(filter(filter_argument, &request.thrown)?);
        }
        Ok(request)
    }

    /// Of a method that takes `k` or options of MMR.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn mmr(k_or_options: &JsValue) -> Result<Self> {
        Self::parse(k_or_options, MMR)
    }

    fn parse(value: &JsValue, known: &str) -> Result<Self> {
        let thrown = Thrown::default();
        if value.as_f64().is_some() || is_text(value) || value.is_bigint() {
            let args = SearchArgs { k: Some(count("k", value)?), ..SearchArgs::default() };
            return Ok(Self { args, signal: None, thrown, nulls: Vec::new() });
        }
        let options = Options::new(value, known)?;
        #[cfg(not(feature = "approximate"))]
        options.no_recall()?;
        let args = SearchArgs {
            k: options.count("k")?,
            fetch_k: options.count("fetchK")?,
            lambda_mult: options.number("lambda")?,
            score_threshold: options.number("scoreThreshold")?,
            #[cfg(feature = "approximate")]
            recall: options.recall()?,
            filter: options.filter("filter", &thrown)?,
        };
        // Each name ends where its comma is: finding a char takes much less code than finding a text.
        let nulls =
            MMR.split(' ').map(|key| key.trim_end_matches(',')).filter(|key| options.is_null(key)).collect();
        Ok(Self { args, signal: options.signal()?, thrown, nulls })
    }

    /// These arguments over those of a retriever, one by one, and over what its filter threw.
    #[must_use]
    pub fn over(self, base: &SearchArgs, thrown: &Thrown, signal: Option<&AbortSignal>) -> Self {
        let mut base = base.clone();
        for key in &self.nulls {
            match *key {
                "k" => base.k = None,
                "fetchK" => base.fetch_k = None,
                "lambda" => base.lambda_mult = None,
                "scoreThreshold" => base.score_threshold = None,
                "filter" => base.filter = None,
                _ => {}
            }
        }
        let thrown = if self.args.filter.is_some() { self.thrown } else { thrown.clone() };
        let signal = signal.filter(|_| !self.nulls.contains(&"signal")).cloned();
        Self {
            args: base.overridden_by(self.args),
            thrown,
            signal: self.signal.or(signal),
            nulls: Vec::new(),
        }
    }
}

/// How a store is made or opened, and what it calls.
pub struct StoreRequest {
    /// The settings given.
    pub settings: PartialSettings,
    /// The caller's relevance function.
    pub relevance: Option<RelevanceScoreFn>,
    /// What that function did wrong.
    pub raised: Rc<RefCell<Option<Failure>>>,
    /// Told what LangChain would warn about.
    pub on_warning: Option<Function>,
    /// What cancels the call.
    pub signal: Option<AbortSignal>,
}

const STORE: &str = "distanceStrategy, normalizeL2, dim, relevanceScoreFn, onWarning, signal";

impl StoreRequest {
    /// Options of a method that makes or opens a store.
    ///
    /// # Errors
    /// `invalid_argument`, `invalid_option`, `unknown_distance_strategy`.
    pub fn parse(value: &JsValue) -> Result<Self> {
        let options = Options::new(value, STORE)?;
        let metric = match options.get("distanceStrategy")? {
            None => None,
            Some(name) if is_text(&name) => {
                Some(text_argument("distanceStrategy", &name)?.parse::<Metric>()?)
            }
            Some(other) => return Err(wrong("distanceStrategy", "a string", &other)),
        };
        let raised = Rc::new(RefCell::new(None));
        Ok(Self {
            settings: PartialSettings {
                metric,
                normalize_l2: options.boolean("normalizeL2")?,
                kind: None,
                dim: options.dim()?,
            },
            relevance: options
                .function("relevanceScoreFn")?
                .map(|function| relevance(function, raised.clone())),
            raised,
            on_warning: options.function("onWarning")?,
            signal: options.signal()?,
        })
    }
}

fn relevance(function: Function, raised: Rc<RefCell<Option<Failure>>>) -> RelevanceScoreFn {
    let local = Local::new((function, raised));
    Arc::new(move |score| {
        let Some(local) = local.get() else { unreachable!("{ONE_THREAD}") };
        let (function, raised) = &*local;
        let answer = function.call1(&JsValue::UNDEFINED, &JsValue::from_f64(score.into()));
        let failure = match answer {
            Ok(answer) => match answer.as_f64() {
                Some(relevance) => return relevance as f32,
                None => Failure::new(
                    RELEVANCE_FAILED,
                    format!("the relevance function: expected a number, got {}", describe(&answer)),
                ),
            },
            Err(thrown) => {
                let message = format!("the relevance function failed: {}", describe(&thrown));
                Failure::new(RELEVANCE_FAILED, message).caused_by(thrown)
            }
        };
        raised.borrow_mut().get_or_insert(failure);
        f32::NAN
    })
}

/// What the caller's relevance function did wrong; the counterpart of `callable_filter_raised`.
const RELEVANCE_FAILED: &str = "relevance_score_fn_raised";

/// Options of calls that embed documents.
pub struct AddRequest {
    /// Ids beside the documents.
    pub ids: Option<Vec<Option<String>>>,
    /// How texts are embedded.
    pub embed: EmbedRequest,
}

/// How texts are embedded.
#[derive(Default)]
pub struct EmbedRequest {
    /// Texts per call.
    pub batch_size: Option<usize>,
    /// Told after each batch.
    pub on_progress: Option<Function>,
    /// What cancels the call.
    pub signal: Option<AbortSignal>,
}

const ADD: &str = "ids, batchSize, onProgress, signal";

impl AddRequest {
    /// Options of a call.
    ///
    /// # Errors
    /// `invalid_argument`, `invalid_option`.
    pub fn parse(value: &JsValue) -> Result<Self> {
        let options = Options::new(value, ADD)?;
        let batch_size = options.count("batchSize")?;
        if batch_size == Some(0) {
            return Err(wrong("batchSize", "at least 1", &options.get("batchSize")?.unwrap_or_default()));
        }
        Ok(Self {
            ids: optional_ids(&options.get("ids")?.unwrap_or_default())?,
            embed: EmbedRequest {
                batch_size,
                on_progress: options.function("onProgress")?,
                signal: options.signal()?,
            },
        })
    }
}

/// Options of calls that bring vectors.
pub struct AddVectorsRequest {
    /// Ids beside the documents.
    pub ids: Option<Vec<Option<String>>>,
    /// Numbers per vector.
    pub dim: Option<usize>,
    /// What cancels the call.
    pub signal: Option<AbortSignal>,
}

const ADD_VECTORS: &str = "ids, dim, signal";

impl AddVectorsRequest {
    /// Options of a call.
    ///
    /// # Errors
    /// `invalid_argument`, `invalid_option`, `empty_vector`.
    pub fn parse(value: &JsValue) -> Result<Self> {
        let options = Options::new(value, ADD_VECTORS)?;
        let dim = options.dim()?;
        if dim == Some(0) {
            return Err(Error::EmptyVector.into());
        }
        Ok(Self {
            ids: optional_ids(&options.get("ids")?.unwrap_or_default())?,
            dim,
            signal: options.signal()?,
        })
    }
}

/// What to delete.
///
/// # Errors
/// `invalid_argument`, `invalid_option`, what is wrong with a filter. Core says what is wrong with the choice itself.
pub fn delete(value: &JsValue, thrown: &Thrown) -> Result<DeleteOptions> {
    let options = Options::new(value, "ids, filter, ignoreUnknown")?;
    let mut request = DeleteOptions::default();
    if let Some(ids) = options.get("ids")? {
        request.ids = Some(texts("ids", &ids)?);
    }
    request.filter = options.filter("filter", thrown)?;
    request.ignore_unknown = options.boolean("ignoreUnknown")?.unwrap_or_default();
    Ok(request)
}

/// How a retriever searches.
///
/// # Errors
/// `invalid_argument`, `invalid_option`, `invalid_search_type`, what is wrong with the options of its searches.
pub fn retriever(value: &JsValue) -> Result<(SearchType, SearchRequest)> {
    let options = Options::new(value, "searchType, searchKwargs")?;
    let search_type = options.get("searchType")?.map(|name| search_type(&name)).transpose()?;
    let request = SearchRequest::mmr(&options.get("searchKwargs")?.unwrap_or_default())?;
    Ok((search_type.unwrap_or_default(), request))
}

/// How vectors are written, by the name of the encoding.
///
/// # Errors
/// `invalid_option`.
pub fn vectors(name: &JsValue) -> Result<Option<VectorEncoding>> {
    if name.is_undefined() || name.is_null() {
        return Ok(None);
    }
    let text = name.as_string();
    let known = VectorEncoding::ALL.into_iter().find(|encoding| text.as_deref() == Some(encoding.name()));
    known.map(Some).ok_or_else(|| wrong("vectors", "f32, f16 or i8", name))
}

/// A search type by its name.
///
/// # Errors
/// `invalid_argument`, `invalid_search_type`.
pub fn search_type(name: &JsValue) -> Result<SearchType> {
    Ok(text_argument("searchType", name)?.parse()?)
}
