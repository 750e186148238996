//! The async store: concurrency, cancellation, failing embeddings, files. What a store answers is tested by the cases of the
//! `tests` crate.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use twindex::core::bytes::{Layout, SectionKind, checksum};
use twindex::core::{DeleteOptions, Document, Filter, Metric, SearchOptions};
use twindex::embeddings::{Embeddings, EmbeddingsError, LexicalEmbeddings};
use twindex::{EngineKind, Error, VectorStore};

type Failure = Box<dyn std::error::Error>;

fn engines() -> Vec<EngineKind> {
    vec![
        #[cfg(feature = "faiss")]
        EngineKind::Faiss,
        EngineKind::Flat,
    ]
}

/// Four numbers of a text's bytes.
fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![1.0f32; 4];
    for (i, byte) in text.bytes().enumerate() {
        vector[i % 4] += f32::from(byte) / 64.0;
    }
    vector
}

/// What an embedding model may do.
#[derive(Clone, Copy)]
enum Behaviour {
    Well,
    Never,
    Fails,
    TooFew,
    Uneven,
    NotANumber,
}

#[derive(Clone)]
struct Model {
    behaviour: Behaviour,
    asked: Arc<AtomicUsize>,
}

impl Model {
    fn new(behaviour: Behaviour) -> Self {
        Self { behaviour, asked: Arc::default() }
    }
}

#[async_trait::async_trait]
impl Embeddings for Model {
    async fn embed_documents(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingsError> {
        // A store that is only being tried out with a model that misbehaves may still hold documents.
        let mut vectors: Vec<Vec<f32>> = texts.iter().map(|text| vector(text)).collect();
        if self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return Ok(vectors);
        }
        match self.behaviour {
            Behaviour::Well => {}
            Behaviour::Never => std::future::pending().await,
            Behaviour::Fails => return Err(EmbeddingsError::custom("the service is down")),
            Behaviour::TooFew => drop(vectors.pop()),
            Behaviour::Uneven => vectors.last_mut().expect("a text").push(1.0),
            Behaviour::NotANumber => vectors.last_mut().expect("a text")[2] = f32::NAN,
        }
        Ok(vectors)
    }

    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingsError> {
        Ok(vector(text))
    }

    fn name(&self) -> &str {
        "test"
    }
}

fn documents(ids: std::ops::Range<usize>) -> Vec<Document> {
    ids.map(|i| Document::new(format!("text {i}")).with_id(i.to_string()).with("n", i as u64)).collect()
}

async fn store(engine: EngineKind, behaviour: Behaviour, count: usize) -> Result<VectorStore, Error> {
    VectorStore::builder(Model::new(behaviour)).engine(engine).from_documents(documents(0..count)).await
}

#[tokio::test]
async fn a_model_that_fails_or_answers_wrongly_changes_nothing() -> Result<(), Failure> {
    for engine in engines() {
        for (behaviour, code) in [
            (Behaviour::Fails, "embeddings_custom"),
            (Behaviour::TooFew, "embeddings_wrong_count"),
            (Behaviour::Uneven, "dimension_mismatch"),
            (Behaviour::NotANumber, "not_finite"),
        ] {
            let store = store(engine, behaviour, 5).await?;
            let before = store.serialize_to_bytes().await?;
            let error = store.add_documents(documents(5..8), None).await.unwrap_err();
            assert_eq!(error.code(), code);
            let error = store.upsert_documents(documents(3..8)).await.unwrap_err();
            assert_eq!(error.code(), code);
            assert_eq!(store.serialize_to_bytes().await?, before);
        }
    }
    Ok(())
}

#[tokio::test]
async fn lists_of_different_lengths_are_refused_before_anything_is_embedded() -> Result<(), Failure> {
    let model = Model::new(Behaviour::Well);
    let store = VectorStore::builder(model.clone()).build()?;
    let texts = || vec!["a".to_owned(), "b".to_owned()];
    let one_id = Some(vec!["1".to_owned()]);
    assert_eq!(store.add_texts(texts(), None, one_id.clone()).await.unwrap_err().code(), "length_mismatch");
    assert_eq!(store.add_texts(texts(), Some(vec![]), None).await.unwrap_err().code(), "length_mismatch");
    assert_eq!(store.add_documents(documents(0..2), one_id).await.unwrap_err().code(), "length_mismatch");
    assert_eq!(model.asked.load(Ordering::SeqCst), 0);
    assert_eq!(store.add_texts(texts(), None, Some(vec![])).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_dropped_future_has_done_nothing_and_no_lock_is_held_while_a_model_thinks() -> Result<(), Failure> {
    for engine in engines() {
        let store = store(engine, Behaviour::Never, 5).await?;
        let before = store.serialize_to_bytes().await?;
        let pending = tokio::spawn({
            let store = store.clone();
            async move { store.add_documents(documents(5..8), None).await }
        });
        tokio::task::yield_now().await;
        // Both reading and changing go on meanwhile.
        assert_eq!(store.similarity_search("text 3", 1).await?[0].page_content, "text 3");
        store.add_embeddings(vec![("more".into(), vector("more"))], None, Some(vec!["more".into()])).await?;
        store.delete(DeleteOptions::ids(["more"])).await?;
        pending.abort();
        assert!(pending.await.unwrap_err().is_cancelled());
        assert_eq!(store.serialize_to_bytes().await?, before);
    }
    Ok(())
}

#[test]
fn work_on_vectors_never_holds_up_the_runtime() -> Result<(), Failure> {
    // One thread runs everything async: were a search to run on it, the gate could not be opened.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = store(EngineKind::default(), Behaviour::Well, 5).await?;
        let gate = Arc::new(AtomicBool::new(false));
        let waiting = {
            let gate = gate.clone();
            Filter::matching(move |_| {
                while !gate.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                true
            })
        };
        let search = tokio::spawn({
            let store = store.clone();
            async move { store.similarity_search("text 1", SearchOptions::new().filter(waiting)).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        gate.store(true, Ordering::SeqCst);
        assert_eq!(search.await??.len(), 4);
        Ok(())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_never_see_half_a_change() -> Result<(), Failure> {
    const BATCH: usize = 10;
    for engine in engines() {
        let store = store(engine, Behaviour::Well, 0).await?;
        let done = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (store, done) = (store.clone(), done.clone());
                tokio::spawn(async move {
                    let mut looks = 0;
                    while !done.load(Ordering::SeqCst) || looks < 3 {
                        let hits = store.similarity_search_with_score("text 7", 1000).await?;
                        // Batches are added and deleted whole.
                        assert_eq!(hits.len() % BATCH, 0);
                        for hit in &hits {
                            let n = hit.document.metadata.get("n").and_then(|n| n.as_i64()).expect("a number")
                                as usize;
                            let first = n / BATCH * BATCH;
                            let siblings = hits.iter().filter(|other| {
                                other.document.metadata.get("n").and_then(|n| n.as_i64())
                                    == Some(first as i64)
                            });
                            assert_eq!(siblings.count(), 1);
                        }
                        looks += 1;
                    }
                    Ok::<_, Error>(looks)
                })
            })
            .collect();
        for batch in 0..30 {
            store.add_documents(documents(batch * BATCH..(batch + 1) * BATCH), None).await?;
            if batch % 3 == 2 {
                let first = (batch - 1) * BATCH;
                store.delete(DeleteOptions::ids((first..first + BATCH).map(|i| i.to_string()))).await?;
            }
        }
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            assert!(reader.await?? >= 3);
        }
        assert_eq!(store.count()?, 20 * BATCH);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn merges_in_opposite_directions_end() -> Result<(), Failure> {
    let (one, two) = (
        store(EngineKind::default(), Behaviour::Well, 5).await?,
        store(EngineKind::Flat, Behaviour::Well, 0).await?,
    );
    two.add_embeddings(vec![("x".into(), vector("x"))], None, Some(vec!["x".into()])).await?;
    let tasks: Vec<_> = (0..200)
        .map(|i| {
            let (one, two) = (one.clone(), two.clone());
            tokio::spawn(async move {
                // Only the first merge of each direction can succeed; what matters is that all of them return.
                let _ = if i % 2 == 0 { one.merge_from(&two).await } else { two.merge_from(&one).await };
            })
        })
        .collect();
    for task in tasks {
        tokio::time::timeout(Duration::from_secs(60), task).await??;
    }
    assert_eq!(one.merge_from(&one.clone()).await.unwrap_err().code(), "merge_incompatible");
    Ok(())
}

#[test]
fn futures_are_send() {
    fn send<T: Send>(_: &T) {}
    let store = VectorStore::builder(LexicalEmbeddings::default()).build().expect("an empty store");
    send(&store.add_documents(Vec::new(), None));
    send(&store.similarity_search("", 1));
    send(&store.max_marginal_relevance_search("", 1));
    send(&store.merge_from(&store));
    send(&store.save_local("", ""));
    send(&VectorStore::builder(LexicalEmbeddings::default()).load_local("", ""));
}

#[tokio::test]
async fn files_come_back_the_same_on_every_engine_and_mapped() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
        for engine in engines() {
            let builder = || VectorStore::builder(Model::new(Behaviour::Well)).engine(engine);
            let store = builder().distance_strategy(metric).from_documents(documents(0..300)).await?;
            store.save_local(folder.path(), "index").await?;
            let bytes = store.serialize_to_bytes().await?;
            assert_eq!(fs::read(folder.path().join("index.twindex"))?, bytes);
            let hits = store.similarity_search_with_score("text 77", 20).await?;
            for (open_engine, map) in engines().into_iter().map(|e| (e, false)).chain([(engine, true)]) {
                let opened =
                    builder().engine(open_engine).map_file(map).load_local(folder.path(), "index").await?;
                assert_eq!(opened.similarity_search_with_score("text 77", 20).await?, hits);
                // A change does not reach into the file, mapped or not.
                opened.delete(DeleteOptions::ids(["0"])).await?;
                opened.add_embeddings(vec![("new".into(), vector("new"))], None, None).await?;
                assert_eq!(opened.count()?, 300);
                assert_eq!(fs::read(folder.path().join("index.twindex"))?, bytes);
            }
            let again = builder().deserialize_from_bytes(bytes.clone()).await?;
            assert_eq!(again.serialize_to_bytes().await?, bytes);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_store_can_be_saved_over_the_file_it_is_mapped_from() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let builder = || VectorStore::builder(Model::new(Behaviour::Well));
    builder().from_documents(documents(0..50)).await?.save_local(folder.path(), "index").await?;
    let mapped = builder().map_file(true).load_local(folder.path(), "index").await?;
    mapped.save_local(folder.path(), "index").await?;
    let before = mapped.serialize_to_bytes().await?;
    builder().from_documents(documents(0..3)).await?.save_local(folder.path(), "index").await?;
    assert_eq!(mapped.serialize_to_bytes().await?, before);
    assert_eq!(mapped.similarity_search("text 30", 1).await?[0].page_content, "text 30");
    let names: Vec<_> =
        fs::read_dir(folder.path())?.map(|entry| entry.map(|e| e.file_name())).collect::<Result<_, _>>()?;
    assert_eq!(names, ["index.twindex"], "no temporary file is left");
    Ok(())
}

async fn open(path: &Path, engine: EngineKind, map: bool) -> Result<VectorStore, Error> {
    VectorStore::builder(Model::new(Behaviour::Well)).engine(engine).map_file(map).load_file(path).await
}

#[tokio::test]
async fn damaged_files_are_told_apart_and_opened_by_nothing() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("index.twindex");
    let store = VectorStore::builder(Model::new(Behaviour::Well))
        .distance_strategy(Metric::Cosine)
        .from_documents(documents(0..40))
        .await?;
    let good = store.serialize_to_bytes().await?;
    let layout = Layout::parse(&good, good.len() as u64)?;
    let vectors = *layout.require(SectionKind::Vectors)?;
    // Gives a vector other numbers, and every checksum its right value again.
    let with_vector = |row: usize, numbers: [f32; 4]| {
        let mut bytes = good.clone();
        let at = vectors.offset as usize + row * 16;
        bytes[at..at + 16].copy_from_slice(&numbers.map(f32::to_le_bytes).concat());
        let sum = checksum(&bytes[vectors.offset as usize..]);
        bytes[24 + 2 * 32 + 24..24 + 3 * 32].copy_from_slice(&sum.to_le_bytes());
        let sum = checksum(&bytes[..24 + 3 * 32]);
        bytes[24 + 3 * 32..24 + 3 * 32 + 8].copy_from_slice(&sum.to_le_bytes());
        bytes
    };
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        bytes
    };
    let mut cases = vec![
        (Vec::new(), "not_a_store"),
        (b"IxF2 and so on".to_vec(), "not_a_store"),
        ([&good[..], b"x"].concat(), "corrupt"),
        (flipped(8), "newer_version"),
        (flipped(60), "checksum_mismatch"),
        (flipped(layout.sections()[1].offset as usize + 9), "checksum_mismatch"),
        (flipped(vectors.offset as usize - 1), "corrupt"),
        (flipped(good.len() - 1), "checksum_mismatch"),
        (with_vector(7, [1.0, f32::INFINITY, 0.0, 0.0]), "not_finite"),
        (with_vector(7, [0.0; 4]), "zero_vector"),
    ];
    cases.extend([9, 24, 100, 500, good.len() - 1].map(|len| (good[..len].to_vec(), "truncated")));
    fs::write(&path, with_vector(7, [1.0, 2.0, 3.0, 4.0]))?;
    for engine in engines() {
        open(&path, engine, false).await?;
        open(&path, engine, true).await?;
    }
    for (bytes, code) in cases {
        fs::write(&path, &bytes)?;
        for engine in engines() {
            for map in [false, true] {
                let error = open(&path, engine, map).await.unwrap_err();
                assert_eq!(error.code(), code, "{} bytes, {engine}, mapped {map}: {error}", bytes.len());
            }
            let builder = VectorStore::builder(Model::new(Behaviour::Well)).engine(engine);
            assert_eq!(builder.deserialize_from_bytes(bytes.clone()).await.unwrap_err().code(), code);
        }
    }
    Ok(())
}

#[tokio::test]
async fn paths_and_settings_that_cannot_be_are_refused() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let builder = || VectorStore::builder(Model::new(Behaviour::Well));
    let store = builder().normalize_l2(true).from_documents(documents(0..5)).await?;
    let code =
        |result: Result<VectorStore, Error>| result.map(|_| "opened").unwrap_or_else(|error| error.code());
    assert_eq!(code(builder().load_local(folder.path(), "index").await), "file_not_found");
    for name in ["", ".", "..", "a/b", "../x", "a\\b"] {
        assert_eq!(
            store.save_local(folder.path(), name).await.unwrap_err().code(),
            "invalid_index_name",
            "{name:?}"
        );
        assert_eq!(code(builder().load_local(folder.path(), name).await), "invalid_index_name", "{name:?}");
    }
    let file = folder.path().join("file");
    fs::write(&file, "not a folder")?;
    assert_eq!(store.save_local(&file, "index").await.unwrap_err().code(), "io_error");
    assert_eq!(fs::read(&file)?, b"not a folder");

    store.save_local(folder.path().join("new/folder"), "my index").await?;
    let opened = |builder: twindex::VectorStoreBuilder| {
        let folder = folder.path().join("new/folder");
        async move { builder.load_local(folder, "my index").await }
    };
    assert_eq!(code(opened(builder()).await), "opened");
    assert_eq!(
        code(opened(builder().normalize_l2(true).distance_strategy(Metric::L2).dim(4)).await),
        "opened"
    );
    assert_eq!(code(opened(builder().normalize_l2(false)).await), "setting_mismatch");
    assert_eq!(code(opened(builder().distance_strategy(Metric::Cosine)).await), "setting_mismatch");
    assert_eq!(code(opened(builder().index_factory("HNSW32")).await), "setting_mismatch");
    assert_eq!(code(opened(builder().dim(5)).await), "setting_mismatch");
    Ok(())
}

#[cfg(feature = "faiss")]
#[tokio::test]
async fn every_kind_of_index_makes_a_whole_store() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    for kind in ["IVF8,Flat", "IVF8,SQ8", "IVF8,PQ2x4", "HNSW16", "SQ8", "PQ2x4"] {
        let builder = || VectorStore::builder(Model::new(Behaviour::Well));
        let store = builder().index_factory(kind).from_documents(documents(0..600)).await?;
        let parameter = if kind.starts_with("IVF") {
            Some("nprobe")
        } else {
            kind.starts_with("HNSW").then_some("efSearch")
        };
        if let Some(parameter) = parameter {
            store.set_search_parameter(parameter, 8).await?;
        }
        let filter: Filter = serde_json::json!({"n": {"$gte": 590}}).try_into()?;
        let narrow = SearchOptions::new().k(10).filter(filter);
        assert_eq!(store.similarity_search("text 1", narrow).await?.len(), 10, "{kind}");
        assert_eq!(store.max_marginal_relevance_search("text 1", 3).await?.len(), 3, "{kind}");
        let to_a_target = store.similarity_search("text 1", SearchOptions::new().recall(0.9)).await;
        assert_eq!(to_a_target.unwrap_err().code(), "unsupported_by_index", "{kind}");
        assert_eq!(store.similarity_search("text 1", SearchOptions::new().recall(1.0)).await?.len(), 4);
        let deleted = store.delete(DeleteOptions::ids(["1", "599"])).await;
        if kind.starts_with("HNSW") {
            assert_eq!(deleted.unwrap_err().code(), "unsupported_by_index");
            let error = store.upsert_documents(documents(5..6)).await.unwrap_err();
            assert_eq!(error.code(), "unsupported_by_index");
        } else {
            assert_eq!(deleted?, 2);
            store.upsert_documents(documents(5..6)).await?;
        }
        store.save_local(folder.path(), kind).await?;
        let opened = builder().load_local(folder.path(), kind).await?;
        assert_eq!(opened.serialize_to_bytes().await?, store.serialize_to_bytes().await?, "{kind}");
        let found = store.similarity_search_with_score("text 42", 5).await?;
        assert_eq!(opened.similarity_search_with_score("text 42", 5).await?, found, "{kind}");
        assert!(found.is_sorted_by(|a, b| a.score <= b.score));
        // Without FAISS it opens as well, and answers the same.
        let portable = builder().engine(EngineKind::Flat).load_local(folder.path(), kind).await?;
        for query in ["text 42", "text 7", "text 300"] {
            let found = store.similarity_search_with_score(query, 5).await?;
            assert_eq!(portable.similarity_search_with_score(query, 5).await?, found, "{kind}");
        }
        let bytes = portable.serialize_to_bytes().await?;
        let back = builder().deserialize_from_bytes(bytes).await?;
        assert_eq!(back.similarity_search_with_score("text 42", 5).await?, found, "{kind}");
    }
    Ok(())
}
