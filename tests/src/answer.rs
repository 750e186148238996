//! What a store answered, in one shape for Twindex, the model and the case files.

use serde_json::{Value, json};

/// A document that came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its id.
    pub id: String,
    /// Its text.
    pub text: String,
    /// Its metadata, a map.
    pub metadata: Value,
    /// Its score, where the operation gives scores.
    pub score: Option<f32>,
}

/// What a store holds, vectors apart.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// How many vectors.
    pub ntotal: usize,
    /// Numbers per vector, once known.
    pub dim: Option<usize>,
    /// The ids by position.
    pub ids: Vec<String>,
    /// The ids of the documents, sorted.
    pub docstore_ids: Vec<String>,
}

/// A successful answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Nothing to report.
    Done,
    /// A delete that went through.
    True,
    /// The ids of what was added.
    Ids(Vec<String>),
    /// Documents, with scores or without.
    Docs(Vec<Found>),
    /// The state.
    State(State),
    /// All vectors by position.
    Vectors(Vec<Vec<f32>>),
}

/// An error: its code and its message.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The stable code.
    pub code: String,
    /// What it says.
    pub message: String,
}

impl Failure {
    /// An error with this code and message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

/// What came of an operation.
pub type Outcome = Result<Answer, Failure>;

/// An outcome as the case files would write it, for messages.
#[must_use]
pub fn to_json(outcome: &Outcome) -> Value {
    match outcome {
        Err(failure) => json!({"error": {"kind": failure.code, "message": failure.message}}),
        Ok(Answer::Done) => json!({"ok": null}),
        Ok(Answer::True) => json!({"ok": true}),
        Ok(Answer::Ids(ids)) => json!({"ok": ids}),
        Ok(Answer::Vectors(vectors)) => json!({"ok": vectors}),
        Ok(Answer::Docs(docs)) => json!({"ok": docs.iter().map(brief).collect::<Vec<_>>()}),
        Ok(Answer::State(state)) => json!({"ok": {
            "ntotal": state.ntotal,
            "dim": state.dim,
            "index_to_docstore_id": state.ids.iter().enumerate().collect::<Vec<_>>(),
            "docstore_ids": state.docstore_ids,
        }}),
    }
}

/// A document by id and score only: enough to see what differs.
fn brief(found: &Found) -> Value {
    match found.score {
        Some(score) => json!([found.id, score]),
        None => json!(found.id),
    }
}
