//! Stores on devices that cannot be used: what every build must say, with support for cards and without. No machine has 64 cards.

use std::path::Path;

use twindex::core::Document;
use twindex::embeddings::LexicalEmbeddings;
use twindex::interop::Format;
use twindex::{Device, EngineKind, Error, VectorStore, VectorStoreBuilder};

type Failure = Box<dyn std::error::Error>;

const MISSING: Device = Device::Gpu(63);

fn builder() -> VectorStoreBuilder {
    VectorStore::builder(LexicalEmbeddings::default())
}

fn documents() -> Vec<Document> {
    ["a spoon for soup", "a fork for salad", "a knife for bread"].map(Document::new).into()
}

fn refused(result: Result<VectorStore, Error>) -> String {
    let error = result.expect_err("there is no such card");
    assert_eq!(error.code(), "device_unavailable");
    let said = error.to_string();
    assert!(said.starts_with("device gpu:63 cannot be used: "), "{said}");
    if cfg!(not(feature = "gpu")) {
        assert!(said.ends_with("this twindex was built without the feature `gpu`"), "{said}");
    }
    said
}

async fn saved(folder: &Path) -> Result<(), Failure> {
    let store = builder().from_documents(documents()).await?;
    store.save_local(folder, "index").await?;
    store.save_langchain(folder.join("langchain"), Format::LangChain, None).await?;
    Ok(())
}

#[tokio::test]
async fn a_card_that_is_not_there_is_refused_wherever_it_is_asked_for() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    saved(folder.path()).await?;
    let on = || builder().device(MISSING);
    let said = refused(on().build());
    assert_eq!(refused(on().from_documents(documents()).await), said);
    assert_eq!(refused(on().load_local(folder.path(), "index").await), said);
    let bytes = std::fs::read(folder.path().join("index.twindex"))?;
    assert_eq!(refused(on().deserialize_from_bytes(bytes).await), said);
    let opened = on().load_langchain(folder.path().join("langchain"), None).await;
    assert_eq!(refused(opened.map(|(store, _)| store)), said);
    Ok(())
}

#[tokio::test]
async fn the_cpu_stands_in_if_it_may_and_says_so() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    saved(folder.path()).await?;
    let plain = builder().load_local(folder.path(), "index").await?;
    let info = plain.device();
    assert_eq!((info.device, info.gpu_bytes, info.notice), (Device::Cpu, 0, None));
    let store = builder().device(MISSING).device_fallback(true).load_local(folder.path(), "index").await?;
    let info = store.device();
    assert_eq!((info.device, info.gpu_bytes), (Device::Cpu, 0));
    let why = refused(builder().device(MISSING).build());
    assert_eq!(info.notice, Some(format!("the CPU stands in: {why}")));
    let found = store.similarity_search_with_score("soup", 3).await?;
    assert_eq!(found, plain.similarity_search_with_score("soup", 3).await?);
    store.add_documents(documents(), None).await?;
    assert_eq!(store.count()?, 6);
    Ok(())
}

#[tokio::test]
async fn what_is_on_the_cpu_by_nature_is_not_put_on_a_card() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    saved(folder.path()).await?;
    let mapped = builder().device(Device::AllGpus).map_file(true).load_local(folder.path(), "index").await;
    let error = mapped.unwrap_err();
    assert_eq!(error.code(), "invalid_option");
    assert_eq!(error.to_string(), "option device: a mapped store is searched on the CPU, not on all");
    let code = if cfg!(feature = "gpu") { "invalid_option" } else { "device_unavailable" };
    let own = builder().engine(EngineKind::Flat).device(Device::Gpu(0)).build();
    assert_eq!(own.unwrap_err().code(), code);
    Ok(())
}
