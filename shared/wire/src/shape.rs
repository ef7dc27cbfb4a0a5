//! Finds every fault of a body's form at once; serde alone stops at the first.
//!
//! Invariant: a body without faults here is one that its request type can take.

use serde_json::Value;

use crate::{FieldError, private_key};

/// The most items of any list.
const LIST_MOST: usize = 10_000;

/// The form of a JSON value.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A text.
    Text,
    /// A whole number that fits 64 bits with sign.
    Whole,
    /// Any number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A list of one form.
    List(&'static Shape),
    /// An object with these fields and no others.
    Object(&'static [Field]),
}

/// A field of an object.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    shape: Shape,
    required: bool,
}

/// A field that must be there.
pub(crate) const fn required(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: true,
    }
}

/// A field that may be absent or null.
pub(crate) const fn optional(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: false,
    }
}

impl Shape {
    const fn word(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// All faults of the value, with JSON pointers.
    pub(crate) fn faults(self, value: &Value) -> Vec<FieldError> {
        let mut faults = Vec::new();
        self.collect("", value, &mut faults);
        faults
    }

    fn collect(self, pointer: &str, value: &Value, faults: &mut Vec<FieldError>) {
        match (self, value) {
            (Self::Text, Value::String(text)) => {
                if text.contains('\0') {
                    let detail = "holds a NUL character, which cannot be stored";
                    faults.push(FieldError::new(pointer, "nul_character", detail));
                }
                if private_key::is_in(text.as_bytes()) {
                    let (code, detail) = (private_key::CODE, private_key::DETAIL);
                    faults.push(FieldError::new(pointer, code, detail));
                }
            }
            (Self::Whole, Value::Number(number)) if number.is_i64() => {}
            (Self::Number, Value::Number(_)) | (Self::Bool, Value::Bool(_)) => {}
            (Self::List(_), Value::Array(items)) if items.len() > LIST_MOST => {
                let detail = format!("holds {} items, at most {LIST_MOST} are taken", items.len());
                faults.push(FieldError::new(pointer, "too_many_items", detail));
            }
            (Self::List(inner), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    inner.collect(&format!("{pointer}/{index}"), item, faults);
                }
            }
            (Self::Object(fields), Value::Object(map)) => {
                collect_object(fields, pointer, map, faults);
            }
            _ => {
                let detail = format!("must be {}", self.word());
                faults.push(FieldError::new(pointer, "wrong_type", detail));
            }
        }
    }
}

fn collect_object(
    fields: &'static [Field],
    pointer: &str,
    map: &serde_json::Map<String, Value>,
    faults: &mut Vec<FieldError>,
) {
    for field in fields {
        let at = format!("{pointer}/{}", field.name);
        match map.get(field.name) {
            None if field.required => {
                faults.push(FieldError::new(at, "missing_field", "must be given"));
            }
            None => {}
            Some(Value::Null) if !field.required => {}
            Some(value) => field.shape.collect(&at, value, faults),
        }
    }
    for name in map
        .keys()
        .filter(|name| fields.iter().all(|field| field.name != name.as_str()))
    {
        let nearest = certmill_settings::nearest(name, fields.iter().map(|field| field.name));
        let detail = match nearest {
            Some(word) => format!("is not known; did you mean `{word}`?"),
            None => "is not known".to_owned(),
        };
        // `~` and `/` have a meaning in JSON pointers (RFC 6901, section 3).
        let name: String = name.chars().take(64).collect();
        let name = name.replace('~', "~0").replace('/', "~1");
        faults.push(FieldError::new(
            format!("{pointer}/{name}"),
            "unknown_field",
            detail,
        ));
    }
}
