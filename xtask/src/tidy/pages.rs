//! Rules on the text of any file: machine paths, registries, addresses, links, SQL, numbering.
//! Invariant: it judges what is tracked, whatever the language.

use std::collections::BTreeMap;

use super::prose;
use super::rule::{Fault, Rule};
use super::tree::Text;

const MACHINE_PATHS: [&str; 3] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

const REGISTRIES: [&str; 10] = [
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "yarnpkg.com"),
    concat!("repo1.", "maven.org"),
    concat!("repo.", "maven.apache.org"),
    concat!("pypi.", "org/simple"),
    concat!("files.", "pythonhosted.org"),
    concat!("proxy.", "golang.org"),
    concat!("/arti", "factory/"),
];

const LOCK_SOURCE: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

/// Faults of one file, line by line.
pub fn check(file: &Text) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let mut fault = |rule, what| faults.push(Fault::new(rule, &file.path, index + 1, what));
        if let Some(path) = machine_path(line) {
            fault(Rule::MachinePath, format!("path of one machine ({path}..)"));
        }
        if let Some(host) = registry(&file.path, line) {
            fault(Rule::Registry, format!("address of a registry ({host})"));
        }
        if let Some(address) = email(line) {
            fault(Rule::Email, format!("e-mail address {address}"));
        }
        if is_npm_lock(&file.path) && line.trim_start().trim_matches('"').starts_with("resolved") {
            fault(
                Rule::NpmResolved,
                "a resolved address in a lock file".to_owned(),
            );
        }
        if let Some(call) = session_lock(&file.path, line) {
            fault(
                Rule::SessionLock,
                format!("session advisory lock {call}..)"),
            );
        }
        if file.ends_with(".md")
            && let Some(what) = prose::promise(line)
        {
            fault(Rule::Promise, what);
        }
    }
    faults
}

fn machine_path(line: &str) -> Option<&'static str> {
    MACHINE_PATHS.into_iter().find(|path| {
        line.match_indices(path).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}'))
        })
    })
}

fn registry(path: &str, line: &str) -> Option<String> {
    if path.ends_with("Cargo.lock") {
        let foreign = line.starts_with("source = ") && line != LOCK_SOURCE;
        return foreign.then(|| line.to_owned());
    }
    let cargo = path.ends_with("Cargo.toml") || path.starts_with(".cargo/");
    let settings = ["[source.", "replace-with", "registry =", "[registries."];
    let word = settings
        .into_iter()
        .find(|word| cargo && line.contains(word));
    let word = word.or_else(|| REGISTRIES.into_iter().find(|host| line.contains(host)));
    word.map(str::to_owned)
}

/// The first address (name, at-sign, host with a top-level domain) that is neither an example nor the user part of an address with `://`.
fn email(line: &str) -> Option<String> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    line.match_indices('@').find_map(|(at, _)| {
        let start = line[..at].rfind(|c| !part(c)).map_or(0, |at| at + 1);
        let start = (start..=at)
            .find(|index| line.is_char_boundary(*index))
            .unwrap_or(at);
        let host = &line[at + 1..];
        let host = &host[..host.find(|c| !part(c)).unwrap_or(host.len())];
        let host = host.trim_end_matches('.');
        let word_start = line[..at].rfind([' ', '"', '\'', '(', '<']).unwrap_or(0);
        let top = host.rsplit('.').next().unwrap_or_default();
        let plausible =
            host.contains('.') && top.len() > 1 && top.chars().all(|c| c.is_ascii_alphabetic());
        let example = [
            "example",
            "test",
            "invalid",
            "localhost",
            "local",
            "internal",
            "service",
        ]
        .contains(&top)
            || ["example.com", "example.org", "example.net"]
                .iter()
                .any(|name| host.ends_with(name));
        let is_email = start < at && plausible && !example && !line[word_start..at].contains("://");
        is_email.then(|| format!("{}@{host}", &line[start..at]))
    })
}

fn is_npm_lock(path: &str) -> bool {
    ["package-lock.json", "npm-shrinkwrap.json", "yarn.lock"]
        .iter()
        .any(|name| path.ends_with(name))
}

fn session_lock(path: &str, line: &str) -> Option<&'static str> {
    let calls = [
        concat!("pg_advisory", "_lock("),
        concat!("pg_try_advisory", "_lock("),
    ];
    let code = path.ends_with(".rs") || path.ends_with(".sql");
    calls.into_iter().find(|call| code && line.contains(call))
}

/// Faults that show only over all files: numbering, SQL that nobody includes, links.
pub fn check_tree(files: &[Text]) -> Vec<Fault> {
    let mut faults = sequence(files, "migrations/", ".sql", '_');
    faults.extend(sequence(files, "docs/adr/", ".md", '-'));
    faults.extend(orphans(files));
    faults.extend(
        files
            .iter()
            .filter(|file| file.ends_with(".md"))
            .flat_map(|page| links(page, files)),
    );
    faults
}

/// Files `NNNN<mark>what` of one folder, gap-free from 0001; README and template are no numbers.
fn sequence(files: &[Text], folder: &str, suffix: &str, mark: char) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut numbers: BTreeMap<usize, &str> = BTreeMap::new();
    for file in files {
        let Some(name) = file
            .path
            .strip_prefix(folder)
            .and_then(|name| name.strip_suffix(suffix))
        else {
            continue;
        };
        if matches!(name, "README" | "template") {
            continue;
        }
        let mut fault = |what: String| faults.push(Fault::new(Rule::Sequence, &file.path, 1, what));
        let number = name
            .split_once(mark)
            .filter(|(digits, what)| digits.len() == 4 && !what.is_empty());
        let Some(number) = number.and_then(|(digits, _)| digits.parse().ok()) else {
            fault(format!("`{name}{suffix}` is not NNNN{mark}what{suffix}"));
            continue;
        };
        if name.ends_with(".down") {
            fault("a way back".to_owned());
        }
        if let Some(other) = numbers.insert(number, &file.path) {
            fault(format!("number {number:04} is taken by {other}"));
        }
    }
    for (expected, (number, path)) in (1..).zip(numbers) {
        if expected != number {
            let what = format!("{number:04} comes where {expected:04} should be");
            faults.push(Fault::new(Rule::Sequence, path, 1, what));
            break;
        }
    }
    faults
}

/// SQL files beside the code must be named by some Rust file.
fn orphans(files: &[Text]) -> Vec<Fault> {
    let rust: Vec<&Text> = files.iter().filter(|file| file.ends_with(".rs")).collect();
    let lonely = files.iter().filter(|file| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let beside_code = file.path.contains("/src/") || file.path.contains("/tests/");
        file.ends_with(".sql") && beside_code && !rust.iter().any(|code| code.text.contains(name))
    });
    lonely
        .map(|file| Fault::new(Rule::OrphanSql, &file.path, 1, "no Rust file includes it"))
        .collect()
}

/// Relative links of a page must lead to a file or folder of the tree.
fn links(page: &Text, files: &[Text]) -> Vec<Fault> {
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut faults = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        for (at, _) in line.match_indices("](") {
            let target = line[at + 2..].split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let path = resolve(folder, target);
            let exists = files
                .iter()
                .any(|f| f.path == path || f.path.starts_with(&format!("{path}/")));
            if !exists {
                let what = format!("link to {target}, which is not there");
                faults.push(Fault::new(Rule::Link, &page.path, index + 1, what));
            }
        }
    }
    faults
}

fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
