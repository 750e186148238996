//! Which documents a search may return: LangChain's filter language, or a function.

use hashbrown::HashSet;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

#[cfg(feature = "metadata-index")]
mod column;
#[cfg(feature = "metadata-index")]
mod index;

#[cfg(feature = "metadata-index")]
pub(crate) use index::MetadataIndex;

use crate::document::Document;
use crate::error::{Error, Result};
use crate::value::{MAX_NESTING, Metadata, Value};

/// Which documents a search may return.
///
/// Parsed from a map of metadata fields to conditions; all must hold, and `{}` accepts everything:
///
/// | condition | holds when the field's value |
/// | --- | --- |
/// | `x` or `{"$eq": x}` | equals `x`, maps and lists as a whole; integers and floats by value; `true` is not `1` |
/// | `{"$ne": x}`, `{"$neq": x}` | does not |
/// | `{"$gt": x}`, `$gte`, `$lt`, `$lte` | is ordered so; values of unlike types never are |
/// | `[..]` or `{"$in": [..]}`, `{"$nin": [..]}` | equals one of the items, or none |
/// | `{"$contains": x}` | is a list with an item equal to `x`, or a string with the substring `x` |
/// | `{"$exists": true}` | is there at all (null counts) |
///
/// A map as `x` alone is a value if none of its keys starts with `$`, and else operators, all of which must hold.
/// `$and` and `$or` take a list of filters, `$not` one filter; they may stand beside fields. A field that is absent counts as null.
/// `author.name` is the key of that name if the document has it, else the path through maps.
///
/// ```
/// use twindex_core::{Document, Filter};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let filter: Filter = serde_json::from_str::<twindex_core::Value>(
///     r#"{"pos": "verb", "senses": {"$gte": 2}, "$not": {"words": {"$contains": "run"}}}"#,
/// )?.try_into()?;
/// assert!(filter.matches(&Document::new("..").with("pos", "verb").with("senses", 3))?);
/// assert!(!filter.matches(&Document::new("..").with("pos", "noun").with("senses", 3))?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Filter(Node);

type Predicate = Arc<dyn Fn(&Document) -> Result<bool, String> + Send + Sync>;

#[derive(Clone)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Field(String, Vec<Condition>),
    Predicate(Predicate),
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::All(parts) => f.debug_tuple("All").field(parts).finish(),
            Node::Any(parts) => f.debug_tuple("Any").field(parts).finish(),
            Node::Not(part) => f.debug_tuple("Not").field(part).finish(),
            Node::Field(name, conditions) => f.debug_tuple("Field").field(name).field(conditions).finish(),
            Node::Predicate(_) => f.write_str("Predicate"),
        }
    }
}

#[derive(Debug, Clone)]
enum Condition {
    Equal(Value),
    NotEqual(Value),
    /// Holds for these two orderings (the second may repeat the first).
    Ordered(Value, [Ordering; 2]),
    In(Items),
    NotIn(Items),
    Contains(Value),
    Exists(bool),
}

/// The list of `$in`: strings by hash, since lists of ids can be long; the rest one by one.
#[derive(Debug, Clone)]
struct Items {
    strings: HashSet<String>,
    others: Vec<Value>,
}

impl Items {
    fn new(items: &[Value]) -> Self {
        let strings = items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let others = items.iter().filter(|item| item.as_str().is_none()).cloned().collect();
        Self { strings, others }
    }

    fn contains(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.strings.contains(text),
            _ => self.others.iter().any(|item| item.same_as(value)),
        }
    }
}

impl Filter {
    /// Parses a filter from a map.
    ///
    /// # Errors
    /// `invalid_filter_type` if it is not a map; `unsupported_filter_operator` for an unknown or misplaced `$name` at
    /// any depth, or a plain key among a field's operators; `malformed_filter` for an operand of the wrong shape;
    /// `filter_too_deep` past [`MAX_NESTING`] levels.
    pub fn parse(filter: &Value) -> Result<Self> {
        match filter {
            Value::Map(map) => Ok(Self(Node::parse(map, 0)?)),
            other => Err(Error::InvalidFilterType { actual: other.type_name() }),
        }
    }

    /// A filter that asks a function.
    pub fn matching(keep: impl Fn(&Document) -> bool + Send + Sync + 'static) -> Self {
        Self::try_matching(move |document| Ok(keep(document)))
    }

    /// A filter that asks a function which can fail; its message ends the search with `callable_filter_raised`.
    pub fn try_matching(keep: impl Fn(&Document) -> Result<bool, String> + Send + Sync + 'static) -> Self {
        Self(Node::Predicate(Arc::new(keep)))
    }

    /// A filter that accepts what both accept.
    #[must_use]
    pub fn and(self, other: Filter) -> Self {
        Self(Node::All(vec![self.0, other.0]))
    }

    /// Whether the filter accepts everything, as `{}` does.
    #[must_use]
    pub fn accepts_everything(&self) -> bool {
        matches!(&self.0, Node::All(parts) if parts.is_empty())
    }

    /// Whether a document passes.
    ///
    /// # Errors
    /// `callable_filter_raised` if a function fails.
    pub fn matches(&self, document: &Document) -> Result<bool> {
        self.0.matches(document)
    }
}

impl TryFrom<Value> for Filter {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self> {
        Self::parse(&value)
    }
}

impl TryFrom<serde_json::Value> for Filter {
    type Error = Error;

    fn try_from(json: serde_json::Value) -> Result<Self> {
        Self::parse(&json.into())
    }
}

impl Node {
    fn parse(map: &Metadata, depth: usize) -> Result<Self> {
        if depth > MAX_NESTING {
            return Err(Error::FilterTooDeep { limit: MAX_NESTING });
        }
        let mut parts = Vec::with_capacity(map.len());
        for (key, operand) in map.iter() {
            let part = match key {
                "$and" => Node::All(Node::parse_list("$and", operand, depth)?),
                "$or" => Node::Any(Node::parse_list("$or", operand, depth)?),
                "$not" => Node::Not(Box::new(Node::parse_part("$not", operand, depth)?)),
                _ if key.starts_with('$') => {
                    return Err(Error::UnsupportedFilterOperator { operator: key.to_owned() });
                }
                _ => Node::Field(key.to_owned(), Condition::parse_all(operand)?),
            };
            parts.push(part);
        }
        Ok(Node::All(parts))
    }

    fn parse_part(operator: &str, operand: &Value, depth: usize) -> Result<Self> {
        match operand {
            Value::Map(map) => Node::parse(map, depth + 1),
            other => Err(malformed(operator, "a filter", other)),
        }
    }

    fn parse_list(operator: &str, operand: &Value, depth: usize) -> Result<Vec<Self>> {
        match operand {
            Value::List(parts) => parts.iter().map(|part| Node::parse_part(operator, part, depth)).collect(),
            other => Err(malformed(operator, "a list of filters", other)),
        }
    }

    fn matches(&self, document: &Document) -> Result<bool> {
        match self {
            Node::All(parts) => {
                for part in parts {
                    if !part.matches(document)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Node::Any(parts) => {
                for part in parts {
                    if part.matches(document)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Node::Not(part) => part.matches(document).map(|matches| !matches),
            Node::Field(name, conditions) => {
                let value = look_up(&document.metadata, name);
                Ok(conditions.iter().all(|condition| condition.holds(value)))
            }
            Node::Predicate(keep) => ask(keep, document),
        }
    }
}

fn ask(keep: &Predicate, document: &Document) -> Result<bool> {
    keep(document).map_err(|message| Error::CallableFilterRaised { message })
}

/// The value under the literal key, else at the dotted path through maps.
pub(crate) fn look_up<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a Value> {
    metadata.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        look_up(metadata.get(first)?.as_map()?, rest)
    })
}

fn malformed(operator: &str, expected: &'static str, actual: &Value) -> Error {
    Error::MalformedFilter { operator: operator.to_owned(), expected, actual: actual.type_name() }
}

impl Condition {
    fn parse_all(operand: &Value) -> Result<Vec<Self>> {
        match operand {
            Value::Map(plain) if !plain.is_empty() && plain.iter().all(|(key, _)| !key.starts_with('$')) => {
                Ok(vec![Condition::Equal(operand.clone())])
            }
            Value::Map(operators) => {
                operators.iter().map(|(name, operand)| Self::parse(name, operand)).collect()
            }
            Value::List(items) => Ok(vec![Condition::In(Items::new(items))]),
            value => Ok(vec![Condition::Equal(value.clone())]),
        }
    }

    fn parse(operator: &str, operand: &Value) -> Result<Self> {
        use Ordering::{Equal, Greater, Less};
        let items = || match operand {
            Value::List(items) => Ok(Items::new(items)),
            other => Err(malformed(operator, "a list", other)),
        };
        let value = || operand.clone();
        Ok(match operator {
            "$eq" => Condition::Equal(value()),
            "$ne" | "$neq" => Condition::NotEqual(value()),
            "$gt" => Condition::Ordered(value(), [Greater, Greater]),
            "$gte" => Condition::Ordered(value(), [Greater, Equal]),
            "$lt" => Condition::Ordered(value(), [Less, Less]),
            "$lte" => Condition::Ordered(value(), [Less, Equal]),
            "$in" => Condition::In(items()?),
            "$nin" => Condition::NotIn(items()?),
            "$contains" => Condition::Contains(value()),
            "$exists" => match operand {
                Value::Bool(wanted) => Condition::Exists(*wanted),
                other => return Err(malformed(operator, "true or false", other)),
            },
            _ => return Err(Error::UnsupportedFilterOperator { operator: operator.to_owned() }),
        })
    }

    fn holds(&self, value: Option<&Value>) -> bool {
        let present = value.is_some();
        let value = value.unwrap_or(&Value::Null);
        match self {
            Condition::Equal(wanted) => value.same_as(wanted),
            Condition::NotEqual(unwanted) => !value.same_as(unwanted),
            Condition::Ordered(bound, accepted) => {
                value.order(bound).is_some_and(|ordering| accepted.contains(&ordering))
            }
            Condition::In(items) => items.contains(value),
            Condition::NotIn(items) => !items.contains(value),
            Condition::Contains(wanted) => match (value, wanted) {
                (Value::List(items), wanted) => items.iter().any(|item| item.same_as(wanted)),
                (Value::String(text), Value::String(part)) => holds(text, part),
                _ => false,
            },
            Condition::Exists(wanted) => present == *wanted,
        }
    }
}

/// Whether a text has a part. In WebAssembly without std's search, which is three kilobytes to download: the texts that filters look at are short.
pub(crate) fn holds(text: &str, part: &str) -> bool {
    if cfg!(target_family = "wasm") {
        part.is_empty() || text.as_bytes().windows(part.len()).any(|window| window == part.as_bytes())
    } else {
        text.contains(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(json: &str) -> Result<Filter> {
        Filter::parse(&serde_json::from_str(json).expect("valid JSON"))
    }

    fn document(json: &str) -> Document {
        Document::new("text").with_metadata(serde_json::from_str(json).expect("valid JSON"))
    }

    #[track_caller]
    fn check(filter_json: &str, metadata: &str, expected: bool) {
        assert_eq!(
            filter(filter_json).unwrap().matches(&document(metadata)),
            Ok(expected),
            "{filter_json} {metadata}"
        );
    }

    #[test]
    fn conditions_hold_as_documented() {
        check("{}", "{}", true);
        check(r#"{"a": 1}"#, r#"{"a": 1.0}"#, true);
        check(r#"{"a": 1}"#, r#"{"a": true}"#, false);
        check(r#"{"a": null}"#, "{}", true);
        check(r#"{"a": {"$neq": 1}}"#, "{}", true);
        check(r#"{"a": {"$nin": [1]}}"#, "{}", true);
        check(r#"{"a": {"$gt": 1}}"#, r#"{"a": "2"}"#, false);
        check(r#"{"a": {"$lt": [1, 3]}}"#, r#"{"a": [1, 2, 9]}"#, true);
        check(r#"{"a": {"$gte": 2, "$lte": 2}}"#, r#"{"a": 2}"#, true);
        check(r#"{"a": ["x", 2, [1]]}"#, r#"{"a": [1.0]}"#, true);
        check(r#"{"a": {"$eq": {"b": [1]}}}"#, r#"{"a": {"b": [1]}}"#, true);
        check(r#"{"a": {"b": [1]}}"#, r#"{"a": {"b": [1.0]}}"#, true);
        check(r#"{"a": {"b": [1]}}"#, r#"{"a": {"b": [1], "c": 2}}"#, false);
        check(r#"{"a": {"$contains": "lo"}}"#, r#"{"a": "hello"}"#, true);
        check(r#"{"a": {"$contains": "lo"}}"#, r#"{"a": ["hello"]}"#, false);
        check(r#"{"a": {"$contains": 2}}"#, r#"{"a": [1, 2.0]}"#, true);
        check(r#"{"a": {"$exists": true}}"#, r#"{"a": null}"#, true);
        check(r#"{"a.b": {"$exists": false}}"#, r#"{"a": {"c": 1}}"#, true);
        check(r#"{"a": {}}"#, "{}", true);
    }

    #[test]
    fn logical_operators_combine_with_their_siblings() {
        check(r#"{"$and": [], "$or": [{"a": 1}, {"a": 2}]}"#, r#"{"a": 2}"#, true);
        check(r#"{"$or": []}"#, "{}", false);
        check(r#"{"$not": {}}"#, "{}", false);
        check(r#"{"$or": [{"a": 1}], "b": 2}"#, r#"{"a": 1, "b": 3}"#, false);
    }

    #[test]
    fn dotted_names_prefer_the_literal_key() {
        check(r#"{"a.b": 1}"#, r#"{"a.b": 1, "a": {"b": 2}}"#, true);
        check(r#"{"a.b": 2}"#, r#"{"a.b": 1, "a": {"b": 2}}"#, false);
        check(r#"{"a.b.c": 3}"#, r#"{"a": {"b.c": 3}}"#, true);
        check(r#"{"a.b.c": 3}"#, r#"{"a": {"b": {"c": 3}}}"#, true);
    }

    #[test]
    fn malformed_filters_are_refused_by_name() {
        for (json, code) in [
            ("[]", "invalid_filter_type"),
            ("null", "invalid_filter_type"),
            (r#"{"$eq": 1}"#, "unsupported_filter_operator"),
            (r#"{"a": {"$regex": "x"}}"#, "unsupported_filter_operator"),
            (r#"{"a": {"b": 1, "$eq": 2}}"#, "unsupported_filter_operator"),
            (r#"{"a": {"$and": []}}"#, "unsupported_filter_operator"),
            (r#"{"$and": [{"$xor": 1}]}"#, "unsupported_filter_operator"),
            (r#"{"$and": {}}"#, "malformed_filter"),
            (r#"{"$or": [1]}"#, "malformed_filter"),
            (r#"{"$not": []}"#, "malformed_filter"),
            (r#"{"a": {"$in": "text"}}"#, "malformed_filter"),
            (r#"{"a": {"$exists": 1}}"#, "malformed_filter"),
        ] {
            assert_eq!(filter(json).map(|_| ()).unwrap_err().code(), code, "{json}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| {
            let mut value = Value::Map(Metadata::new());
            for _ in 0..depth {
                value = Value::Map([("$not", value)].into_iter().collect());
            }
            Filter::parse(&value)
        };
        assert!(nested(MAX_NESTING).is_ok());
        assert_eq!(nested(MAX_NESTING + 1).map(|_| ()).unwrap_err().code(), "filter_too_deep");
    }
}
