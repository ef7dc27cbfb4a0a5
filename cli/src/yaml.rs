//! A JSON value as YAML 1.2, in blocks.
//!
//! Invariant: reads back as the same value: a text that could be taken for anything else is quoted,
//! and JSON's quoted texts are YAML's.

use serde_json::Value;

/// Words that some reader of YAML takes for a truth value or for nothing.
const NO_TEXTS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// One document, with a newline at its end.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    match scalar(value) {
        Some(scalar) => text.push_str(&scalar),
        None => block(value, 0, &mut text),
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// What stands on one line; `None` for a list or an object with members.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) if items.is_empty() => Some("[]".to_owned()),
        Value::Object(members) if members.is_empty() => Some("{}".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
        Value::String(text) => Some(quoted(text)),
        other => Some(other.to_string()),
    }
}

fn quoted(text: &str) -> String {
    let mut characters = text.chars();
    let plain = characters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        && !NO_TEXTS.contains(&text.to_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

/// Writes members or items, each line indented by `depth` steps but for the first: its place is
/// where the caller stands.
fn block(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let mut first = true;
    let mut begin = |text: &mut String| {
        if !std::mem::take(&mut first) {
            text.push_str(&indent);
        }
    };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                begin(text);
                text.push_str(&quoted(name));
                text.push(':');
                match scalar(member) {
                    Some(scalar) => text.push_str(&format!(" {scalar}\n")),
                    None => {
                        text.push('\n');
                        text.push_str(&"  ".repeat(depth + 1));
                        block(member, depth + 1, text);
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                begin(text);
                text.push_str("- ");
                match scalar(item) {
                    Some(scalar) => text.push_str(&format!("{scalar}\n")),
                    None => block(item, depth + 1, text),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_and_objects_are_blocks() {
        let value = json!({
            "data": [
                { "name": "a.example", "sans": ["a.example", "*.b"], "none": [] },
                { "name": "b", "version": { "serial": "0a", "generation": 2 } },
                [[1, 2], []],
            ],
            "has_more": false,
            "next_cursor": null,
        });
        let lines = [
            "data:",
            "  - name: a.example",
            "    none: []",
            "    sans:",
            "      - a.example",
            "      - \"*.b\"",
            "  - name: b",
            "    version:",
            "      generation: 2",
            "      serial: \"0a\"",
            "  - - - 1",
            "      - 2",
            "    - []",
            "has_more: false",
            "next_cursor: null",
            "",
        ];
        assert_eq!(document(&value), lines.join("\n"));
        assert_eq!(document(&json!([])), "[]\n");
        assert_eq!(document(&json!("x")), "x\n");
    }

    #[test]
    fn what_could_be_something_else_is_quoted() {
        for text in [
            "",
            "yes",
            "No",
            "1",
            "1.5",
            "2026-03-01",
            "a: b",
            "- a",
            "#a",
            "a\nb",
            "\u{1b}[2J",
            "~",
            "a b",
        ] {
            let shown = quoted(text);
            assert!(shown.starts_with('"') && shown.ends_with('"'), "{shown}");
            assert!(!shown.contains(['\n', '\u{1b}']), "{shown}");
        }
        for text in ["a.example", "cert_01hzy", "issued", "P-256"] {
            assert_eq!(quoted(text), text);
        }
    }
}
