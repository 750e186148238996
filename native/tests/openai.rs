//! The OpenAI-compatible client against a real HTTP server on this machine.
#![cfg(feature = "openai")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use twindex::embeddings::{Embeddings, EmbeddingsError, OpenAiBuilder, OpenAiEmbeddings};

const KEY: &str = "sk-test-0123456789";

/// What the server does with one request.
enum Reply {
    /// Vectors as a real service gives them: `[length of the text, number in the batch]`.
    Vectors,
    /// A status, further headers, a body.
    Raw(u16, &'static str, String),
    /// Nothing, for long.
    Silence,
    /// The head of an answer, then nothing, for long.
    HalfAnAnswer,
    /// The connection is closed.
    HangUp,
}

#[derive(Debug, Clone)]
struct Seen {
    head: String,
    body: Value,
}

/// A server that replies to each request as told, then with vectors.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    async fn start(replies: impl IntoIterator<Item = Reply>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let replies = Arc::new(Mutex::new(replies.into_iter().collect::<VecDeque<_>>()));
        let server = Server { address, seen: Arc::clone(&seen) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen), Arc::clone(&replies)));
            }
        });
        server
    }

    fn client(&self) -> OpenAiBuilder {
        client(&self.address)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn client(address: &str) -> OpenAiBuilder {
    OpenAiEmbeddings::builder("test-model")
        .base_url(address)
        .api_key(KEY)
        .backoff(Duration::from_millis(1))
        .timeout(Duration::from_secs(10))
        .env_proxy(false)
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<Seen>>>, replies: Arc<Mutex<VecDeque<Reply>>>) {
    let mut bytes = Vec::new();
    loop {
        // One request: the head, then as many bytes as it says.
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head
            .lines()
            .find_map(|l| {
                l.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap())
            })
            .unwrap_or(0);
        while bytes.len() < end + length {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let body: Value = serde_json::from_slice(&bytes[end..end + length]).unwrap();
        bytes.drain(..end + length);
        seen.lock().unwrap().push(Seen { head, body: body.clone() });
        let reply = replies.lock().unwrap().pop_front().unwrap_or(Reply::Vectors);
        let (status, headers, body) = match reply {
            Reply::Vectors => (200, "", vectors_for(&body).to_string()),
            Reply::Raw(status, headers, body) => (status, headers, body),
            Reply::Silence => return tokio::time::sleep(Duration::from_secs(60)).await,
            Reply::HalfAnAnswer => {
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"data\": [";
                stream.write_all(head.as_bytes()).await.unwrap();
                return tokio::time::sleep(Duration::from_secs(60)).await;
            }
            Reply::HangUp => return,
        };
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
        let answer = format!("{head}{headers}\r\n{body}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The vectors come last text first: only `index` says which is whose.
fn vectors_for(request: &Value) -> Value {
    let texts = request["input"].as_array().unwrap();
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .rev()
        .map(|(index, text)| {
            json!({"object": "embedding", "index": index, "embedding": [text.as_str().unwrap().len(), index]})
        })
        .collect();
    json!({"object": "list", "data": data, "model": "test-model", "usage": {"prompt_tokens": 1, "total_tokens": 1}})
}

fn answer(vectors: Value) -> Reply {
    Reply::Raw(200, "", vectors.to_string())
}

fn texts(lengths: impl IntoIterator<Item = usize>) -> Vec<String> {
    lengths.into_iter().map(|n| "x".repeat(n)).collect()
}

async fn error_of(server: &Server, count: usize) -> EmbeddingsError {
    server.client().build().unwrap().embed_documents(&texts(1..=count)).await.unwrap_err()
}

#[tokio::test]
async fn texts_go_out_in_batches_and_vectors_come_back_in_their_order() {
    let server = Server::start([]).await;
    let embeddings = server.client().batch_size(3).build().unwrap();
    let vectors = embeddings.embed_documents(&texts([5, 1, 4, 2, 9, 7, 8])).await.unwrap();
    assert_eq!(vectors, [[5., 0.], [1., 1.], [4., 2.], [2., 0.], [9., 1.], [7., 2.], [8., 0.]]);
    assert_eq!(embeddings.embed_query("four").await.unwrap(), [4.0, 0.0]);
    assert_eq!(embeddings.name(), "test-model");

    let seen = server.seen();
    let sizes: Vec<usize> = seen.iter().map(|s| s.body["input"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [3, 3, 1, 1]);
    for request in &seen {
        assert!(request.head.starts_with("POST /v1/embeddings HTTP/1.1\r\n"), "{}", request.head);
        assert!(request.head.contains(&format!("\r\nauthorization: Bearer {KEY}\r\n")), "{}", request.head);
        assert_eq!(request.body["model"], "test-model");
        assert_eq!(request.body["encoding_format"], "float");
        assert!(request.body.get("dimensions").is_none());
    }
}

#[tokio::test]
async fn no_texts_make_no_request() {
    let server = Server::start([]).await;
    let vectors = server.client().build().unwrap().embed_documents(&[]).await.unwrap();
    assert!(vectors.is_empty() && server.seen().is_empty());
}

#[tokio::test]
async fn without_a_key_no_authorization_is_sent_and_the_query_of_the_address_is_kept() {
    let server = Server::start([]).await;
    let address = format!("{}/?version=2", server.address);
    let builder = OpenAiEmbeddings::builder("m").base_url(address).env_proxy(false);
    builder.build().unwrap().embed_query("a").await.unwrap();
    let head = &server.seen()[0].head;
    assert!(head.starts_with("POST /v1/embeddings?version=2 "), "{head}");
    assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
}

#[tokio::test]
async fn the_dimension_is_asked_for_and_checked() {
    let server = Server::start([]).await;
    let two = server.client().dimensions(2).build().unwrap();
    two.embed_query("a").await.unwrap();
    assert_eq!(server.seen()[0].body["dimensions"], 2);
    let error = server.client().dimensions(3).build().unwrap().embed_query("a").await.unwrap_err();
    assert!(matches!(error, EmbeddingsError::MalformedAnswer { .. }), "{error}");
}

#[tokio::test]
async fn a_busy_service_is_asked_again_when_it_says() {
    for headers in
        ["retry-after-ms: 80\r\n", "retry-after: 0.08\r\n", "retry-after-ms: 80\r\nretry-after: 30\r\n"]
    {
        let server = Server::start([Reply::Raw(429, headers, String::new())]).await;
        let start = Instant::now();
        let vectors = server.client().build().unwrap().embed_documents(&texts([3])).await.unwrap();
        assert_eq!(vectors, [[3.0, 0.0]]);
        let waited = start.elapsed();
        assert!(
            waited >= Duration::from_millis(80) && waited < Duration::from_secs(5),
            "{headers}: {waited:?}"
        );
        assert_eq!(server.seen().len(), 2);
    }
}

#[tokio::test]
async fn no_service_makes_the_client_wait_longer_than_its_own_limit() {
    for headers in
        ["retry-after: 3600\r\n", "retry-after: 1e18\r\n", "retry-after: -1\r\n", "retry-after: soon\r\n"]
    {
        let server = Server::start([Reply::Raw(503, headers, String::new())]).await;
        let client = server.client().max_wait(Duration::from_millis(20)).build().unwrap();
        let start = Instant::now();
        client.embed_query("a").await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "{headers}");
    }
}

#[tokio::test]
async fn waits_without_a_header_double() {
    let failing = || Reply::Raw(500, "", String::new());
    let server = Server::start([failing(), failing(), failing()]).await;
    let start = Instant::now();
    server.client().backoff(Duration::from_millis(20)).build().unwrap().embed_query("a").await.unwrap();
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(20 + 40 + 80), "{waited:?}");
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_failing_service_is_given_up_after_the_retries() {
    let failing = || Reply::Raw(502, "", json!({"error": {"message": "no upstream"}}).to_string());
    let server = Server::start([failing(), failing(), failing(), failing()]).await;
    let error = server.client().max_retries(2).build().unwrap().embed_query("a").await.unwrap_err();
    assert!(
        matches!(&error, EmbeddingsError::Status { status: 502, message, attempts: 3 } if message == "no upstream"),
        "{error:?}"
    );
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_carries_the_services_message_without_the_key() {
    let said = format!("Incorrect API key provided: {KEY}.\nSee the manual.");
    let server = Server::start([Reply::Raw(401, "", json!({"error": {"message": said}}).to_string())]).await;
    let error = error_of(&server, 1).await;
    assert_eq!(error.code(), "embeddings_status");
    assert_eq!(
        error.to_string(),
        "the embeddings service answered 401 after 1 try: Incorrect API key provided: [key]. See the manual."
    );
    assert!(!format!("{error:?}").contains(KEY));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn messages_of_other_forms_are_found_and_kept_short() {
    for (body, expected) in [
        (json!({"error": "model not found"}).to_string(), "model not found".to_owned()),
        (json!({"detail": "no"}).to_string(), "no".to_owned()),
        (json!({"message": "m"}).to_string(), "m".to_owned()),
        ("<html>gone</html>".to_owned(), "<html>gone</html>".to_owned()),
        (String::new(), "Bad Request".to_owned()),
        ("é".repeat(2_000_000), format!("{}...", "é".repeat(500))),
    ] {
        let server = Server::start([Reply::Raw(400, "", body)]).await;
        match error_of(&server, 1).await {
            EmbeddingsError::Status { status: 400, message, attempts: 1 } => assert_eq!(message, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn answers_that_are_not_the_protocols_are_errors_and_not_repeated() {
    let item = |index: usize, embedding: Value| json!({"index": index, "embedding": embedding});
    for (reply, what) in [
        (Reply::Raw(200, "", "{\"data\": [".into()), "cut short"),
        (Reply::Raw(200, "", "not JSON".into()), "not JSON"),
        (answer(json!({"object": "list"})), "no data"),
        (answer(json!({"data": [{"index": 0}, {"index": 1}]})), "no vector"),
        (answer(json!({"data": [item(0, json!([1, null])), item(1, json!([1, 2]))]})), "null in a vector"),
        (answer(json!({"data": [item(0, json!([1, 1e300])), item(1, json!([1, 2]))]})), "not finite as f32"),
        (answer(json!({"data": [item(0, json!([])), item(1, json!([]))]})), "empty vectors"),
        (answer(json!({"data": [item(0, json!([1])), item(1, json!([1, 2]))]})), "unequal lengths"),
        (answer(json!({"data": [item(0, json!([1])), item(0, json!([2]))]})), "one index twice"),
        (answer(json!({"data": [item(0, json!([1])), item(2, json!([2]))]})), "an index too large"),
        (answer(json!({"data": [item(0, json!([1])), {"embedding": [2]}]})), "one without an index"),
        (answer(json!({"data": [{"index": -1, "embedding": [1]}, item(1, json!([2]))]})), "a negative index"),
    ] {
        let server = Server::start([reply]).await;
        let error = error_of(&server, 2).await;
        assert!(matches!(error, EmbeddingsError::MalformedAnswer { .. }), "{what}: {error:?}");
        assert_eq!(server.seen().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn vectors_without_any_index_are_in_the_order_of_the_texts() {
    let server = Server::start([answer(json!({"data": [{"embedding": [1]}, {"embedding": [2]}]}))]).await;
    let vectors = server.client().build().unwrap().embed_documents(&texts([1, 1])).await.unwrap();
    assert_eq!(vectors, [[1.0], [2.0]]);
}

#[tokio::test]
async fn another_number_of_vectors_than_texts_is_an_error() {
    for count in [0, 1, 3] {
        let data: Vec<Value> = (0..count).map(|i| json!({"index": i, "embedding": [1.0]})).collect();
        let server = Server::start([answer(json!({ "data": data }))]).await;
        let error = error_of(&server, 2).await;
        assert!(
            matches!(error, EmbeddingsError::WrongCount { expected: 2, actual } if actual == count),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn batches_of_different_vector_lengths_are_an_error() {
    let one = |vector: Value| answer(json!({"data": [{"index": 0, "embedding": vector}]}));
    let server = Server::start([one(json!([1, 2])), one(json!([1, 2, 3]))]).await;
    let error =
        server.client().batch_size(1).build().unwrap().embed_documents(&texts([1, 1])).await.unwrap_err();
    assert!(matches!(error, EmbeddingsError::MalformedAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn a_failure_half_way_through_the_batches_gives_an_error_and_no_further_request() {
    let server = Server::start([Reply::Vectors, Reply::Raw(400, "", String::new())]).await;
    let embeddings = server.client().batch_size(2).build().unwrap();
    let error = embeddings.embed_documents(&texts(1..=8)).await.unwrap_err();
    assert!(matches!(error, EmbeddingsError::Status { status: 400, .. }), "{error:?}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_slow_service_is_a_timeout_and_is_not_asked_again() {
    for reply in [Reply::Silence, Reply::HalfAnAnswer] {
        let server = Server::start([reply]).await;
        let after = Duration::from_millis(150);
        let start = Instant::now();
        let error = server.client().timeout(after).build().unwrap().embed_query("a").await.unwrap_err();
        assert!(matches!(error, EmbeddingsError::Timeout { after: a } if a == after), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_tried_again() {
    let server = Server::start([Reply::HangUp, Reply::HangUp]).await;
    assert_eq!(server.client().build().unwrap().embed_query("abc").await.unwrap(), [3.0, 0.0]);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_connection_error_after_the_retries() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v1?secret=hidden", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&address).max_retries(1).build().unwrap().embed_query("a").await.unwrap_err();
    assert!(matches!(error, EmbeddingsError::Connection { attempts: 2, .. }), "{error:?}");
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(KEY) && !text.contains("hidden"), "{text}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start([]).await;
    for status in [301, 302, 307, 308] {
        let location: &'static str =
            Box::leak(format!("location: {}/embeddings\r\n", elsewhere.address).into());
        let server = Server::start([Reply::Raw(status, location, String::new())]).await;
        let error = error_of(&server, 1).await;
        assert!(matches!(error, EmbeddingsError::Status { status: s, .. } if s == status), "{error:?}");
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_secure_address_speaks_tls_and_sends_nothing_in_clear() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}/v1", listener.local_addr().unwrap());
    let first = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        bytes.truncate(length);
        bytes
    });
    // A machine without any certificates cannot make the client at all, and says so.
    match client(&address).max_retries(0).build() {
        Ok(embeddings) => {
            let error = embeddings.embed_query("a").await.unwrap_err();
            assert!(matches!(error, EmbeddingsError::Connection { attempts: 1, .. }), "{error:?}");
            let first = first.await.unwrap();
            assert_eq!(first[..2], [0x16, 0x03], "a TLS handshake record");
            assert!(!String::from_utf8_lossy(&first).contains(KEY));
        }
        Err(error) => assert!(error.to_string().contains("TLS cannot be set up"), "{error}"),
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let option = |builder: OpenAiBuilder| match builder.build().unwrap_err() {
        EmbeddingsError::InvalidOption { option, reason } => {
            assert!(!reason.contains("secret"), "{reason}");
            option
        }
        other => panic!("{other:?}"),
    };
    let some = || client("http://127.0.0.1:1/v1");
    assert_eq!(option(OpenAiEmbeddings::builder(" ").base_url("http://x")), "model");
    assert_eq!(option(OpenAiEmbeddings::builder("m")), "api_key");
    assert_eq!(option(some().api_key("secret\nkey")), "api_key");
    assert_eq!(option(some().batch_size(0)), "batch_size");
    assert_eq!(option(some().batch_size(2049)), "batch_size");
    assert_eq!(option(some().dimensions(0)), "dimensions");
    assert_eq!(option(some().timeout(Duration::ZERO)), "timeout");
    for url in
        ["", "x", "ftp://x/v1", "file:///etc", "http://user:secret@x/v1", "http://secret@x", "data:secret"]
    {
        assert_eq!(option(client(url)), "base_url", "{url}");
    }
}

#[test]
fn neither_the_key_nor_secrets_in_the_address_show_in_debug_output() {
    let builder = client("http://127.0.0.1:1/v1?token=hidden");
    for text in [format!("{builder:?}"), format!("{:?}", builder.clone().build().unwrap())] {
        assert!(text.contains("http://127.0.0.1:1/v1") && text.contains("test-model"), "{text}");
        assert!(!text.contains(KEY) && !text.contains("hidden"), "{text}");
    }
    let text = format!("{:?}", client("http://me:hidden@x/v1"));
    assert!(!text.contains("hidden"), "{text}");
}

#[test]
fn the_client_can_be_shared_between_tasks() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<OpenAiEmbeddings>();
}
