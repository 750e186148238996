//! Why a command failed, with a stable code.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;

/// Why a command failed: exit code 1.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Stable; the library's own codes where the library failed.
    pub(crate) code: &'static str,
    /// What happened.
    pub(crate) message: String,
    /// The causes that the message does not say already, outermost first.
    pub(crate) causes: Vec<String>,
    /// What to do about it, where that is known.
    pub(crate) hint: Option<String>,
    broken_pipe: bool,
}

impl Failure {
    /// A failure of the command line itself.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), causes: Vec::new(), hint: None, broken_pipe: false }
    }

    /// A file, or something like one, that could not be used.
    pub(crate) fn io(operation: &str, what: impl fmt::Display, error: io::Error) -> Self {
        let code = if error.kind() == io::ErrorKind::NotFound { "file_not_found" } else { "io_error" };
        Self::new(code, format!("cannot {operation} {what}: {error}"))
    }

    /// The same for a path.
    pub(crate) fn file(operation: &str, path: &Path, error: io::Error) -> Self {
        Self::io(operation, path.display(), error)
    }

    /// Standard output could not be written.
    pub(crate) fn stdout(error: io::Error) -> Self {
        let broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Self { broken_pipe, ..Self::io("write", "to standard output", error) }
    }

    /// An option that makes no sense here.
    pub(crate) fn option(message: impl Into<String>) -> Self {
        Self::new("invalid_option", message)
    }

    /// The same with a way out.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the reader of standard output went away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    fn because(code: &'static str, error: &(dyn StdError + 'static)) -> Self {
        let mut failure = Self::new(code, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            let said = failure.causes.last().unwrap_or(&failure.message);
            if !said.contains(&text) {
                failure.causes.push(text);
            }
            source = cause.source();
        }
        failure
    }

    /// `{"error": {...}}`, as `--json` prints it.
    pub(crate) fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            error: Body<'a>,
        }
        #[derive(Serialize)]
        struct Body<'a> {
            code: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "<[String]>::is_empty")]
            causes: &'a [String],
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
        }
        let body = Body {
            code: self.code,
            message: &self.message,
            causes: &self.causes,
            hint: self.hint.as_deref(),
        };
        serde_json::to_string(&Line { error: body }).unwrap_or_default()
    }
}

impl From<twindex::Error> for Failure {
    fn from(error: twindex::Error) -> Self {
        Self::because(error.code(), &error)
    }
}

impl From<twindex::core::Error> for Failure {
    fn from(error: twindex::core::Error) -> Self {
        Self::because(error.code(), &error)
    }
}

impl From<twindex::embeddings::EmbeddingsError> for Failure {
    fn from(error: twindex::embeddings::EmbeddingsError) -> Self {
        Self::because(error.code(), &error)
    }
}
