//! LangChain's own example, the State of the Union address: what its FAISS store answered, on both engines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use twindex::core::{DeleteOptions, Document, Hit, Metadata, Metric, MmrOptions, SearchOptions};
use twindex::{EngineKind, VectorStore};
use twindex_tests::compare::close;
use twindex_tests::npy;
use twindex_tests::runner::ENGINES;
use twindex_tests::subject::{Table, filter};

#[derive(Deserialize)]
struct Line {
    id: String,
    text: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Answers {
    filters: BTreeMap<String, Value>,
    questions: Vec<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct Wanted {
    id: String,
    score: f64,
}

struct Sotu {
    chunks: Vec<Line>,
    vectors: Vec<Vec<f32>>,
    table: BTreeMap<String, Vec<f32>>,
    answers: Answers,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sotu")
}

fn lines(name: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(folder().join(name)).expect("the file is there");
    text.lines().map(|line| serde_json::from_str(line).expect("one document a line")).collect()
}

fn vectors(name: &str) -> Vec<Vec<f32>> {
    let matrix = npy::read::<f32>(&folder().join(name)).expect("a matrix");
    (0..matrix.rows).map(|i| matrix.row(i).to_vec()).collect()
}

impl Sotu {
    fn read() -> Self {
        let answers =
            std::fs::read_to_string(folder().join("langchain_faiss.json")).expect("the file is there");
        let questions = lines("questions.jsonl");
        let table =
            questions.into_iter().map(|line| line.text).zip(vectors("question_embeddings.npy")).collect();
        Self {
            chunks: lines("chunks.jsonl"),
            vectors: vectors("embeddings.npy"),
            table,
            answers: serde_json::from_str(&answers).expect("the answers"),
        }
    }

    async fn store(&self, engine: EngineKind, metric: Metric) -> VectorStore {
        let store = VectorStore::builder(Table(self.table.clone()))
            .engine(engine)
            .distance_strategy(metric)
            .build()
            .expect("an empty store");
        let document =
            |line: &Line| Document::new(&line.text).with_id(&line.id).with_metadata(line.metadata.clone());
        let documents = self.chunks.iter().map(document).collect();
        store.add_with_vectors(documents, self.vectors.clone()).await.expect("the chunks");
        store
    }
}

#[track_caller]
fn check(name: &str, question: &BTreeMap<String, Value>, found: &[Hit]) {
    let wanted: Vec<Wanted> = serde_json::from_value(question[name].clone()).expect("documents with scores");
    let agree = wanted.len() == found.len()
        && wanted.iter().zip(found).all(|(wanted, hit)| {
            hit.document.id.as_deref() == Some(&wanted.id) && close(hit.score.into(), wanted.score)
        });
    let ids = |ids: Vec<&str>| ids.join(" ");
    assert!(
        agree,
        "{name} of {}: expected {}, got {}",
        question["text"],
        ids(wanted.iter().map(|wanted| wanted.id.as_str()).collect()),
        ids(found.iter().filter_map(|hit| hit.document.id.as_deref()).collect())
    );
}

async fn check_engine(sotu: &Sotu, engine: EngineKind) -> usize {
    let l2 = sotu.store(engine, Metric::L2).await;
    let inner_product = sotu.store(engine, Metric::InnerProduct).await;
    let mut checks = 0;
    for question in &sotu.answers.questions {
        let text = question["text"].as_str().expect("a question");
        let found = l2.similarity_search_with_score(text, 4).await.expect("l2");
        check("l2", question, &found);
        check(
            "relevance",
            question,
            &l2.similarity_search_with_relevance_scores(text, 4).await.expect("relevance"),
        );
        let products = inner_product.similarity_search_with_score(text, 4).await.expect("inner product");
        check("inner_product", question, &products);
        let options = SearchOptions::new().k(10).score_threshold(1.2);
        check(
            "threshold",
            question,
            &l2.similarity_search_with_score(text, options).await.expect("threshold"),
        );
        for (name, lambda_mult) in
            [("mmr_0.0", 0.0), ("mmr_0.25", 0.25), ("mmr_0.5", 0.5), ("mmr_0.75", 0.75), ("mmr_1.0", 1.0)]
        {
            let options = MmrOptions::new().k(4).fetch_k(20).lambda_mult(lambda_mult);
            let vector = &sotu.table[text];
            let chosen = l2.max_marginal_relevance_search_with_score_by_vector(vector, options).await;
            check(name, question, &chosen.expect("mmr"));
        }
        for (name, json) in &sotu.answers.filters {
            let options = SearchOptions::new().k(4).filter(filter(json).expect("a filter"));
            // With LangChain's default fetch_k too: nothing that matches is lost here.
            for fetch_k in [20, 42] {
                let found = l2.similarity_search_with_score(text, options.clone().fetch_k(fetch_k)).await;
                check(&format!("filter_{name}_all"), question, &found.expect("filter"));
            }
            checks += 2;
        }
        let first = found[0].document.id.clone().expect("stored documents have ids");
        let without = sotu.store(engine, Metric::L2).await;
        assert_eq!(without.delete(DeleteOptions::ids([first])).await.expect("delete"), 1);
        let found = without.similarity_search_with_score(text, 4).await.expect("after delete");
        check("after_delete", question, &found);
        checks += 10;
    }
    checks
}

#[test]
fn every_answer_is_langchains() {
    let sotu = Sotu::read();
    assert_eq!((sotu.chunks.len(), sotu.answers.questions.len()), (42, 10));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for engine in ENGINES {
        assert_eq!(runtime.block_on(check_engine(&sotu, engine)), 140);
    }
}
