//! The functions that a case can filter with, on a document's metadata.

use serde_json::Value;

/// What a filter function says: keep, drop, or that it failed.
pub type Verdict = Result<bool, String>;

/// The names of all functions.
pub const NAMES: [&str; 8] = [
    "page_is_even",
    "lang_en_and_page_gt_2",
    "always_true",
    "always_false",
    "truthy_page",
    "raises_on_missing_nope",
    "nested_author_ann",
    "has_tag_food",
];

/// Asks the function of this name about metadata; an unknown name fails.
///
/// # Errors
/// What the function says when it fails, as a Python function would raise.
pub fn call(name: &str, metadata: &Value) -> Verdict {
    match name {
        "page_is_even" => match metadata.get("page") {
            None => Ok(false),
            Some(page) => number(page).map(|page| page.rem_euclid(2.0) == 0.0),
        },
        "lang_en_and_page_gt_2" => match metadata.get("lang") {
            Some(Value::String(lang)) if lang == "en" => {
                metadata.get("page").map_or(Ok(0.0), number).map(|page| page > 2.0)
            }
            _ => Ok(false),
        },
        "always_true" => Ok(true),
        "always_false" => Ok(false),
        "truthy_page" => Ok(metadata.get("page").is_some_and(truthy)),
        "raises_on_missing_nope" => metadata.get("nope").map(truthy).ok_or_else(|| "there is no nope".into()),
        "nested_author_ann" => Ok(metadata.pointer("/author/name").is_some_and(|name| name == "Ann")),
        "has_tag_food" => Ok(match metadata.get("tags") {
            Some(Value::Array(tags)) => tags.iter().any(|tag| tag == "food"),
            Some(Value::String(tags)) => tags.contains("food"),
            _ => false,
        }),
        _ => Err(format!("no filter function is called {name:?}")),
    }
}

fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Bool(b) => Ok(f64::from(u8::from(*b))),
        Value::Number(n) => n.as_f64().ok_or_else(|| format!("{n} is out of range")),
        other => Err(format!("{other} is not a number")),
    }
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn functions_do_what_the_cases_say() {
        assert_eq!(call("page_is_even", &json!({})), Ok(false));
        assert_eq!(call("page_is_even", &json!({"page": 4})), Ok(true));
        assert!(call("page_is_even", &json!({"page": "4"})).is_err());
        assert_eq!(call("lang_en_and_page_gt_2", &json!({"lang": "en"})), Ok(false));
        assert_eq!(call("lang_en_and_page_gt_2", &json!({"lang": "en", "page": 3})), Ok(true));
        assert_eq!(call("truthy_page", &json!({"page": 0})), Ok(false));
        assert_eq!(call("truthy_page", &json!({"page": 2})), Ok(true));
        assert!(call("raises_on_missing_nope", &json!({})).is_err());
        assert_eq!(call("nested_author_ann", &json!({"author": {"name": "Ann"}})), Ok(true));
        assert_eq!(call("nested_author_ann", &json!({"author": null})), Ok(false));
        assert_eq!(call("has_tag_food", &json!({"tags": ["x", "food"]})), Ok(true));
        assert!(call("unheard_of", &json!({})).is_err());
        for name in NAMES {
            assert!(call(name, &json!({"nope": 1})).is_ok(), "{name}");
        }
    }
}
