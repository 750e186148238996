//! Which embeddings to use, said aloud; and whether they are the ones an index was built with.

use std::path::Path;
use std::sync::Arc;

use indicatif::ProgressBar;
use serde::Serialize;
use twindex::VectorStore;
use twindex::core::Error;
use twindex::embeddings::{Embeddings, LexicalEmbeddings, OpenAiEmbeddings};

use crate::args::{EmbeddingArgs, EmbeddingKind};
use crate::failure::Failure;
use crate::ui::Ui;

const MODEL_VARIABLE: &str = "TWINDEX_MODEL_DIR";

/// Embeddings, and how they came to be chosen.
pub(crate) struct Chosen {
    embeddings: Arc<dyn Embeddings>,
    kind: EmbeddingKind,
    /// Whether `--embeddings` said so.
    asked: bool,
    /// Texts embedded between two steps of the progress bar.
    batch: usize,
}

/// What a JSON document says of embeddings.
#[derive(Debug, Serialize)]
pub(crate) struct Described {
    kind: &'static str,
    name: String,
    matches: &'static str,
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new("embeddings_invalid_option", message)
}

fn holds_model(folder: &Path) -> bool {
    ["config.json", "modules.json"].iter().any(|file| folder.join(file).is_file())
}

fn model_from_environment() -> Option<String> {
    std::env::var(MODEL_VARIABLE).ok().filter(|folder| !folder.is_empty())
}

/// The kind to use where none is named.
fn default_kind(model: Option<&str>, ui: &Ui) -> Result<EmbeddingKind, Failure> {
    if let Some(model) = model {
        return if holds_model(Path::new(model)) {
            Ok(EmbeddingKind::Local)
        } else {
            Err(invalid(format!("--model {model} is not a folder with a config.json"))
                .hint("for the model of a service, add --embeddings openai"))
        };
    }
    match model_from_environment() {
        Some(folder) if holds_model(Path::new(&folder)) => Ok(EmbeddingKind::Local),
        Some(folder) => {
            let message =
                format!("{MODEL_VARIABLE} is {folder}, which has no config.json: lexical embeddings instead");
            ui.warn("no_model_there", message);
            Ok(EmbeddingKind::Lexical)
        }
        None => Ok(EmbeddingKind::Lexical),
    }
}

/// Refuses an option that the kind of embeddings would ignore.
fn takes(kind: EmbeddingKind, option: &str, given: bool, fits: bool) -> Result<(), Failure> {
    if given && !fits {
        return Err(invalid(format!("{} embeddings take no {option}", name_of(kind))));
    }
    Ok(())
}

fn name_of(kind: EmbeddingKind) -> &'static str {
    match kind {
        EmbeddingKind::Lexical => "lexical",
        EmbeddingKind::Local => "local",
        EmbeddingKind::Openai => "openai",
    }
}

impl Chosen {
    /// Chooses, by the options and the environment, and says what if that was not asked for.
    pub(crate) async fn new(args: &EmbeddingArgs, ui: &Ui) -> Result<Self, Failure> {
        let kind = match args.embeddings {
            Some(kind) => kind,
            None => default_kind(args.model.as_deref(), ui)?,
        };
        takes(kind, "--model", args.model.is_some(), kind != EmbeddingKind::Lexical)?;
        takes(kind, "--base-url", args.base_url.is_some(), kind == EmbeddingKind::Openai)?;
        takes(kind, "--dim", args.dim.is_some(), kind != EmbeddingKind::Local)?;
        let (embeddings, batch): (Arc<dyn Embeddings>, usize) = match kind {
            EmbeddingKind::Lexical => {
                let lexical =
                    args.dim.map_or_else(|| Ok(LexicalEmbeddings::default()), LexicalEmbeddings::new)?;
                (Arc::new(lexical), 256)
            }
            EmbeddingKind::Local => {
                let folder = args.model.clone().or_else(model_from_environment).ok_or_else(|| {
                    invalid(format!("local embeddings need --model FOLDER, or {MODEL_VARIABLE}"))
                })?;
                (local(folder).await?, 64)
            }
            EmbeddingKind::Openai => {
                let model =
                    args.model.clone().ok_or_else(|| invalid("openai embeddings need --model NAME"))?;
                let mut builder = OpenAiEmbeddings::builder(model).or_env();
                if let Some(url) = &args.base_url {
                    builder = builder.base_url(url.clone());
                }
                if let Some(dim) = args.dim {
                    builder = builder.dimensions(dim);
                }
                (Arc::new(builder.build()?), 256)
            }
        };
        Ok(Self { embeddings, kind, asked: args.embeddings.is_some(), batch })
    }

    fn matches(&self) -> &'static str {
        match self.kind {
            EmbeddingKind::Lexical => "shared words and parts of words, not meaning",
            EmbeddingKind::Local | EmbeddingKind::Openai => "meaning",
        }
    }

    /// For people: what it is, and what it matches.
    pub(crate) fn sentence(&self) -> String {
        let name = self.name();
        format!("{name} (matches {})", self.matches())
    }

    /// For programs.
    pub(crate) fn described(&self) -> Described {
        Described {
            kind: name_of(self.kind),
            name: self.embeddings.name().to_owned(),
            matches: if self.kind == EmbeddingKind::Lexical { "words" } else { "meaning" },
        }
    }

    /// A short name that says the kind.
    pub(crate) fn name(&self) -> String {
        let (kind, name) = (name_of(self.kind), self.embeddings.name());
        if name.starts_with(kind) { name.to_owned() } else { format!("{kind}:{name}") }
    }

    /// The vector of a query.
    pub(crate) async fn query(&self, text: &str) -> Result<Vec<f32>, Failure> {
        Ok(self.embeddings.embed_query(text).await?)
    }

    /// The vectors of texts, of `dim` numbers if that is known, step by step.
    pub(crate) async fn documents(
        &self,
        texts: &[&str],
        dim: Option<usize>,
        bar: &ProgressBar,
    ) -> Result<Vec<Vec<f32>>, Failure> {
        let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(texts.len());
        for some in texts.chunks(self.batch) {
            let some: Vec<String> = some.iter().map(|&text| text.to_owned()).collect();
            let new = self.embeddings.embed_documents(&some).await?;
            if new.len() != some.len() {
                let (expected, actual) = (some.len(), new.len());
                return Err(twindex::embeddings::EmbeddingsError::WrongCount { expected, actual }.into());
            }
            if let Some(expected) = dim
                && let Some(row) = new.iter().position(|vector| vector.len() != expected)
            {
                return Err(self.wrong_dim(expected, new[row].len(), vectors.len() + row));
            }
            vectors.extend(new);
            bar.inc(some.len() as u64);
        }
        Ok(vectors)
    }

    /// `dimension_mismatch`, with what to do about it.
    pub(crate) fn wrong_dim(&self, expected: usize, actual: usize, row: usize) -> Failure {
        let error = Error::DimensionMismatch { expected, actual, row };
        let name = self.name();
        let lexical = self.kind == EmbeddingKind::Lexical && LexicalEmbeddings::new(expected).is_ok();
        let dim =
            if lexical { format!(", or --dim {expected} if lexical ones made it") } else { String::new() };
        Failure::from(error).hint(format!(
            "{name} embeddings have {actual} numbers, the vectors that are there {expected}: others made them. Choose those with \
             --embeddings and --model{dim}"
        ))
    }

    /// Whether the index was built with these embeddings, as far as its documents tell; `None` if they do not.
    ///
    /// An index does not record its embeddings, and unlike ones can have equally long vectors: what they find in each other's indexes is
    /// noise. So up to three documents' texts are embedded again and compared with the stored vectors. Services are not asked: that costs.
    pub(crate) async fn fit(&self, store: &VectorStore) -> Result<Option<bool>, Failure> {
        if self.kind == EmbeddingKind::Openai {
            return Ok(None);
        }
        let samples = store.read(samples)??;
        for (text, stored) in &samples {
            let Some(vector) = self.embeddings.embed_documents(std::slice::from_ref(text)).await?.pop()
            else {
                continue;
            };
            if vector.len() != stored.len() {
                return Err(self.wrong_dim(stored.len(), vector.len(), 0));
            }
            if alike(&vector, stored) {
                return Ok(Some(true));
            }
        }
        Ok(if samples.is_empty() { None } else { Some(false) })
    }

    /// Warns of embeddings that do not fit. Where nobody asked for them and documents are to be added, it is an error.
    pub(crate) async fn check_fit(&self, store: &VectorStore, adding: bool, ui: &Ui) -> Result<(), Failure> {
        if self.fit(store).await? != Some(false) {
            return Ok(());
        }
        let message = format!(
            "the index's vectors are not those that {} embeddings give for its texts: it was built with others",
            self.name()
        );
        if adding && !self.asked {
            return Err(Failure::new("embeddings_differ", message)
                .hint("choose them with --embeddings and --model; named there, they are taken even so"));
        }
        ui.warn("embeddings_differ", message);
        Ok(())
    }
}

/// The texts of the first, middle and last document, unless they are blank, with their vectors.
fn samples(store: &twindex::core::Store) -> twindex::core::Result<Vec<(String, Vec<f32>)>> {
    let documents = store.documents();
    let Some(last) = documents.len().checked_sub(1) else { return Ok(Vec::new()) };
    let mut samples = Vec::new();
    for position in std::collections::BTreeSet::from([0, last / 2, last]) {
        let text = &documents.at(position).page_content;
        if !text.trim().is_empty() {
            samples.push((text.clone(), store.vector(documents.id(position))?));
        }
    }
    Ok(samples)
}

/// Whether two vectors of one length point roughly the same way. Lossy kinds of index give back a vector near the one that was stored; vectors of unlike
/// models are about perpendicular.
fn alike(a: &[f32], b: &[f32]) -> bool {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum() };
    dot(a, b) > 0.5 * (dot(a, a) * dot(b, b)).sqrt()
}

#[cfg(feature = "local")]
async fn local(folder: String) -> Result<Arc<dyn Embeddings>, Failure> {
    Ok(Arc::new(twindex::embeddings::LocalEmbeddings::load(folder).await?))
}

#[cfg(not(feature = "local"))]
async fn local(folder: String) -> Result<Arc<dyn Embeddings>, Failure> {
    Err(Failure::new("unsupported_content", format!("this twindex was built without local models: {folder}"))
        .hint("build it with the feature `local`, or choose other --embeddings"))
}
