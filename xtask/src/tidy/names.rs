//! Names of types, functions and files; headers; attributes that hide something.
//! Invariant: only names that this project chose are judged, never those of foreign traits.

use super::rule::{Fault, Rule};
use super::rust::Parsed;
use super::tree::Text;

const EMPTY_WORDS: [&str; 10] = [
    "Manager",
    "Managers",
    "Helper",
    "Helpers",
    "Util",
    "Utils",
    "Data",
    "Info",
    "Processor",
    "Misc",
];
const DRAWERS: [&str; 9] = [
    "util",
    "utils",
    "helper",
    "helpers",
    "manager",
    "processor",
    "misc",
    "info",
    "data",
];
const DOCUMENTED: [&str; 4] = [
    "connectors/spi",
    "shared/coordination",
    "shared/domain",
    "shared/queue",
];

/// Faults of one file.
pub fn check(file: &Text, parsed: &Parsed) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault =
        |rule, line, what: String| faults.push(Fault::new(rule, &file.path, line, what));
    if !file.text.starts_with("//!") {
        fault(Rule::Header, 1, "no module header".to_owned());
    }
    let stem = file
        .path
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".rs");
    if DRAWERS.contains(&stem) {
        fault(Rule::FileName, 1, format!("a file called {stem}.rs"));
    }
    for (name, line) in &parsed.types {
        let last = last_word(name);
        if EMPTY_WORDS.contains(&last) {
            fault(
                Rule::TypeName,
                *line,
                format!("type `{name}` ends in {last}"),
            );
        }
    }
    for function in parsed.functions.iter().filter(|function| function.own_name) {
        if function.name.starts_with("get_") {
            fault(
                Rule::GetPrefix,
                function.line,
                format!("function `{}`", function.name),
            );
        }
    }
    for attribute in &parsed.attributes {
        let text = &attribute.path;
        let eases = text.starts_with("allow(") || text.starts_with("expect(");
        if eases
            && ["dead_code", "unused"]
                .iter()
                .any(|lint| text.contains(lint))
        {
            fault(Rule::DeadCode, attribute.line, format!("attribute {text}"));
        } else if eases && !text.contains("reason=") && !attribute.test && !file.is_test() {
            fault(
                Rule::SilentAllow,
                attribute.line,
                format!("attribute {text}"),
            );
        }
    }
    let root_of_documented = DOCUMENTED
        .iter()
        .any(|crate_| file.path == format!("{crate_}/src/lib.rs"));
    if root_of_documented
        && !parsed
            .attributes
            .iter()
            .any(|a| a.path.contains("missing_docs"))
    {
        fault(
            Rule::MissingDocs,
            1,
            "missing_docs is not denied".to_owned(),
        );
    }
    faults
}

/// The last CamelCase word: `JobInfo` -> `Info`, `Metadata` -> `Metadata`.
fn last_word(name: &str) -> &str {
    let start = name.rfind(|c: char| c.is_uppercase()).unwrap_or(0);
    &name[start..]
}
