//! `twindex build` and `twindex add`.

use std::path::Path;

use serde::Serialize;
use twindex::core::bytes::{Loss, VectorEncoding};
use twindex::core::{Document, forget_empty_ids};
use twindex::embeddings::LexicalEmbeddings;
use twindex::{Device, DeviceInfo, VectorStore};

use crate::args::{AddArgs, BuildArgs, EmbeddingArgs, TuningArgs};
use crate::embedding::{Chosen, Described};
use crate::failure::Failure;
use crate::input::{self, Item, Loaded, Skipped, Taken};
use crate::ui::{Ui, Warning, bytes, count};
use crate::{Ending, index_file};

#[derive(Debug, Serialize)]
struct Summary {
    index: String,
    added: usize,
    count: usize,
    dim: Option<usize>,
    metric: &'static str,
    normalize_l2: bool,
    kind: String,
    vectors: VectorEncoding,
    vector_loss: Loss,
    file_bytes: u64,
    device: DeviceInfo,
    embeddings: Option<Described>,
    files: Vec<Taken>,
    skipped: Vec<Skipped>,
    warnings: Vec<Warning>,
}

pub(crate) async fn build(args: BuildArgs, ui: &Ui) -> Result<Ending, Failure> {
    let path = index_file::output(&args.output, args.index_name.as_deref())?;
    let encoding = VectorEncoding::from(args.vectors);
    let builder = VectorStore::builder(LexicalEmbeddings::default())
        .distance_strategy(args.metric)
        .normalize_l2(args.normalize)
        .index_factory(&args.index_factory)
        .engine(index_file::engine(args.engine)?);
    let builder = args.device.apply(builder);
    index_file::check_writable(&path)?;
    if args.device.device != Device::Cpu {
        // A device that cannot be used is known before the long work.
        builder.clone().build()?;
    }
    let loaded = input::load(&args.input, ui)?;
    let chosen = choose(&loaded, &args.embedding, ui).await?;
    let dim = loaded.items.iter().find_map(|item| item.vector.as_ref().map(Vec::len));
    if args.index_factory != "Flat" || args.tuning.given().next().is_some() {
        // A kind of index or a parameter that cannot be is known before the long work.
        let dim = match (dim, &chosen) {
            (None, Some(chosen)) => chosen.query("trial").await?.len(),
            (dim, _) => dim.unwrap_or_default(),
        };
        let trial = builder.clone().dim(dim).build()?;
        tune(&trial, &args.tuning).await?;
        trial.read(|store| store.vector_loss(encoding))??;
    }
    let (documents, vectors, loaded) = vectors(loaded, chosen.as_ref(), dim, ui).await?;
    let store = builder.build()?;
    let spinner = ui.spinner("making the index");
    let added = store.add_with_vectors(documents, vectors).await?.len();
    tune(&store, &args.tuning).await?;
    spinner.finish_and_clear();
    index_file::warn_of_stand_in(&store, ui);
    let _lock = index_file::lock(&path, ui);
    let vectors = (encoding, store.save_file_as(&path, encoding).await?);
    finish(&path, &store, added, vectors, chosen.as_ref(), loaded, ui)
}

/// Sets search-time parameters.
pub(crate) async fn tune(store: &VectorStore, tuning: &TuningArgs) -> Result<(), Failure> {
    for (name, value) in tuning.given() {
        store.set_search_parameter(name, value).await?;
    }
    Ok(())
}

pub(crate) async fn add(args: AddArgs, ui: &Ui) -> Result<Ending, Failure> {
    // What is read may be what another program still makes, so it comes before the lock.
    let loaded = input::load(&args.input, ui)?;
    let (path, store, _lock) = args.index.open_to_change(ui).await?;
    index_file::check_writable(&path)?;
    let chosen = choose(&loaded, &args.embedding, ui).await?;
    if let Some(chosen) = &chosen {
        chosen.check_fit(&store, true, ui).await?;
    }
    let dim = store.info()?.dim;
    let (documents, vectors, loaded) = vectors(loaded, chosen.as_ref(), dim, ui).await?;
    let added = if args.upsert {
        store.upsert_with_vectors(documents, vectors).await
    } else {
        store.add_with_vectors(documents, vectors).await
    };
    let added = added.map_err(|error| {
        let failure = Failure::from(error);
        if failure.code == "id_already_exists" {
            failure.hint("--upsert puts the new documents in their place")
        } else {
            failure
        }
    })?;
    let encoding = store.info()?.vector_encoding;
    let vectors = (encoding, store.save_file_as(&path, encoding).await?);
    finish(&path, &store, added.len(), vectors, chosen.as_ref(), loaded, ui)
}

/// The embeddings, if any document needs them.
async fn choose(loaded: &Loaded, args: &EmbeddingArgs, ui: &Ui) -> Result<Option<Chosen>, Failure> {
    let texts = loaded.items.iter().filter(|item| item.vector.is_none()).count();
    let given = loaded.items.len() - texts;
    if given > 0 {
        ui.note(format_args!("{} with vectors: not embedded", count(given, "document")));
    }
    if texts == 0 {
        return Ok(None);
    }
    let chosen = Chosen::new(args, ui).await?;
    ui.note(format_args!("embeddings: {}", chosen.sentence()));
    Ok(Some(chosen))
}

/// Gives every document its vector: the one it came with, or one made now.
async fn vectors(
    mut loaded: Loaded,
    chosen: Option<&Chosen>,
    dim: Option<usize>,
    ui: &Ui,
) -> Result<(Vec<Document>, Vec<Vec<f32>>, Loaded), Failure> {
    let items = std::mem::take(&mut loaded.items);
    let mut made = Vec::new();
    if let Some(chosen) = chosen {
        let without = |item: &&Item| item.vector.is_none();
        let texts: Vec<&str> =
            items.iter().filter(without).map(|item| &*item.document.page_content).collect();
        let bar = ui.progress("embedding", texts.len());
        made = chosen.documents(&texts, dim, &bar).await?;
        bar.finish_and_clear();
    }
    let mut made = made.into_iter();
    let (mut documents, mut vectors) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    for item in items {
        documents.push(item.document);
        vectors.extend(item.vector.or_else(|| made.next()));
    }
    forget_empty_ids(&mut documents);
    Ok((documents, vectors, loaded))
}

fn finish(
    path: &Path,
    store: &VectorStore,
    added: usize,
    (vectors, vector_loss): (VectorEncoding, Loss),
    chosen: Option<&Chosen>,
    loaded: Loaded,
    ui: &Ui,
) -> Result<Ending, Failure> {
    let info = store.info()?;
    let file_bytes = std::fs::metadata(path).map_err(|error| Failure::file("read", path, error))?.len();
    let shown = path.display().to_string();
    let json = || Summary {
        index: shown.clone(),
        added,
        count: info.count,
        dim: info.dim,
        metric: info.metric,
        normalize_l2: info.normalize_l2,
        kind: info.kind.clone(),
        vectors,
        vector_loss,
        file_bytes,
        device: store.device(),
        embeddings: chosen.map(Chosen::described),
        files: loaded.files,
        skipped: loaded.skipped,
        warnings: ui.warnings(),
    };
    ui.answer(json, |out| {
        writeln!(
            out,
            "{shown}: {} added, {} in all; {} numbers each, {}, {}, {}",
            count(added, "document"),
            info.count,
            info.dim.unwrap_or_default(),
            info.kind,
            info.metric,
            bytes(file_bytes)
        )?;
        if vectors == VectorEncoding::F32 {
            return Ok(());
        }
        writeln!(out, "vectors as {vectors}: {}", lost(vector_loss))
    })?;
    Ok(Ending::Done)
}

/// What vectors lose, in words.
fn lost(Loss { largest, mean }: Loss) -> String {
    format!("saving changed them by {mean:.1e} of their length on average, {largest:.1e} at most")
}
