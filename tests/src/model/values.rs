//! How JSON values compare, by the table: deep equality, `true` is not `1`, numbers by exact value.

use std::cell::Cell;
use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Things seen while comparing that Python takes differently.
#[derive(Debug, Default)]
pub struct Notes {
    /// A boolean met a number, which Python would have compared as 0 or 1.
    pub boolean_met_number: Cell<bool>,
    /// Values of unlike types were ordered, where Python raises.
    pub unlike_types: Cell<bool>,
    /// Inner products were equal, which Python orders the other way round.
    pub tied_products: Cell<bool>,
}

/// Whether two values are the same data.
#[must_use]
pub fn equal(a: &Value, b: &Value, notes: &Notes) -> bool {
    match (a, b) {
        (Value::Bool(_), Value::Number(_)) | (Value::Number(_), Value::Bool(_)) => {
            notes.boolean_met_number.set(true);
            false
        }
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).filter(|(a, b)| equal(a, b, notes)).count() == a.len()
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b, notes)))
        }
        _ => a == b,
    }
}

/// The order of two values of one kind.
#[must_use]
pub fn order(a: &Value, b: &Value, notes: &Notes) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.chars().cmp(b.chars())),
        (Value::Array(a), Value::Array(b)) => {
            let differ = (0..a.len().min(b.len())).find(|&i| !equal(&a[i], &b[i], notes));
            match differ {
                Some(i) => order(&a[i], &b[i], notes),
                None => Some(a.len().cmp(&b.len())),
            }
        }
        (Value::Bool(_), Value::Number(_)) | (Value::Number(_), Value::Bool(_)) => {
            notes.boolean_met_number.set(true);
            None
        }
        _ => {
            notes.unlike_types.set(true);
            None
        }
    }
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn compare_numbers(a: &Number, b: &Number) -> Option<Ordering> {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => b.as_f64().map(|b| integer_with_float(a, b)),
        (None, Some(b)) => a.as_f64().map(|a| integer_with_float(b, a).reverse()),
        (None, None) => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// JSON floats are finite. The cast saturates far beyond every integer there can be.
fn integer_with_float(a: i128, b: f64) -> Ordering {
    a.cmp(&(b.floor() as i128)).then(if b.fract() == 0.0 { Ordering::Equal } else { Ordering::Less })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_compare_by_exact_value_and_not_with_booleans() {
        let notes = Notes::default();
        assert!(equal(&json!(1), &json!(1.0), &notes));
        assert!(!equal(&json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_740_992.0), &notes));
        assert_eq!(order(&json!(2), &json!(2.5), &notes), Some(Ordering::Less));
        assert_eq!(order(&json!(-2), &json!(-2.5), &notes), Some(Ordering::Greater));
        assert_eq!(order(&json!(u64::MAX), &json!(1e30), &notes), Some(Ordering::Less));
        assert!(!notes.boolean_met_number.get());
        assert!(!equal(&json!([1]), &json!([true]), &notes));
        assert!(notes.boolean_met_number.get());
    }

    #[test]
    fn lists_are_ordered_by_the_first_difference() {
        let notes = Notes::default();
        assert_eq!(order(&json!([1, "b"]), &json!([1, "a", 0]), &notes), Some(Ordering::Greater));
        assert_eq!(order(&json!([1]), &json!([1, 0]), &notes), Some(Ordering::Less));
        assert_eq!(order(&json!(["a"]), &json!([1]), &notes), None);
        assert!(notes.unlike_types.get());
    }
}
