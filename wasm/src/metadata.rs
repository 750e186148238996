//! Metadata and filters between JavaScript and core.

use js_sys::{Array, BigInt, Object};
use twindex_core::{MAX_NESTING, Metadata, Value};
use wasm_bindgen::{JsCast, JsValue};

use crate::convert::{is_text, text};
use crate::js::{describe, digits_of, fields_of, list_of, set_own};

/// Why a value is not one that JSON has.
#[derive(Debug)]
pub enum Defect {
    /// It nests too deep, or contains itself.
    TooDeep,
    /// What is wrong, and where.
    Other(String),
}

/// More values than this in one document are a mistake, such as one object that is shared at every level of many.
const MAX_VALUES: usize = 1 << 20;

/// Whole numbers up to this size are told apart by a JavaScript number.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Reads a value as JSON has it. Nothing is coerced.
pub struct Reader {
    /// Where in the tree it is, for messages.
    path: Vec<Step>,
    left: usize,
    max_depth: usize,
    /// Bytes that what was read takes, about.
    pub weight: usize,
}

enum Step {
    Key(String),
    Item(u32),
}

impl Reader {
    /// For a filter, which may nest as deep as core allows.
    pub fn for_filter() -> Self {
        // A level of a filter takes up to three of values: `{$and: [{..}]}`. Core counts its own levels.
        Self { path: Vec::new(), left: MAX_VALUES, max_depth: 3 * MAX_NESTING + 3, weight: 0 }
    }

    /// For the metadata of a document, whose values stand at depth 1.
    pub fn for_metadata() -> Self {
        Self { path: Vec::new(), left: MAX_VALUES, max_depth: MAX_NESTING + 1, weight: 0 }
    }

    /// Reads an object; `None` if it is none.
    ///
    /// # Errors
    /// What is not as JSON has it, and where.
    pub fn object(&mut self, value: &JsValue) -> Result<Option<Metadata>, Defect> {
        let fields = fields_of(value).map_err(|thrown| self.unreadable(&thrown))?;
        if fields.is_undefined() {
            return Ok(None);
        }
        let fields: &Array = fields.unchecked_ref();
        let mut entries: Vec<(String, Value)> = Vec::with_capacity(fields.length() as usize / 2);
        for at in (0..fields.length()).step_by(2) {
            let name = text(&fields.get(at))
                .map_err(|_| self.defect("a key that is well-formed Unicode expected"))?;
            self.weight += name.len();
            self.path.push(Step::Key(name));
            let field = self.value(&fields.get(at + 1))?;
            let Some(Step::Key(name)) = self.path.pop() else { unreachable!("pushed above") };
            entries.push((name, field));
        }
        Ok(Some(entries.into_iter().collect()))
    }

    fn value(&mut self, value: &JsValue) -> Result<Value, Defect> {
        if self.path.len() >= self.max_depth {
            return Err(Defect::TooDeep);
        }
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| self.defect(&format!("at most {MAX_VALUES} values expected")))?;
        self.weight += size_of::<(Box<str>, Value)>();
        if is_text(value) {
            self.weight += value.unchecked_ref::<js_sys::JsString>().length() as usize;
            return text(value).map(Value::String).map_err(|_| self.defect("well-formed Unicode expected"));
        }
        if let Some(number) = value.as_f64() {
            if !number.is_finite() {
                return Err(self.defect(&format!("{} is not one that JSON has", describe(value))));
            }
            return Ok(Value::from(number));
        }
        if value.is_null() {
            return Ok(Value::Null);
        }
        if let Some(boolean) = value.as_bool() {
            return Ok(Value::Bool(boolean));
        }
        if value.is_bigint() {
            return self.big_integer(value);
        }
        let items = list_of(value).map_err(|thrown| self.unreadable(&thrown))?;
        if !items.is_undefined() {
            let items: &Array = items.unchecked_ref();
            let mut list = Vec::with_capacity(items.length() as usize);
            for at in 0..items.length() {
                self.path.push(Step::Item(at));
                list.push(self.value(&items.get(at))?);
                self.path.pop();
            }
            return Ok(Value::List(list));
        }
        match self.object(value)? {
            Some(map) => Ok(Value::Map(map)),
            None => Err(self.defect(&format!("{} is not a value that JSON has", describe(value)))),
        }
    }

    /// A bigint, where a number could not hold it: the same integer is always the same type, and the same bytes.
    fn big_integer(&self, value: &JsValue) -> Result<Value, Defect> {
        let digits = digits_of(value);
        let integer = digits.parse().map(Value::Int).or_else(|_| digits.parse::<u64>().map(Value::from)).ok();
        match integer {
            Some(integer) if integer.as_f64().is_some_and(|x| x.abs() > MAX_SAFE_INTEGER) => Ok(integer),
            Some(_) => {
                Err(self.defect(&format!("a number expected where one holds it, got {}", describe(value))))
            }
            None => {
                Err(self
                    .defect(&format!("an integer from -2^63 to 2^64 - 1 expected, got {}", describe(value))))
            }
        }
    }

    fn unreadable(&self, thrown: &JsValue) -> Defect {
        self.defect(&format!("cannot be read: {}", describe(thrown)))
    }

    fn defect(&self, what: &str) -> Defect {
        let mut place = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if place.is_empty() => place.push_str(key),
                Step::Key(key) => {
                    place.push('.');
                    place.push_str(key);
                }
                Step::Item(at) => place.push_str(&format!("[{at}]")),
            }
        }
        Defect::Other(if place.is_empty() { what.to_owned() } else { format!("{place}: {what}") })
    }
}

/// A value as JavaScript has it: integers that a number cannot hold are bigints.
pub fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Bool(b) => JsValue::from_bool(*b),
        Value::Int(n) if n.unsigned_abs() as f64 <= MAX_SAFE_INTEGER => JsValue::from_f64(*n as f64),
        Value::Int(n) => BigInt::from(*n).into(),
        Value::UInt(n) => BigInt::from(*n).into(),
        Value::Float(x) => JsValue::from_f64(*x),
        Value::String(text) => JsValue::from_str(text),
        Value::List(items) => items.iter().map(to_js).collect::<Array>().into(),
        Value::Map(map) => map_to_js(map),
    }
}

/// A map as an object with own properties.
pub fn map_to_js(map: &Metadata) -> JsValue {
    let object = Object::new();
    for (key, value) in map.iter() {
        if key == "__proto__" {
            set_own(&object, key, &to_js(value));
        } else {
            // Setting a property of a new, extensible object does not fail.
            let _ = js_sys::Reflect::set(&object, &JsValue::from_str(key), &to_js(value));
        }
    }
    object.into()
}
