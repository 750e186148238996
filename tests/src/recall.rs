//! Whether exact search over the WordNet pack finds the exact neighbours it comes with.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use twindex::core::{Filter, Hit, Metadata, Metric, SearchOptions};
use twindex::{EngineKind, VectorStore, VectorStoreBuilder};

use crate::compare::close;
use crate::npy::{self, Matrix};
use crate::subject::{Table, filter};

/// How many neighbours are compared.
pub const K: usize = 10;
/// What the names of searches with a filter begin with.
const FILTER: &str = "cosine, filter ";

#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    text: String,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct FilterSpec {
    filter: Value,
    ids: String,
    cosine: String,
}

/// The exact neighbours of every query, best first.
#[derive(Debug)]
struct Truth {
    name: String,
    filter: Option<Filter>,
    rows: Matrix<i32>,
    scores: Matrix<f64>,
}

/// The pack, read.
#[derive(Debug)]
pub struct Pack {
    lines: Vec<Line>,
    vectors: Matrix<f32>,
    queries: Matrix<f32>,
    raw_vectors: Matrix<f32>,
    raw_queries: Matrix<f32>,
    plain: Vec<(Metric, bool, Vec<Truth>)>,
}

/// How many answers agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Agreement {
    /// Answers that were right in every document, their order and their scores.
    pub passed: usize,
    /// Answers that were not.
    pub failed: usize,
}

fn scaled(matrix: &Matrix<f32>, norms: &Matrix<f32>) -> Result<Matrix<f32>, String> {
    if norms.rows != matrix.rows || norms.columns != 1 {
        return Err(format!("{} lengths expected, got {}", matrix.rows, norms.rows));
    }
    let data = (0..matrix.rows).flat_map(|i| matrix.row(i).iter().map(move |x| x * norms.data[i])).collect();
    Ok(Matrix { data, ..*matrix })
}

fn rows_of(matrix: &Matrix<f32>) -> Vec<Vec<f32>> {
    (0..matrix.rows).map(|i| matrix.row(i).to_vec()).collect()
}

impl Pack {
    /// Reads a folder.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let text = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        let lines: Vec<Line> = text("corpus.jsonl")?
            .lines()
            .map(|line| serde_json::from_str(line).map_err(|error| format!("corpus.jsonl: {error}")))
            .collect::<Result<_, _>>()?;
        let matrix = |name: &str| npy::read::<f32>(&folder.join(name));
        let (vectors, queries) = (matrix("embeddings.npy")?, matrix("query_embeddings.npy")?);
        if vectors.rows != lines.len() || vectors.columns != queries.columns {
            return Err(format!("{} documents, {} vectors", lines.len(), vectors.rows));
        }
        let truth = |name: &str, filter, ids: &str, scores: &str| {
            let rows: Matrix<i32> = npy::read(&folder.join(ids))?;
            let scores: Matrix<f64> = npy::read(&folder.join(scores))?;
            let fits = rows.rows == queries.rows && rows.columns >= K && scores.data.len() == rows.data.len();
            let known = |&row: &i32| usize::try_from(row).is_ok_and(|row| row < lines.len());
            if !fits || !rows.data.iter().all(known) {
                return Err(format!("{ids} does not fit the corpus and the queries"));
            }
            Ok(Truth { name: name.to_owned(), filter, rows, scores })
        };
        let plain =
            |name: &str| truth(name, None, &format!("gt_{name}_ids.npy"), &format!("gt_{name}_scores.npy"));
        let mut cosine = vec![plain("cosine")?];
        let specs: BTreeMap<String, FilterSpec> =
            serde_json::from_str(&text("filters.json")?).map_err(|error| format!("filters.json: {error}"))?;
        for (name, spec) in &specs {
            let parsed =
                filter(&spec.filter).map_err(|failure| format!("filter {name}: {}", failure.message))?;
            cosine.push(truth(&format!("{FILTER}{name}"), Some(parsed), &spec.ids, &spec.cosine)?);
        }
        let raw_vectors = scaled(&vectors, &matrix("norms.npy")?)?;
        let raw_queries = scaled(&queries, &matrix("query_norms.npy")?)?;
        let plain = vec![
            (Metric::Cosine, false, cosine),
            (Metric::L2, false, vec![plain("l2")?]),
            (Metric::L2, true, vec![plain("raw_l2")?]),
            (Metric::InnerProduct, true, vec![plain("raw_ip")?]),
        ];
        Ok(Self { lines, vectors, queries, raw_vectors, raw_queries, plain })
    }

    /// A store of the corpus with these vectors.
    async fn store(&self, builder: VectorStoreBuilder, vectors: &Matrix<f32>) -> Result<VectorStore, String> {
        let pairs = self.lines.iter().zip(rows_of(vectors)).map(|(line, row)| (line.text.clone(), row));
        let metadatas = self.lines.iter().map(|line| line.metadata.clone()).collect();
        let ids = self.lines.iter().map(|line| line.id.clone()).collect();
        builder
            .from_embeddings(pairs.collect(), Some(metadatas), Some(ids))
            .await
            .map_err(|error| error.to_string())
    }

    /// A store of the corpus with its vectors as they were before they were scaled to unit length.
    ///
    /// # Errors
    /// What the store says.
    pub async fn raw_store(&self, builder: VectorStoreBuilder) -> Result<VectorStore, String> {
        self.store(builder, &self.raw_vectors).await
    }

    /// The queries as they were before they were scaled to unit length.
    #[must_use]
    pub fn raw_queries(&self) -> Vec<Vec<f32>> {
        rows_of(&self.raw_queries)
    }

    /// The filters by name.
    pub fn filters(&self) -> impl Iterator<Item = (&str, &Filter)> {
        let truths = self.plain.iter().flat_map(|(_, _, truths)| truths);
        truths.filter_map(|truth| Some((truth.name.strip_prefix(FILTER)?, truth.filter.as_ref()?)))
    }

    /// Searches with every query on an engine, one by one and in a batch, and writes a line for each metric and filter.
    ///
    /// # Errors
    /// What the store says, or if a line cannot be written.
    pub fn check(&self, engine: EngineKind, out: &mut dyn Write) -> Result<Agreement, String> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
        let mut all = Agreement::default();
        for (metric, raw, truths) in &self.plain {
            let checked = runtime.block_on(self.check_metric(engine, *metric, *raw, truths, out))?;
            all.passed += checked.passed;
            all.failed += checked.failed;
        }
        Ok(all)
    }

    /// Compares the answers to every query, one by one and in a batch, with every metric and filter, of two stores that builders make of the corpus: ids, order and the bits of
    /// scores. Writes a line for each metric and filter.
    ///
    /// # Errors
    /// What a store says, or if a line cannot be written.
    pub async fn compare(
        &self,
        one: impl Fn() -> VectorStoreBuilder,
        other: impl Fn() -> VectorStoreBuilder,
        out: &mut dyn Write,
    ) -> Result<Agreement, String> {
        let mut all = Agreement::default();
        for (metric, raw, truths) in &self.plain {
            let (vectors, queries) = match raw {
                true => (&self.raw_vectors, &self.raw_queries),
                false => (&self.vectors, &self.queries),
            };
            let one = self.store(one().distance_strategy(*metric), vectors).await?;
            let other = self.store(other().distance_strategy(*metric), vectors).await?;
            let queries = rows_of(queries);
            for truth in truths {
                let answers =
                    [answers(&one, &queries, truth).await?, answers(&other, &queries, truth).await?];
                let same = answers[0].iter().zip(&answers[1]).filter(|(one, other)| one == other).count();
                let of = answers[0].len().max(answers[1].len());
                writeln!(out, "{}: {same} of {of} answers are the same", truth.name)
                    .map_err(|error| error.to_string())?;
                all.passed += same;
                all.failed += of - same;
            }
        }
        Ok(all)
    }

    async fn check_metric(
        &self,
        engine: EngineKind,
        metric: Metric,
        raw: bool,
        truths: &[Truth],
        out: &mut dyn Write,
    ) -> Result<Agreement, String> {
        let (vectors, queries) = match raw {
            true => (&self.raw_vectors, &self.raw_queries),
            false => (&self.vectors, &self.queries),
        };
        let builder = VectorStore::builder(Table(BTreeMap::new())).distance_strategy(metric).engine(engine);
        let store = self.store(builder, vectors).await?;
        let queries = rows_of(queries);
        let mut all = Agreement::default();
        for truth in truths {
            let (single, batch) = self.check_truth(&store, &queries, truth).await?;
            let of = queries.len();
            writeln!(out, "{engine} {}: {single} of {of} one by one, {batch} of {of} in a batch", truth.name)
                .map_err(|error| error.to_string())?;
            all.passed += single + batch;
            all.failed += 2 * of - single - batch;
        }
        Ok(all)
    }

    /// How many queries got the exact answer: one by one, and in a batch.
    async fn check_truth(
        &self,
        store: &VectorStore,
        queries: &[Vec<f32>],
        truth: &Truth,
    ) -> Result<(usize, usize), String> {
        let options = || {
            let options = SearchOptions::new().k(K);
            match &truth.filter {
                Some(filter) => options.filter(filter.clone()),
                None => options,
            }
        };
        let mut single = 0;
        for (i, query) in queries.iter().enumerate() {
            let found = store.similarity_search_with_score_by_vector(query, options()).await;
            single += usize::from(self.agrees(truth, i, &found.map_err(|error| error.to_string())?));
        }
        let found = store.similarity_search_batch_by_vector(queries, options()).await;
        let found = found.map_err(|error| error.to_string())?;
        if found.len() != queries.len() {
            return Err(format!("{} answers for {} queries", found.len(), queries.len()));
        }
        let batch = found.iter().enumerate().filter(|(i, found)| self.agrees(truth, *i, found)).count();
        Ok((single, batch))
    }

    fn agrees(&self, truth: &Truth, query: usize, found: &[Hit]) -> bool {
        let wanted = truth.rows.row(query).iter().zip(truth.scores.row(query)).take(K);
        found.len() == K
            && found.iter().zip(wanted).all(|(hit, (&row, &score))| {
                let line = usize::try_from(row).ok().and_then(|row| self.lines.get(row));
                line.is_some_and(|line| {
                    hit.document.id.as_deref() == Some(&line.id)
                        && hit.document.page_content == line.text
                        && hit.document.metadata == line.metadata
                }) && close(hit.score.into(), score)
            })
    }
}

/// The answer to each query alone, then to each in a batch: ids and the bits of scores.
async fn answers(
    store: &VectorStore,
    queries: &[Vec<f32>],
    truth: &Truth,
) -> Result<Vec<Vec<(Option<String>, u32)>>, String> {
    let options = || {
        let mut options = SearchOptions::new().k(K);
        options.filter = truth.filter.clone();
        options
    };
    let failed = |error: twindex::Error| error.to_string();
    let mut found = Vec::new();
    for query in queries {
        found.push(store.similarity_search_with_score_by_vector(query, options()).await.map_err(failed)?);
    }
    found.extend(store.similarity_search_batch_by_vector(queries, options()).await.map_err(failed)?);
    let bits = |hit: Hit| (hit.document.id.clone(), hit.score.to_bits());
    Ok(found.into_iter().map(|hits| hits.into_iter().map(bits).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use twindex::core::Document;

    #[test]
    fn only_the_right_documents_with_the_right_scores_agree() {
        let line =
            |i: usize| Line { id: format!("d{i}"), text: format!("text {i}"), metadata: Metadata::new() };
        let matrix = || Matrix { rows: 0, columns: 1, data: Vec::new() };
        let pack = Pack {
            lines: (0..20).map(line).collect(),
            vectors: matrix(),
            queries: matrix(),
            raw_vectors: matrix(),
            raw_queries: matrix(),
            plain: Vec::new(),
        };
        let rows = Matrix { rows: 1, columns: 12, data: (0..12).collect() };
        let scores = Matrix { rows: 1, columns: 12, data: (0..12).map(f64::from).collect() };
        let truth = Truth { name: String::new(), filter: None, rows, scores };
        let hit = |i: usize| Hit {
            document: Arc::new(Document::new(format!("text {i}")).with_id(format!("d{i}"))),
            score: i as f32,
        };
        let found: Vec<Hit> = (0..K).map(hit).collect();
        assert!(pack.agrees(&truth, 0, &found));
        assert!(!pack.agrees(&truth, 0, &found[1..]));
        let mut swapped = found.clone();
        swapped.swap(3, 4);
        assert!(!pack.agrees(&truth, 0, &swapped));
        let mut off = found;
        off[5].score += 0.001;
        assert!(!pack.agrees(&truth, 0, &off));
    }
}
