//! Metadata values: any JSON tree. Whole numbers are integers, however they were written.
//!
//! [`Value`] is our own type, not `serde_json::Value`, because the wire format is not self-describing and
//! because maps here are sorted by key: two equal documents encode to the same bytes whatever order
//! their keys came in.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::sort::sorted;

/// How deep metadata, filters and stored documents may nest.
pub const MAX_NESTING: usize = 96;

/// A JSON value.
///
/// Integers from `i64::MIN` to `u64::MAX` are exact; [`UInt`](Value::UInt) holds only what
/// [`Int`](Value::Int) cannot. A whole `f64` of less than 2^53 becomes an integer: JavaScript has no 1.0 beside 1, and the same documents give
/// the same bytes on every target. `==` tells [`Int`](Value::Int) from [`Float`](Value::Float) and `true` from `1`; filters compare numbers by
/// value (see [`Filter`](crate::Filter)).
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer that fits an `i64`.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// A number that is not whole, or of 2^53 and more and not given as an integer. NaN and infinities cannot be stored.
    Float(f64),
    /// Text.
    String(String),
    /// An array.
    List(Vec<Value>),
    /// An object.
    Map(Metadata),
}

impl Value {
    /// What this value is, in JSON's words.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::UInt(_) => "an integer",
            Value::Float(_) => "a float",
            Value::String(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The text of a string value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number as an `i64`, if it is an integer that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Value::Int(n) => Some(n),
            _ => None,
        }
    }

    /// The number as an `f64`, rounded where an integer has more than 53 bits.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Value::Int(n) => Some(n as f64),
            Value::UInt(n) => Some(n as f64),
            Value::Float(x) => Some(x),
            _ => None,
        }
    }

    /// The value of a boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Value::Bool(b) => Some(b),
            _ => None,
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a map.
    #[must_use]
    pub fn as_map(&self) -> Option<&Metadata> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Whether two values are the same data: as `==`, except that an integer equals a float of the same
    /// value (exactly, also past 2^53), at any depth. `true` is not `1`.
    #[must_use]
    pub fn same_as(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::String(a), Value::String(b)) => a == b,
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_as(b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b.iter()).all(|((ka, a), (kb, b))| ka == kb && a.same_as(b))
            }
            _ => compare_numbers(self, other) == Some(Ordering::Equal),
        }
    }

    /// The order of two values of one kind: numbers by value, strings by code point, `false` before
    /// `true`, lists item by item. `None` for unlike kinds, for maps and for nulls.
    #[must_use]
    pub fn order(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            // UTF-8 sorts as code points do.
            (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Value::List(a), Value::List(b)) => match a.iter().zip(b).find(|(a, b)| !a.same_as(b)) {
                Some((a, b)) => a.order(b),
                None => Some(a.len().cmp(&b.len())),
            },
            _ => compare_numbers(self, other),
        }
    }

    /// Fails where the value holds NaN or an infinity, or nests deeper than [`MAX_NESTING`].
    pub(crate) fn check(&self, depth: usize) -> std::result::Result<(), String> {
        if depth > MAX_NESTING {
            return Err(format!("nested more than {MAX_NESTING} levels deep"));
        }
        match self {
            Value::Float(x) if !x.is_finite() => {
                let name = if x.is_nan() { "NaN" } else { "infinity" };
                Err(format!("{name} is not a number that JSON has"))
            }
            Value::List(items) => items.iter().try_for_each(|item| item.check(depth + 1)),
            Value::Map(map) => map.iter().try_for_each(|(_, value)| value.check(depth + 1)),
            _ => Ok(()),
        }
    }
}

/// Order of two numbers by exact value; `None` unless both are numbers.
fn compare_numbers(a: &Value, b: &Value) -> Option<Ordering> {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => match *b {
            Value::Float(b) => compare_integer_float(a, b),
            _ => None,
        },
        (None, Some(_)) => compare_numbers(b, a).map(Ordering::reverse),
        (None, None) => match (a, b) {
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
            _ => None,
        },
    }
}

fn integer(value: &Value) -> Option<i128> {
    match *value {
        Value::Int(n) => Some(n.into()),
        Value::UInt(n) => Some(n.into()),
        _ => None,
    }
}

fn compare_integer_float(a: i128, b: f64) -> Option<Ordering> {
    // Every integer here is below 2^64 in size, so a float beyond that decides by its sign alone; within,
    // its whole part converts exactly.
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    if b.is_nan() {
        None
    } else if b >= LIMIT {
        Some(Ordering::Less)
    } else if b <= -LIMIT {
        Some(Ordering::Greater)
    } else {
        let whole = b.trunc();
        Some(a.cmp(&(whole as i128)).then_with(|| 0.0f64.total_cmp(&(b - whole + 0.0))))
    }
}

macro_rules! from_integer {
    ($($int:ty),*) => {$(
        impl From<$int> for Value {
            fn from(n: $int) -> Self {
                Value::Int(i64::from(n))
            }
        }
    )*};
}
from_integer!(i8, i16, i32, i64, u8, u16, u32);

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        i64::try_from(n).map_or(Value::UInt(n), Value::Int)
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        whole(x).map_or(Value::Float(x), Value::Int)
    }
}

/// The integer that a number is, if it is whole and JavaScript can tell it from its neighbours (less than 2^53 in size).
pub(crate) fn whole(x: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    (x.trunc() == x && x.abs() < LIMIT).then_some(x as i64)
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::String(text)
    }
}

impl From<Metadata> for Value {
    fn from(map: Metadata) -> Self {
        Value::Map(map)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(b),
            serde_json::Value::Number(n) => {
                if let Some(n) = n.as_i64() {
                    Value::Int(n)
                } else if let Some(n) = n.as_u64() {
                    Value::UInt(n)
                } else {
                    // Without serde_json's `arbitrary_precision`, every number is one of the three.
                    Value::from(n.as_f64().unwrap_or(f64::NAN))
                }
            }
            serde_json::Value::String(text) => Value::String(text),
            serde_json::Value::Array(items) => Value::List(items.into_iter().map(Into::into).collect()),
            serde_json::Value::Object(map) => {
                Value::Map(map.into_iter().map(|(k, v)| (k, Value::from(v))).collect())
            }
        }
    }
}

/// As JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// A map from text to [`Value`], sorted by key (by code point), each key once.
///
/// Kept as one sorted vector: metadata maps are small, and a store holds many.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata(Vec<(Box<str>, Value)>);

impl Metadata {
    /// A map without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.find(key).ok().map(|at| &self.0[at].1)
    }

    /// Sets a key and returns what it had before.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.find(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key.into(), value));
                None
            }
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.find(key).ok().map(|at| self.0.remove(at).1)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    fn find(&self, key: &str) -> std::result::Result<usize, usize> {
        self.0.binary_search_by(|(k, _)| (**k).cmp(key))
    }

    /// From entries that are sorted already, each key once; `None` if they are not.
    pub(crate) fn from_sorted(entries: Vec<(Box<str>, Value)>) -> Option<Self> {
        entries.is_sorted_by(|a, b| a.0 < b.0).then_some(Self(entries))
    }
}

/// Of a key given twice, the last value stays.
impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<(Box<str>, Value)> =
            entries.into_iter().map(|(k, v)| (k.into().into_boxed_str(), v.into())).collect();
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            let order = sorted(entries.len(), &mut |a, b| entries[a].0.cmp(&entries[b].0));
            let mut given: Vec<_> = entries.into_iter().map(Some).collect();
            entries = Vec::with_capacity(given.len());
            for entry in order.into_iter().filter_map(|at| given[at].take()) {
                match entries.last_mut() {
                    Some(last) if last.0 == entry.0 => *last = entry,
                    _ => entries.push(entry),
                }
            }
        }
        entries.shrink_to_fit();
        Self(entries)
    }
}

impl IntoIterator for Metadata {
    type Item = (Box<str>, Value);
    type IntoIter = std::vec::IntoIter<(Box<str>, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(b) => serializer.serialize_bool(*b),
            Value::Int(n) => serializer.serialize_i64(*n),
            Value::UInt(n) => serializer.serialize_u64(*n),
            Value::Float(x) => serializer.serialize_f64(*x),
            Value::String(text) => serializer.serialize_str(text),
            Value::List(items) => items.serialize(serializer),
            Value::Map(map) => map.serialize(serializer),
        }
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Int(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(Value::from(n))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
        Ok(Value::from(x))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        MetadataVisitor.visit_map(map).map(Value::Map)
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut entries: Vec<(String, Value)> = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetadataVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).expect("valid JSON")
    }

    #[test]
    fn json_round_trips_and_whole_numbers_are_integers() {
        let text =
            r#"{"a":1,"b":1.5,"c":[null,true,-9223372036854775808,18446744073709551615],"é":{"x":"\u0000"}}"#;
        assert_eq!(serde_json::to_string(&json(text)).unwrap(), text);
        assert_eq!(json("1"), Value::Int(1));
        assert_eq!(json("1.0"), Value::Int(1));
        assert_eq!(json("-0.0"), Value::Int(0));
        assert_eq!(json("-9007199254740991.0"), Value::Int(-9_007_199_254_740_991));
        assert_eq!(json("9007199254740992.0"), Value::Float(9_007_199_254_740_992.0));
        assert_eq!(json("1e300"), Value::Float(1e300));
        assert_eq!(json("18446744073709551615"), Value::UInt(u64::MAX));
    }

    #[test]
    fn maps_are_sorted_and_keep_the_last_of_equal_keys() {
        let map: Metadata = [("b", 1), ("a", 2), ("b", 3)].into_iter().collect();
        assert_eq!(map.iter().map(|(k, _)| k).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(map.get("b"), Some(&Value::Int(3)));
    }

    #[test]
    fn numbers_compare_by_exact_value() {
        let big = 9_007_199_254_740_993i64; // 2^53 + 1 has no f64
        assert!(!Value::Int(big).same_as(&Value::Float(9_007_199_254_740_992.0)));
        assert!(Value::Int(3).same_as(&Value::Float(3.0)));
        assert!(Value::Int(0).same_as(&Value::Float(-0.0)));
        assert_eq!(Value::Int(3).order(&Value::Float(3.5)), Some(Ordering::Less));
        assert_eq!(Value::Int(-3).order(&Value::Float(-3.5)), Some(Ordering::Greater));
        assert_eq!(Value::Float(3.5).order(&Value::Int(3)), Some(Ordering::Greater));
        assert_eq!(Value::UInt(u64::MAX).order(&Value::Float(1e300)), Some(Ordering::Less));
        assert_eq!(Value::Int(i64::MIN).order(&Value::Float(-1e300)), Some(Ordering::Greater));
        assert!(!Value::Bool(true).same_as(&Value::Int(1)));
        assert_eq!(Value::Bool(true).order(&Value::Int(0)), None);
        assert_eq!(Value::Null.order(&Value::Null), None);
    }
}
