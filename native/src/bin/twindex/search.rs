//! `twindex search`.

use std::io::{self, BufRead, Write};

use serde::Serialize;
use twindex::core::{
    DEFAULT_FETCH_K, DEFAULT_LAMBDA_MULT, Filter, Hit, Metadata, Metric, MmrOptions, SearchOptions, StoreInfo,
};
use twindex::{DeviceInfo, VectorStore};

use crate::args::SearchArgs;
use crate::embedding::{Chosen, Described};
use crate::failure::Failure;
use crate::ui::{Ui, Warning, count, one_line, printable};
use crate::{Ending, build, index_file};

#[derive(Debug, Serialize)]
struct Answer<'a> {
    index: String,
    count: usize,
    dim: Option<usize>,
    metric: &'static str,
    lower_is_better: bool,
    device: DeviceInfo,
    embeddings: Described,
    search_type: &'static str,
    score: &'static str,
    results: Vec<Found<'a>>,
    warnings: Vec<Warning>,
}

#[derive(Debug, Serialize)]
struct Found<'a> {
    query: &'a str,
    hits: Vec<Ranked<'a>>,
}

#[derive(Debug, Serialize)]
struct Ranked<'a> {
    rank: usize,
    score: f32,
    id: Option<&'a str>,
    page_content: &'a str,
    metadata: &'a Metadata,
}

pub(crate) async fn search(args: SearchArgs, ui: &Ui) -> Result<Ending, Failure> {
    let queries = queries(&args.queries)?;
    let filter = args.filter.as_ref().map(Filter::parse).transpose()?;
    let path = args.index.path()?;
    let store = index_file::open_on(&path, args.index.engine()?, args.map, &args.device, ui).await?;
    build::tune(&store, &args.tuning).await?;
    let chosen = Chosen::new(&args.embedding, ui).await?;
    let info = store.info()?;
    let mut vectors = Vec::with_capacity(queries.len());
    for query in &queries {
        let vector = chosen.query(query).await?;
        if let Some(dim) = info.dim
            && vector.len() != dim
        {
            return Err(chosen.wrong_dim(dim, vector.len(), vectors.len()));
        }
        vectors.push(vector);
    }
    chosen.check_fit(&store, false, ui).await?;
    let was = store.device();
    let found = answers(&store, vectors, filter, &args, ui).await?;
    if store.device() != was {
        index_file::warn_of_stand_in(&store, ui);
    }

    let nothing = found.iter().all(Vec::is_empty);
    let lower_is_better = info.metric == Metric::L2.name() && !args.relevance;
    let shown = path.display().to_string();
    let json = || Answer {
        index: shown.clone(),
        count: info.count,
        dim: info.dim,
        metric: info.metric,
        lower_is_better,
        device: store.device(),
        embeddings: chosen.described(),
        search_type: if args.mmr { "mmr" } else { "similarity" },
        score: if args.relevance { "relevance" } else { "raw" },
        results: queries
            .iter()
            .zip(&found)
            .map(|(query, hits)| Found { query, hits: hits.iter().enumerate().map(ranked).collect() })
            .collect(),
        warnings: ui.warnings(),
    };
    ui.answer(json, |out| {
        let better = if lower_is_better { "lower" } else { "higher" };
        let score = if args.relevance { "relevance" } else { info.metric };
        writeln!(out, "{}; {score}, {better} is better", headline(&shown, &info))?;
        writeln!(out, "embeddings: {}", chosen.sentence())?;
        for (query, hits) in queries.iter().zip(&found) {
            writeln!(out, "\nquery: {}", one_line(query, ui.width()))?;
            if hits.is_empty() {
                writeln!(out, "nothing found")?;
            }
            for (i, hit) in hits.iter().enumerate() {
                write!(out, "{:>3}  {:.4}  ", i + 1, hit.score)?;
                write_document(out, hit, args.full, ui)?;
            }
        }
        Ok(())
    })?;
    Ok(if nothing { Ending::NothingFound } else { Ending::Done })
}

/// The queries, with those from standard input in the place of `-`.
fn queries(given: &[String]) -> Result<Vec<String>, Failure> {
    let mut queries = Vec::new();
    for query in given {
        if query != "-" {
            queries.push(query.clone());
            continue;
        }
        for line in io::stdin().lock().lines() {
            let line = line.map_err(|error| Failure::io("read", "standard input", error))?;
            if !line.trim().is_empty() {
                queries.push(line);
            }
        }
    }
    if queries.is_empty() {
        return Err(Failure::new("no_queries", "there is no query on standard input"));
    }
    Ok(queries)
}

/// What each query finds: a plain search is one batch.
async fn answers(
    store: &VectorStore,
    vectors: Vec<Vec<f32>>,
    filter: Option<Filter>,
    args: &SearchArgs,
    ui: &Ui,
) -> Result<Vec<Vec<Hit>>, Failure> {
    if args.mmr {
        let mut options = MmrOptions::new()
            .k(args.k)
            .fetch_k(args.fetch_k.unwrap_or(DEFAULT_FETCH_K))
            .lambda_mult(args.lambda.unwrap_or(DEFAULT_LAMBDA_MULT));
        options.filter = filter;
        options.score_threshold = args.score_threshold;
        let mut found = Vec::with_capacity(vectors.len());
        for vector in &vectors {
            let hits =
                store.max_marginal_relevance_search_with_score_by_vector(vector, options.clone()).await?;
            found.push(hits);
        }
        return Ok(found);
    }
    let mut options = SearchOptions::new().k(args.k);
    options.filter = filter;
    options.score_threshold = args.score_threshold;
    options.recall = args.recall;
    if !args.relevance {
        return Ok(store.similarity_search_batch_by_vector(&vectors, options).await?);
    }
    let mut found = Vec::with_capacity(vectors.len());
    for vector in vectors {
        let options = options.clone();
        let answer = store.read(move |store| store.search_with_relevance(&vector, &options))??;
        for warning in &answer.warnings {
            ui.warn(warning.code(), warning.to_string());
        }
        found.push(answer.hits);
    }
    Ok(found)
}

fn ranked((i, hit): (usize, &Hit)) -> Ranked<'_> {
    let document = &*hit.document;
    Ranked {
        rank: i + 1,
        score: hit.score,
        id: document.id.as_deref(),
        page_content: &document.page_content,
        metadata: &document.metadata,
    }
}

/// What is searched, on one line.
fn headline(path: &str, info: &StoreInfo) -> String {
    format!("{path}: {}, {} numbers each", count(info.count, "document"), info.dim.unwrap_or_default())
}

fn write_document(out: &mut dyn Write, hit: &Hit, full: bool, ui: &Ui) -> io::Result<()> {
    let document = &hit.document;
    writeln!(out, "{}", one_line(document.id.as_deref().unwrap_or_default(), ui.width()))?;
    write_body(out, &document.page_content, &document.metadata, full, ui)
}

/// Text and metadata, indented.
pub(crate) fn write_body(
    out: &mut dyn Write,
    text: &str,
    metadata: &Metadata,
    full: bool,
    ui: &Ui,
) -> io::Result<()> {
    const INDENT: &str = "     ";
    let width = ui.width().map(|width| width.saturating_sub(INDENT.len()).max(10));
    if full {
        text.lines().try_for_each(|line| writeln!(out, "{INDENT}{}", printable(line)))?;
    } else {
        writeln!(out, "{INDENT}{}", one_line(text, width))?;
    }
    if !metadata.is_empty() {
        let metadata = serde_json::to_string(metadata)?;
        writeln!(out, "{INDENT}{}", one_line(&metadata, width))?;
    }
    Ok(())
}
