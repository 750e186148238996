//! A client for services that speak OpenAI's embeddings protocol.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Embeddings, EmbeddingsError};

const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";
const DEFAULT_BATCH_SIZE: usize = 256;
/// The protocol's own limit.
const MAX_BATCH_SIZE: usize = 2048;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_MAX_RETRIES: u32 = 3;
const DEFAULT_BACKOFF: Duration = Duration::from_millis(500);
const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(60);
/// 2048 vectors of 3072 numbers, 20 characters each, are 120 MiB.
const MAX_ANSWER_BYTES: usize = 128 << 20;
/// Of a failure, so much is read at most.
const MAX_FAILURE_BYTES: usize = 64 << 10;
/// Of a service's message, so many characters are kept at most.
const MAX_MESSAGE_CHARS: usize = 500;

/// Settings of an [`OpenAiEmbeddings`], made by [`OpenAiEmbeddings::builder`].
///
/// ```
/// use std::time::Duration;
/// use twindex::embeddings::OpenAiEmbeddings;
///
/// let embeddings = OpenAiEmbeddings::builder("text-embedding-3-small")
///     .api_key("sk-not-a-key")
///     .dimensions(512)
///     .batch_size(100)
///     .timeout(Duration::from_secs(20))
///     .build()?;
/// assert!(!format!("{embeddings:?}").contains("sk-not-a-key"));
/// # Ok::<(), twindex::embeddings::EmbeddingsError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct OpenAiBuilder {
    model: String,
    base_url: Option<Address>,
    api_key: Option<Key>,
    dimensions: Option<usize>,
    batch_size: usize,
    timeout: Duration,
    max_retries: u32,
    backoff: Duration,
    max_wait: Duration,
    proxy: bool,
}

impl OpenAiBuilder {
    /// Where the service is, up to and without `/embeddings`; `https://api.openai.com/v1` unless set. A query string is
    /// kept. With plain `http` the key and the texts go over the network as they are: fit for this machine only.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(Address(url.into()));
        self
    }

    /// The key, sent as `Authorization: Bearer`. None is sent unless set. It appears in no error and no debug output.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(Key(key.into()));
        self
    }

    /// Takes what is not set yet from the environment: the key from `OPENAI_API_KEY`, the base URL from
    /// `OPENAI_BASE_URL`. Empty variables count as unset.
    pub fn or_env(mut self) -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        self.api_key =
            self.api_key.or_else(|| variable("OPENAI_API_KEY").map(|key| Key(key.trim().to_owned())));
        self.base_url =
            self.base_url.or_else(|| variable("OPENAI_BASE_URL").map(|url| Address(url.trim().to_owned())));
        self
    }

    /// Asks for vectors of so many numbers, where the model can shorten them. An answer of another length is an error.
    /// Unless set, the model decides.
    pub fn dimensions(mut self, dimensions: usize) -> Self {
        self.dimensions = Some(dimensions);
        self
    }

    /// Texts in one request, 256 unless set; 2048 at most. A service also limits the tokens of a request: 256 texts of
    /// 1000 characters are about 64,000, where OpenAI takes 300,000. Requests go one after the other.
    pub fn batch_size(mut self, texts: usize) -> Self {
        self.batch_size = texts;
        self
    }

    /// How long one request may take, from connecting to the last byte of the answer; 60 seconds unless set. A
    /// request that takes longer is not repeated.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often a request is repeated after the status 429 or 5xx, or when the connection fails; 3 times unless set.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// How long to wait before the first repetition, twice as long before each further one; 500 milliseconds unless
    /// set. Where the service says how long (`retry-after-ms`, or `retry-after` in seconds), that holds instead.
    pub fn backoff(mut self, first: Duration) -> Self {
        self.backoff = first;
        self
    }

    /// The longest wait before a repetition, whatever the service says; 60 seconds unless set.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Whether a proxy named by the environment (`HTTPS_PROXY`, `HTTP_PROXY`, less `NO_PROXY`) is used; it is unless
    /// set to `false`.
    pub fn env_proxy(mut self, used: bool) -> Self {
        self.proxy = used;
        self
    }

    /// The client. It connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`EmbeddingsError::InvalidOption`] for a setting that makes no sense, a base URL that is not `http` or `https` or
    /// that holds a user or password, and for no key where the base URL is OpenAI's own.
    pub fn build(self) -> Result<OpenAiEmbeddings, EmbeddingsError> {
        let invalid = |option, reason: String| Err(EmbeddingsError::InvalidOption { option, reason });
        if self.model.trim().is_empty() {
            return invalid("model", "expected a name, got none".into());
        }
        if !(1..=MAX_BATCH_SIZE).contains(&self.batch_size) {
            return invalid(
                "batch_size",
                format!("expected from 1 to {MAX_BATCH_SIZE}, got {}", self.batch_size),
            );
        }
        if self.dimensions == Some(0) {
            return invalid("dimensions", "expected at least 1, got 0".into());
        }
        if self.timeout.is_zero() {
            return invalid("timeout", "expected more than 0 seconds, got 0".into());
        }
        let url = endpoint(self.base_url.as_ref().map_or(DEFAULT_BASE_URL, |url| &url.0))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match &self.api_key {
            Some(key) => {
                let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", key.0)) else {
                    return invalid("api_key", "it holds characters that no header can hold".into());
                };
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
            None if self.base_url.is_none() => {
                return invalid(
                    "api_key",
                    "OpenAI's service needs one: give it, or set OPENAI_API_KEY".into(),
                );
            }
            None => {}
        }
        let mut client = Client::builder()
            .tls_backend_preconfigured(tls(url.scheme() == "https")?)
            .default_headers(headers)
            .user_agent(concat!("twindex/", env!("CARGO_PKG_VERSION")))
            .timeout(self.timeout)
            // A redirect could carry the texts, if not the key, to another host.
            .redirect(reqwest::redirect::Policy::none());
        if !self.proxy {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|e| EmbeddingsError::InvalidOption {
            option: "base_url",
            reason: format!("no client can be made: {}", chain(&e)),
        })?;
        Ok(OpenAiEmbeddings { client, url, settings: Arc::new(self) })
    }
}

/// The address of the `embeddings` resource.
fn endpoint(base: &str) -> Result<Url, EmbeddingsError> {
    let invalid = |reason: String| EmbeddingsError::InvalidOption { option: "base_url", reason };
    let mut url = Url::parse(base).map_err(|e| invalid(format!("not a URL: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid(format!("expected http or https and a host, got the scheme {:?}", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("a user or password in the URL is refused: use a key".into()));
    }
    url.set_fragment(None);
    match url.path_segments_mut() {
        Ok(mut path) => path.pop_if_empty().push("embeddings"),
        Err(()) => return Err(invalid("it cannot have a path".into())),
    };
    Ok(url)
}

/// TLS with ring, and the machine's own certificates; none where no TLS is spoken, so that a machine without any can
/// still reach a service on itself.
fn tls(https: bool) -> Result<ClientConfig, EmbeddingsError> {
    let failed = |e: rustls::Error| EmbeddingsError::InvalidOption {
        option: "base_url",
        reason: format!("TLS cannot be set up on this machine: {e}"),
    };
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    Ok(if https {
        config.with_platform_verifier().map_err(failed)?.with_no_client_auth()
    } else {
        config.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    })
}

/// Embeddings from OpenAI, or from any service that speaks its protocol (`POST .../embeddings`).
///
/// Texts go out in batches, one request after the other. A request that meets the status 429 or 5xx, or no connection,
/// is repeated after a growing wait; anything else is an error at once. Every answer is checked: as many vectors as
/// texts, brought into the order of the texts, all of one length, every number finite, at most 128 MiB. Redirects are
/// not followed. Clones share their connections.
///
/// ```no_run
/// use twindex::embeddings::{Embeddings, OpenAiEmbeddings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), twindex::embeddings::EmbeddingsError> {
/// // The key from OPENAI_API_KEY:
/// let embeddings = OpenAiEmbeddings::from_env("text-embedding-3-small")?;
/// // A server on this machine, without a key:
/// let local = OpenAiEmbeddings::builder("nomic-embed-text").base_url("http://localhost:11434/v1").build()?;
/// let vector = local.embed_query("What did the president say?").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OpenAiEmbeddings {
    client: Client,
    url: Url,
    settings: Arc<OpenAiBuilder>,
}

impl fmt::Debug for OpenAiEmbeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenAiEmbeddings").field(&self.settings).finish()
    }
}

impl OpenAiEmbeddings {
    /// Settings to build a client from, with their defaults. The environment is not looked at.
    pub fn builder(model: impl Into<String>) -> OpenAiBuilder {
        OpenAiBuilder {
            model: model.into(),
            base_url: None,
            api_key: None,
            dimensions: None,
            batch_size: DEFAULT_BATCH_SIZE,
            timeout: DEFAULT_TIMEOUT,
            max_retries: DEFAULT_MAX_RETRIES,
            backoff: DEFAULT_BACKOFF,
            max_wait: DEFAULT_MAX_WAIT,
            proxy: true,
        }
    }

    /// A client with the key from `OPENAI_API_KEY` and the base URL from `OPENAI_BASE_URL`, if set.
    ///
    /// # Errors
    ///
    /// As [`OpenAiBuilder::build`].
    pub fn from_env(model: impl Into<String>) -> Result<Self, EmbeddingsError> {
        OpenAiEmbeddings::builder(model).or_env().build()
    }

    /// Embeds at most one batch, with repetitions.
    async fn embed_batch(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingsError> {
        let settings = &self.settings;
        let body = serde_json::to_vec(&Request {
            model: &settings.model,
            input: texts,
            encoding_format: "float",
            dimensions: settings.dimensions,
        })
        .map_err(|e| EmbeddingsError::custom_with("the texts cannot be written as JSON", e))?;
        let mut attempts = 1;
        let mut backoff = settings.backoff;
        loop {
            let failure = match self.request(body.clone(), texts.len(), attempts).await {
                Ok(vectors) => return Ok(vectors),
                Err(failure) => failure,
            };
            if !failure.transient || attempts > settings.max_retries {
                return Err(failure.error);
            }
            tokio::time::sleep(failure.wait.unwrap_or(backoff).min(settings.max_wait)).await;
            backoff = backoff.saturating_mul(2);
            attempts += 1;
        }
    }

    async fn request(&self, body: Vec<u8>, texts: usize, attempts: u32) -> Result<Vec<Vec<f32>>, Failure> {
        let answer = self.client.post(self.url.clone()).body(body).send().await;
        let answer = answer.map_err(|e| self.broken(e, attempts))?;
        let status = answer.status();
        if status.is_success() {
            let body = self.read(answer, MAX_ANSWER_BYTES, attempts).await?;
            return match body {
                Body::Whole(body) => parse(&body, texts, self.settings.dimensions).map_err(Failure::lasting),
                Body::Cut(_) => Err(Failure::lasting(EmbeddingsError::MalformedAnswer {
                    reason: format!("it is longer than {MAX_ANSWER_BYTES} bytes"),
                })),
            };
        }
        let wait = retry_after(answer.headers());
        let message = if status.is_redirection() {
            "redirects are not followed".to_owned()
        } else {
            // A failure whose body cannot be read is still that failure.
            let (Body::Whole(body) | Body::Cut(body)) =
                self.read(answer, MAX_FAILURE_BYTES, attempts).await.unwrap_or(Body::Cut(Vec::new()));
            self.presentable(&said(&body, status))
        };
        Err(Failure {
            transient: status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            wait,
            error: EmbeddingsError::Status { status: status.as_u16(), message, attempts },
        })
    }

    /// Reads an answer, but no more than a limit.
    async fn read(&self, mut answer: Response, limit: usize, attempts: u32) -> Result<Body, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| self.broken(e, attempts))? {
            if chunk.len() > limit - body.len() {
                body.extend_from_slice(&chunk[..limit - body.len()]);
                return Ok(Body::Cut(body));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Body::Whole(body))
    }

    /// What reqwest's own failures mean.
    fn broken(&self, error: reqwest::Error, attempts: u32) -> Failure {
        let error = error.without_url();
        if error.is_timeout() {
            return Failure::lasting(EmbeddingsError::Timeout { after: self.settings.timeout });
        }
        let message = self.presentable(&chain(&error));
        let transient = !error.is_builder();
        let error = EmbeddingsError::Connection { message, attempts, source: Some(Box::new(error)) };
        Failure { transient, wait: None, error }
    }

    /// One short line without the key.
    fn presentable(&self, message: &str) -> String {
        let message = match &self.settings.api_key {
            Some(key) if !key.0.is_empty() => message.replace(&key.0, "[key]"),
            _ => message.to_owned(),
        };
        let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(MAX_MESSAGE_CHARS) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line,
        }
    }
}

#[async_trait::async_trait]
impl Embeddings for OpenAiEmbeddings {
    async fn embed_documents(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingsError> {
        let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(texts.len());
        for batch in texts.chunks(self.settings.batch_size) {
            vectors.append(&mut self.embed_batch(batch).await?);
        }
        same_lengths(&vectors)?;
        Ok(vectors)
    }

    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingsError> {
        let mut vectors = self.embed_batch(&[text.to_owned()]).await?;
        let actual = vectors.len();
        vectors.pop().ok_or(EmbeddingsError::WrongCount { expected: 1, actual })
    }

    fn name(&self) -> &str {
        &self.settings.model
    }
}

/// A secret: never shown.
#[derive(Clone)]
struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// A URL, shown without what may be secret in it: user, password and query.
#[derive(Clone)]
struct Address(String);

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Url::parse(&self.0) {
            Ok(url) if url.has_host() => {
                write!(f, "{}{}", url.origin().ascii_serialization(), url.path())
            }
            _ => f.write_str("[not a URL]"),
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vec<f32>,
}

enum Body {
    Whole(Vec<u8>),
    Cut(Vec<u8>),
}

/// A request that failed: whether another may succeed, and how long the service wants it to wait.
struct Failure {
    error: EmbeddingsError,
    transient: bool,
    wait: Option<Duration>,
}

impl Failure {
    fn lasting(error: EmbeddingsError) -> Self {
        Failure { error, transient: false, wait: None }
    }
}

fn malformed(reason: String) -> EmbeddingsError {
    EmbeddingsError::MalformedAnswer { reason }
}

/// The vectors of an answer, in the order of the texts.
fn parse(body: &[u8], texts: usize, dimensions: Option<usize>) -> Result<Vec<Vec<f32>>, EmbeddingsError> {
    let answer: Answer = serde_json::from_slice(body).map_err(|e| malformed(e.to_string()))?;
    if answer.data.len() != texts {
        return Err(EmbeddingsError::WrongCount { expected: texts, actual: answer.data.len() });
    }
    // Some services leave the numbers out: then the order is the texts'. Some with, some without, is a mistake.
    let numbered = answer.data.iter().any(|item| item.index.is_some());
    let mut vectors = vec![Vec::new(); texts];
    for (position, item) in answer.data.into_iter().enumerate() {
        let index = match (numbered, item.index) {
            (false, _) => position,
            (true, Some(index)) if index < texts => index,
            (true, index) => {
                return Err(malformed(format!(
                    "vector {position} has the index {index:?} among {texts} texts"
                )));
            }
        };
        if let Some(component) = item.embedding.iter().position(|x| !x.is_finite()) {
            return Err(malformed(format!(
                "the vector of text {index} is not finite at component {component}"
            )));
        }
        match (item.embedding.len(), dimensions) {
            (0, _) => return Err(malformed(format!("the vector of text {index} is empty"))),
            (actual, Some(asked)) if actual != asked => {
                return Err(malformed(format!("the vectors have {actual} numbers, {asked} were asked for")));
            }
            _ => {}
        }
        if !vectors[index].is_empty() {
            return Err(malformed(format!("two vectors have the index {index}")));
        }
        vectors[index] = item.embedding;
    }
    same_lengths(&vectors)?;
    Ok(vectors)
}

fn same_lengths(vectors: &[Vec<f32>]) -> Result<(), EmbeddingsError> {
    let Some(first) = vectors.first().map(Vec::len) else { return Ok(()) };
    match vectors.iter().position(|v| v.len() != first) {
        Some(text) => Err(malformed(format!(
            "the vector of text {text} has {} numbers, that of text 0 has {first}",
            vectors[text].len()
        ))),
        None => Ok(()),
    }
}

/// The message in a failure's body: OpenAI's form, its usual variations, or the text as it is.
fn said(body: &[u8], status: StatusCode) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let message = json.as_ref().and_then(|json| {
        ["/error/message", "/error", "/message", "/detail"]
            .into_iter()
            .find_map(|path| json.pointer(path).and_then(Value::as_str))
    });
    let text = match message {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(body).into_owned(),
    };
    if text.trim().is_empty() { status.canonical_reason().unwrap_or("no message").to_owned() } else { text }
}

/// How long the service asks to wait: `retry-after-ms`, or `retry-after` in seconds. A date counts as nothing said.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |value: Option<&HeaderValue>| value?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number(headers.get("retry-after-ms"))
        .map(|ms| ms / 1000.0)
        .or_else(|| number(headers.get(RETRY_AFTER)))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// An error's message with its causes.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
