//! Core's errors, and those of this boundary, as JavaScript errors.

use js_sys::Object;
use twindex_core::Error;
use wasm_bindgen::JsValue;

use crate::js::{VectorStoreError, describe, set_own};

/// Why a call rejects.
#[derive(Debug)]
pub enum Failure {
    /// With a `VectorStoreError`.
    Error {
        /// The stable name of the cause.
        code: &'static str,
        /// What was expected and what came.
        message: String,
        /// What was thrown, where something was.
        cause: Option<JsValue>,
    },
    /// With what the caller's own code threw, or an abort signal's reason.
    Thrown(JsValue),
}

impl Failure {
    /// An error of this boundary.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Failure::Error { code, message: message.into(), cause: None }
    }

    /// An argument that is not what the method takes.
    pub fn argument(what: &str, expected: &str, actual: &JsValue) -> Self {
        Self::new("invalid_argument", format!("{what}: expected {expected}, got {}", describe(actual)))
    }

    /// The same error, caused by what was thrown.
    #[must_use]
    pub fn caused_by(self, thrown: JsValue) -> Self {
        match self {
            Failure::Error { code, message, .. } => Failure::Error { code, message, cause: Some(thrown) },
            thrown => thrown,
        }
    }

    /// What a promise rejects with.
    #[must_use]
    pub fn into_js(self) -> JsValue {
        match self {
            Failure::Error { code, message, cause } => {
                let options = Object::new();
                if let Some(cause) = cause {
                    set_own(&options, "cause", &cause);
                }
                VectorStoreError::new(&message, code, &options).into()
            }
            Failure::Thrown(value) => value,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // These name parameters, which have JavaScript's names here.
        let message = match error {
            Error::KNotPositive { parameter: "fetch_k" } => {
                Error::KNotPositive { parameter: "fetchK" }.to_string()
            }
            Error::ScoreThresholdRequired => {
                "search type \"similarity_score_threshold\" needs a scoreThreshold".into()
            }
            ref error => error.to_string(),
        };
        Self::new(error.code(), message)
    }
}

/// Reading a property threw: a getter or a proxy of the caller's.
pub fn unreadable(what: &str) -> impl FnOnce(JsValue) -> Failure + '_ {
    move |thrown| {
        Failure::new("invalid_argument", format!("{what} cannot be read: {}", describe(&thrown)))
            .caused_by(thrown)
    }
}

/// What a fallible step gives.
pub type Result<T, E = Failure> = std::result::Result<T, E>;
