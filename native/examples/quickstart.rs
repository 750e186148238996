//! Documents in, answers out: search, filter, maximal marginal relevance, save and load.
//!
//! Run it with `cargo run --release --example quickstart`.

use serde_json::json;
use twindex::VectorStore;
use twindex::core::{Document, Filter, MmrOptions, SearchOptions};
use twindex::embeddings::LexicalEmbeddings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> twindex::Result<()> {
    // Lexical embeddings match words, not meaning, and need nothing. See `twindex::embeddings` for models.
    let documents = vec![
        Document::new("A cat sleeps on the warm sofa.").with_id("cat").with("lang", "en"),
        Document::new("The cat sleeps on a warm sofa.").with_id("cat-again").with("lang", "en"),
        Document::new("Sofas and chairs are furniture.").with_id("sofa").with("lang", "en"),
        Document::new("Die Katze liegt auf dem Sofa.").with_id("katze").with("lang", "de"),
    ];
    let store = VectorStore::from_documents(documents, LexicalEmbeddings::default()).await?;

    for hit in store.similarity_search_with_score("cat on a sofa", 2).await? {
        println!("{:.3}  {}", hit.score, hit.document.page_content);
    }

    // As many as match come back: the filter works inside the search.
    let german = Filter::parse(&json!({"lang": "de"}).into())?;
    let found = store.similarity_search("cat on a sofa", SearchOptions::new().k(2).filter(german)).await?;
    assert_eq!(found[0].id.as_deref(), Some("katze"));

    // Near to the question and unlike each other: one of the two cats is enough.
    let diverse = MmrOptions::new().k(2).lambda_mult(0.1);
    let found = store.max_marginal_relevance_search("cat on a sofa", diverse).await?;
    let cats = found.iter().filter(|document| document.page_content.contains("cat"));
    assert_eq!(cats.count(), 1);

    let folder = std::env::temp_dir().join(format!("twindex-quickstart-{}", std::process::id()));
    store.save_local(&folder, "index").await?;
    let again = VectorStore::load_local(&folder, "index", LexicalEmbeddings::default()).await?;
    assert_eq!(again.count()?, 4);
    std::fs::remove_dir_all(&folder).ok();
    Ok(())
}
