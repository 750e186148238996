//! The filter language as the table has it, read straight off the JSON.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::callable::{self, Verdict};
use super::values::{Notes, equal, order};

const IN_FIELDS: [&str; 11] =
    ["$eq", "$ne", "$neq", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$contains", "$exists"];

/// The name of the function that a filter stands for, if it does.
#[must_use]
pub fn callable_name(filter: &Value) -> Option<&str> {
    let map = filter.as_object().filter(|map| map.len() == 1)?;
    map.get("$callable")?.as_str()
}

/// What is wrong with the shape of a filter: all kinds that apply, none if it is well formed.
#[must_use]
pub fn faults(filter: &Value) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if callable_name(filter).is_none() {
        match filter {
            Value::Object(map) => map_faults(map, &mut faults),
            _ => faults.push("invalid_filter_type"),
        }
    }
    faults
}

fn map_faults(map: &Map<String, Value>, faults: &mut Vec<&'static str>) {
    for (key, operand) in map {
        match (key.as_str(), operand) {
            ("$and" | "$or", Value::Array(parts)) => parts.iter().for_each(|part| part_faults(part, faults)),
            ("$not", part) => part_faults(part, faults),
            ("$and" | "$or", _) => faults.push("malformed_filter"),
            (name, _) if name.starts_with('$') => faults.push("unsupported_filter_operator"),
            (_, Value::Object(condition)) => condition_faults(condition, faults),
            _ => {}
        }
    }
}

fn part_faults(part: &Value, faults: &mut Vec<&'static str>) {
    match part {
        Value::Object(map) => map_faults(map, faults),
        _ => faults.push("malformed_filter"),
    }
}

fn condition_faults(condition: &Map<String, Value>, faults: &mut Vec<&'static str>) {
    if is_plain_map(condition) {
        if condition.values().any(holds_operator_name) {
            faults.push("unsupported_filter_operator");
        }
        return;
    }
    for (name, operand) in condition {
        match (name.as_str(), operand) {
            ("$in" | "$nin", operand) if !operand.is_array() => faults.push("malformed_filter"),
            ("$exists", operand) if !operand.is_boolean() => faults.push("malformed_filter"),
            (name, _) if !IN_FIELDS.contains(&name) => faults.push("unsupported_filter_operator"),
            _ => {}
        }
    }
}

/// A map that a field is compared with whole, not a map of operators.
fn is_plain_map(condition: &Map<String, Value>) -> bool {
    !condition.is_empty() && !condition.keys().any(|key| key.starts_with('$'))
}

fn holds_operator_name(value: &Value) -> bool {
    match value {
        Value::Object(map) => {
            map.iter().any(|(key, value)| key.starts_with('$') || holds_operator_name(value))
        }
        Value::Array(items) => items.iter().any(holds_operator_name),
        _ => false,
    }
}

/// Whether a well-formed filter accepts metadata.
///
/// # Errors
/// What a filter function says when it fails.
pub fn accepts(filter: &Value, metadata: &Value, notes: &Notes) -> Verdict {
    match (callable_name(filter), filter) {
        (Some(name), _) => callable::call(name, metadata),
        (None, Value::Object(map)) => Ok(accepts_map(map, metadata, notes)),
        _ => Err("a filter that is no map was not refused".into()),
    }
}

fn accepts_map(map: &Map<String, Value>, metadata: &Value, notes: &Notes) -> bool {
    let part = |part: &Value| part.as_object().is_some_and(|part| accepts_map(part, metadata, notes));
    let parts = |parts: &Value| parts.as_array().cloned().unwrap_or_default();
    map.iter().all(|(key, operand)| match key.as_str() {
        "$and" => parts(operand).iter().all(part),
        "$or" => parts(operand).iter().any(part),
        "$not" => !part(operand),
        field => accepts_field(look_up(metadata, field), operand, notes),
    })
}

/// The literal key if it is there, else the path through maps.
fn look_up<'a>(metadata: &'a Value, field: &str) -> Option<&'a Value> {
    metadata.get(field).or_else(|| {
        field.split('.').try_fold(metadata, |value, key| value.as_object().and_then(|map| map.get(key)))
    })
}

fn accepts_field(value: Option<&Value>, condition: &Value, notes: &Notes) -> bool {
    let present = value.is_some();
    let value = value.unwrap_or(&Value::Null);
    match condition {
        Value::Object(operators) if !is_plain_map(operators) => {
            operators.iter().all(|(name, operand)| holds(name, operand, value, present, notes))
        }
        Value::Array(_) => holds("$in", condition, value, present, notes),
        plain => equal(value, plain, notes),
    }
}

fn holds(operator: &str, operand: &Value, value: &Value, present: bool, notes: &Notes) -> bool {
    let ordered = |wanted: fn(Ordering) -> bool| order(value, operand, notes).is_some_and(wanted);
    let among = || {
        operand.as_array().is_some_and(|items| items.iter().filter(|i| equal(value, i, notes)).count() > 0)
    };
    match operator {
        "$eq" => equal(value, operand, notes),
        "$ne" | "$neq" => !equal(value, operand, notes),
        "$gt" => ordered(Ordering::is_gt),
        "$gte" => ordered(Ordering::is_ge),
        "$lt" => ordered(Ordering::is_lt),
        "$lte" => ordered(Ordering::is_le),
        "$in" => among(),
        "$nin" => !among(),
        "$exists" => operand == &Value::Bool(present),
        "$contains" => match (value, operand) {
            (Value::Array(items), wanted) => items.iter().any(|item| equal(item, wanted, notes)),
            (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
            _ => false,
        },
        _ => false,
    }
}

/// The rows of the table that speak about the shape of a filter.
#[must_use]
pub fn rules(filter: &Value) -> Vec<&'static str> {
    let mut rules = Vec::new();
    if let (None, Some(map)) = (callable_name(filter), filter.as_object()) {
        map_rules(map, true, &mut rules);
    }
    rules
}

fn map_rules(map: &Map<String, Value>, outermost: bool, rules: &mut Vec<&'static str>) {
    if map.len() > 1 && ["$and", "$or", "$not"].iter().any(|name| map.contains_key(*name)) {
        rules.push("logical_ignores_siblings");
    }
    for (key, operand) in map {
        match (key.as_str(), operand) {
            ("$and" | "$or", Value::Array(parts)) => {
                parts.iter().filter_map(Value::as_object).for_each(|part| map_rules(part, false, rules));
            }
            ("$not", Value::Object(part)) => map_rules(part, false, rules),
            (name, _) if name.starts_with('$') => {
                rules.push(if outermost { "operator_as_field" } else { "nested_operator_not_validated" });
            }
            (field, condition) => {
                if field.contains('.') {
                    rules.push("no_nested_equality");
                }
                if let Value::Object(condition) = condition {
                    condition_rules(condition, rules);
                }
            }
        }
    }
}

fn condition_rules(condition: &Map<String, Value>, rules: &mut Vec<&'static str>) {
    if is_plain_map(condition) {
        rules.push("no_nested_equality");
    }
    for (name, operand) in condition {
        match name.as_str() {
            "$ne" => rules.push("no_ne_alias"),
            "$contains" | "$exists" => rules.push("no_array_contains"),
            "$in" | "$nin" if !operand.is_array() => rules.push("in_string_is_substring"),
            name if name.starts_with('$') && !IN_FIELDS.contains(&name) => {
                rules.push("nested_operator_not_validated")
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(filter: Value, metadata: Value, expected: bool) {
        assert_eq!(faults(&filter), [""; 0], "{filter}");
        assert_eq!(accepts(&filter, &metadata, &Notes::default()), Ok(expected), "{filter} {metadata}");
    }

    #[test]
    fn the_table_is_followed() {
        check(json!({"$and": [{"lang": "en"}], "page": 1}), json!({"lang": "en", "page": 2}), false);
        check(json!({"p": {"$ne": 1}}), json!({}), true);
        check(json!({"p": 1}), json!({"p": true}), false);
        check(json!({"p": 1}), json!({"p": 1.0}), true);
        check(json!({"p": {"$gt": 1}}), json!({"p": "x"}), false);
        check(json!({"p": {"$lte": null}}), json!({}), false);
        check(json!({"a.b": 7}), json!({"a": {"b": 7}}), true);
        check(json!({"a.b": 7}), json!({"a.b": 8, "a": {"b": 7}}), false);
        check(json!({"a": {"b": 7}}), json!({"a": {"b": 7}}), true);
        check(json!({"a": {"b": 7}}), json!({"a": {"b": 7, "c": 8}}), false);
        check(json!({"a": {"$contains": "x"}}), json!({"a": ["x"]}), true);
        check(json!({"a": {"$exists": true}}), json!({"a": null}), true);
        check(json!({"a": {"$exists": false}}), json!({}), true);
        check(json!({"a": {}}), json!({}), true);
        check(json!({"$or": []}), json!({}), false);
        check(json!({"$not": {}}), json!({}), false);
        check(json!({"a": [[1], {"x": 1}]}), json!({"a": [1]}), true);
        check(json!({"$callable": "always_true"}), json!({}), true);
    }

    #[test]
    fn faults_are_found_at_any_depth() {
        for (filter, kind) in [
            (json!(5), "invalid_filter_type"),
            (json!([{"a": 1}]), "invalid_filter_type"),
            (json!({"$eq": 1}), "unsupported_filter_operator"),
            (json!({"$or": [{}, {"$not": {"$xor": 1}}]}), "unsupported_filter_operator"),
            (json!({"a": {"$gt": 1, "b": 2}}), "unsupported_filter_operator"),
            (json!({"a": {"b": {"$gt": 1}}}), "unsupported_filter_operator"),
            (json!({"a": {"$not": {"$eq": 1}}}), "unsupported_filter_operator"),
            (json!({"$callable": "always_true", "a": 1}), "unsupported_filter_operator"),
            (json!({"$and": {"a": 1}}), "malformed_filter"),
            (json!({"$not": [1]}), "malformed_filter"),
            (json!({"a": {"$in": "text"}}), "malformed_filter"),
            (json!({"a": {"$exists": 1}}), "malformed_filter"),
        ] {
            assert_eq!(faults(&filter), [kind], "{filter}");
        }
    }

    #[test]
    fn rules_name_what_the_table_changes() {
        assert_eq!(rules(&json!({"page": {"$gt": 1}, "lang": ["en"]})), [""; 0]);
        assert_eq!(
            rules(&json!({"$and": [{"a": {"$ne": 1}}], "b": 1})),
            ["logical_ignores_siblings", "no_ne_alias"]
        );
        assert_eq!(rules(&json!({"$eq": 1})), ["operator_as_field"]);
        assert_eq!(rules(&json!({"a.b": 1})), ["no_nested_equality"]);
    }
}
