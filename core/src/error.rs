//! The one error type of the core, with a stable code per cause.

use std::fmt;

/// Result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, what was expected and what came.
///
/// Every variant has a stable [`code`](Error::code), the same in every language Twindex is used from.
/// A call that returns an error has changed nothing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// `k`, or `fetch_k` in MMR, was 0.
    KNotPositive {
        /// Name of the parameter: `k` or `fetch_k`.
        parameter: &'static str,
    },
    /// A vector has another length than the store's dimension.
    DimensionMismatch {
        /// The store's dimension.
        expected: usize,
        /// The length that came.
        actual: usize,
        /// Which row of the call, counted from 0 (0 for a query).
        row: usize,
    },
    /// A flat block of floats that does not divide into rows.
    RaggedRows {
        /// Numbers per row.
        dim: usize,
        /// Length of the block.
        len: usize,
    },
    /// A vector of no numbers, or a dimension of 0.
    EmptyVector,
    /// A vector holds NaN or an infinity.
    NotFinite {
        /// Which row of the call, counted from 0.
        row: usize,
        /// Which component of it.
        component: usize,
    },
    /// A vector of zeros in a store whose metric is cosine: its direction is undefined.
    ZeroVector {
        /// Which row of the call, counted from 0.
        row: usize,
    },
    /// Two lists that belong together differ in length.
    LengthMismatch {
        /// What the second list holds (`ids`, `metadatas`, `vectors`).
        what: &'static str,
        /// Length of the first list.
        expected: usize,
        /// Length of the second.
        actual: usize,
    },
    /// The same id twice in one call.
    DuplicateIdsInCall {
        /// The ids that came more than once.
        ids: Vec<String>,
    },
    /// An id the store has already.
    IdAlreadyExists {
        /// The ids that exist.
        ids: Vec<String>,
    },
    /// An id the store does not have.
    UnknownId {
        /// The ids that are unknown.
        ids: Vec<String>,
    },
    /// A delete with neither ids nor a filter.
    NoIds,
    /// Two stores that cannot be merged.
    MergeIncompatible {
        /// Which setting differs, and how.
        reason: String,
    },
    /// A `$name` that is unknown, or stands where it means nothing, or a plain key among operators.
    UnsupportedFilterOperator {
        /// The name as it came.
        operator: String,
    },
    /// A filter that is not a map.
    InvalidFilterType {
        /// What came instead.
        actual: &'static str,
    },
    /// A part of a filter that has the wrong shape.
    MalformedFilter {
        /// The operator whose operand is wrong.
        operator: String,
        /// What it takes.
        expected: &'static str,
        /// What came.
        actual: &'static str,
    },
    /// A filter nested deeper than [`MAX_NESTING`](crate::MAX_NESTING).
    FilterTooDeep {
        /// The limit.
        limit: usize,
    },
    /// A filter function failed.
    CallableFilterRaised {
        /// What it said.
        message: String,
    },
    /// A distance strategy Twindex does not have.
    UnknownDistanceStrategy {
        /// The name as it came.
        name: String,
    },
    /// A search type Twindex does not have.
    InvalidSearchType {
        /// The name as it came.
        name: String,
    },
    /// A retriever of type `similarity_score_threshold` without a threshold.
    ScoreThresholdRequired,
    /// An option whose value makes no sense.
    InvalidOption {
        /// Name of the option.
        option: &'static str,
        /// What was expected and what came.
        reason: String,
    },
    /// Metadata that cannot be stored: a number that is not finite, or nesting beyond [`MAX_NESTING`](crate::MAX_NESTING).
    InvalidMetadata {
        /// Which document of the call, counted from 0.
        row: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// More rows than a store can hold.
    TooManyRows {
        /// The limit.
        limit: usize,
        /// What the store would hold.
        actual: usize,
    },
    /// There is no memory for what was asked.
    OutOfMemory {
        /// What the memory was for.
        what: &'static str,
        /// Bytes needed.
        bytes: u64,
    },
    /// The kind of index in use cannot do this.
    UnsupportedByIndex {
        /// The kind, as its factory string.
        kind: String,
        /// The operation.
        operation: &'static str,
        /// Why.
        reason: String,
    },
    /// Too few vectors to train an index of this kind on.
    TooFewToTrain {
        /// The kind, as its factory string.
        kind: String,
        /// Vectors needed at least.
        expected: usize,
        /// Vectors that came.
        actual: usize,
    },
    /// The index behind the store failed.
    Index {
        /// Which engine (`faiss`).
        engine: &'static str,
        /// Its own message.
        message: String,
    },
    /// The bytes are not a Twindex store.
    NotAStore {
        /// What the beginning looks like, where it is recognised.
        looks_like: Option<&'static str>,
    },
    /// The bytes are a Twindex store of a version this program does not know.
    NewerVersion {
        /// The newest version this program reads.
        supported: u16,
        /// The version of the bytes.
        actual: u16,
    },
    /// The bytes end too early.
    Truncated {
        /// Bytes needed.
        expected: u64,
        /// Bytes there are.
        actual: u64,
    },
    /// A section's checksum does not agree with its content.
    ChecksumMismatch {
        /// The section.
        section: &'static str,
    },
    /// The bytes contradict the format.
    Corrupt {
        /// Where.
        section: &'static str,
        /// What was expected and what came.
        reason: String,
    },
    /// The bytes need a part this program was built without, such as FAISS.
    UnsupportedContent {
        /// What is needed.
        needs: String,
    },
    /// A setting given to a loader differs from the stored one.
    SettingMismatch {
        /// Name of the setting.
        setting: &'static str,
        /// The stored value.
        stored: String,
        /// The value given.
        given: String,
    },
    /// A text splitter was given parameters or a pattern it cannot use.
    InvalidSplitter {
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// A stable name for the cause, the same in Rust and JavaScript.
    ///
    /// ```
    /// use twindex_core::Error;
    /// assert_eq!(Error::KNotPositive { parameter: "k" }.code(), "k_not_positive");
    /// ```
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::KNotPositive { .. } => "k_not_positive",
            Error::DimensionMismatch { .. } => "dimension_mismatch",
            Error::RaggedRows { .. } => "ragged_rows",
            Error::EmptyVector => "empty_vector",
            Error::NotFinite { .. } => "not_finite",
            Error::ZeroVector { .. } => "zero_vector",
            Error::LengthMismatch { .. } => "length_mismatch",
            Error::DuplicateIdsInCall { .. } => "duplicate_ids_in_call",
            Error::IdAlreadyExists { .. } => "id_already_exists",
            Error::UnknownId { .. } => "unknown_id",
            Error::NoIds => "no_ids",
            Error::MergeIncompatible { .. } => "merge_incompatible",
            Error::UnsupportedFilterOperator { .. } => "unsupported_filter_operator",
            Error::InvalidFilterType { .. } => "invalid_filter_type",
            Error::MalformedFilter { .. } => "malformed_filter",
            Error::FilterTooDeep { .. } => "filter_too_deep",
            Error::CallableFilterRaised { .. } => "callable_filter_raised",
            Error::UnknownDistanceStrategy { .. } => "unknown_distance_strategy",
            Error::InvalidSearchType { .. } => "invalid_search_type",
            Error::ScoreThresholdRequired => "score_threshold_required",
            Error::InvalidOption { .. } => "invalid_option",
            Error::InvalidMetadata { .. } => "invalid_metadata",
            Error::TooManyRows { .. } => "too_many_rows",
            Error::OutOfMemory { .. } => "out_of_memory",
            Error::UnsupportedByIndex { .. } => "unsupported_by_index",
            Error::TooFewToTrain { .. } => "too_few_to_train",
            Error::Index { .. } => "index_failed",
            Error::NotAStore { .. } => "not_a_store",
            Error::NewerVersion { .. } => "newer_version",
            Error::Truncated { .. } => "truncated",
            Error::ChecksumMismatch { .. } => "checksum_mismatch",
            Error::Corrupt { .. } => "corrupt",
            Error::UnsupportedContent { .. } => "unsupported_content",
            Error::SettingMismatch { .. } => "setting_mismatch",
            Error::InvalidSplitter { .. } => "invalid_splitter",
        }
    }
}

/// At most ten ids, so that a message stays readable.
struct Ids<'a>(&'a [String]);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        for (i, id) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{id:?}", if i == 0 { "" } else { ", " })?;
        }
        if self.0.len() > SHOWN {
            write!(f, " and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::KNotPositive { parameter } => write!(f, "{parameter} must be at least 1, got 0 or less"),
            Error::DimensionMismatch { expected, actual, row } => {
                write!(f, "vector {row} has {actual} numbers, the store's dimension is {expected}")
            }
            Error::RaggedRows { dim, len } => {
                write!(f, "{len} numbers do not divide into rows of {dim}")
            }
            Error::EmptyVector => f.write_str("a vector must have at least one number, got none"),
            Error::NotFinite { row, component } => {
                write!(f, "vector {row} is not finite at component {component}")
            }
            Error::ZeroVector { row } => {
                write!(
                    f,
                    "vector {row} is all zeros, which has no direction: a cosine store cannot hold or search it"
                )
            }
            Error::LengthMismatch { what, expected, actual } => {
                write!(f, "expected {expected} {what}, one for each item, got {actual}")
            }
            Error::DuplicateIdsInCall { ids } => {
                write!(f, "ids given more than once in one call: {}", Ids(ids))
            }
            Error::IdAlreadyExists { ids } => write!(f, "ids that the store has already: {}", Ids(ids)),
            Error::UnknownId { ids } => write!(f, "ids that the store does not have: {}", Ids(ids)),
            Error::NoIds => f.write_str("nothing says what to delete: give ids or a filter"),
            Error::MergeIncompatible { reason } => write!(f, "these stores cannot be merged: {reason}"),
            Error::UnsupportedFilterOperator { operator } => {
                write!(f, "the filter has an unknown or misplaced operator {operator:?}")
            }
            Error::InvalidFilterType { actual } => {
                write!(f, "a filter must be a map or a function, got {actual}")
            }
            Error::MalformedFilter { operator, expected, actual } => {
                write!(f, "{operator} in a filter takes {expected}, got {actual}")
            }
            Error::FilterTooDeep { limit } => write!(f, "the filter is nested more than {limit} levels deep"),
            Error::CallableFilterRaised { message } => write!(f, "the filter function failed: {message}"),
            Error::UnknownDistanceStrategy { name } => write!(
                f,
                "unknown distance strategy {name:?}: expected EUCLIDEAN_DISTANCE, MAX_INNER_PRODUCT, DOT_PRODUCT or COSINE"
            ),
            Error::InvalidSearchType { name } => write!(
                f,
                "unknown search type {name:?}: expected \"similarity\", \"similarity_score_threshold\" or \"mmr\""
            ),
            Error::ScoreThresholdRequired => {
                f.write_str("search type \"similarity_score_threshold\" needs a score_threshold")
            }
            Error::InvalidOption { option, reason } => write!(f, "option {option}: {reason}"),
            Error::InvalidMetadata { row, reason } => write!(f, "metadata of document {row}: {reason}"),
            Error::TooManyRows { limit, actual } => {
                write!(f, "a store holds at most {limit} documents, this would make {actual}")
            }
            Error::OutOfMemory { what, bytes } => write!(f, "no memory for {bytes} bytes of {what}"),
            Error::UnsupportedByIndex { kind, operation, reason } => {
                write!(f, "an index of kind {kind:?} cannot {operation}: {reason}")
            }
            Error::TooFewToTrain { kind, expected, actual } => {
                write!(f, "an index of kind {kind:?} trains on at least {expected} vectors, got {actual}")
            }
            Error::Index { engine, message } => write!(f, "{engine} failed: {message}"),
            Error::NotAStore { looks_like: Some(kind) } => {
                write!(f, "not a Twindex store: it looks like {kind}")
            }
            Error::NotAStore { looks_like: None } => {
                f.write_str("not a Twindex store: the first bytes are foreign")
            }
            Error::NewerVersion { supported, actual } => write!(
                f,
                "the store has format version {actual}, this program reads up to version {supported}: update it"
            ),
            Error::Truncated { expected, actual } => {
                write!(f, "the store is cut short: {expected} bytes expected, {actual} there")
            }
            Error::ChecksumMismatch { section } => {
                write!(f, "the {section} section is damaged: its checksum does not agree")
            }
            Error::Corrupt { section, reason } => write!(f, "the {section} section is damaged: {reason}"),
            Error::UnsupportedContent { needs } => write!(f, "opening this store needs {needs}"),
            Error::SettingMismatch { setting, stored, given } => {
                write!(f, "{setting} of the stored index is {stored}, the loader was given {given}")
            }
            Error::InvalidSplitter { reason } => write!(f, "text splitter: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
