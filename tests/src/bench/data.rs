//! What is searched: a data pack as it is, or more rows made of its own.

use std::path::Path;

use serde::Deserialize;
use twindex::core::{Document, Metadata};
use twindex_core::testkit::Generator;

use crate::npy;

/// How far a row that is made lies from the real one it is made of, as a part of its length: about as near as the nearest glosses lie to
/// each other.
const PERTURBATION: f32 = 0.3;

#[derive(Deserialize)]
struct Line {
    id: String,
    text: String,
    metadata: Metadata,
}

/// Vectors, their documents, and what they are searched for.
#[derive(Debug)]
pub struct Data {
    /// Numbers a vector.
    pub dim: usize,
    /// Vectors side by side.
    pub vectors: Vec<f32>,
    /// One for each vector.
    pub documents: Vec<Document>,
    /// Vectors that are searched for, side by side.
    pub queries: Vec<f32>,
    /// How many of the vectors are the pack's own.
    pub real: usize,
}

impl Data {
    /// Reads `corpus.jsonl`, `embeddings.npy` and `query_embeddings.npy` of a folder, and makes or drops rows until there are `rows`.
    ///
    /// A row that is made is one of the folder's, each component moved by a seeded number, scaled to the length it had.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn read(folder: &Path, rows: Option<usize>) -> Result<Self, String> {
        let vectors = npy::read::<f32>(&folder.join("embeddings.npy"))?;
        let queries = npy::read::<f32>(&folder.join("query_embeddings.npy"))?;
        let path = folder.join("corpus.jsonl");
        let corpus = std::fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let documents: Vec<Document> = corpus.lines().map(document).collect::<Result<_, _>>()?;
        let (dim, real) = (vectors.columns, vectors.rows);
        if documents.len() != real || queries.columns != dim || real == 0 || queries.rows == 0 {
            return Err(format!(
                "{} documents, {real} x {dim} vectors and {} x {} queries do not fit together",
                documents.len(),
                queries.rows,
                queries.columns
            ));
        }
        let mut data = Self { dim, vectors: vectors.data, documents, queries: queries.data, real };
        data.resize(rows.unwrap_or(real));
        Ok(data)
    }

    fn resize(&mut self, rows: usize) {
        let (dim, real) = (self.dim, self.real.min(rows));
        self.real = real;
        self.vectors.truncate(rows * dim);
        self.documents.truncate(rows);
        let mut random = Generator::new(1);
        for at in real..rows {
            let row = self.vectors[at % real * dim..][..dim].to_vec();
            let length = twindex::core::norm(&row);
            let step = PERTURBATION * length / (dim as f32 / 3.0).sqrt();
            let mut made: Vec<f32> = row.iter().map(|x| x + step * random.float()).collect();
            let scale = length / twindex::core::norm(&made);
            made.iter_mut().for_each(|x| *x *= scale);
            self.vectors.extend(made);
            let like = &self.documents[at % real];
            let id = like.id.as_ref().map(|id| format!("{id}-{}", at / real));
            self.documents.push(Document { id, ..like.clone() });
        }
    }

    /// How many vectors.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.documents.len()
    }

    /// Vector by vector.
    #[must_use]
    pub fn vectors_apart(&self) -> Vec<Vec<f32>> {
        apart(&self.vectors, self.dim)
    }

    /// What is searched for in a round, from the beginning again after the last.
    #[must_use]
    pub fn query(&self, round: usize) -> &[f32] {
        let count = self.queries.len() / self.dim;
        &self.queries[round % count * self.dim..][..self.dim]
    }

    /// So many queries, from that of a round on.
    #[must_use]
    pub fn batch(&self, round: usize, count: usize) -> Vec<f32> {
        (0..count).flat_map(|i| self.query(round * count + i)).copied().collect()
    }
}

fn document(line: &str) -> Result<Document, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| format!("corpus.jsonl: {error}"))?;
    Ok(Document::new(line.text).with_id(line.id).with_metadata(line.metadata))
}

/// Vectors each in a list of its own, as the store takes queries.
#[must_use]
pub fn apart(vectors: &[f32], dim: usize) -> Vec<Vec<f32>> {
    vectors.chunks_exact(dim).map(<[f32]>::to_vec).collect()
}
